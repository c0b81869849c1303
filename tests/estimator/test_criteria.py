"""Information criteria, and the parameters they count."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.responses import Gaussian
from tests.golden.problems import PROBLEMS, golden, problem


def count(model, X, y):
    """The number of parameters that AIC and BIC have counted."""
    log_likelihood = model.score_samples(X, y).sum()
    by_aic = (model.aic(X, y) + 2 * log_likelihood) / 2
    by_bic = (model.bic(X, y) + 2 * log_likelihood) / np.log(len(y))
    np.testing.assert_allclose(by_aic, by_bic, rtol=1e-9)
    return by_aic


@pytest.mark.parametrize("name", PROBLEMS)
def test_as_many_parameters_as_flexmix_counts(name):
    X, y, _ = problem(name)
    X, y = X[:400], y[:400]
    model = MixtureOfExpertsRegressor(n_experts=PROBLEMS[name]["n_experts"], random_state=0)
    expected = golden()["simulated"][name]["df"]
    np.testing.assert_allclose(count(model.fit(X, y), X, y), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 4 + 2 * 4 + 2),
        ({"gate": "constant"}, 1 + 2 * 4 + 2),
        ({"response": Gaussian(shared=True)}, 4 + 2 * 4 + 1),
        ({"experts": make_pipeline(StandardScaler(), Ridge(0.1))}, 4 + 2 * 4 + 2),
        ({"n_experts": 1}, 0 + 4 + 1),
    ],
    ids=repr,
)
def test_parameters_of_regressors(settings, expected, rng):
    X, y = rng.standard_normal((60, 3)), rng.standard_normal(60)
    model = MixtureOfExpertsRegressor(**{"n_experts": 2, "random_state": 0, **settings}).fit(X, y)
    np.testing.assert_allclose(count(model, X, y), expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_parameters_of_classifiers_and_entropy(n_classes, rng):
    X = rng.standard_normal((90, 3))
    y = np.arange(90) % n_classes
    model = MixtureOfExpertsClassifier(LogisticRegression(), n_experts=2, random_state=0)
    model.fit(X, y)
    np.testing.assert_allclose(count(model, X, y), 4 + 2 * (n_classes - 1) * 4)
    uncertainty = entropy(model.responsibilities(X, y), axis=1).sum()
    np.testing.assert_allclose(model.icl(X, y) - model.bic(X, y), 2 * uncertainty, rtol=1e-9)


def test_unknown_numbers_of_parameters_are_announced(rng):
    X, y = rng.standard_normal((60, 3)), rng.standard_normal(60)
    tree = DecisionTreeRegressor(max_depth=1)
    model = MixtureOfExpertsRegressor([("tree", tree), ("line", Ridge())], random_state=0)
    model.fit(X, y)
    with pytest.warns(UserWarning, match=r"free parameters of \['tree'\]"):
        assert np.isnan(model.bic(X, y))


class Proportional(RegressorMixin, BaseEstimator):
    """y = slope × x, and says that this is one parameter."""

    def fit(self, X, y, sample_weight=None):
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.slope_ = (weight * X[:, 0]) @ y / (weight @ X[:, 0] ** 2)
        self.n_parameters_ = 1
        return self

    def predict(self, X):
        return self.slope_ * X[:, 0]


@pytest.fixture
def two_slopes(rng):
    X = rng.uniform(1, 2, (200, 1))
    slope = np.where(rng.random(200) < 0.4, 1.0, 3.0)
    return X, slope * X[:, 0] + 0.1 * rng.standard_normal(200)


def test_an_expert_may_count_its_parameters(two_slopes):
    settings = {"n_experts": 2, "gate": "constant", "tol": 1e-9, "random_state": 0, "cv": None}
    own = MixtureOfExpertsRegressor(Proportional(), **settings).fit(*two_slopes)
    line = LinearRegression(fit_intercept=False)
    known = MixtureOfExpertsRegressor(line, **settings).fit(*two_slopes)
    np.testing.assert_allclose(count(own, *two_slopes), 1 + 2 + 2)
    np.testing.assert_allclose(own.bic(*two_slopes), known.bic(*two_slopes), rtol=1e-6)


def test_sizes_of_experts_that_count_their_parameters_are_judged_by_bic(two_slopes):
    model = MixtureOfExpertsRegressor(
        Proportional(), n_experts="auto", gate="constant", cv=None, random_state=0
    ).fit(*two_slopes)
    assert model.n_experts_ == 2
    chosen = next(step for step in model.path_ if step["chosen"])
    np.testing.assert_allclose(chosen["bic"], model.bic(*two_slopes), rtol=1e-9)
