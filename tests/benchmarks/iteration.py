"""Cost of one EM iteration: against the products it needs, and as the rows grow.

Run ``python -m tests.benchmarks.iteration`` or ``python tests/benchmarks/iteration.py``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import itertools
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._timing import run_and_print, seconds, verdict
from tests.benchmarks.products import fastest_products, shapes
from tests.golden.problems import simulated

PRODUCTS_LIMIT = 3.0
GROWTH_LIMIT = 1.1
ITERATIONS = (5, 25)


def overlapping(n, d, n_experts, seed=0):
    """A simulated mixture blurred so that EM is far from its end after `ITERATIONS`.

    Returns
    -------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    resp : ndarray of shape (n, K)
        Random starting responsibilities.
    """
    X, y, _ = simulated(n, d, n_experts, seed)
    rng = np.random.default_rng(seed + 1)
    y = y + y.std() * rng.standard_normal(n)
    return X, y, rng.dirichlet(np.ones(n_experts), size=n)


def _fit(X, y, resp, max_iter):
    """Fit for a number of iterations, whatever the gain."""
    model = MixtureOfExpertsRegressor(
        n_experts=resp.shape[1], init=resp, n_init=1, tol=0.0, max_iter=max_iter, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def seconds_per_iteration(X, y, resp, repeats=5, iterations=ITERATIONS):
    """Difference in time of a long and a short fit over their difference in iterations.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    resp : ndarray of shape (n, K)
    repeats : int
        The fastest of so many fits counts; long and short ones take turns.
    iterations : tuple of int
        ``max_iter`` of the short and of the long fit.

    Returns
    -------
    float
    """
    done = [_fit(X, y, resp, max_iter).n_iter_ for max_iter in iterations]
    times = [[seconds(lambda m=m: _fit(X, y, resp, m)) for m in iterations] for _ in range(repeats)]
    short, long = np.min(times, axis=0)
    return (long - short) / (done[1] - done[0])


def against_products(quick=False):
    """One iteration over the K weighted products, each formed at its fastest."""
    return [_against_products(*shape, 3 if quick else 7) for shape in shapes(quick)]


def _against_products(n, d, n_experts, repeats):
    iteration = seconds_per_iteration(*overlapping(n, d, n_experts), repeats=repeats)
    products = fastest_products(n, d, n_experts)
    ratio = iteration / products["seconds"]
    return {
        "n": n, "d": d, "K": n_experts,
        "iteration, ns a row": 1e9 * iteration / n,
        "products, ns a row": products["ns_per_row"],
        "fastest form": f"{products['form']}, {products['block']} rows",
        "ratio": ratio, "limit": PRODUCTS_LIMIT, "": verdict(ratio, PRODUCTS_LIMIT),
    }  # fmt: skip


def growth(quick=False):
    """Time of an iteration as n grows; ``exponent`` is of n, from the row above."""
    rows = [_growth_row(n, quick) for n in ((10**3, 10**4, 10**5) if quick else GROWTH_ROWS)]
    for before, row in itertools.pairwise(rows):
        row["ratio a row"] = row["ns a row"] / before["ns a row"]
        row["exponent"] = 1.0 + np.log(row["ratio a row"]) / np.log(row["n"] / before["n"])
        row["limit"] = GROWTH_LIMIT
        row[""] = verdict(row["exponent"], GROWTH_LIMIT)
    return rows


GROWTH_ROWS = (10**4, 10**5, 10**6)


def _growth_row(n, quick, d=10, n_experts=4):
    repeats = 2 if quick or n > 10**5 else 7
    took = seconds_per_iteration(*overlapping(n, d, n_experts), repeats=repeats)
    return {"n": n, "d": d, "K": n_experts, "seconds": took, "ns a row": 1e9 * took / n}


TABLES = {
    "One EM iteration over its K weighted products X'W_kX": against_products,
    "One EM iteration as the rows grow": growth,
}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
