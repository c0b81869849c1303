"""Experts that do not specialise: stacking whose weights depend on x."""

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, logsumexp
from sklearn.datasets import load_iris
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian


@pytest.fixture
def table():
    """A bend that a tree sees and a line does not, and noise that grows with x."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(300, 2))
    y = np.where(X[:, 0] > 0, np.sin(4 * X[:, 0]), X[:, 0])
    return X, y + rng.normal(scale=0.1 + 0.2 * (X[:, 1] > 0))


MEMBERS = [
    ("line", Ridge(1.0)),
    ("tree", DecisionTreeRegressor(min_samples_leaf=5, random_state=0)),
]


def pool(members=None, **params):
    members = MEMBERS if members is None else members
    defaults = {"specialize": False, "cv": KFold(4), "random_state": 0}
    return MixtureOfExpertsRegressor(members, **defaults | params)


class Listening(Ridge):
    """Counts its fits, and the rows of each."""

    fits: list = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(len(y))
        return super().fit(X, y, sample_weight=sample_weight)


def test_every_expert_is_fitted_once(table):
    Listening.fits.clear()
    model = pool([("a", Listening()), ("b", Listening(10.0))]).fit(*table)
    assert model.n_iter_ > 3
    assert sorted(Listening.fits) == [225] * 8 + [300] * 2


def test_experts_are_those_of_all_rows(table):
    X, y = table
    model = pool().fit(X, y)
    for name, member in MEMBERS:
        np.testing.assert_array_equal(
            model.named_experts_[name].predict(X), member.fit(X, y).predict(X)
        )


def terms(X, answers, y, vector, n_experts):
    """Log-density of each row under a softmax gate on standardised X, and constant dispersions."""
    Z = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones(len(X))])
    gate, log_sigma = vector[:-n_experts].reshape(n_experts, -1), vector[-n_experts:]
    density = -0.5 * ((y[:, None] - answers) / np.exp(log_sigma)) ** 2 - log_sigma
    joint = log_softmax(Z @ gate.T, axis=1) + density - 0.5 * np.log(2 * np.pi)
    return logsumexp(joint, axis=1)


@pytest.mark.parametrize("n_scales", [1, 2])
def test_gate_and_dispersions_are_at_the_optimum_out_of_fold(table, n_scales):
    X, y = table
    law = Gaussian(prior=0, floor=1e-6, n_scales=n_scales)
    model = pool(gate=SoftmaxGate(alpha=1.0), response=law, tol=1e-10, max_iter=2000).fit(X, y)
    answers = np.column_stack([cross_val_predict(m, X, y, cv=KFold(4)) for _, m in MEMBERS])
    answers = np.repeat(answers, n_scales, axis=1)
    coef = model.gate_.coef_ * X.std(axis=0)
    intercept = model.gate_.intercept_ + model.gate_.coef_ @ X.mean(axis=0)
    vector = np.append(np.column_stack([coef, intercept]).ravel(), np.log(model.dispersion_))
    n_experts = 2 * n_scales

    def objective(v):
        weights = v[:-n_experts].reshape(n_experts, -1)[:, :-1]
        return (terms(X, answers, y, v, n_experts).sum() - 0.5 * (weights**2).sum()) / len(y)

    np.testing.assert_allclose(objective(vector), model.lower_bound_, atol=1e-9)
    assert np.abs(approx_fprime(vector, objective, 1e-6)).max() < 1e-4


def test_ascent_is_monotone(table):
    model = pool(tol=1e-9, max_iter=500, response=Gaussian(n_scales=3)).fit(*table)
    assert np.diff(model.lower_bounds_).min() > -1e-9
    assert model.starts_[0]["kind"] == "pooled"
    assert len(model.starts_) == 1


def test_it_beats_its_members_out_of_fold(table):
    X, y = table
    model = pool().fit(X, y)
    for _, member in MEMBERS:
        alone = pool([("only", member)]).fit(X, y)
        assert model.lower_bound_ > alone.lower_bound_


def test_one_member_has_all_the_weight(table):
    X, y = table
    model = pool([("only", MEMBERS[1][1])], response=Gaussian(prior=0, floor=1e-6)).fit(X, y)
    np.testing.assert_allclose(model.gate_proba(X), 1.0)
    residual = y - cross_val_predict(MEMBERS[1][1], X, y, cv=KFold(4))
    np.testing.assert_allclose(model.dispersion_, np.sqrt(np.mean(residual**2)))


def test_a_useless_member_gets_no_weight(table):
    members = [
        ("line", LinearRegression()),
        ("far", DummyRegressor(strategy="constant", constant=9)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = pool(members).fit(*table)
    assert model.expert_usage_[1] < 0.01


def test_scales_share_a_fit(table):
    X, y = table
    model = pool(response=Gaussian(n_scales=2)).fit(X, y)
    assert list(model.named_experts_) == ["line", "line#2", "tree", "tree#2"]
    assert model.experts_[0] is model.experts_[1]
    assert model.experts_[2] is model.experts_[3]
    assert model.dispersion_[2] < model.dispersion_[3]
    assert model.lower_bound_ > pool().fit(X, y).lower_bound_


def test_clones_of_one_estimator_share_its_fit(table):
    X, y = table
    model = pool(RandomForestRegressor(60, random_state=0), n_experts=3).fit(X, y)
    assert len({id(expert) for expert in model.experts_}) == 1
    alone = RandomForestRegressor(60, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), alone.predict(X))
    # Noise depends on the second column, and so must the spread.
    _, std = model.predict(X, return_std=True)
    assert std[X[:, 1] > 0.5].mean() > 1.5 * std[X[:, 1] < -0.5].mean()


def test_scales_want_experts_that_do_not_specialise(table):
    with pytest.raises(ValueError, match="n_scales must be 1 with specialize=True"):
        pool(specialize=True, response=Gaussian(n_scales=2)).fit(*table)


def test_forests_are_predicted_out_of_bag(table):
    X, y = table
    forest = RandomForestRegressor(100, random_state=3)
    law = Gaussian(prior=0, floor=1e-6)
    model = pool([("forest", forest)], cv="auto", response=law).fit(X, y)
    bagged = RandomForestRegressor(100, random_state=3, oob_score=True).fit(X, y)
    expected = np.sqrt(np.mean((y - bagged.oob_prediction_) ** 2))
    np.testing.assert_allclose(model.dispersion_, expected)
    fitted = model.named_experts_["forest"]
    assert not fitted.oob_score
    assert not hasattr(fitted, "oob_prediction_")


def test_forests_keep_bags_where_oob_score_is_set(table):
    forest = RandomForestRegressor(100, random_state=3, oob_score=True)
    model = pool([("forest", forest), MEMBERS[0]], cv="auto").fit(*table)
    assert model.named_experts_["forest"].oob_score_ > 0


def test_frozen_experts_leave_the_gate_alone(table):
    X, y = table
    frozen = [(name, FrozenEstimator(m.fit(X[:150], y[:150]))) for name, m in MEMBERS]
    model = MixtureOfExpertsRegressor(frozen, random_state=0).fit(X[150:], y[150:])
    assert model.starts_[0]["kind"] == "pooled"
    for name, member in MEMBERS:
        np.testing.assert_array_equal(model.named_experts_[name].predict(X), member.predict(X))
    joint = (
        model.gate_proba(X)
        * np.exp(-0.5 * ((y[:, None] - model.expert_predict(X)) / model.dispersion_) ** 2)
        / (model.dispersion_ * np.sqrt(2 * np.pi))
    )
    np.testing.assert_allclose(model.score_samples(X, y), np.log(joint.sum(axis=1)))


@pytest.mark.parametrize("combine", ["mean", "median", "top"])
@pytest.mark.parametrize("top_k", [None, 1])
def test_all_predictions_are_finite(table, combine, top_k):
    X, y = table
    model = pool(combine=combine, response=Gaussian(n_scales=2)).fit(X, y).set_params(top_k=top_k)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    answers = model.expert_predict(X)
    assert (mean >= answers.min(axis=1) - 1e-9).all()
    assert (mean <= answers.max(axis=1) + 1e-9).all()


def test_weights_are_rows(table):
    X, y = table
    weights = np.random.default_rng(1).integers(0, 3, size=len(y))
    members = [("line", LinearRegression()), ("mean", DummyRegressor())]
    law = Gaussian(n_scales=2)
    weighted = pool(members, cv=3, response=law).fit(X, y, sample_weight=weights)
    repeated = pool(members, cv=3, response=law)
    repeated.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-4)


def test_classifiers_are_pooled():
    X, y = load_iris(return_X_y=True)
    members = [
        ("line", LogisticRegression(max_iter=1000)),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("forest", RandomForestClassifier(60, random_state=0)),
    ]
    splits = KFold(5, shuffle=True, random_state=0)
    model = MixtureOfExpertsClassifier(
        members, specialize=False, cv=splits, gate=SoftmaxGate(alpha=1), random_state=0
    ).fit(X, y)
    own = np.arange(len(y)), y
    alone = [
        np.log(np.maximum(p[own], 1e-300)).mean()
        for p in (cross_val_predict(m, X, y, cv=splits, method="predict_proba") for _, m in members)
    ]
    assert model.lower_bound_ > max(alone) - 1e-3
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
