"""Data frames of polars: the same results as those of pandas, and columns known by name."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.tables import is_numeric, with_columns
from skmoe._sklearn import take
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.inspection import (
    GateDisplay,
    PredictiveDensityDisplay,
    bootstrap,
    expert_rules,
    summary,
)

pl = pytest.importorskip("polars")
N = 120
NUMBERS = ["a", "b", "c"]


def knows_names():
    return hasattr(Ridge().fit(pl.DataFrame({"a": [1.0, 2.0]}), [0.0, 1.0]), "feature_names_in_")


if not knows_names():
    pytest.skip("scikit-learn 1.7 does not know the columns of polars 2", allow_module_level=True)


@pytest.fixture
def columns(rng):
    """Numbers, a column of strings, and targets, by name."""
    a, b, c = rng.normal(size=(3, N))
    y = np.where(a > 0, 2 * b + 3, -b) + 0.3 * rng.normal(size=N)
    return {
        "X": {"a": a, "b": b, "c": c},
        "kind": np.array(["u", "v", "w"])[rng.integers(0, 3, N)],
        "y": y,
        "labels": np.array(["no", "yes"])[(y > 1).astype(int)],
        "weights": np.where(np.arange(N) < 5, 0.0, rng.uniform(0.5, 2, N)),
    }


def encoded(last):
    """A pipeline that needs names of columns."""
    return make_pipeline(
        make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), NUMBERS)), last
    )


class WritingRegressor(Ridge):
    """Writes into the frame that it receives."""

    def fit(self, X, y, sample_weight=None):
        X[0, "a"] = 1e6
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        X[0, "a"] = 1e6
        return super().predict(X)


def small(cls, *experts, **params):
    return cls(*experts, **{"n_experts": 2, "n_init": 1, "random_state": 0} | params)


Regressor, Classifier = MixtureOfExpertsRegressor, MixtureOfExpertsClassifier
PLAIN = {
    "linear": small(Regressor),
    "columns": small(Regressor, gate_features=["a"], expert_features=["b", "c"]),
    "positions": small(Regressor, gate_features=[0], expert_features=slice(1, 3)),
    "one column": small(Regressor, gate_features="a"),
    "callable": small(Regressor, gate_features=lambda X: ["a"]),
    "trees out of fold": small(Regressor, DecisionTreeRegressor(max_depth=2), max_iter=10),
    "pool": small(Regressor, [("line", Ridge()), ("flat", Ridge(100.0))], specialize=False),
    "hard": small(Regressor, top_k=1),
    "tree of gates": small(Regressor, gate=HierarchicalGate((2, 2)), n_experts=4),
    "labels": small(Classifier),
    "labels by vote": small(Classifier, top_k=1, combine="vote", class_weight="balanced"),
}
WITH_STRINGS = {
    "experts": small(Regressor, encoded(Ridge()), gate_features=["a"]),
    "both": small(Regressor, encoded(Ridge()), gate=encoded(SoftmaxGate())),
    "trees": small(
        Regressor, encoded(DecisionTreeRegressor(max_depth=2)), gate_features="a", max_iter=10
    ),
    "labels": small(Classifier, encoded(LogisticRegression()), gate_features=["a", "b"]),
}


def assert_same(model, columns, table):
    """Fit a model to frames of both kinds, and compare all predictions for either."""
    target = columns["labels" if isinstance(model, Classifier) else "y"]
    frames = pl.DataFrame(table), pd.DataFrame(table)
    series = [(make(target), make(columns["weights"])) for make in (pl.Series, pd.Series)]
    asked = ["predict", "gate_proba", "expert_predict", "apply"]
    asked += ["predict_proba"] if isinstance(model, Classifier) else ["predict_interval"]
    found = []
    for X, (y, weights) in zip(frames, series, strict=True):
        model.fit(X, y, weights)
        assert model.feature_names_in_.tolist() == list(table)
        found += [
            [getattr(model, name)(other) for name in asked] + [model.score_samples(other, y)]
            for other in frames
        ]
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize("model", PLAIN.values(), ids=PLAIN)
def test_numbers(model, columns):
    assert_same(model, columns, columns["X"])


@pytest.mark.parametrize("model", WITH_STRINGS.values(), ids=WITH_STRINGS)
def test_strings(model, columns):
    assert_same(model, columns, columns["X"] | {"kind": columns["kind"]})


def test_arrays_give_the_same(columns):
    X, y = pl.DataFrame(columns["X"]), pl.Series(columns["y"])
    model = small(Regressor).fit(X, y)
    plain = small(Regressor).fit(X.to_numpy(), columns["y"])
    assert_array_equal(model.predict(X), plain.predict(X.to_numpy()))


def test_several_outputs_of_a_frame(columns):
    X = pl.DataFrame(columns["X"])
    y = pl.DataFrame({"one": columns["y"], "two": columns["X"]["c"]})
    model = small(Regressor).fit(X, y)
    # In memory, the array lies the other way round.
    other = small(Regressor).fit(X, np.ascontiguousarray(y.to_numpy()))
    assert_array_equal(model.predict(X), other.predict(X))


def test_batches(columns):
    X, y = columns["X"], columns["y"]
    models = []
    for frame in (pl.DataFrame, pd.DataFrame):
        model = small(Regressor)
        for rows in (slice(0, 60), slice(60, N)):
            batch = frame({name: values[rows] for name, values in X.items()})
            model.partial_fit(batch, y[rows])
        models.append(model)
    assert_array_equal(*[model.predict(pl.DataFrame(X)) for model in models])


def test_groups(columns):
    groups = np.arange(N) // 3
    table = columns["X"] | {"kind": np.array(["u", "v"])[groups % 2]}
    gates = []
    for frame, series in ((pl.DataFrame, pl.Series), (pd.DataFrame, pd.Series)):
        model = WITH_STRINGS["both"].fit(frame(table), columns["y"], groups=series(groups))
        gates.append(model.gate_proba(frame(table)))
    assert_array_equal(*gates)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda y: pl.Series(np.array(["no", "yes"])[y]), ["no", "yes"]),
        (lambda y: pl.Series(np.array(["no", "yes"])[y], dtype=pl.Categorical), ["no", "yes"]),
        (lambda y: pl.Series(y > 0), [False, True]),
        (lambda y: pl.Series(y), [0, 1]),
    ],
    ids=["strings", "categories", "bool", "int"],
)
def test_labels_come_back_in_their_type(make, names, columns):
    y = make((columns["y"] > 1).astype(int))
    model = small(Classifier).fit(pl.DataFrame(columns["X"]), y)
    assert model.classes_.tolist() == names
    predicted = model.predict(pl.DataFrame(columns["X"]))
    assert predicted.dtype == model.classes_.dtype == np.asarray(y).dtype
    assert (predicted == np.asarray(y)).mean() > 0.8


# What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.select("b", "a", "c"), "must be in the same order as they were in fit"),
        (lambda X: X.select("a", "b"), "seen at fit time, yet now missing:\n- c"),
        (lambda X: X.rename({"a": "z"}), "unseen at fit time:\n- z"),
        (lambda X: X.with_columns(q=1.0), "unseen at fit time:\n- q"),
    ],
    ids=["order", "missing", "other", "more"],
)
def test_other_columns_are_named(change, message, columns):
    X = pl.DataFrame(columns["X"])
    model = small(Regressor).fit(X, columns["y"])
    with pytest.raises(ValueError, match=message):
        model.predict(change(X))


def with_null(values):
    return pl.Series([*np.asarray(values)[:-1].tolist(), None])


def with_nan(values):
    return np.append(values[:-1], np.nan)


@pytest.mark.parametrize("where", ["X", "y", "weights"])
def test_null_is_what_nan_is(where, columns):
    messages = []
    for missing in (with_null, with_nan):
        given = {"X": pl.DataFrame(columns["X"]), "y": columns["y"], "weights": columns["weights"]}
        if where == "X":
            given["X"] = given["X"].with_columns(pl.Series("a", missing(columns["X"]["a"])))
        else:
            given[where] = missing(given[where])
        with pytest.raises(ValueError, match="contains NaN") as caught:
            small(Regressor).fit(given["X"], given["y"], given["weights"])
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_label_that_is_null_is_refused(columns):
    with pytest.raises(ValueError, match="y contains None: every row must have a label"):
        small(Classifier).fit(pl.DataFrame(columns["X"]), with_null(columns["labels"]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_null_goes_where_nan_may_go(columns):
    X = pl.DataFrame(columns["X"])
    parts = HistGradientBoostingRegressor(max_iter=3), HistGradientBoostingClassifier(max_iter=3)
    fits = []
    for missing in (with_null, with_nan):
        table = X.with_columns(pl.Series("a", missing(columns["X"]["a"])))
        model = small(Regressor, parts[0], gate=parts[1], max_iter=3).fit(table, columns["y"])
        fits.append(model.predict(table))
    assert_array_equal(*fits)


def test_a_frame_without_rows_is_refused(columns):
    X = pl.DataFrame(columns["X"])
    with pytest.raises(TypeError, match="with its rows in memory; got LazyFrame"):
        small(Regressor).fit(X.lazy(), columns["y"])
    with pytest.raises(ValueError, match="0 sample"):
        small(Regressor).fit(X.head(0), columns["y"][:0])


def test_parts_cannot_write_into_the_frame(columns):
    X = pl.DataFrame(columns["X"])
    before = X.clone()
    small(Regressor, WritingRegressor(), cv=None).fit(X, columns["y"]).predict(X)
    assert X.equals(before)


# Tables ------------------------------------------------------------------------------------


def test_rows_and_columns_of_tables():
    values = {"a": np.arange(4.0), "k": np.array(list("uvwx"))}
    for table in (pl.DataFrame(values), pd.DataFrame(values)):
        some = take(table, np.array([2, 0]))
        other = with_columns(some, {0: np.array([7.0, 8.0])})
        assert np.asarray(take(some, 0, axis=1)).tolist() == [2.0, 0.0]
        assert np.asarray(take(other, 0, axis=1)).tolist() == [7.0, 8.0]
        assert np.asarray(take(other, 1, axis=1)).tolist() == ["w", "u"]
        assert list(other.columns) == ["a", "k"]
        assert is_numeric(take(table, 0, axis=1))
        assert not is_numeric(take(table, 1, axis=1))


def test_inspection_knows_names(columns):
    table = columns["X"] | {"kind": columns["kind"]}
    said = []
    for frame in (pl.DataFrame, pd.DataFrame):
        X = frame(table)
        model = WITH_STRINGS["both"].fit(X, columns["y"])
        rules = expert_rules(model, X)
        gate = GateDisplay.from_estimator(model, X, ["a"], at={"kind": "v"})
        density = PredictiveDensityDisplay.from_estimator(model, X, "b")
        plain = small(Regressor).fit(frame(columns["X"]), columns["y"])
        table_of = summary(plain, frame(columns["X"]), columns["y"], groups=np.arange(N))
        again = bootstrap(plain, frame(columns["X"]), columns["y"], n_resamples=3, random_state=0)
        said.append([str(rules), gate.proba, density.density, str(table_of), str(again)])
        assert gate.feature_names == ["a"]
        assert any(name in str(rules) for name in ("a ", "b ", "kind is"))
    for one, other in zip(*said, strict=True):
        assert_array_equal(one, other)
