"""Sample weights: two is the row written twice, zero is the row left out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gaussian

N = 70

REGRESSORS = {
    "default": {},
    "hard": {"top_k": 1},
    "sparse": {"top_k": 2},
    "ridge": {"experts": Ridge(alpha=2.0)},
    "constant-gate": {"gate": "constant"},
    "pipeline": {"experts": make_pipeline(MaxAbsScaler(), LinearRegression())},
    "kmeans": {"init": "kmeans"},
    "random": {"init": "random"},
    "all-starts": {"n_init": "auto"},
    "one": {"n_experts": 1},
    "shared": {"response": Gaussian(shared=True)},
}
CLASSIFIERS = {
    "default": {},
    "hard": {"top_k": 1},
    "sparse": {"top_k": 2},
    "constant-gate": {"gate": "constant"},
    "pipeline": {"experts": make_pipeline(MaxAbsScaler(), LogisticRegression(C=0.5))},
    "one": {"n_experts": 1},
    "balanced": {"class_weight": "balanced"},
    "class-weight": {"class_weight": {"a": 2.0, "b": 1.0, "c": 0.5}},
}
VARIANTS = [
    *(
        pytest.param(MixtureOfExpertsRegressor, v, id=f"regressor-{k}")
        for k, v in REGRESSORS.items()
    ),
    *(
        pytest.param(MixtureOfExpertsClassifier, v, id=f"classifier-{k}")
        for k, v in CLASSIFIERS.items()
    ),
]

# Three experts for seventy rows: some of them may be left with none, or with work to do.
pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture
def table(rng):
    """X (n, 3) with many zeros, and y of two regimes: numbers, and three classes."""
    X = rng.normal(size=(N, 3)) * (rng.uniform(size=(N, 3)) < 0.7)
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N)
    labels = np.array(["a", "b", "c"])[np.digitize(numbers + 0.5 * rng.normal(size=N), [0, 2])]
    return X, numbers, labels


def make(estimator, params):
    settings = {"n_experts": 3, "n_init": 2, "random_state": 0, "max_iter": 20}
    return estimator(**settings | params)


def target_of(estimator, table):
    return table[1] if estimator is MixtureOfExpertsRegressor else table[2]


def assert_same(one, other, X, tol=1e-7):
    """The whole model is the same, experts in the same order."""
    assert_allclose(one.gate_proba(X), other.gate_proba(X), atol=tol)
    assert_allclose(one.expert_predict(X), other.expert_predict(X), rtol=tol, atol=tol)
    assert_allclose(
        one.predict_proba(X) if hasattr(one, "predict_proba") else one.predict(X),
        other.predict_proba(X) if hasattr(one, "predict_proba") else other.predict(X),
        rtol=tol,
        atol=tol,
    )
    assert_allclose(one.lower_bound_, other.lower_bound_, rtol=tol)
    assert_allclose(one.expert_usage_, other.expert_usage_, atol=tol)


@pytest.mark.parametrize(
    ("container", "entries"),
    [(np.asarray, 0), (sparse.csr_array, 0)],
    ids=["dense", "sparse"],
)
@pytest.mark.parametrize(("estimator", "params"), VARIANTS)
def test_a_weight_of_two_is_the_row_written_twice(
    estimator, params, container, entries, table, rng, monkeypatch
):
    monkeypatch.setattr("skmoe._data.design._DENSE_ENTRIES", entries)
    X, y = table[0], target_of(estimator, table)
    weights = rng.integers(0, 4, size=N)
    rows = rng.permutation(np.repeat(np.arange(N), weights))
    weighted = make(estimator, params).fit(container(X), y, sample_weight=weights)
    repeated = make(estimator, params).fit(container(X[rows]), y[rows])
    assert_same(weighted, repeated, container(X))


@pytest.mark.parametrize("estimator", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
@pytest.mark.parametrize("params", [{}, {"top_k": 1}, {"gate": "constant"}], ids=str)
def test_small_sparse_tables_have_weights_too(estimator, params, table, rng, monkeypatch):
    test_a_weight_of_two_is_the_row_written_twice(
        estimator, params, sparse.csr_array, 2**20, table, rng, monkeypatch
    )


@pytest.mark.parametrize(("estimator", "params"), VARIANTS)
def test_a_weight_of_zero_is_the_row_left_out(estimator, params, table, rng):
    X, y = table[0], target_of(estimator, table)
    weights = rng.uniform(0.5, 2, size=N) * (rng.uniform(size=N) < 0.6)
    kept = weights > 0
    # Rows without weight may hold anything that X may hold.
    X_given = np.where(kept[:, None], X, 1e6)
    with_zeros = make(estimator, params).fit(X_given, y, sample_weight=weights)
    without = make(estimator, params).fit(X[kept], y[kept], sample_weight=weights[kept])
    assert_same(with_zeros, without, X, tol=1e-12)


def test_zero_weights_remove_a_class(table):
    X, _, labels = table
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    model.fit(X, labels, sample_weight=(labels != "b").astype(float))
    assert model.classes_.tolist() == ["a", "c"]
    with pytest.raises(ValueError, match="at least two classes in rows of positive weight"):
        model.fit(X, labels, sample_weight=(labels == "b").astype(float))


@pytest.mark.parametrize("factor", [1e-6, 0.37, 1e6])
@pytest.mark.parametrize(
    "model",
    [
        MixtureOfExpertsRegressor(response=Gaussian(prior=0)),
        MixtureOfExpertsRegressor(response=Gaussian(prior=0), top_k=1),
        MixtureOfExpertsClassifier(LogisticRegression(C=np.inf)),
        MixtureOfExpertsClassifier(LogisticRegression(C=np.inf), class_weight="balanced"),
    ],
    ids=["regressor", "hard", "classifier", "balanced"],
)
@pytest.mark.parametrize(
    "gate", [SoftmaxGate(alpha=0), ConstantGate()], ids=["softmax", "constant"]
)
def test_a_constant_factor_changes_nothing_where_priors_are_off(model, gate, factor, table, rng):
    X, y = table[0], target_of(type(model), table)
    model = model.set_params(gate=gate, n_experts=2, random_state=0, max_iter=8)
    weights = rng.uniform(0.5, 2, size=N)
    plain = model.fit(X, y, sample_weight=weights)
    scaled = make(type(model), model.get_params(deep=False)).fit(
        X, y, sample_weight=factor * weights
    )
    assert_same(plain, scaled, X, tol=1e-6)


def test_balanced_class_weights_are_the_weights_they_stand_for(table, rng):
    X, _, labels = table
    weights = rng.uniform(0.5, 2, size=N)
    mass = {c: weights[labels == c].sum() for c in np.unique(labels)}
    factor = {c: weights.sum() / (len(mass) * m) for c, m in mass.items()}
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0)
    by_hand = make(type(model), {}).fit(
        X, labels, sample_weight=weights * np.array([factor[c] for c in labels])
    )
    for class_weight in ("balanced", factor):
        found = make(type(model), {"class_weight": class_weight})
        assert_same(by_hand, found.fit(X, labels, sample_weight=weights), X)


# What reaches the experts ------------------------------------------------------------------


class Spy(BaseEstimator):
    """A constant expert that remembers the weights of its last fit."""

    def fit(self, X, y, sample_weight=None):
        self.weights_ = sample_weight
        self.X_ = np.asarray(X)
        self.value_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.value_)


class Plain(TransformerMixin, BaseEstimator):
    """A transformer that knows nothing of weights."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize(
    ("experts", "spy"),
    [
        (Spy(), lambda expert: expert),
        (make_pipeline(Plain(), Spy()), lambda expert: expert[-1]),
        (make_pipeline(Plain(), make_pipeline(Plain(), Spy())), lambda expert: expert[-1][-1]),
        ([("a", Spy()), ("b", make_pipeline(Plain(), Spy()))], None),
    ],
    ids=["estimator", "pipeline", "nested", "list"],
)
def test_experts_receive_responsibility_times_weight(experts, spy, table, rng):
    X, y, _ = table
    weights = rng.uniform(0.5, 2, size=N)
    resp = rng.dirichlet([2.0, 2.0], size=N)
    model = MixtureOfExpertsRegressor(experts, n_experts=2, init=resp, max_iter=1)
    model.fit(X, y, sample_weight=weights)
    spies = [model.experts_[0], model.experts_[1][-1]] if spy is None else map(spy, model.experts_)
    for k, expert in enumerate(spies):
        assert_allclose(expert.weights_, resp[:, k] * weights, rtol=1e-12)


