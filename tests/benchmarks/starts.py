"""How far the default starts end below many starts, where EM has many optima.

Run ``python -m tests.benchmarks.starts``. Three classes under logistic experts: nats a row between
the fit and the best of 200 starts, for five seeds; the median has to be at most 0.01 in 9 of the 10
simulated tables. Tables of the folder ``shared/data`` beside the checkout follow where it is there.
Counts and positive numbers by indicators: nats of all rows below ``n_init=100``, for six seeds; the
median has to be at most one. Seconds are those of the processor. ``--quick`` takes few starts.
"""

import sys
import time
import warnings
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OrdinalEncoder

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from tests._hard_tables import INDICATORS, THREE_CLASSES
from tests.benchmarks._accuracy_tables import FOLDER, load
from tests.benchmarks._timing import run_and_print, verdict

NEAR, NEAR_IN_ALL = 0.01, 1.0
NEEDED = 9


def fit_labels(X, y, n_experts, seed, n_init: Literal["auto"] | int = "auto"):
    """Fit logistic experts with the priors named."""
    return MixtureOfExpertsClassifier(
        LogisticRegression(),
        n_experts,
        gate=SoftmaxGate(alpha=0.1),
        n_init=n_init,
        random_state=seed,
    ).fit(X, y)


def fit_law(law, X, y, n_experts, seed, n_init: Literal["auto"] | int = "auto"):
    """Fit the default experts of a law."""
    return MixtureOfExpertsRegressor(
        n_experts=n_experts,
        response=law,
        gate=SoftmaxGate(alpha=0.1),
        n_init=n_init,
        random_state=seed,
    ).fit(X, y)


def _compare(name, fit, seeds, n_starts, per_row):
    """One row: objectives of fits below the best of many starts; nats a row, or of all rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        fits = [fit(seed) for seed in range(seeds)]
        took = (time.process_time() - began) / seeds
        many = fit(100, n_starts)
    gaps = [per_row * (many.lower_bound_ - model.lower_bound_) for model in fits]
    return {
        "table": name,
        f"best of {n_starts}": many.lower_bound_,
        "median gap": float(np.median(gaps)),
        "worst gap": float(max(gaps)),
        "starts": len(fits[0].starts_),
        "iterations": sum(start["n_iter"] for start in fits[0].starts_),
        "seconds a fit": took,
    }


def three_classes(quick=False):
    """One row a simulated table, then how many have ended near the best."""
    rows = []
    for name, draw in THREE_CLASSES.items():
        X, y, n_experts = draw()

        def fit(seed, n_init="auto", X=X, y=y, n_experts=n_experts):
            return fit_labels(X, y, n_experts, seed, n_init)

        rows.append(_compare(name, fit, 2 if quick else 5, 20 if quick else 200, 1.0))
    near = sum(row["median gap"] <= NEAR for row in rows)
    return [*rows, {"table": f"{near} of {len(rows)} near", "": verdict(NEEDED, near)}]


def _real():
    """Yield names and training rows of the tables of the folder."""
    if not FOLDER.is_dir():
        return
    for name in ("vowel", "peterson-barney", "segment"):
        problem = load(name, 1)
        train = problem.splits[0][0]
        yield name, problem.X[train], problem.y[train]
    table = np.genfromtxt(FOLDER / "tables" / "cmc.csv", delimiter=",", skip_header=1, dtype=str)
    yield "cmc", OrdinalEncoder().fit_transform(table[:, :-1]), table[:, -1]


def real_tables(quick=False):
    """One row a table, with the columns as they are and four experts."""
    rows = []
    for name, X, y in _real():
        scale = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)

        def fit(seed, n_init="auto", X=X, y=y):
            return fit_labels(X, y, 4, seed, n_init)

        rows.append(_compare(name, fit, 2 if quick else 3, 6 if quick else 40, 1.0))
    return rows


def indicators(quick=False):
    """One row a law and table."""
    rows = []
    for name, (law, draw) in INDICATORS.items():
        X, y, n_experts = draw()

        def fit(seed, n_init="auto", law=law, X=X, y=y, n_experts=n_experts):
            return fit_law(law, X, y, n_experts, seed, n_init)

        row = _compare(name, fit, 2 if quick else 6, 20 if quick else 100, float(len(y)))
        rows.append(row | {"": verdict(row["median gap"], NEAR_IN_ALL)})
    return rows


TABLES = {
    "Three classes, nats a row": three_classes,
    "Classes of real tables, nats a row": real_tables,
    "Indicators, nats of all rows": indicators,
}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
