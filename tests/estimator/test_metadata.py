"""Metadata routing, warm start, columns, tags and the picture of the model."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr, get_tags

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate

pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
N = 100


@pytest.fixture
def table(rng):
    X = rng.normal(size=(N, 3))
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N)
    return X, numbers, numbers > 1


@pytest.fixture
def frame(table, rng):
    X = pd.DataFrame(table[0], columns=["a", "b", "c"])
    X["colour"] = rng.choice(["red", "green"], size=N)
    return X


# Routing -----------------------------------------------------------------------------------


class _Spy(BaseEstimator):
    """Remembers what its last fit received."""

    def fit(self, X, y, sample_weight=None, price=None, note=None):
        self.seen_ = {"sample_weight": sample_weight, "price": price, "note": note}
        self.X_ = np.asarray(X)
        self.classes_ = np.unique(y)
        self.value_ = np.average(y, weights=sample_weight)
        return self


class SpyRegressor(RegressorMixin, _Spy):
    def predict(self, X):
        return np.full(len(X), self.value_)


class SpyClassifier(ClassifierMixin, _Spy):
    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        proba = np.full((len(X), len(self.classes_)), 1.0 - self.value_)
        proba[:, -1] = self.value_ if len(self.classes_) > 1 else 1.0
        return proba


@pytest.fixture(params=["regressor", "classifier"])
def task(request, table):
    X, numbers, labels = table
    if request.param == "regressor":
        return MixtureOfExpertsRegressor, SpyRegressor, X, numbers
    return MixtureOfExpertsClassifier, SpyClassifier, X, labels


@pytest.fixture
def halves(table):
    """Starting responsibilities that give each of two experts rows of its own."""
    return np.eye(2)[(table[0][:, 0] > 0).astype(int)]


def test_clones_receive_the_metadata_they_request(task, halves):
    Estimator, Spy, X, y = task
    price = np.arange(N)
    with config_context(enable_metadata_routing=True):
        spy = Spy().set_fit_request(price=True, note=False)
        model = Estimator(spy, n_experts=2, init=halves, max_iter=1).fit(X, y, price=price)
    for k, expert in enumerate(model.experts_):
        rows = halves[:, k] > 0
        # Rows that are not the expert's are cut from X and from the metadata alike.
        assert_array_equal(expert.X_, X[rows])
        assert_array_equal(expert.seen_["price"], price[rows])
        assert expert.seen_["note"] is None


@pytest.mark.parametrize("note", [3, "four"])
def test_metadata_that_belong_to_no_row_are_not_cut(note, task):
    Estimator, Spy, X, _ = task
    # As many rows as the word has letters.
    X, y = X[:4], np.array([0, 1, 1, 0])
    with config_context(enable_metadata_routing=True):
        spy = Spy().set_fit_request(price=False, note=True)
        model = Estimator(spy, n_experts=1, cv=None)
        model.fit(X, y, sample_weight=[1, 1, 1, 0], note=note)
    assert model.experts_[0].seen_["note"] == note


def test_each_expert_of_a_list_receives_its_own(task, halves):
    Estimator, Spy, X, y = task
    with config_context(enable_metadata_routing=True):
        first = Spy().set_fit_request(price=True, note=False)
        last = Spy().set_fit_request(price=False, note=True)
        experts = [("first", first), ("last", Pipeline([("spy", last)]))]
        model = Estimator(experts, init=halves * 0.8 + 0.1, max_iter=1)
        model.fit(X, y, price=np.arange(N), note="all rows alike")
        seen = [model.experts_[0].seen_, model.experts_[1][-1].seen_]
        with pytest.raises(TypeError, match="unexpected argument"):
            model.fit(X, y, weather=np.arange(N))
    assert_array_equal(seen[0]["price"], np.arange(N))
    assert seen[0]["note"] is None
    assert seen[1]["price"] is None
    assert seen[1]["note"] == "all rows alike"


def test_metadata_lose_the_rows_without_weight(task, halves):
    Estimator, Spy, X, y = task
    price, kept = np.arange(N), np.arange(N) % 3 > 0
    with config_context(enable_metadata_routing=True):
        spy = Spy().set_fit_request(price=True, sample_weight=True)
        model = Estimator(spy, n_experts=2, init=halves * 0.8 + 0.1, max_iter=1)
        model.fit(X, y, sample_weight=kept.astype(float), price=price)
    for expert in model.experts_:
        assert_array_equal(expert.seen_["price"], price[kept])


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_weights_need_no_request(task, halves, piped, shared, rng):
    Estimator, Spy, X, y = task
    weights = rng.uniform(0.5, 2, size=N)
    expert = make_pipeline(StandardScaler(), Spy()) if piped else Spy()
    share = halves * 0.8 + 0.1 if shared else halves
    params = {"n_experts": 2, "init": share, "max_iter": 1}
    with config_context(enable_metadata_routing=True):
        model = Estimator(expert, **params).fit(X, y, sample_weight=weights)
    plain = Estimator(expert, **params).fit(X, y, sample_weight=weights)
    for k, pair in enumerate(zip(model.experts_, plain.experts_, strict=True)):
        routed, expected = (e[-1].seen_ if piped else e.seen_ for e in pair)
        assert_allclose(expected["sample_weight"], (share[:, k] * weights)[share[:, k] > 0])
        assert_array_equal(routed["sample_weight"], expected["sample_weight"])


def test_real_estimators_fit_under_routing(task, rng):
    Estimator, _, X, y = task
    weights = rng.uniform(0.5, 2, size=N)
    last = Ridge() if Estimator is MixtureOfExpertsRegressor else LogisticRegression()
    for experts in [None, last, make_pipeline(StandardScaler(), last), [("a", last), ("b", last)]]:
        model = Estimator(experts, n_experts=2, n_init=1, random_state=0, max_iter=10)
        expected = model.fit(X, y, sample_weight=weights).predict(X)
        with config_context(enable_metadata_routing=True):
            assert_array_equal(model.fit(X, y, sample_weight=weights).predict(X), expected)
            scaler = StandardScaler().set_fit_request(sample_weight=False)
            outer = make_pipeline(scaler, model.set_fit_request(sample_weight=True))
            outer.fit(X, y, sample_weight=weights)
            assert_allclose(outer[-1].expert_usage_, model.expert_usage_, atol=1e-2)


def test_without_routing_metadata_are_refused(task):
    Estimator, Spy, X, y = task
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        Estimator(Spy(), n_experts=2).fit(X, y, price=np.arange(N))


@pytest.mark.parametrize("piped", [False, True])
def test_weights_reach_what_a_search_fits(piped, table, rng):
    X, y, _ = table
    weights = rng.uniform(0.5, 2, size=N)
    inner = make_pipeline(StandardScaler(), Ridge()) if piped else Ridge()
    # A grid of one, as versions of scikit-learn differ in whether weights count in its scores.
    search = GridSearchCV(inner, {"ridge__alpha" if piped else "alpha": [5.0]}, cv=2)
    model = MixtureOfExpertsRegressor(search, n_experts=2, max_iter=2, random_state=0)
    expected = model.fit(X, y, sample_weight=weights).predict(X)
    with config_context(enable_metadata_routing=True):
        assert_array_equal(model.fit(X, y, sample_weight=weights).predict(X), expected)
    assert not np.allclose(model.fit(X, y).predict(X), expected)


# Warm start --------------------------------------------------------------------------------


@pytest.mark.parametrize("experts", [None, pytest.param("wrapped", marks=pytest.mark.slow)])
def test_warm_start_goes_on_where_the_last_fit_ended(task, experts):
    Estimator, _, X, y = task
    if experts is not None:
        experts = [("a", Ridge()), ("b", LinearRegression())]
        if Estimator is MixtureOfExpertsClassifier:
            experts = [("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))]
    params = {"n_experts": 2, "n_init": 2, "random_state": 0, "tol": 1e-8, "max_iter": 500}
    model = Estimator(experts, warm_start=True, **params).fit(X, y)
    assert model.starts_[0]["kind"] != "warm"
    reached, prediction = model.lower_bound_, model.predict(X)
    # Another seed draws other starts: the model that was reached is what counts.
    model.set_params(random_state=1).fit(X, y)
    assert [start["kind"] for start in model.starts_] == ["warm"]
    assert model.lower_bound_ >= reached - 1e-3
    assert (model.predict(X) == prediction).mean() > 0.99 or np.allclose(
        model.predict(X), prediction, atol=1e-2
    )
    # On other rows it goes on from what it makes of them.
    model.fit(X[::2], y[::2])
    assert [start["kind"] for start in model.starts_] == ["warm"]
    assert model.set_params(warm_start=False).fit(X, y).starts_[0]["kind"] != "warm"


def test_warm_start_with_another_number_of_experts_starts_anew(task):
    Estimator, _, X, y = task
    model = Estimator(n_experts=2, warm_start=True, random_state=0, max_iter=10).fit(X, y)
    model.set_params(n_experts=3).fit(X, y)
    assert model.n_experts_ == 3
    assert "warm" not in {start["kind"] for start in model.starts_}


# Columns -----------------------------------------------------------------------------------

SELECTIONS = {
    "names": (["a", "c"], [0, 2]),
    "name": ("b", [1]),
    "slice-of-names": (slice("b", "c"), [1, 2]),
    "indices": ([2, 0], [2, 0]),
    "index": (1, [1]),
    "negative": ([-1, 0], [2, 0]),
    "slice": (slice(1, 3), [1, 2]),
    "mask": ([True, False, True], [0, 2]),
    "array-mask": (np.array([True, False, True]), [0, 2]),
    "callable": (make_column_selector(pattern="a|b"), [0, 1]),
}


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("side", ["gate_features", "expert_features"])
def test_each_side_sees_the_columns_it_is_given(task, selection, side):
    Estimator, _, X, y = task
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    columns, positions = SELECTIONS[selection]
    params = {"n_experts": 2, "n_init": 1, "random_state": 0, "max_iter": 10}
    model = Estimator(**{side: columns}, **params).fit(frame, y)
    part = model.gate_ if side == "gate_features" else model.experts_[0]
    other = model.experts_[0] if side == "gate_features" else model.gate_
    assert part.feature_names_in_.tolist() == [frame.columns[j] for j in positions]
    assert other.feature_names_in_.tolist() == ["a", "b", "c"]
    assert part.n_features_in_ == len(positions)
    # The same as on the array, by position.
    by_position = Estimator(**{side: positions}, **params).fit(X, y)
    assert_allclose(model.expert_predict(frame), by_position.expert_predict(X), atol=1e-9)
    assert_allclose(model.gate_proba(frame), by_position.gate_proba(X), atol=1e-9)
    # Columns that a side does not see say nothing to it.
    changed = X + 10.0 * (~np.isin(np.arange(3), positions))
    method = "gate_proba" if side == "gate_features" else "expert_predict"
    assert_array_equal(getattr(by_position, method)(changed), getattr(by_position, method)(X))


@pytest.mark.parametrize("columns", [["nobody"], [7], [], slice(0, 0), [True, False]])
def test_columns_that_are_not_there_are_refused_by_name(columns, table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for side in ("gate_features", "expert_features"):
        with pytest.raises(ValueError, match=side):
            MixtureOfExpertsRegressor(**{side: columns}).fit(frame, y)


def test_columns_of_a_sparse_matrix(table):
    X, y, _ = table
    params = {"gate_features": [0], "expert_features": [1, 2], "n_experts": 2, "random_state": 0}
    dense = MixtureOfExpertsRegressor(**params).fit(X, y)
    model = MixtureOfExpertsRegressor(**params).fit(sparse.csc_array(X), y)
    assert model.gate_.coef_.shape == (2, 1)
    assert_allclose(model.predict(sparse.csr_matrix(X)), dense.predict(X), atol=1e-6)


def test_text_columns_reach_pipelines_as_they_are(frame, table):
    _, y, labels = table
    encode = ColumnTransformer([("text", OneHotEncoder(), ["colour"])], remainder=StandardScaler())
    gate = make_pipeline(encode, SoftmaxGate())
    model = MixtureOfExpertsRegressor(
        make_pipeline(encode, Ridge()), n_experts=2, gate=gate, random_state=0
    ).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "colour"]
    assert model.experts_[0].feature_names_in_.tolist() == ["a", "b", "c", "colour"]
    assert model.gate_.feature_names_in_.tolist() == ["a", "b", "c", "colour"]
    assert model.score(frame, y) > 0.5
    boosting = HistGradientBoostingClassifier(max_iter=5, categorical_features=["colour"])
    model = MixtureOfExpertsClassifier(
        boosting, n_experts=2, gate_features=["a"], random_state=0, max_iter=5
    )
    assert (
        model.fit(frame.astype({"colour": "category"}), labels).score(
            frame.astype({"colour": "category"}), labels
        )
        > 0.8
    )


def test_feature_names_are_checked_at_prediction(frame, table):
    _, y, _ = table
    frame = frame[["a", "b", "c"]]
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(frame.to_numpy())
    assert not hasattr(model.fit(frame.to_numpy(), y), "feature_names_in_")


# Picture and tags --------------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
def test_the_html_representation_shows_gate_and_experts(Estimator):
    default = "LinearRegression" if Estimator is MixtureOfExpertsRegressor else "LogisticRegression"
    html = estimator_html_repr(Estimator(n_experts=3))
    assert all(word in html for word in ["gate", "SoftmaxGate", "3 experts", default])
    last = Ridge() if Estimator is MixtureOfExpertsRegressor else LogisticRegression()
    experts = [("scaled", make_pipeline(StandardScaler(), last)), ("gone", "drop"), ("plain", last)]
    model = Estimator(experts, gate=ConstantGate())
    html = model._repr_html_()
    words = ["ConstantGate", "scaled", "StandardScaler", type(last).__name__, "plain", "gone"]
    assert all(word in html for word in words)
    assert "SoftmaxGate" not in html
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    assert "Fitted" in estimator_html_repr(model.fit(X, y))
    for gate in ["softmax", "constant", GaussianNB()]:
        html = estimator_html_repr(Estimator(gate=gate))
        assert (gate if isinstance(gate, str) else "GaussianNB") in html


def forbids(tags):
    return {
        name
        for name, allowed in [
            ("sparse", tags.input_tags.sparse),
            ("nan", tags.input_tags.allow_nan),
            ("outputs", tags.target_tags.multi_output),
        ]
        if not allowed
    }


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {"nan"}),
        ({"experts": GradientBoostingRegressor()}, {"nan", "outputs"}),
        ({"experts": HistGradientBoostingRegressor()}, {"sparse", "nan", "outputs"}),
        (
            {"experts": [("a", Ridge()), ("b", HistGradientBoostingRegressor())]},
            {"sparse", "nan", "outputs"},
        ),
        ({"experts": [("a", Ridge()), ("b", "drop")]}, {"nan"}),
        ({"gate": "constant"}, {"nan"}),
        ({"gate": GaussianNB()}, {"nan", "sparse"}),
        (
            {"gate": ConstantGate(), "experts": HistGradientBoostingRegressor()},
            {"sparse", "outputs"},
        ),
        ({"gate": "constant", "experts": HistGradientBoostingRegressor()}, {"sparse", "outputs"}),
        (
            {"gate": HistGradientBoostingClassifier(), "experts": HistGradientBoostingRegressor()},
            {"sparse", "outputs"},
        ),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_the_mixture_takes_what_all_its_parts_take(params, expected, table):
    X, y, _ = table
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0, max_iter=3, **params)
    assert forbids(get_tags(model)) == expected
    if isinstance(model.experts, HistGradientBoostingRegressor):
        model.set_params(experts__max_iter=3)
    with_nan = X.copy()
    with_nan[::7, 1] = np.nan
    inputs = [("sparse", sparse.csr_array(X), y), ("nan", with_nan, y)]
    inputs.append(("outputs", X, np.column_stack([y, X[:, 2]])))
    for name, X_given, y_given in inputs:
        if name in expected:
            with pytest.raises((ValueError, TypeError), match=r"expert|gate|1d"):
                model.fit(X_given, y_given)
        else:
            assert np.isfinite(model.fit(X_given, y_given).predict(X_given)).all()


def test_a_gate_that_sees_no_missing_values_needs_to_take_none(table):
    X, y, _ = table
    X = X.copy()
    X[::7, 2] = np.nan
    experts = [
        ("boosting", HistGradientBoostingRegressor(max_iter=5)),
        ("mean", LinearRegression()),
    ]
    model = MixtureOfExpertsRegressor(experts, gate_features=[0, 1], random_state=0, max_iter=3)
    with pytest.raises(ValueError, match=r"expert 'mean' failed in fit(?s:.)*SimpleImputer"):
        model.fit(X, y)
    model.set_params(mean="drop")
    assert np.isfinite(model.fit(X, y).predict(X)).all()
