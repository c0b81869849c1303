"""Hard, sparse and soft routing: which experts are evaluated on which rows, and the accuracy."""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data import target as _target
from skmoe.experts import WrappedBank
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.routing import keep_top, largest, route, weighted_vote


class Listener:
    """A fitted expert that notes the rows of every call."""

    def __init__(self, expert, key):
        self.expert, self.key, self.calls = expert, key, []
        if hasattr(expert, "classes_"):
            self.classes_ = expert.classes_

    def predict(self, X):
        self.calls.append(self.key(X))
        return self.expert.predict(X)

    def predict_proba(self, X):
        self.calls.append(self.key(X))
        return self.expert.predict_proba(X)


def listen(model, key):
    """Put listeners in the place of all fitted experts, and return them."""
    for name, expert in model.named_experts_.items():
        model.named_experts_[name] = Listener(expert, key)
    return list(model.named_experts_.values())


@pytest.fixture(scope="module", params=["regressor", "classifier"])
def fitted(request, seed):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.arange(300), rng.uniform(-1, 1, (300, 2))])
    y = np.where(X[:, 1] > 0, X[:, 2], 3 - X[:, 2]) + 0.1 * rng.standard_normal(300)
    params = {"n_experts": 4, "random_state": 0, "expert_features": [0, 2], "init": "kmeans"}
    if request.param == "regressor":
        experts = DecisionTreeRegressor(max_depth=3)
        return MixtureOfExpertsRegressor(experts, gate_features=[1, 2], **params).fit(X, y), X, y
    labels = np.digitize(y, [0.5, 2.0])
    experts = DecisionTreeClassifier(max_depth=3)
    model = MixtureOfExpertsClassifier(experts, gate_features=[1, 2], **params)
    return model.fit(X, labels), X, labels


@pytest.mark.parametrize("top_k", [1, 2, 3, None])
@pytest.mark.parametrize(
    "method", ["predict", "score_samples", "responsibilities", "predict_proba"]
)
def test_an_expert_predicts_its_own_rows_once(fitted, method, top_k):
    model, X, y = fitted
    if not hasattr(model, method):
        pytest.skip("a regressor has no probabilities of classes")
    model.set_params(top_k=top_k)
    order = np.argsort(-model.gate_proba(X), axis=1, kind="stable")[:, : top_k or 4]
    original = dict(model.named_experts_)
    try:
        listeners = listen(model, lambda X: X[:, 0].astype(int))
        getattr(model, method)(X, *([y] if method in ("score_samples", "responsibilities") else []))
        for k, listener in enumerate(listeners):
            (rows,) = listener.calls
            np.testing.assert_array_equal(rows, np.flatnonzero((order == k).any(axis=1)))
        # Rows of one expert alone: the others are not called at all.
        own = X[order[:, 0] == 0]
        for listener in listeners:
            listener.calls.clear()
        model.set_params(top_k=1).predict(own)
        assert [len(listener.calls) for listener in listeners] == [1, 0, 0, 0]
    finally:
        model.named_experts_.update(original)
        model.set_params(top_k=None)


def test_top_evaluates_the_experts_that_the_hard_mixture_does(fitted):
    model, X, _ = fitted
    hard = model.set_params(top_k=1).predict(X)
    try:
        listeners = listen(model, len)
        top = model.set_params(top_k=None, combine="top").predict(X)
        assert sum(sum(listener.calls) for listener in listeners) == len(X)
    finally:
        for name, listener in model.named_experts_.items():
            model.named_experts_[name] = listener.expert
        model.set_params(top_k=None, combine="mean")
    np.testing.assert_array_equal(top, hard)


# Accuracy ----------------------------------------------------------------------------------


def quarters(rng, n):
    """Four pieces of the plane, a line on each."""
    X = rng.uniform(-1, 1, (n, 2))
    piece = (X > 0) @ [2, 1]
    slopes = np.array([[3.0, 0.0, 1.0], [-3.0, 1.0, 0.0], [0.0, 3.0, -1.0], [1.0, -3.0, 0.0]])[
        piece
    ]
    return X, (X * slopes[:, :2]).sum(axis=1) + slopes[:, 2] + 0.2 * rng.standard_normal(n)


@pytest.mark.slow
@pytest.mark.parametrize("init", ["auto", "split"])
def test_hard_training_reaches_the_error_of_the_soft_optimum(init):
    reached, least_used = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        (X, y), (X_new, y_new) = quarters(rng, 1000), quarters(rng, 4000)
        errors = []
        for top_k in (None, 1):
            model = MixtureOfExpertsRegressor(top_k=top_k, init=init, random_state=seed).fit(X, y)
            errors.append(np.sqrt(np.mean((model.predict(X_new) - y_new) ** 2)))
        reached.append(errors[1] <= 1.05 * errors[0])
        least_used.append(model.expert_usage_.min())
    assert sum(reached) >= 18
    assert min(least_used) > 0.1


