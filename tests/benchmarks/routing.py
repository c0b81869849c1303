"""What routing saves: prediction by a few experts a row, and training on rows of their own.

Run ``python -m tests.benchmarks.routing`` or ``python tests/benchmarks/routing.py``. All ratios
compare times taken in this one run, on one thread.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import warnings

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._timing import fastest, run_and_print, seconds, verdict

N_ROWS = {True: 20_000, False: 100_000}
N_EXPERTS = 16

#: Of dense prediction by forests without the gate, which is paid in any case.
SHARES = {1: 1.5 / 16, 2: 2.5 / 16}
#: Of dense prediction by linear experts.
LINEAR = 1.2
#: Of soft training of eight experts.
HARD = 1 / 3

EXPERTS = {
    "forest of 30": RandomForestRegressor(30, min_samples_leaf=5, random_state=0),
    "linear": None,
}
TRAINED = {
    "tree": DecisionTreeRegressor(min_samples_leaf=5, random_state=0),
    "forest of 10": RandomForestRegressor(10, random_state=0),
    "support vectors": SVR(),
}


def pieces(n, n_features=10, seed=0):
    """Rows of eight pieces, cut at zero along three columns, each with slopes of its own."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, n_features))
    piece = (X[:, :3] > 0) @ [4, 2, 1]
    slopes = 3 * rng.standard_normal((8, n_features))
    return X, (X * slopes[piece]).sum(axis=1) + 0.2 * rng.standard_normal(n)


def prediction(quick=False):
    """One row for each kind of expert and each number of experts asked."""
    return [row for label in EXPERTS for row in _prediction_rows(label, N_ROWS[quick])]


def _prediction_rows(label, n):
    X, y = pieces(n)
    model = MixtureOfExpertsRegressor(
        EXPERTS[label], N_EXPERTS, n_init=1, max_iter=3, tol=0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:20_000], y[:20_000])
    gate = fastest(lambda: model.gate_proba(X), repeats=3)
    dense = fastest(lambda: model.predict(X), repeats=3)
    rows = [{"experts": label, "n": n, "gate, s": gate, "top_k": "all", "predict, s": dense}]
    for top_k in (1, 2, 4, 8):
        model.set_params(top_k=top_k)
        took = fastest(lambda: model.predict(X), repeats=3)
        row = {"experts": label, "n": n, "gate, s": gate, "top_k": top_k, "predict, s": took}
        if EXPERTS[label] is None:
            row |= {"ratio": took / dense, "limit": LINEAR}
        else:
            row |= {"ratio": (took - gate) / (dense - gate), "limit": SHARES.get(top_k, 1.0)}
        rows.append(row | {"": verdict(row["ratio"], row["limit"])})
    return rows


def training(quick=False):
    """Hard over soft training of eight experts, for as many iterations from the same start."""
    sizes = {"support vectors": 4_000}
    return [_training_row(label, 4_000 if quick else sizes.get(label, 40_000)) for label in TRAINED]


def _training_row(label, n):
    X, y = pieces(n)
    took = {}
    for top_k in (None, 1):
        model = MixtureOfExpertsRegressor(
            TRAINED[label], 8, top_k=top_k, init="kmeans", n_init=1, max_iter=4, tol=0,
            random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            took[top_k] = seconds(lambda model=model: model.fit(X, y)) / len(model.lower_bounds_)
    ratio = took[1] / took[None]
    return {
        "experts": label, "n": n,
        "soft, s per iteration": took[None], "hard": took[1],
        "ratio": ratio, "limit": HARD, "": verdict(ratio, HARD),
    }  # fmt: skip


TABLES = {
    f"Prediction with {N_EXPERTS} experts over dense (forests: gate not counted)": prediction,
    "Hard over soft training of 8 experts": training,
}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
