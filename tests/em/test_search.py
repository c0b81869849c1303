"""EM climbs, and ends at an optimum of the likelihood that it states."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian
from tests.golden.problems import PROBLEMS, golden, problem, random_responsibilities
from tests.oracles.likelihood import (
    classification_arrays,
    classification_terms,
    flatten,
    gradient,
    log_likelihood,
    regression_arrays,
    regression_terms,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:EM did not converge", "ignore:no rows were left:UserWarning"
)


def random_problem(number):
    """A table with weights and a start of one of many shapes; even numbers are regressions."""
    rng = np.random.default_rng(number)
    n, d, n_experts = rng.integers(20, 300), rng.integers(1, 6), rng.integers(2, 6)
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-3, 3, d) + rng.standard_normal(d)
    init = rng.dirichlet(np.ones(n_experts), n)
    weights = rng.uniform(0.1, 3.0, n) if number % 3 == 0 else None
    if number % 2:
        y = rng.integers(0, rng.integers(2, 5), n)
        y[:2] = 0, 1
        experts = [None, LogisticRegression(C=10.0)][number // 2 % 2]
        model = MixtureOfExpertsClassifier(experts, n_experts, init=init)
    else:
        y = rng.standard_normal((n, 2) if number % 5 == 0 else n) + X[:, :1].reshape(n, -1)[:, 0:1]
        y = y if number % 5 == 0 else y[:, 0]
        experts = [None, Ridge(3.0)][number // 2 % 2]
        response = Gaussian(shared=bool(number % 7 == 0))
        model = MixtureOfExpertsRegressor(experts, n_experts, init=init, response=response)
    return model.set_params(tol=1e-7, max_iter=150), X, y, weights


@pytest.mark.parametrize(
    ("top_k", "numbers"), [(None, range(17)), (2, range(17, 34)), (1, range(34, 51))]
)
def test_the_objective_never_falls(top_k, numbers):
    worst = np.inf
    for number in numbers:
        model, X, y, weights = random_problem(number)
        model.set_params(top_k=top_k).fit(X, y, sample_weight=weights)
        changes = np.diff(model.lower_bounds_)
        scale = 1.0 + np.abs(model.lower_bounds_[1:])
        worst = min(worst, (changes / scale).min(initial=np.inf))
        assert model.lower_bound_ == model.lower_bounds_.max()
    assert worst >= -1e-9


@pytest.mark.parametrize("seed", range(3))
def test_a_regression_ends_at_an_optimum(seed):
    X, y = make_moe_regression(600, 3, n_experts=3, noise=1.0, separation=4.0, random_state=seed)
    model = MixtureOfExpertsRegressor(
        n_experts=3,
        gate=SoftmaxGate(alpha=0),
        response=Gaussian(prior=0, floor=1e-6),
        tol=1e-9,
        max_iter=3000,
        random_state=seed,
    ).fit(X, y)
    vector, restore = flatten(regression_arrays(model))

    def objective(v):
        return log_likelihood(regression_terms(restore(v), X, y))

    assert_optimal(objective, vector, len(y))
    np.testing.assert_allclose(model.lower_bound_ * len(y), objective(vector), rtol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_a_classification_ends_at_an_optimum(seed):
    X, y = make_moe_classification(
        600, 3, n_experts=2, n_classes=3, separation=3.0, random_state=seed
    )
    alpha, C = 0.5, 2.0
    model = MixtureOfExpertsClassifier(
        LogisticRegression(C=C),
        n_experts=2,
        gate=SoftmaxGate(alpha=alpha),
        tol=1e-9,
        max_iter=5000,
        random_state=seed,
    ).fit(X, y)
    codes = np.searchsorted(model.classes_, y)
    vector, restore = flatten(classification_arrays(model))

    def objective(v):
        arrays = restore(v)
        penalty = 0.5 * alpha * np.square(arrays[0] * X.std(axis=0)).sum()
        penalty += 0.5 / C * np.square(arrays[2]).sum()
        return log_likelihood(classification_terms(arrays, X, codes)) - penalty

    assert_optimal(objective, vector, len(y))
    np.testing.assert_allclose(model.lower_bound_ * len(y), objective(vector), rtol=1e-9)


def assert_optimal(objective, vector, n):
    """The gradient is below 1e-3 a row, and L-BFGS gains less than 0.02 nats."""
    slope = gradient(objective, vector)
    assert np.abs(slope).max() / n < 1e-3
    climbed = minimize(
        lambda v: -objective(v), vector, jac=lambda v: -gradient(objective, v), method="L-BFGS-B"
    )
    assert -climbed.fun - objective(vector) < 0.02


def test_the_objective_subtracts_what_the_parts_declare(rng):
    X, y = make_moe_regression(300, 3, n_experts=2, random_state=0)
    alpha, prior, scale = 2.0, 5.0, 0.3
    model = MixtureOfExpertsRegressor(
        Ridge(alpha),
        n_experts=2,
        response=Gaussian(prior=prior, prior_scale=scale),
        random_state=0,
    ).fit(X, y)
    sigma, s = model.dispersion_, scale * y.std()
    squared_norms = np.array([np.square(e.coef_).sum() for e in model.experts_])
    # The prior is stated in units of the spread of y.
    penalty = (0.5 * alpha * squared_norms / sigma**2).sum() + model.gate_.penalty_
    penalty += prior * (np.log(sigma / y.std()) + 0.5 * (s / sigma) ** 2).sum()
    expected = model.score_samples(X, y).sum() - penalty
    np.testing.assert_allclose(model.lower_bound_ * len(y), expected, rtol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("start", ["random", "labels"])
def test_random_starts_reach_the_likelihood_of_flexmix(name, start):
    X, y, _ = problem(name)
    n_experts = PROBLEMS[name]["n_experts"]
    labels = random_responsibilities(len(y), n_experts, seed=0)
    model = MixtureOfExpertsRegressor(
        n_experts=n_experts, init="random" if start == "random" else labels, random_state=0
    ).fit(X, y)
    reached = model.score_samples(X, y).sum()
    entry = golden()["simulated"][name]
    # Convergence to `tol`, and no more: 1e-5 nats a row.
    assert reached > entry["log_likelihood"] - 1e-5 * len(y)
    assert reached < entry["maximum"]["log_likelihood"] + 1e-6
    assert model.n_iter_ <= 60


def test_with_priors_off_the_exact_maximum_is_reached():
    X, y, _ = problem("small")
    model = MixtureOfExpertsRegressor(
        n_experts=3,
        gate=SoftmaxGate(alpha=0),
        response=Gaussian(prior=0),
        tol=1e-10,
        max_iter=1000,
        random_state=0,
    ).fit(X, y)
    maximum = golden()["simulated"]["small"]["maximum"]["log_likelihood"]
    np.testing.assert_allclose(model.score_samples(X, y).sum(), maximum, atol=1e-4, rtol=0)


@pytest.mark.parametrize("top_k", [None, 2, 1])
@pytest.mark.parametrize("experts", [LinearRegression(), Ridge(5.0)])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_sums_over_blocks_give_the_general_training(monkeypatch, top_k, experts, n_targets):
    X, y = make_moe_regression(5000, 3, n_experts=3, n_targets=n_targets, random_state=1)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 2.0, len(X))
    model = MixtureOfExpertsRegressor(
        experts,
        n_experts=3,
        top_k=top_k,
        init=rng.dirichlet(np.ones(3), len(X)),
        tol=1e-11,
        max_iter=3000,
        accelerate=False,  # its path hangs on the last digits of each step
    )
    folded = model.fit(X, y, weights)
    bound, prediction = folded.lower_bound_, folded.predict(X)
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    general = model.fit(X, y, weights)
    np.testing.assert_allclose(bound, general.lower_bound_, atol=1e-7)
    np.testing.assert_allclose(prediction, general.predict(X), atol=1e-3)


@pytest.mark.parametrize("n_init", ["auto", 3])
@pytest.mark.parametrize("top_k", [None, 1])
def test_the_fit_is_the_best_of_its_starts(n_init, top_k):
    X, y = make_moe_classification(400, 4, n_experts=3, n_classes=3, random_state=2)
    model = MixtureOfExpertsClassifier(
        n_experts=3, n_init=n_init, top_k=top_k, max_iter=2000, random_state=0
    ).fit(X, y)
    reached = [start["lower_bound"] for start in model.starts_]
    assert model.lower_bound_ == pytest.approx(max(reached), abs=1e-12)
    assert [start["chosen"] for start in model.starts_].count(True) == 1
    assert model.starts_[int(np.argmax(reached))]["chosen"]
    assert len(model.lower_bounds_) == model.n_iter_