@pytest.mark.slow
def test_a_tree_of_logistic_experts_against_one_on_digits():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    one = LogisticRegression(C=10, max_iter=2000)
    tree = MixtureOfExpertsClassifier(
        LogisticRegression(C=10),
        gate=HierarchicalGate((2, 2), SoftmaxGate(alpha=30.0)),
        tol=1e-3,
        random_state=0,
    )
    scores = {"one": [], "dense": [], "two": []}
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(X, y):
        scores["one"].append(one.fit(X[train], y[train]).score(X[test], y[test]))
        tree.set_params(top_k=None).fit(X[train], y[train])
        scores["dense"].append(tree.score(X[test], y[test]))
        scores["two"].append(tree.set_params(top_k=2).score(X[test], y[test]))
    one, dense, two = (np.array(values) for values in scores.values())
    assert dense.mean() >= one.mean()
    # No sign, on the same folds, that the tree is the less accurate of the two.
    assert stats.ttest_rel(dense, one, alternative="less").pvalue > 0.1
    assert two.mean() >= dense.mean() - 0.005


# Training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("gate", [None, "constant", DecisionTreeClassifier(max_depth=4)])
@pytest.mark.parametrize("task", ["regression", "two outputs", "classification"])
@pytest.mark.filterwarnings(
    "ignore:EM did not converge",
    "ignore:no rows were left:UserWarning",
    "ignore:the experts .* repeat y:UserWarning",
)
def test_training_evaluates_experts_only_where_it_matters(task, gate, top_k, rng, monkeypatch):
    """The same model, to the last digit, as when every expert is asked about every row."""
    X, y = quarters(rng, 400)
    weights = rng.uniform(0.5, 2.0, 400)
    if task == "classification":
        y = np.digitize(y, [-1.0, 1.0])
        model = MixtureOfExpertsClassifier(DecisionTreeClassifier(min_samples_leaf=3))
    else:
        y = y if task == "regression" else np.column_stack([y, X[:, 0]])
        model = MixtureOfExpertsRegressor(DecisionTreeRegressor(min_samples_leaf=3))
    model.set_params(gate=gate, top_k=top_k, max_iter=12, cv=None, random_state=0)
    asked = {"all": 0, "own": 0}
    read = {name: getattr(_target, name).read for name in ("Target", "Labels")}
    update = WrappedBank.update
    bounds = {}
    for mode in asked:

        def counted(self, expert, X, rows=None, mode=mode):
            asked[mode] += len(X)
            return read[type(self).__name__](self, expert, X, rows)

        for name in read:
            monkeypatch.setattr(getattr(_target, name), "read", counted)
        if mode == "all":
            monkeypatch.setattr(
                WrappedBank, "update", lambda self, w, s, alive, own_rows: update(self, w, s, alive)
            )
        else:
            monkeypatch.setattr(WrappedBank, "update", update)
        model.fit(X, y, sample_weight=weights)
        bounds[mode] = model.lower_bounds_
    np.testing.assert_array_equal(bounds["own"], bounds["all"])
    assert asked["own"] < asked["all"]
    if gate is None and task == "regression":
        assert asked["own"] < (0.6 if top_k == 1 else 0.9) * asked["all"]


# Weights of a route ------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [None, 1, 2, 3, 5])
def test_routes_keep_the_most_probable_and_sum_to_one(rng, top_k):
    gate = rng.dirichlet(np.ones(4), 500)
    weights = route(np.log(gate), top_k)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    k = min(top_k or 4, 4)
    assert ((weights > 0).sum(axis=1) == k).all()
    kept = np.where(weights > 0, gate, 0.0)
    np.testing.assert_allclose(weights, kept / kept.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(kept.sum(axis=1), np.sort(gate, axis=1)[:, -k:].sum(axis=1))


def test_ties_are_broken_by_order():
    np.testing.assert_array_equal(largest(np.zeros((2, 3)), 2), [[True, True, False]] * 2)
    np.testing.assert_array_equal(keep_top(np.full((1, 3), 1 / 3)), [[1.0, 0.0, 0.0]])


def test_votes_are_shares_of_weight():
    proba = np.array([[[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]])
    found = weighted_vote(np.array([[0.5, 0.3, 0.2]]), proba)
    np.testing.assert_allclose(found, [[0.5, 0.5]])