def test_rows_of_no_weight_do_not_reach_an_expert(table):
    X, y, _ = table
    resp = np.eye(2)[(X[:, 0] > 0).astype(int)]
    model = MixtureOfExpertsRegressor(Spy(), n_experts=2, init=resp, max_iter=1).fit(X, y)
    for k, expert in enumerate(model.experts_):
        np.testing.assert_array_equal(expert.X_, X[resp[:, k] > 0])
        assert expert.weights_ is None or (expert.weights_ == 1).all()


def test_a_single_expert_receives_the_weights_as_they_are(table, rng):
    X, y, _ = table
    weights = rng.uniform(0.5, 2, size=N)
    model = MixtureOfExpertsRegressor(make_pipeline(Plain(), Spy()), n_experts=1)
    np.testing.assert_array_equal(
        model.fit(X, y, sample_weight=weights).experts_[0][-1].weights_, weights
    )


def test_an_expert_without_weights_is_fitted_to_rows_drawn_by_weight(table):
    X, y, _ = table
    kept = X[:, 0] > 0
    model = MixtureOfExpertsRegressor(KNeighborsRegressor(1), n_experts=1, random_state=0)
    with pytest.warns(UserWarning, match="take no sample_weight"):
        model.fit(X, y, sample_weight=1.0 + kept)
    # Weights of one and two, as many draws as they sum to: rows once or twice.
    drawn, times = np.unique(model.experts_[0]._fit_X, axis=0, return_counts=True)
    assert times.sum() == N + kept.sum()
    by_row = {tuple(row): count for row, count in zip(drawn, times, strict=True)}
    unique = ~(X == 0).all(axis=1)
    assert [by_row[tuple(row)] for row in X[unique]] == (1 + kept[unique]).tolist()


