"""Seconds of a whole default fit, its starts included, beside those of a bare Ridge.

Run ``python -m tests.benchmarks.fits`` or ``python tests/benchmarks/fits.py``. The worst of a few
seeds counts; the limits are seconds on one core of about 50 Gflop/s, otherwise idle.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from tests.benchmarks._timing import fastest, run_and_print, seconds, verdict

COLUMNS = 8

#: Rows, experts, kind of expert, of gate, and the most seconds that are asked for.
CASES = [
    (1_000, 8, "linear", "linear", 0.5),
    (8_000, 16, "quadratic", "linear", 5.0),
    (8_000, 16, "quadratic", "quadratic", None),
]


def fits(quick=False):
    """One row for each case."""
    return [_row(*case, seeds=1 if quick else 3) for case in CASES[: 1 if quick else None]]


def _row(rows, n_experts, expert, gate, limit, seeds):
    X, y = _bent_planes(rows)
    model = MixtureOfExpertsRegressor(
        _of_degree(expert, Ridge(0.1)), n_experts=n_experts, gate=_of_degree(gate, SoftmaxGate())
    )
    took = max(
        seconds(lambda s=s: model.set_params(random_state=s).fit(X, y)) for s in range(seeds)
    )
    alone = _of_degree(expert, Ridge(0.1))
    return {
        "rows": rows,
        "experts": f"{n_experts} {expert}",
        "gate": gate,
        "seconds": took,
        "limit": "" if limit is None else limit,
        "over Ridge": took / fastest(lambda: alone.fit(X, y)),
        "": "" if limit is None else verdict(took, limit),
    }


def _of_degree(degree, last):
    if degree == "linear":
        return last
    squares = PolynomialFeatures(2, include_bias=False)
    return make_pipeline(StandardScaler(), squares, StandardScaler(), last)


def _bent_planes(rows):
    """A surface that neither one plane nor sixteen quadratics meet exactly."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, COLUMNS))
    mean = np.sin(2 * X[:, 0]) * X[:, 1] + np.abs(X[:, 2]) * X[:, 3]
    return X, mean + 0.2 * rng.normal(size=rows)


TABLES = {f"Whole default fits, {COLUMNS} columns": fits}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
