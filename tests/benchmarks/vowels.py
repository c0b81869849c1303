"""The vowels of Jacobs, Jordan, Nowlan and Hinton (1991): accuracy for new speakers.

Run ``python -m tests.benchmarks.vowels``: four vowels of the recordings of Peterson and Barney
(1952), which have to lie in ``shared/data/peterson-barney.npz`` beside the checkout, split ten
times by speaker, 57 to train and 19 to test; with ``--quick`` three times. The mean over splits has
to be at least 0.9, the accuracy of the paper, which took about 1,100 epochs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier
from tests.benchmarks._accuracy_tables import FOLDER
from tests.benchmarks._timing import run_and_print, verdict

#: Fewest right answers, on average over splits, and most iterations of any fit.
ACCURACY, ITERATIONS = 0.9, 99

MODELS = {
    "softmax gate": MixtureOfExpertsClassifier(n_experts=4, random_state=0),
    "Gaussian gate": MixtureOfExpertsClassifier(n_experts=4, gate="gaussian", random_state=0),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
}


def recordings():
    """F1 and F2, vowels and speakers of the recordings, [i], [I], [a] and [A] alone."""
    table = np.load(FOLDER / "peterson-barney.npz")
    used = np.isin(table["y"], ["i", "I", "A", "V"])
    return table["X"][used, 1:3], table["y"][used], table["groups"][used]


def compare(quick=False):
    """A row for each model."""
    X, y, speakers = recordings()
    splits = GroupShuffleSplit(3 if quick else 10, test_size=19, random_state=1)
    splits = list(splits.split(X, y, speakers))
    return [_row(name, model, X, y, splits) for name, model in MODELS.items()]


def _row(name, model, X, y, splits):
    scores, iterations = [], []
    for train, test in splits:
        scores.append(model.fit(X[train], y[train]).score(X[test], y[test]))
        iterations.append(getattr(model, "n_iter_", 0))
    accuracy = float(np.mean(scores))
    return {
        "model": name, "accuracy": accuracy, "worst split": float(min(scores)),
        "is": verdict(ACCURACY, accuracy),
        "iterations": max(iterations), "are": verdict(max(iterations), ITERATIONS),
    }  # fmt: skip


TABLES = {"Vowels of new speakers": compare}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
