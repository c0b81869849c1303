"""Parameters of simulated mixtures come back at the root-n rate."""

from functools import lru_cache
from itertools import permutations

import numpy as np
import pytest

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian
from tests.golden.problems import simulated
from tests.oracles.likelihood import (
    flatten,
    hessian,
    log_likelihood,
    regression_arrays,
    regression_terms,
)

D, K = 2, 2


@lru_cache
def population(seed):
    """A table that is large enough to draw independent samples from."""
    return simulated(100_000, D, K, seed)


def fit(n, seed, truth_seed=5):
    """Estimates aligned with the truth, as vectors, and the table they come from."""
    X, y, truth = population(truth_seed)
    rows = np.random.default_rng(seed).choice(len(y), n, replace=False)
    X, y = X[rows], y[rows]
    model = MixtureOfExpertsRegressor(
        n_experts=K,
        gate=SoftmaxGate(alpha=0),
        response=Gaussian(prior=0),
        tol=1e-9,
        max_iter=1000,
        n_init=3,
        random_state=seed,
    ).fit(X, y)
    true = [
        truth[name].copy() for name in ("gate_coef", "gate_intercept", "coef", "intercept", "sigma")
    ]
    true[-1] = np.log(true[-1])
    found = regression_arrays(model)
    order = min(
        (list(order) for order in permutations(range(K))),
        key=lambda order: np.abs(found[2][order] - true[2]).sum(),
    )
    return [identified(a[order] for a in found), identified(true), X, y]


def identified(arrays):
    """Gate parameters relative to the first expert: those the likelihood identifies."""
    gate, gate0, *rest = arrays
    return [gate[1:] - gate[:1], gate0[1:] - gate0[:1], *rest]


def standard_errors(arrays, X, y):
    vector, restore = flatten(arrays)

    def objective(v):
        gate, gate0, *rest = restore(v)
        gate = np.vstack([np.zeros((1, D)), gate])
        return log_likelihood(regression_terms([gate, np.append(0.0, gate0), *rest], X, y))

    return np.sqrt(np.diag(np.linalg.inv(-hessian(objective, vector))))


@pytest.mark.slow
def test_z_scores_have_unit_mean_square():
    scores = []
    for seed in range(30):
        found, true, X, y = fit(800, seed)
        error = flatten(found)[0] - flatten(true)[0]
        scores.append(error / standard_errors(found, X, y))
    mean_square = np.square(scores).mean(axis=0)
    assert mean_square.min() > 0.5
    assert mean_square.max() < 1.8


@pytest.mark.slow
def test_four_times_the_rows_halve_the_errors():
    errors = {
        n: np.mean(
            [
                np.square(flatten(f)[0] - flatten(t)[0])
                for f, t, *_ in (fit(n, s) for s in range(40))
            ]
        )
        for n in (500, 2000)
    }
    assert 1.5 < np.sqrt(errors[500] / errors[2000]) < 2.7
