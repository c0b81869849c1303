"""The accuracy benchmark: its scores against known values, its shared fits, its command line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from tests.benchmarks._accuracy_ledger import Ledger
from tests.benchmarks._accuracy_methods import predict_distribution
from tests.benchmarks._accuracy_scores import Predictive, score_distribution, score_probabilities
from tests.benchmarks._accuracy_sharpened import Sharpened

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mixture(rng):
    """Five mixtures of three normal distributions."""
    weights = rng.dirichlet(np.ones(3), size=5)
    return Predictive(weights, rng.normal(size=(5, 3)), rng.uniform(0.2, 2.0, size=(5, 3)))


def row_cdf(mixture, i, t):
    return mixture.weights[i] @ norm.cdf(t, mixture.means[i], mixture.deviations[i])


def test_crps_is_the_integral_that_defines_it(mixture, rng):
    y = rng.normal(size=5)
    for i, score in enumerate(mixture.crps(y)):
        below = quad(lambda t, i=i: row_cdf(mixture, i, t) ** 2, -20, y[i])[0]
        above = quad(lambda t, i=i: (1 - row_cdf(mixture, i, t)) ** 2, y[i], 20)[0]
        assert score == pytest.approx(below + above, abs=1e-7)


def test_crps_of_a_narrow_distribution_is_the_absolute_error(rng):
    y, mean = rng.normal(size=(2, 10))
    np.testing.assert_allclose(Predictive.normal(mean, 1e-9).crps(y), np.abs(y - mean), atol=1e-8)


def test_the_density_is_the_slope_of_the_distribution_function(mixture, rng):
    y, step = rng.normal(size=5), 1e-5
    slope = (mixture.cdf(y + step) - mixture.cdf(y - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(mixture.log_density(y)), slope, rtol=1e-6)


def test_nine_tenths_of_what_a_mixture_draws_are_covered(rng):
    n = 20_000
    weights = np.tile([0.2, 0.8], (n, 1))
    mixture = Predictive(weights, np.tile([-3.0, 1.0], (n, 1)), np.array([0.5, 2.0]))
    first = rng.random(n) < 0.2
    y = np.where(first, rng.normal(-3.0, 0.5, n), rng.normal(1.0, 2.0, n))
    assert mixture.covers(y).mean() == pytest.approx(0.9, abs=0.01)


def test_constant_weights_and_deviations_are_those_of_one_normal(rng):
    y, mean = rng.normal(size=(2, 10))
    scores = score_distribution(Predictive.normal(mean, 2.0), y)
    assert scores["NLL"] == pytest.approx(-norm.logpdf(y, mean, 2.0).mean())
    assert scores["RMSE"] == pytest.approx(np.sqrt(np.mean((y - mean) ** 2)))


def test_a_regressors_components_give_its_prediction_and_log_score():
    X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    said = predict_distribution(model, {}, X, y, None, X)
    np.testing.assert_allclose(said.mean, model.predict(X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(said.log_density(y), model.score_samples(X, y), rtol=1e-9)


def test_a_point_predictor_has_the_spread_of_its_errors_out_of_fold():
    X, y = make_moe_regression(100, 2, n_experts=2, random_state=0)
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    errors = [y[test] - Ridge().fit(X[train], y[train]).predict(X[test]) for train, test in folds]
    said = predict_distribution(Ridge().fit(X, y), {}, X, y, folds, X[:3])
    spread = np.sqrt(np.mean(np.concatenate(errors) ** 2))
    np.testing.assert_allclose(said.deviations, np.full((1, 1), spread))


def test_probabilities_are_scored_as_by_sklearn(rng):
    classes = np.array(["a", "b", "c"])
    proba, y = rng.dirichlet(np.ones(3), size=50), rng.choice(classes, 50)
    scores = score_probabilities(proba, classes, y)
    assert scores["log-loss"] == pytest.approx(log_loss(y, proba, labels=classes))
    assert scores["accuracy"] == accuracy_score(y, classes[proba.argmax(axis=1)])


def test_a_sharpened_classifier_doubles_the_log_odds(rng):
    X, y = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    plain = LogisticRegression().fit(X, y)
    odds = np.log(plain.predict_proba(X)[:, :1] / plain.predict_proba(X))
    sharp = Sharpened(LogisticRegression()).fit(X, y)
    proba = sharp.predict_proba(X)
    np.testing.assert_allclose(np.log(proba[:, :1] / proba), 2 * odds, atol=1e-9)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    np.testing.assert_array_equal(sharp.predict(X), plain.predict(X))


def test_a_remembered_fit_is_that_fit(rng):
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    plain, ledger = DecisionTreeRegressor(random_state=0), Ledger()
    shared = ledger.remembered(plain)
    expected = cross_val_predict(plain, X, y, cv=5)
    for _ in range(2):
        np.testing.assert_array_equal(cross_val_predict(shared, X, y, cv=5), expected)
    assert clone(shared).fit(X, y).get_depth() > 1
    assert clone(shared).set_params(max_depth=1).fit(X, y).get_depth() == 1
    assert clone(shared).fit(X, -y).predict(X) == pytest.approx(-y)


def test_a_remembered_fit_is_charged_again(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    class Slow(DecisionTreeRegressor):
        def fit(self, X, y):
            clock[0] += 10.0
            return super().fit(X, y)

    X, y = make_moe_regression(100, 2, n_experts=2, random_state=0)
    ledger = Ledger()
    shared = ledger.remembered(Slow(random_state=0))
    assert [ledger.seconds(lambda: clone(shared).fit(X, y)) for _ in range(3)] == [10.0] * 3
    assert ledger.seconds(lambda: [clone(shared).fit(X, target) for target in (y, -y)]) == 20.0
    assert clock == [20.0]


@pytest.mark.slow
def test_the_command_line_runs_on_embedded_tables():
    command = [sys.executable, "-m", "tests.benchmarks.accuracy", "--quick", "--tables"]
    done = subprocess.run(
        [*command, "diabetes", "iris"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert "mixture, pool" in done.stdout
    assert "demands on the mixtures are met" in done.stdout
