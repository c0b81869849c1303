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

from itertools import product

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

#: Numbers of the first woman and the first child.
FIRST = (34, 62)

HEIGHTS = {"high": "iI", "low": "AV"}

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


def spreads(quick=False):
    """Standard deviations of log formants, from which those of `make_vowels` are rounded."""
    X, y, speakers = recordings()
    kinds = np.digitize(speakers.astype(int), FIRST)
    Z = np.log(X)
    for kind, vowel in product(range(3), "iIAV"):
        rows = (kinds == kind) & (y == vowel)
        Z[rows] -= Z[rows].mean(axis=0)
    return [row for height, pair in HEIGHTS.items() for row in _spreads(height, pair, Z, y)]


def _spreads(height, pair, Z, y):
    # Both lie sorted by speaker: speakers, vowels, repetitions, formants.
    Z = np.stack([Z[y == vowel].reshape(-1, 2, 2) for vowel in pair], axis=1)
    again = Z.var(axis=2, ddof=1).mean(axis=(0, 1))
    own = Z.mean(axis=2).var(axis=1, ddof=1).mean(axis=0)
    of_speakers = Z.mean(axis=(1, 2))
    between = of_speakers.var(axis=0) - own / 2
    correlation = np.cov(of_speakers.T)[0, 1] / np.sqrt(between.prod())
    parts = {"between speakers": between, "own vowel": own - again / 2, "repetition": again}
    rows = [
        {"vowels": height, "deviation": name, "F1": float(f1), "F2": float(f2)}
        for name, (f1, f2) in {name: np.sqrt(part) for name, part in parts.items()}.items()
    ]
    rows[0]["correlation"] = float(correlation)
    return rows


TABLES = {"Vowels of new speakers": compare, "Spreads of log formants": spreads}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
