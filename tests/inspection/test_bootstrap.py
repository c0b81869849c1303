"""Refits: standard errors beside those of theory, matched experts, and the test of one more."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.inspection import _bootstrap
from skmoe.inspection._bootstrap import bootstrap, likelihood_ratio_test, simulate
from skmoe.inspection._linear import read_parameters
from skmoe.inspection._summary import summary
from skmoe.responses import Gaussian


def draw(rng, n=500):
    """Two lines under a soft gate, and who each row belongs to."""
    X = rng.standard_normal((n, 1))
    second = rng.random(n) < 1 / (1 + np.exp(-0.3 - 1.2 * X[:, 0]))
    noise = np.where(second, 0.5, 0.8) * rng.standard_normal(n)
    y = np.where(second, 1 + 2 * X[:, 0], -1 - X[:, 0]) + noise
    return X, y, np.column_stack([~second, second]) * 1.0


def mixture(init, **params):
    settings = {"gate": SoftmaxGate(alpha=0), "response": Gaussian(prior=0.0), **params}
    return MixtureOfExpertsRegressor(n_experts=init.shape[1], init=init, **settings)


@pytest.fixture
def fitted(rng):
    X, y, init = draw(rng)
    return mixture(init).fit(X, y), X, y


@pytest.mark.parametrize("kind", ["ordinary", pytest.param("parametric", marks=pytest.mark.slow)])
def test_standard_errors_are_those_of_the_information(kind):
    X, y, init = draw(np.random.default_rng(0), 800)
    model = mixture(init).fit(X, y)
    table = bootstrap(model, X, y, n_resamples=200, kind=kind, random_state=0)
    other = summary(model, X, y)
    assert table.labels == other.labels
    assert_array_equal(table.coef, other.coef)
    assert_allclose(table.std_err, other.std_err, rtol=0.2)
    assert_allclose([table.low, table.high], [other.low, other.high], atol=other.std_err.max())
    correlation = table.covariance / np.outer(table.std_err, table.std_err)
    expected = other.covariance / np.outer(other.std_err, other.std_err)
    assert np.abs(correlation - expected).max() < 0.3


def test_bootstrap_of_a_classifier():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 2))
    first = rng.random(2000) < 1 / (1 + np.exp(-2 * X[:, 0]))
    logits = np.where(first[:, None], X @ [[3, 0, -3], [0, 2, -2]], X @ [[-2, 2, 0], [3, -3, 0]])
    y = np.array(["a", "b", "c"])[(logits + rng.gumbel(size=(2000, 3))).argmax(axis=1)]
    init = np.column_stack([first, ~first]) * 1.0
    expert = LogisticRegression(C=100)
    model = MixtureOfExpertsClassifier(expert, n_experts=2, init=init, tol=1e-7).fit(X, y)
    table = bootstrap(model, X, y, n_resamples=60, random_state=0)
    # Single logits are far from normal even here.
    ratio = table.std_err / summary(model, X, y).std_err
    assert 0.8 < np.median(ratio) < 1.25
    assert ratio.max() < 2


def test_intervals_are_percentiles(fitted):
    model, X, y = fitted
    table = bootstrap(model, X, y, n_resamples=20, coverage=0.8, random_state=0)
    assert table.samples.shape == (20, len(table.coef))
    assert_allclose(table.low, np.percentile(table.samples, 10, axis=0))
    assert_allclose(table.high, np.percentile(table.samples, 90, axis=0))
    assert_allclose(table.std_err, table.samples.std(axis=0, ddof=1))
    assert "20 ordinary bootstrap resamples, intervals of 80 %" in str(table)


def test_resamples_have_seeds_of_their_own(fitted):
    """The first ten of twenty are the ten of ten, so that it matters nothing who fits which."""
    model, X, y = fitted
    few = bootstrap(model, X, y, n_resamples=10, random_state=3).samples
    many = bootstrap(model, X, y, n_resamples=20, random_state=np.random.RandomState(3)).samples
    assert_array_equal(many[:10], few)
    assert len(np.unique(many[:, 0])) == 20
    unseeded = [bootstrap(model, X, y, n_resamples=2).samples for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


@pytest.mark.slow
def test_workers_do_not_matter(fitted):
    model, X, y = fitted
    one, two = (
        bootstrap(model, X, y, n_resamples=4, random_state=0, n_jobs=n_jobs).samples
        for n_jobs in (1, 2)
    )
    assert_array_equal(one, two)


def test_experts_that_changed_places_are_found(fitted, monkeypatch):
    model, X, y = fitted
    resp = model.responsibilities(X, y)
    turned = clone(model).set_params(init=resp[:, ::-1]).fit(X, y)
    order = _bootstrap._matched(model, turned, resp, turned.responsibilities(X, y))
    assert order.tolist() == [1, 0]
    assert_allclose(read_parameters(turned, order)[1], read_parameters(model)[1], rtol=0.01)
    straight = bootstrap(model, X, y, n_resamples=5, random_state=0).samples
    warm = _bootstrap._warm
    monkeypatch.setattr(_bootstrap, "_warm", lambda est, r, seed: warm(est, r[:, ::-1], seed))
    crossed = bootstrap(model, X, y, n_resamples=5, random_state=0).samples
    assert_allclose(crossed, straight, rtol=1e-3, atol=1e-3)


def test_experts_of_different_shapes_keep_their_places(rng):
    X, y, init = draw(rng)
    experts = [("line", LinearRegression()), ("through", Ridge(fit_intercept=False))]
    model = MixtureOfExpertsRegressor(experts, init=init, max_iter=20, tol=1e-3).fit(X, y)
    resp = model.responsibilities(X, y)
    assert _bootstrap._matched(model, model, resp, resp[:, ::-1]).tolist() == [0, 1]
    table = bootstrap(model, X, y, n_resamples=3, random_state=0)
    assert table.samples.shape == (3, len(table.labels))


def test_pipelines_and_grown_mixtures(rng):
    X, y, _ = draw(rng)
    expert = make_pipeline(StandardScaler(), LinearRegression())
    model = MixtureOfExpertsRegressor(expert, n_experts="auto", random_state=0).fit(X, y)
    table = bootstrap(model, X, y, n_resamples=3, random_state=0)
    assert table.samples.shape == (3, len(table.labels))
    assert np.isfinite(table.samples).all()


# Simulation --------------------------------------------------------------------------------


def test_simulated_numbers_follow_the_mixture(fitted):
    model, X, _ = fitted
    rows = np.repeat(X[:3], 40_000, axis=0)
    drawn = simulate(model, rows, np.random.RandomState(0)).reshape(3, -1)
    mean, std = model.predict(X[:3], return_std=True)
    assert_allclose(drawn.mean(axis=1), mean, atol=4 * std.max() / 200)
    assert_allclose(drawn.std(axis=1), std, rtol=0.02)
    grid = np.linspace(-9, 9, 4001)
    density = np.exp(model.score_samples(np.repeat(X[:1], 4001, axis=0), grid))
    below = np.cumsum(density) * 18 / 4000
    for cut in (-1.0, 0.0, 1.0):
        expected = below[np.searchsorted(grid, cut)]
        assert_allclose((drawn[0] < cut).mean(), expected, atol=0.01)


def test_simulated_labels_follow_the_mixture(rng):
    X = rng.standard_normal((300, 2))
    y = np.array(["a", "b", "c"])[(X @ rng.standard_normal((2, 3))).argmax(axis=1)]
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, y)
    rows = np.repeat(X[:4], 10_000, axis=0)
    drawn = simulate(model, rows, np.random.RandomState(0)).reshape(4, -1)
    shares = (drawn[:, :, None] == model.classes_).mean(axis=1)
    assert_allclose(shares, model.predict_proba(X[:4]), atol=0.02)


# One more expert ---------------------------------------------------------------------------


@pytest.mark.slow  # `test_bootstrap_laws` has a law of which this is tested by default
def test_one_expert_is_rejected_and_two_are_not():
    X, y, init = draw(np.random.default_rng(1), 200)
    model = mixture(np.ones((200, 1))).fit(X, y)
    one = likelihood_ratio_test(model, X, y, n_resamples=9, random_state=0)
    assert one.p_value == 0.1
    assert one.statistic > 3 * one.simulated.max()
    two = likelihood_ratio_test(mixture(init).fit(X, y), X, y, n_resamples=9, random_state=0)
    assert two.p_value > 0.1
    assert len(np.unique(one.simulated)) == 9
    assert (two.n_experts, len(two.simulated)) == (2, 9)
    assert (two.simulated >= 0).all()
    assert two.p_value == (1 + (two.simulated >= two.statistic).sum()) / 10


def test_statistic_is_twice_the_gain_of_log_likelihood(rng):
    X, y, _ = draw(rng, 200)
    model = mixture(np.ones((len(X), 1)), gate=ConstantGate()).fit(X, y)
    found = likelihood_ratio_test(model, X, y, n_resamples=1, random_state=0)
    more = clone(model).set_params(n_experts=2, init="auto", random_state=1).fit(X, y)
    gain = more.score_samples(X, y).sum() - model.score_samples(X, y).sum()
    assert_allclose(found.statistic, 2 * gain, rtol=0.02)


@pytest.mark.slow
def test_p_values_are_uniform_under_the_hypothesis():
    """Thirty tables of one line: p values up to 0.2 are rare, and there are some."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(30):
        X = rng.standard_normal((80, 1))
        y = X[:, 0] + rng.standard_normal(80)
        model = mixture(np.ones((80, 1)), gate=ConstantGate(), response="gaussian").fit(X, y)
        found.append(likelihood_ratio_test(model, X, y, n_resamples=9, random_state=seed).p_value)
    assert 1 <= np.count_nonzero(np.array(found) <= 0.2) <= 14
    assert 0.37 < np.mean(found) < 0.73


