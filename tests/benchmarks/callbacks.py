"""The share of a fit that callbacks and `verbose` cost while neither is set.

Run ``python -m tests.benchmarks.callbacks``. Two clocks of whole fits would not see a part in a
thousand. So all that runs for a possible monitor is clocked alone, as often as the fit runs it:
the wrapper of ``fit``, the frame of every run and the hooks of every iteration.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

from collections import deque
from itertools import islice, repeat

from sklearn.base import BaseEstimator
from sklearn.datasets import load_diabetes, load_iris

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._fit.progress import monitoring
from skmoe._sklearn import CALLBACKS, callback_context, with_callbacks
from skmoe.datasets import make_moe_regression
from skmoe.em._search import _monitored
from tests.benchmarks._timing import fastest, run_and_print, verdict

#: Largest share of a fit.
LIMIT = 0.01


class Door(*CALLBACKS, BaseEstimator):
    """Does nothing but what `fit` does for callbacks: so many runs of so many iterations."""

    @with_callbacks
    def fit(self, runs, iterations):
        """Take the frames and hooks of a fit."""
        with monitoring(callback_context(self), {}, None, None, 0) as monitor:
            for _ in range(runs):
                with monitor.run("", None, iterations) as each:
                    deque(islice(_monitored(repeat(None), each, 0), iterations), maxlen=0)
        return self


def paid(name, model, X, y, repeats):
    """One row: seconds of a fit, and of what it runs for a possible monitor."""
    whole = fastest(lambda: model.fit(X, y), repeats)
    runs = 3 * len(model.starts_)  # a start is run shortly, for longer, and to the end
    iterations = sum(start["n_iter"] for start in model.starts_)
    for_others = fastest(lambda: Door().fit(runs, iterations // runs + 1), repeats)
    share = for_others / whole
    return {
        "table": name, "iterations": iterations,
        "fit ms": 1e3 * whole, "hooks ms": 1e3 * for_others,
        "share": share, "is": verdict(share, LIMIT),
    }  # fmt: skip


def shares(quick=False):
    """Rows for a few tables."""
    repeats, n = (2, 2000) if quick else (7, 20_000)
    regressor = MixtureOfExpertsRegressor(random_state=0)
    classifier = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    large = make_moe_regression(n, 10, n_experts=4, random_state=0)
    return [
        paid("iris", classifier, *load_iris(return_X_y=True), repeats),
        paid("diabetes", regressor, *load_diabetes(return_X_y=True), repeats),
        paid(f"{n} simulated rows", regressor, *large, repeats),
    ]


TABLES = {"Callbacks that nobody has set": shares}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
