"""What must be equal: one expert and its mixture, parts and whole, one unit and another."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
N = 120

#: The default solver of scikit-learn ends before the last digits.
EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-14)


@pytest.fixture
def table(rng):
    """X (n, 3), and y of two regimes: numbers, and three classes."""
    X = rng.normal(size=(N, 3))
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N)
    labels = np.array(["a", "b", "c"])[np.digitize(numbers + 0.5 * rng.normal(size=N), [0, 2])]
    return X, numbers, labels


def regressor(experts=None, **params):
    return MixtureOfExpertsRegressor(
        experts, **{"n_experts": 3, "n_init": 2, "random_state": 0, **params}
    )


def classifier(experts=None, **params):
    return MixtureOfExpertsClassifier(
        experts, **{"n_experts": 3, "n_init": 2, "random_state": 0, **params}
    )


# One expert is the plain estimator ---------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    "expert",
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        Ridge(alpha=3.0),
        RandomForestRegressor(10, random_state=0),
        make_pipeline(StandardScaler(), Ridge()),
        EXACT,
        clone(EXACT).set_params(C=0.1),
        RandomForestClassifier(10, random_state=0),
        make_pipeline(StandardScaler(), EXACT),
    ],
    ids=repr,
)
def test_one_expert_is_the_plain_estimator(expert, listed, weighted, table, rng):
    X, numbers, labels = table
    labelled = hasattr(expert, "predict_proba")
    y = labels if labelled else numbers
    weights = rng.uniform(0.5, 2, size=N) if weighted else None
    make = classifier if labelled else regressor
    experts = [("only", expert)] if listed else expert
    model = make(experts, n_experts=1).fit(X, y, sample_weight=weights)
    key = f"{expert.steps[-1][0]}__sample_weight" if hasattr(expert, "steps") else "sample_weight"
    plain = clone(expert).fit(X, y, **({key: weights} if weighted else {}))
    method = "predict_proba" if labelled else "predict"
    assert_allclose(getattr(model, method)(X), getattr(plain, method)(X), rtol=1e-9, atol=1e-9)
    assert_array_equal(model.gate_proba(X), np.ones((N, 1)))


def test_the_default_expert_alone_is_the_plain_estimator(table):
    X, numbers, labels = table
    plain = LinearRegression().fit(X, numbers)
    assert_allclose(regressor(n_experts=1).fit(X, numbers).predict(X), plain.predict(X), rtol=1e-9)
    plain = clone(EXACT).fit(X, labels)
    model = classifier(n_experts=1).fit(X, labels)
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-9)


# The parts and the whole -------------------------------------------------------------------

ROUTES = pytest.mark.parametrize("top_k", [None, 1, 2])


def routed(gate, top_k):
    """Gate probabilities of the `top_k` most probable experts, renormalised."""
    if top_k is not None:
        gate = np.where(gate >= -np.sort(-gate, axis=1)[:, [top_k - 1]], gate, 0.0)
    return gate / gate.sum(axis=1, keepdims=True)


@ROUTES
@pytest.mark.parametrize(
    "experts",
    [
        None,
        Ridge(),
        DecisionTreeRegressor(max_depth=2),
        [("a", Ridge()), ("b", LinearRegression())],
    ],
    ids=["batched", "ridge", "wrapped", "list"],
)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_regressor_is_the_mixture_of_its_parts(experts, n_outputs, top_k, table):
    X, y, _ = table
    y = y if n_outputs == 1 else np.column_stack([y, X[:, 2] ** 2])
    model = regressor(experts, top_k=top_k, max_iter=30).fit(X, y)
    g = routed(model.gate_proba(X), top_k)
    K = model.n_experts_
    means = model.expert_predict(X).reshape(N, K, n_outputs)
    sigma = model.dispersion_.reshape(K, n_outputs)
    mean = np.einsum("ik,ikm->im", g, means)
    total = np.einsum("ik,ikm->im", g, sigma**2 + means**2) - mean**2
    with np.errstate(divide="ignore"):
        joint = np.log(g) + norm.logpdf(y.reshape(N, 1, -1), means, sigma).sum(axis=2)
    prediction, std = model.predict(X, return_std=True)
    assert prediction.shape == std.shape == y.shape
    assert_allclose(prediction.reshape(N, -1), mean, rtol=1e-6, atol=1e-9)
    assert_allclose(std.reshape(N, -1), np.sqrt(total), rtol=1e-6)
    assert_array_equal(prediction, model.predict(X))
    assert_allclose(model.score_samples(X, y), logsumexp(joint, axis=1), rtol=1e-6, atol=1e-9)
    bayes = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    assert_allclose(model.responsibilities(X, y), bayes, atol=1e-6)


@ROUTES
@pytest.mark.parametrize(
    "experts",
    [None, RandomForestClassifier(5, max_depth=2), [("a", LogisticRegression()), ("b", None)]],
    ids=["batched", "wrapped", "list"],
)
def test_a_classifier_is_the_mixture_of_its_parts(experts, top_k, table):
    X, _, y = table
    if isinstance(experts, list):
        experts = [experts[0], ("b", RandomForestClassifier(5, max_depth=2))]
    model = classifier(experts, top_k=top_k, n_init=1, max_iter=10).fit(X, y)
    g, proba = routed(model.gate_proba(X), top_k), model.expert_predict(X)
    mixed = np.einsum("ik,ikc->ic", g, proba)
    assert_allclose(model.predict_proba(X), mixed, rtol=1e-6, atol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[mixed.argmax(axis=1)])
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    codes = np.searchsorted(model.classes_, y)
    # A class that a forest holds impossible counts as all but impossible.
    joint = g * np.maximum(proba[np.arange(N), :, codes], np.finfo(float).tiny)
    assert_allclose(model.score_samples(X, y), np.log(joint.sum(axis=1)), rtol=1e-6)
    bayes = joint / joint.sum(axis=1, keepdims=True)
    assert_allclose(model.responsibilities(X, y), bayes, atol=1e-6)


def test_a_row_goes_to_the_most_probable_expert(table):
    X, y, labels = table
    model = regressor().fit(X, y)
    gate, means = model.gate_proba(X), model.expert_predict(X)
    assert_array_equal(model.apply(X), gate.argmax(axis=1))
    top = means[np.arange(N), gate.argmax(axis=1)]
    assert_allclose(model.set_params(combine="top").predict(X), top)
    assert_allclose(model.set_params(combine="mean", top_k=1).predict(X), top)
    model = classifier().fit(X, labels)
    gate, proba = model.gate_proba(X), model.expert_predict(X)
    top = proba[np.arange(N), gate.argmax(axis=1)]
    assert_allclose(model.set_params(combine="top").predict_proba(X), top, atol=1e-300)
    votes = np.zeros((N, 3))
    for k in range(3):
        votes[np.arange(N), proba[:, k].argmax(axis=1)] += gate[:, k]
    assert_allclose(model.set_params(combine="vote").predict_proba(X), votes, atol=1e-300)


def test_the_median_is_where_the_distribution_function_is_one_half(table):
    X, y, _ = table
    model = regressor(combine="median").fit(X, y)
    g, means, sigma = model.gate_proba(X), model.expert_predict(X), model.dispersion_

    def median(i):
        return brentq(lambda v: g[i] @ norm.cdf(v, means[i], sigma) - 0.5, -1e3, 1e3, xtol=1e-12)

    assert_allclose(model.predict(X), [median(i) for i in range(N)], atol=1e-8)


def test_lower_bound_and_usage_are_those_of_the_stored_model(table, rng):
    X, _, labels = table
    weights = rng.uniform(0.5, 2, size=N)
    model = classifier(LogisticRegression(C=0.5)).fit(X, labels, sample_weight=weights)
    # One half of ||w||^2 / C for each expert, and the gate's own.
    penalty = sum(np.square(e.coef_).sum() for e in model.experts_) + model.gate_.penalty_
    value = weights @ model.score_samples(X, labels) - penalty
    assert_allclose(model.lower_bound_, value / weights.sum(), rtol=1e-9)
    usage = weights @ model.responsibilities(X, labels) / weights.sum()
    assert_allclose(model.expert_usage_, usage, rtol=1e-9)
    assert_allclose(model.lower_bound_, model.lower_bounds_.max(), rtol=1e-12)


def test_top_k_of_all_experts_is_the_soft_mixture(table):
    X, y, labels = table
    for make, target in [(regressor, y), (classifier, labels)]:
        soft = make().fit(X, target)
        for top_k in (3, 7):
            full = make(top_k=top_k).fit(X, target)
            assert_array_equal(full.predict(X), soft.predict(X))
            assert full.lower_bound_ == soft.lower_bound_


class Counting(RegressorMixin, BaseEstimator):
    """A constant expert that counts the rows it is asked about."""

    def fit(self, X, y, sample_weight=None):
        self.value_ = np.average(y, weights=sample_weight)
        self.asked_ = []
        return self

    def predict(self, X):
        self.asked_.append(len(X))
        return np.full(len(X), self.value_)


def test_routing_is_read_again_at_prediction_and_evaluates_no_more_than_it_must(table):
    X, y, _ = table
    resp = np.eye(2)[(X[:, 0] > 0).astype(int)] * 0.8 + 0.1
    model = regressor(Counting(), init=resp, n_experts=2).fit(X, y)
    for top_k in (None, 1):
        for expert in model.experts_:
            expert.asked_.clear()
        prediction = model.set_params(top_k=top_k).predict(X)
        g = routed(model.gate_proba(X), top_k)
        assert [sum(e.asked_) for e in model.experts_] == (g > 0).sum(axis=0).tolist()
        assert_allclose(prediction, (g * model.expert_predict(X)).sum(axis=1))
    assert 0 < (g[:, 0] > 0).sum() < N


# Units and orders --------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.parametrize(("scale", "shift"), [(1e-9, 0.0), (1e9, 0.0), (3.0, 1e4)])
def test_units_of_y_do_not_matter(scale, shift, top_k, table):
    X, y, _ = table
    plain = regressor(top_k=top_k).fit(X, y)
    model = regressor(top_k=top_k).fit(X, scale * y + shift)
    assert_allclose(model.gate_proba(X), plain.gate_proba(X), atol=1e-5)
    spread = y.std()
    found = (model.predict(X) - shift) / scale
    assert_allclose(found / spread, plain.predict(X) / spread, atol=1e-5)
    assert_allclose(model.dispersion_ / abs(scale), plain.dispersion_, rtol=1e-5)
    assert_allclose(model.lower_bound_ + np.log(abs(scale)), plain.lower_bound_, atol=1e-5)


@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.parametrize("make", [regressor, classifier])
def test_units_of_x_and_orders_of_rows_and_columns_do_not_matter(make, top_k, table, rng):
    X, y, labels = table
    y = y if make is regressor else labels
    rows, columns = rng.permutation(N), np.array([2, 0, 1])
    # The penalty of LogisticRegression is in the units of X: without it, units are free.
    experts = None if make is regressor else LogisticRegression(C=np.inf)
    # Without a penalty some coefficients run off slowly: a fixed number of steps compares.
    params = {"top_k": top_k, "max_iter": 20, "n_init": 3}
    plain = make(experts, **params).fit(X, y)
    answer = "predict" if make is regressor else "predict_proba"
    expected = getattr(plain, answer)(X)
    for change in [
        lambda X: X * np.array([1e-6, 1.0, 1e6]),
        lambda X: X + np.array([100.0, -5.0, 0.0]),
        lambda X: X[:, columns],
    ]:
        model = make(experts, **params).fit(change(X), y)
        assert_allclose(getattr(model, answer)(change(X)), expected, atol=1e-5)
        assert_allclose(model.lower_bound_, plain.lower_bound_, atol=1e-5)
    model = make(experts, **params).fit(X[rows], y[rows])
    assert_allclose(getattr(model, answer)(X), expected, atol=1e-5)
    assert_allclose(model.lower_bound_, plain.lower_bound_, atol=1e-5)


def test_the_order_of_experts_does_not_matter(table):
    X, y, labels = table
    resp = np.eye(3)[np.digitize(y, [0, 2])] * 0.7 + 0.1
    for make, target in [(regressor, y), (classifier, labels)]:
        one = make(init=resp).fit(X, target)
        other = make(init=resp[:, ::-1]).fit(X, target)
        assert_allclose(other.gate_proba(X)[:, ::-1], one.gate_proba(X), atol=1e-6)
        assert_allclose(other.expert_predict(X)[:, ::-1], one.expert_predict(X), atol=1e-5)


# Batched and wrapped are two routes to one model -------------------------------------------


@pytest.mark.parametrize(
    "expert",
    [
        LinearRegression(),
        Ridge(alpha=2.0),
        make_pipeline(PolynomialFeatures(), Ridge(alpha=2.0)),
        LogisticRegression(solver="newton-cholesky", tol=1e-12),
        LogisticRegression(C=0.2, solver="newton-cholesky", tol=1e-12),
    ],
    ids=repr,
)
def test_batched_and_wrapped_experts_agree(expert, table):
    X, y, labels = table
    labelled = hasattr(expert, "predict_proba")
    make, target = (classifier, labels) if labelled else (regressor, y)
    resp = np.eye(2)[(X[:, 0] > 0).astype(int)] * 0.6 + 0.2
    params = {"init": resp, "n_experts": 2, "tol": 1e-15, "max_iter": 1000}
    batched = make(expert, **params).fit(X, target)
    wrapped = make([("a", expert), ("b", clone(expert))], **params).fit(X, target)
    assert_allclose(batched.lower_bound_, wrapped.lower_bound_, atol=1e-6)
    assert_allclose(batched.gate_proba(X), wrapped.gate_proba(X), atol=1e-6)
    assert_allclose(batched.expert_predict(X), wrapped.expert_predict(X), rtol=1e-6, atol=1e-6)


def test_several_outputs_of_one_expert_are_several_regressions(table):
    X, y, _ = table
    Y = np.column_stack([y, X[:, 2] ** 2, y * X[:, 0]])
    model = regressor(n_experts=1).fit(X, Y)
    assert model.dispersion_.shape == (1, 3)
    assert_allclose(model.predict(X), LinearRegression().fit(X, Y).predict(X), rtol=1e-9)
    # An output that says nothing of the experts leaves those of the others alone.
    alone = regressor(n_experts=2, max_iter=50).fit(X, y)
    assert model.expert_predict(X).shape == (N, 1, 3)
    doubled = regressor(n_experts=2, max_iter=50).fit(X, np.column_stack([y, y]))
    assert doubled.predict(X).shape == (N, 2)
    assert_allclose(doubled.predict(X)[:, 0], doubled.predict(X)[:, 1], rtol=1e-9)
    assert alone.predict(X).shape == (N,)