@pytest.mark.parametrize("weights", [-np.ones(N), np.full(N, np.nan), np.ones(N - 1), np.zeros(N)])
def test_unusable_weights_are_refused(weights, table):
    X, y, _ = table
    with pytest.raises(ValueError, match=r"weight|inconsistent"):
        MixtureOfExpertsRegressor().fit(X, y, sample_weight=weights)


# Folds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cv", ["auto", 2, "splits"])
@pytest.mark.parametrize("n", [4, 40])
def test_rows_of_weight_zero_are_in_no_fold(cv, n, rng):
    X, y = rng.standard_normal((n, 2)), rng.standard_normal(n)
    weights = np.arange(n) % 4 < 3
    halves = [np.flatnonzero(np.arange(n) % 2 == side) for side in (0, 1)]
    splits = [(halves[0], halves[1]), (halves[1], halves[0])]
    model = MixtureOfExpertsRegressor(DecisionTreeRegressor(max_depth=1, random_state=0), 1)
    found = model.set_params(cv=splits if cv == "splits" else cv).fit(X, y, weights.astype(float))
    kept = {
        half.tobytes(): np.flatnonzero(np.isin(np.flatnonzero(weights), half)) for half in halves
    }
    splits = [tuple(kept[half.tobytes()] for half in pair) for pair in splits]
    model = MixtureOfExpertsRegressor(DecisionTreeRegressor(max_depth=1, random_state=0), 1)
    alone = model.set_params(cv=splits if cv == "splits" else cv).fit(X[weights], y[weights])
    assert_allclose(found.dispersion_, alone.dispersion_)
    assert_allclose(found.predict(X), alone.predict(X))
