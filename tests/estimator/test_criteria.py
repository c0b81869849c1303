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
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.gates import GaussianGate, SoftmaxGate
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


# Weights, and the path of n_experts="auto" ----------------------------------------------------

CRITERIA = ["aic", "bic", "icl"]


def auto(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": "auto", "random_state": 0} | params)


@pytest.fixture(scope="module")
def fitted():
    X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    labels = (y > np.median(y)).astype(int)
    return X, {
        "numbers": (MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y), y),
        "labels": (MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, labels), labels),
    }


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", ["numbers", "labels"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_weight_is_the_number_of_rows_it_counts_as(criterion, kind, grouped, fitted, rng):
    X, models = fitted
    model, y = models[kind]
    person = np.arange(200) // 4
    weights = np.repeat(rng.integers(0, 4, 50), 4) if grouped else rng.integers(0, 4, 200)
    rows = np.repeat(np.arange(200), weights)
    copies = np.concatenate([np.arange(w) for w in weights])
    labels = None if not grouped else person[rows] * 4 + copies
    repeated = getattr(model, criterion)(X[rows], y[rows], labels)
    groups = person if grouped else None
    ask = getattr(model, criterion)
    np.testing.assert_allclose(ask(X, y, groups, sample_weight=weights), repeated, rtol=1e-9)
    # Ones are no weights.
    np.testing.assert_allclose(ask(X, y, groups, np.ones(200)), ask(X, y, groups), rtol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_row_of_weight_zero_may_have_an_unknown_label(criterion, fitted):
    X, models = fitted
    model, labels = models["labels"]
    y, weights = np.append(labels, 7), np.append(np.ones(200), 0.0)
    ask = getattr(model, criterion)
    found = ask(np.vstack([X, X[:1]]), y, sample_weight=weights)
    np.testing.assert_allclose(found, ask(X, labels), rtol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(200), "egative"),
        (np.ones(199), r"sample_weight.shape == \(199,\)"),
        (np.zeros(200), "at least one"),
        (["a"] * 200, "sample_weight must be numbers"),
    ],
)
def test_weights_are_checked(criterion, weights, message, fitted):
    X, models = fitted
    model, y = models["numbers"]
    with pytest.raises(ValueError, match=message):
        getattr(model, criterion)(X, y, sample_weight=weights)


def test_a_criterion_is_made_of_scores(fitted, rng):
    X, models = fitted
    model, y = models["numbers"]
    weights = rng.uniform(0.5, 2.0, 200)
    log_likelihood = weights @ model.score_samples(X, y)
    entropies = entropy(model.responsibilities(X, y), axis=1)
    bic = -2 * log_likelihood + np.log(weights.sum()) * model.n_parameters_
    found = {name: getattr(model, name)(X, y, sample_weight=weights) for name in CRITERIA}
    np.testing.assert_allclose(found["aic"], -2 * log_likelihood + 2 * model.n_parameters_)
    np.testing.assert_allclose(found["bic"], bic)
    np.testing.assert_allclose(found["icl"], bic + 2 * weights @ entropies)


PATHS = {
    "softmax": {},
    "learned": {"gate": SoftmaxGate("auto")},
    "full": {"gate": GaussianGate()},
    "tied": {"gate": GaussianGate("tied")},
    "diag": {"gate": GaussianGate("diag")},
    "constant": {"gate": "constant"},
    "hard": {"top_k": 1},
    "student": {"response": "student_t"},
    "dispersion": {"response": Gaussian(dispersion="linear")},
    "weights": {},
    "groups": {"gate": "constant"},
    "average": {"average": 3},
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("tied", "diag", "student") else ())
        for name in PATHS
    ],
)
def test_the_path_holds_what_the_methods_return(name, rng):
    X, y = make_moe_regression(300, 2, n_experts=2, random_state=0)
    given = {"groups": np.arange(300) // 3} if name == "groups" else {}
    if name in ("weights", "average"):
        given = {"sample_weight": rng.integers(0, 3, 300)}
    model = auto(**PATHS[name]).fit(X, y, **given)
    assert model.widening_ == 1.0
    chosen = next(step for step in model.path_ if step["chosen"])
    if name != "learned":
        assert chosen["bic"] == min(step["bic"] for step in model.path_)
    for criterion in ("bic", "icl"):
        found = getattr(model, criterion)(X, y, **given)
        np.testing.assert_allclose(chosen[criterion], found, rtol=1e-9)
    one = auto(**PATHS[name] | {"n_experts": 1, "average": 1, "top_k": None}).fit(X, y, **given)
    np.testing.assert_allclose(model.path_[0]["bic"], one.bic(X, y, **given), rtol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 0.5}], ids=str)
def test_the_path_of_a_classifier_has_the_weights_of_its_classes(class_weight, rng):
    X, y = make_moe_classification(300, 2, n_experts=2, random_state=0)
    weights = rng.integers(0, 3, 300)
    model = MixtureOfExpertsClassifier(n_experts="auto", class_weight=class_weight, random_state=0)
    model.fit(X, y, sample_weight=weights)
    chosen = next(step for step in model.path_ if step["chosen"])
    found = model.bic(X, y, sample_weight=weights)
    np.testing.assert_allclose(chosen["bic"], found, rtol=1e-9)


@pytest.mark.parametrize("gate", ["softmax", "gaussian", "constant"])
def test_one_expert_has_one_criterion_under_every_gate(gate, rng):
    X = rng.standard_normal((100, 3))
    y = X.sum(axis=1) + rng.standard_normal(100)
    model = MixtureOfExpertsRegressor(n_experts=1, gate=gate).fit(X, y)
    # A line of three slopes, a level and a deviation, by hand.
    Z = np.column_stack([X, np.ones(100)])
    variance = np.mean((y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]) ** 2)
    expected = 100 * (np.log(2 * np.pi * variance) + 1) + 5 * np.log(100)
    np.testing.assert_allclose(model.bic(X, y), expected, rtol=1e-4)


@pytest.mark.parametrize("draw", ["uniform", "exponential"])
def test_a_gaussian_gate_adds_no_experts_for_the_density_of_x(draw, seed):
    """EM climbs the density of (x, y); how well y is predicted decides how many experts it has."""
    rng = np.random.default_rng(seed)
    X = getattr(rng, draw)(size=(300, 2))
    y = X @ [1.0, 2.0] + 0.3 * rng.standard_normal(300)
    assert auto(gate="gaussian").fit(X, y).n_experts_ == 1


# Weights that are no numbers of rows ----------------------------------------------------------


def test_weights_that_sum_to_one_are_warned_of():
    X, y = make_moe_regression(100, 2, n_experts=2, random_state=0)
    shares = np.full(100, 0.01)
    model = auto(gate="constant", max_iter=20)
    with pytest.warns(UserWarning, match=r"mean of sample_weight is 0.01, and its sum 1: "):
        model.fit(X, y, sample_weight=shares)
    remedy = shares * (len(shares) / shares.sum())
    assert auto().fit(X, y, sample_weight=remedy).n_experts_ == 2


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_criterion_of_such_weights_is_warned_of(criterion, fitted):
    X, models = fitted
    model, y = models["numbers"]
    with pytest.warns(UserWarning, match="mean of sample_weight is 0.09"):
        getattr(model, criterion)(X, y, sample_weight=np.full(200, 0.09))


def test_rows_of_weight_zero_are_absent_and_no_reason_to_warn(fitted):
    X, models = fitted
    model, y = models["numbers"]
    few = (np.arange(200) < 10).astype(float)
    np.testing.assert_allclose(model.bic(X, y, sample_weight=few), model.bic(X[:10], y[:10]))