# Refusals ----------------------------------------------------------------------------------


def test_refusals(fitted):
    model, X, y = fitted
    with pytest.raises(ValueError, match="kind must be one of"):
        bootstrap(model, X, y, kind="wild")
    with pytest.raises(ValueError, match="n_resamples must be an int of at least 2; got 1"):
        bootstrap(model, X, y, n_resamples=1)
    with pytest.raises(ValueError, match="n_resamples must be an int of at least 1; got 0"):
        likelihood_ratio_test(model, X, y, n_resamples=0)
    with pytest.raises(NotFittedError):
        likelihood_ratio_test(clone(model), X, y)
    with pytest.raises(TypeError, match="got LinearRegression"):
        likelihood_ratio_test(LinearRegression(), X, y)
    trees = MixtureOfExpertsRegressor(DecisionTreeRegressor(max_depth=1), 2, cv=None, max_iter=2)
    trees.set_params(tol=1.0).fit(X, y)
    with pytest.raises(TypeError, match="expert 'expert_0' must be a linear model"):
        bootstrap(trees, X, y)
    named = MixtureOfExpertsRegressor([("a", Ridge()), ("b", Ridge())], max_iter=5, tol=1.0)
    with pytest.raises(ValueError, match="experts must be clones"):
        likelihood_ratio_test(named.fit(X, y), X, y)
    with pytest.raises(ValueError, match="top_k must be None; got 1"):
        likelihood_ratio_test(clone(model).set_params(top_k=1).fit(X, y), X, y)


def test_resamples_hold_all_classes(rng):
    X = rng.standard_normal((100, 1))
    y = np.array(["rare"] * 1 + ["many"] * 99)
    init = np.full((100, 2), 0.5)
    init[:50] = [0.9, 0.1]
    model = MixtureOfExpertsClassifier(n_experts=2, init=init, max_iter=50, tol=1e-2).fit(X, y)
    assert bootstrap(model, X, y, n_resamples=5, random_state=0).samples.shape[0] == 5
