"""Anderson's mixing: fewer iterations to the same optimum, and never a fall."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

import skmoe._search
from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.responses import Gaussian
from tests.oracles.groups import constant_gate, em

N = 2000

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")


def overlapping(seed, n=N, d=2, n_experts=4):
    """Experts so close to one another that plain EM crawls, and responsibilities to start from."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    gate, slopes = rng.standard_normal((2, n_experts, d))
    scores = X @ gate.T + rng.gumbel(size=(n, n_experts))
    expert = scores.argmax(axis=1)
    y = (X * slopes[expert]).sum(axis=1) + rng.standard_normal(n_experts)[expert]
    y += 0.7 * rng.standard_normal(n)
    start = X @ rng.standard_normal((d, n_experts)) + y[:, None] * rng.standard_normal(n_experts)
    start = np.exp(0.5 * (start - start.max(axis=1, keepdims=True)))
    return X, y, start / start.sum(axis=1, keepdims=True)


def both(model, X, y, init):
    """Fit a mixture from the same start by plain and by accelerated EM."""
    params = {"init": init, "max_iter": 20_000, "tol": 1e-9}
    fits = [model.set_params(accelerate=on, **params).fit(X, y) for on in (False,)]
    plain = {"n_iter": fits[0].n_iter_, "bounds": fits[0].lower_bounds_}
    fast = model.set_params(accelerate=True).fit(X, y)
    return plain, {"n_iter": fast.n_iter_, "bounds": fast.lower_bounds_}


def check_pairs(pairs):
    """At most a third of the iterations, at the same objective or a higher one."""
    steps = np.array([[plain["n_iter"], fast["n_iter"]] for plain, fast in pairs])
    assert steps[:, 1].sum() <= steps[:, 0].sum() / 3
    assert np.median(steps[:, 1] / steps[:, 0]) <= 1 / 3
    for plain, fast in pairs:
        assert fast["bounds"][-1] >= plain["bounds"][-1] - 1e-6
        check_ascent(fast["bounds"])


def check_ascent(bounds):
    changes = np.diff(bounds) / (1.0 + np.abs(bounds[1:]))
    assert changes.min(initial=np.inf) >= -1e-9
