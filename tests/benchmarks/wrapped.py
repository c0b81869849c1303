"""What a mixture adds to the cost of its parts: a fit over the gate and expert fits inside it.

Run ``python -m tests.benchmarks.wrapped`` or ``python tests/benchmarks/wrapped.py``. Experts and
gates are subclasses that note the time spent in their own ``fit``; what is left is the mixture's
own work and the predictions that it asks for, and it counts against the mixture. A second table
compares two processes with one, and needs two idle cores.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import functools
import time
import warnings

from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from tests.benchmarks._timing import fastest, run_and_print, seconds, verdict
from tests.golden.problems import simulated

LIMIT = 1.15
PARALLEL_LIMIT = 0.6
ROWS = {True: 2_000, False: 20_000}


class Stopwatch:
    """Sums the seconds and the calls of the functions it wraps."""

    def __init__(self):
        self.seconds, self.calls = 0.0, 0

    def wrap(self, function):
        """Return `function`, timed."""

        @functools.wraps(function)
        def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.calls += 1

        return timed


def timed_class(cls, **watches):
    """Subclass of an estimator whose methods are timed.

    Parameters
    ----------
    cls : type
    **watches : Stopwatch
        By the name of the method that each times.

    Returns
    -------
    type
    """
    methods = {name: watch.wrap(getattr(cls, name)) for name, watch in watches.items()}
    return type(cls.__name__, (cls,), {**methods, "__module__": cls.__module__})


def timed_softmax(watch):
    """Softmax gate whose fits are timed, and the Newton steps that EM takes in their place."""

    def em_trainer(self, *args):
        trainer = SoftmaxGate.em_trainer(self, *args)
        trainer.update = watch.wrap(trainer.update)
        return trainer

    cls = timed_class(SoftmaxGate, fit=watch)
    cls.em_trainer = em_trainer
    return cls()


def timed_classifier(watch):
    """Logistic regression as a gate, its own fits timed: to repeat rows for it is our work."""
    return timed_class(LogisticRegression, fit=watch)(max_iter=50)


CASES = {
    "tree, depth 6": (DecisionTreeRegressor, {"max_depth": 6}, timed_softmax, {}),
    "tree, leaves of 5": (DecisionTreeRegressor, {"min_samples_leaf": 5}, timed_softmax, {}),
    "tree, logistic gate": (DecisionTreeRegressor, {"max_depth": 6}, timed_classifier, {}),
    "forest of 20": (
        RandomForestRegressor,
        {"n_estimators": 20, "min_samples_leaf": 20},
        timed_softmax,
        {"n_init": 1, "max_iter": 3},
    ),
    "boosting, 50 rounds": (
        HistGradientBoostingRegressor,
        {"max_iter": 50},
        timed_softmax,
        {"n_init": 1, "max_iter": 3},
    ),
}


def wrapped(quick=False):
    """One row for each kind of expert."""
    return [_wrapped_row(label, ROWS[quick], *case) for label, case in CASES.items()]


def _wrapped_row(label, n, cls, parameters, make_gate, settings):
    X, y, _ = simulated(n, 10, 4, seed=0)
    fits, answers, gates = Stopwatch(), Stopwatch(), Stopwatch()
    expert = timed_class(cls, fit=fits, predict=answers)(**parameters, random_state=0)
    settings = {"max_iter": 10} | settings
    model = MixtureOfExpertsRegressor(
        expert, n_experts=4, gate=make_gate(gates), random_state=0, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        took = seconds(lambda: model.fit(X, y))
    ratio = took / (fits.seconds + gates.seconds)
    return {
        "experts": label, "n": n,
        "fit, s": took,
        "expert fits, s": fits.seconds, "calls": fits.calls,
        "gate fits, s": gates.seconds,
        "expert predictions, s": answers.seconds,
        "ratio": ratio, "limit": LIMIT, "": verdict(ratio, LIMIT),
    }  # fmt: skip


def parallel(quick=False):
    """One row for each number of processes, with the same forests."""
    n, repeats = ROWS[quick], 1 if quick else 3
    X, y, _ = simulated(n, 10, 4, seed=0)
    rows = [_parallel_row(X, y, n_jobs, repeats) for n_jobs in (1, 2)]
    ratio = rows[1]["fit, s"] / rows[0]["fit, s"]
    rows[1] |= {"ratio": ratio, "limit": PARALLEL_LIMIT, "": verdict(ratio, PARALLEL_LIMIT)}
    return rows


def _parallel_row(X, y, n_jobs, repeats):
    forest = RandomForestRegressor(100, min_samples_leaf=20)
    model = MixtureOfExpertsRegressor(
        forest, n_experts=4, n_init=1, max_iter=3, n_jobs=n_jobs, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        took = fastest(lambda: model.fit(X, y), repeats)
    reached = f"{model.lower_bound_:.12f}"
    return {"n": len(y), "processes": n_jobs, "fit, s": took, "objective": reached}


TABLES = {
    "A fit over the gate and expert fits inside it": wrapped,
    "Four forests of 100 trees, two processes over one": parallel,
}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
