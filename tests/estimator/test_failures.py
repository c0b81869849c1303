"""Errors name what went wrong, and leave nothing broken behind."""

import os

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier as Classifier
from skmoe import MixtureOfExpertsRegressor as Regressor
from skmoe._data.weighted_fit import weighted_rows
from skmoe.gates import ClassifierGate, ConstantGate, SoftmaxGate
from tests._estimators import (
    DyingRegressor,
    Raising,
    SpoilingClassifier,
    SpoilingRegressor,
    UnweightedClassifier,
    WritingFrameRegressor,
    WritingPredictor,
    WritingRegressor,
    WritingTransformer,
)


@pytest.fixture
def table(rng):
    """Two regimes, and three classes."""
    X = rng.standard_normal((60, 3))
    y = np.where(X[:, 0] > 0, 3.0, -3.0) * X[:, 1] + 0.1 * rng.standard_normal(60)
    return X, y, np.digitize(y, [-1.0, 1.0])


def pair(bad, good=None):
    """A list of experts of which the second misbehaves."""
    good = LinearRegression() if good is None else good
    return {"experts": [("good", good), ("bad", bad)], "random_state": 0}


# Parameters: the message names the parameter, what is expected and what came ---------------

BAD_PARAMETERS = [
    ({"top_k": 0}, r"'top_k' .* range \[1, inf\) or None. Got 0"),
    ({"n_experts": 0}, r"'n_experts' .* range \[1, inf\) .*Got 0"),
    ({"n_experts": 2.0}, r"'n_experts' .* an int .* Got 2.0"),
    ({"gate": "sofmax"}, r"'gate' .*'softmax'.* Got 'sofmax'"),
    ({"gate": Ridge()}, r"'gate' .*'predict_proba'.* Got Ridge\(\)"),
    ({"gate": SVC()}, r"'gate' .*'predict_proba'.* Got SVC\(\)"),
    ({"gate": LogisticRegression}, r"gate must be .* got <class .*LogisticRegression'>"),
    ({"init": "kmean"}, r"'init' .*'kmeans'.* Got 'kmean'"),
    ({"init": np.ones((60, 3))}, r"init must have the shape .*\(60, 4\); got \(60, 3\)"),
    ({"init": np.full((60, 4), np.nan)}, r"init contains NaN"),
    ({"init": np.eye(60, 4)}, r"init must have .* no row of zeros"),
    ({"n_init": "all"}, r"'n_init' .*'auto'.* Got 'all'"),
    ({"combine": "avg"}, r"'combine' .*'mean'.* Got 'avg'"),
    ({"max_iter": 0}, r"'max_iter' .* Got 0"),
    ({"tol": -1.0}, r"'tol' .* Got -1.0"),
    ({"random_state": "x"}, r"'random_state' .* Got 'x'"),
    ({"n_jobs": "2"}, r"'n_jobs' .* Got '2'"),
    ({"gate_features": [7]}, r"gate_features must select columns of X; got \[7\]"),
    ({"expert_features": ["age"]}, r"expert_features must select columns .* got \['age'\]"),
    ({"gate_features": []}, r"gate_features must select at least one column"),
    ({"gate_features": lambda X: X.shape[5]}, r"gate_features failed .* IndexError"),
    ({"experts": "ridge"}, r"'experts' .* Got 'ridge'"),
    ({"experts": Ridge}, r"expert 'expert_0' must be an instance .* got <class .*Ridge'>"),
    ({"experts": object()}, r"'experts' .* Got <object"),
    ({"experts": []}, r"experts must hold at least one estimator"),
    ({"experts": ["ridge"]}, r"\(name, estimator\) pairs; got 'ridge'"),
    ({"experts": [("a", "drop"), ("b", "drop")]}, r"at least one estimator that is not 'drop'"),
    ({"experts": [("a", "dorp")]}, r"expert 'a' must be an instance .* got 'dorp'"),
    ({"experts": [("a", Ridge()), ("a", Ridge())]}, r"unique names; got \['a', 'a'\]"),
    ({"experts": [("a__b", Ridge())]}, r"must not contain '__'; got \['a__b'\]"),
    ({"experts": [("gate", Ridge())]}, r"named like constructor parameters; got \['gate'\]"),
]


@pytest.mark.parametrize("Estimator", [Regressor, Classifier])
@pytest.mark.parametrize(("params", "message"), BAD_PARAMETERS)
def test_bad_parameters_are_named(Estimator, params, message, table):
    X, y, labels = table
    with pytest.raises((ValueError, TypeError), match=message):
        Estimator(**params).fit(X, y if Estimator is Regressor else labels)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Regressor(response="gausian"), r"'response' .*'gaussian'.* Got 'gausian'"),
        (Regressor(**pair(LogisticRegression())), "expert 'bad' must be a regressor .* got Log"),
        (Classifier(SVC()), r"predict_proba; got SVC\(\).*CalibratedClassifierCV"),
        (Classifier(**pair(Ridge(), DecisionTreeClassifier())), "expert 'bad' must be a class"),
        (Classifier(class_weight="balance"), r"'class_weight' .*'balanced'.* Got 'balance'"),
    ],
)
def test_experts_and_laws_of_the_wrong_kind_are_named(model, message, table):
    X, y, labels = table
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y if isinstance(model, Regressor) else labels)


@pytest.mark.parametrize("params", [{"top_k": 0}, {"top_k": 1.5}, {"combine": "avg"}])
def test_parameters_read_by_prediction_are_checked_there(params, table):
    X, y, _ = table
    model = Regressor(n_experts=2, random_state=0).fit(X, y).set_params(**params)
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        model.predict(X)


# Tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(60,\)"),
        (["a"] * 60, "sample_weight must be numbers"),
        (-np.ones(60), "Negative values .* `sample_weight`"),
        (np.full(60, np.inf), "sample_weight contains infinity"),
        (np.zeros(60), "(?i)sample.weight.* at least one"),
    ],
)
def test_bad_weights_are_named(weights, message, table):
    with pytest.raises(ValueError, match=message):
        Regressor().fit(*table[:2], sample_weight=weights)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 60, "y must be numbers"),
        (np.full(60, np.nan), "y contains NaN"),
        (np.full(60, 1e200), "y must lie within"),
        (np.zeros((60, 0)), "y must be numbers"),
        (np.ones(7), "inconsistent numbers of samples"),
        (None, "requires y"),
    ],
)
def test_bad_targets_are_named(y, message, table):
    with pytest.raises(ValueError, match=message):
        Regressor().fit(table[0], y)


@pytest.mark.parametrize("y", [np.full(60, 7), ["a"] * 60, np.array([0, "a"] * 30, dtype=object)])
def test_labels_that_fit_has_not_seen_are_named(y, table):
    X, _, labels = table
    model = Classifier(n_experts=2, random_state=0).fit(X, labels)
    with pytest.raises(ValueError, match=r"labels known from fit; got also \[(7|'a')\]"):
        model.score_samples(X, y)


def test_errors_of_missing_values_name_the_gate_or_the_expert(table):
    X, y, _ = table
    X[0, 1] = np.nan
    remedy = r" failed in fit: .*NaN(.|\n)*Remedy: .*SimpleImputer.*gate_features"
    with pytest.raises(ValueError, match="gate SoftmaxGate" + remedy):
        Regressor().fit(X, y)
    model = Regressor(gate="constant", **pair(Ridge(), HistGradientBoostingRegressor(max_iter=2)))
    with pytest.raises(ValueError, match="expert 'bad'" + remedy):
        model.fit(X, y)


def test_infinite_values_are_refused_without_a_warning(table):
    X, y, _ = table
    X[:2, 0] = np.inf, -np.inf
    with pytest.raises(ValueError, match="gate SoftmaxGate failed in fit: Input X contains inf"):
        Regressor().fit(X, y)


@pytest.mark.parametrize("gate", [ConstantGate(), HistGradientBoostingClassifier(max_iter=3)])
def test_missing_values_pass_where_all_parts_take_them(gate, table):
    X, y, labels = table
    X[::3, 1] = np.nan
    options = {"n_experts": 2, "gate": gate, "random_state": 0}
    regressor = Regressor(HistGradientBoostingRegressor(max_iter=5), **options).fit(X, y)
    classifier = Classifier(HistGradientBoostingClassifier(max_iter=5), **options).fit(X, labels)
    assert np.isfinite(regressor.predict(X)).all()
    assert np.isfinite(classifier.predict_proba(X)).all()


def with_text(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    return frame.assign(color=np.where(X[:, 0] > 0, "red", "blue"))


def test_text_for_parts_that_take_numbers_names_part_and_remedy(table):
    X, y, labels = table
    remedy = r" failed in fit: .*could not convert string.*\nRemedy: .*OneHotEncoder"
    with pytest.raises(ValueError, match="gate SoftmaxGate" + remedy):
        Regressor().fit(with_text(X), y)
    with pytest.raises(ValueError, match="expert LogisticRegression" + remedy):
        Classifier(gate="constant").fit(with_text(X), labels)


def test_a_data_frame_with_text_reaches_pipelines_as_it_is(table):
    X, y, _ = table
    seen = []
    look = FunctionTransformer(lambda frame: seen.append(type(frame)) or frame)
    # What the function has seen would be lost in a deep copy.
    look.__sklearn_clone__ = lambda: look
    encode = make_column_transformer((OneHotEncoder(), ["color"]), remainder="passthrough")
    model = Regressor(
        make_pipeline(look, encode, DecisionTreeRegressor(max_depth=3)),
        gate=make_pipeline(look, encode, SoftmaxGate()),
        n_experts=2,
        random_state=0,
    ).fit(with_text(X), y)
    assert np.isfinite(model.predict(with_text(X))).all()
    assert set(seen) == {pd.DataFrame}


# Experts that fail -------------------------------------------------------------------------

ERRORS = [ValueError, TypeError, RuntimeError, IndexError, np.linalg.LinAlgError, MemoryError]


@pytest.mark.parametrize("where", ["fit", "predict"])
@pytest.mark.parametrize("kind", ERRORS)
def test_an_expert_that_raises_is_named_and_quoted(kind, where, table):
    error = kind("the cat sat on the cable")
    with pytest.raises((ValueError, TypeError), match=r"expert 'bad' .*cat sat on") as caught:
        Regressor(**pair(Raising(error, where))).fit(*table[:2])
    assert caught.value.__cause__ is error
    assert not isinstance(caught.value, np.linalg.LinAlgError)
    if kind not in (ValueError, TypeError):
        assert kind.__name__ in str(caught.value)


SPOILT_NUMBERS = [
    (lambda answer: answer * np.nan, "finite"),
    (lambda answer: answer + np.inf, "finite"),
    (lambda answer: answer[1:], r"shape \(60, 1\), got \(59, 1\)"),
    (lambda answer: np.column_stack([answer, answer]), r"shape \(60, 1\), got \(60, 2\)"),
    (lambda answer: None, r"shape \(60, 1\), got \(\)"),
    (lambda answer: np.full(len(answer), "many"), "could not convert"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT_NUMBERS)
def test_predictions_that_are_no_predictions_are_refused_by_name(spoil, message, table):
    with pytest.raises(ValueError, match="expert 'bad' failed in prediction: .*" + message):
        Regressor(**pair(SpoilingRegressor(spoil))).fit(*table[:2])


SPOILT_PROBABILITIES = [
    (lambda answer: answer * np.nan, "finite"),
    (lambda answer: answer - [[0.0, 1.0, -1.0]], "negative"),
    (lambda answer: 2.0 * answer, "the sum one"),
    (lambda answer: answer[:, :2], r"shape \(60, 3\), got \(60, 2\)"),
    (lambda answer: answer[0], r"shape \(60, 3\), got \(3,\)"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT_PROBABILITIES)
def test_probabilities_that_are_no_probabilities_are_refused_by_name(spoil, message, table):
    X, _, labels = table
    bad = SpoilingClassifier(spoil)
    with pytest.raises(ValueError, match="expert 'bad' failed in prediction: .*" + message):
        Classifier(**pair(bad, DecisionTreeClassifier())).fit(X, labels)


def test_a_fitted_expert_of_other_classes_is_refused(table):
    X, _, labels = table
    known = FrozenEstimator(LogisticRegression().fit(X, labels * 7))
    with pytest.raises(ValueError, match=r"expert 'bad' .*classes of y, got also \[14, 7\]"):
        Classifier(**pair(known, DecisionTreeClassifier())).fit(X, labels)


@pytest.mark.parametrize("argument", ["X", "y", "sample_weight"])
def test_experts_may_not_write_into_what_they_are_handed(argument, table):
    X, y, _ = table
    before = X.copy(), y.copy()
    with pytest.raises(ValueError, match=r"expert 'bad' .*read-only"):
        Regressor(**pair(WritingRegressor(argument))).fit(X, y, sample_weight=np.ones(60))
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert X.flags.writeable
    assert y.flags.writeable


def test_experts_may_not_write_into_what_they_predict(table):
    X, y, _ = table
    known = FrozenEstimator(LinearRegression().fit(X, y))
    model = Regressor(**pair(known)).fit(X, y)
    model.named_experts_["bad"] = WritingPredictor().fit(X, y)
    with pytest.raises(ValueError, match=r"expert 'bad' failed in prediction: .*read-only"):
        model.predict(X)


@pytest.mark.skipif(int(pd.__version__.split(".")[0]) < 3, reason="no copy on write")
def test_what_experts_write_into_a_data_frame_is_not_in_the_one_given(table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=list("abc"))
    Regressor(WritingFrameRegressor(), n_experts=1).fit(frame, y)
    np.testing.assert_array_equal(frame, X)


def test_transformers_before_batched_experts_may_not_write_into_X(table):
    X, y, _ = table
    bad = make_pipeline(WritingTransformer(), Ridge())
    with pytest.raises(ValueError, match=r"expert Pipeline failed in fit: .*read-only"):
        Regressor(bad, random_state=0).fit(X, y)


def test_a_worker_that_dies_is_an_error_and_the_next_fit_works(table):
    X, y, _ = table
    model = Regressor(DyingRegressor(os.getpid()), n_experts=2, n_jobs=2, random_state=0)
    with pytest.raises(ValueError, match=r"a worker process died .*'expert_0'.* memory"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    tree = DecisionTreeRegressor(max_depth=3)
    model.set_params(experts=tree).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


# A fit that does not end leaves nothing behind ---------------------------------------------

METHODS = ["predict", "gate_proba", "apply", "expert_predict"]
METHODS_OF_Y = ["score_samples", "responsibilities", "score"]


def ask_all(model, X, y):
    answers = [getattr(model, name)(X) for name in METHODS]
    return answers + [getattr(model, name)(X, y) for name in METHODS_OF_Y]


@pytest.mark.parametrize("after", [0, 1, 7])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), SystemExit(3)])
def test_a_fit_that_is_broken_off_leaves_the_fitted_model_as_it_was(error, after, table):
    X, y, _ = table
    model = Regressor(Ridge(), n_experts=2, random_state=0)
    model.fit(pd.DataFrame(X, columns=list("abc")), y)
    fitted = {key: value for key, value in vars(model).items() if key.endswith("_")}
    before = ask_all(model.set_params(verbose=0), pd.DataFrame(X, columns=list("abc")), y)
    model.set_params(experts=Raising(error, calls=[], after=after), n_experts=3, tol=0.0)
    with pytest.raises(type(error)):
        model.fit(X[:, :2], y)
    assert len(model.experts.calls) == after + 1
    assert {k: v for k, v in vars(model).items() if k.endswith("_")}.keys() == fitted.keys()
    assert all(vars(model)[key] is value for key, value in fitted.items())
    after = ask_all(model, pd.DataFrame(X, columns=list("abc")), y)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")])
def test_a_first_fit_that_is_broken_off_leaves_the_model_unfitted(error, table):
    X, y, _ = table
    model = Regressor(Raising(error, calls=[], after=5), n_experts=3, tol=0.0)
    with pytest.raises(type(error)):
        model.fit(X, y)
    assert not [name for name in vars(model) if name.endswith("_")]
    check_unfitted(model, X, y, [])


@pytest.mark.parametrize(
    ("model", "methods"),
    [(Regressor(), []), (Classifier(), ["predict_proba", "predict_log_proba"])],
)
def test_every_method_of_an_unfitted_model_raises_not_fitted(model, methods, table):
    check_unfitted(model, table[0], table[2], methods)


def check_unfitted(model, X, y, methods):
    for name in [*METHODS, *methods]:
        with pytest.raises(NotFittedError):
            getattr(model, name)(X)
    for name in METHODS_OF_Y:
        with pytest.raises(NotFittedError):
            getattr(model, name)(X, y)


# Loud when not well, quiet when well -------------------------------------------------------


@pytest.mark.parametrize("Estimator", [Regressor, Classifier])
def test_a_clean_table_gives_no_warning_and_no_output(Estimator, table, capfd):
    X, y, labels = table
    model = Estimator(n_experts=2, random_state=0)
    # Warnings are errors in this suite.
    ask_all(model.fit(X, y if Estimator is Regressor else labels), X, labels)
    assert model.converged_
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_verbose_prints_every_iteration(table, capsys):
    X, y, _ = table
    model = Regressor(n_experts=2, n_init=1, random_state=0, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert f"objective {model.lower_bound_:.6f}" in lines[-1]


@pytest.mark.parametrize("params", [{}, {"experts": DecisionTreeRegressor(max_depth=2)}])
def test_a_fit_cut_short_warns_and_is_not_converged(params, table):
    X, y, _ = table
    model = Regressor(n_experts=3, max_iter=2, tol=0.0, random_state=0, **params)
    with pytest.warns(ConvergenceWarning, match="max_iter=2 was reached"):
        model.fit(X, y)
    assert not model.converged_
    assert model.n_iter_ == 2
    assert "max_iter=2" in model.stop_reason_
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("experts", [None, Ridge(), DecisionTreeRegressor(max_depth=2)])
@pytest.mark.parametrize("gate", ["softmax", "constant"])
def test_experts_without_rows_warn_and_the_model_is_finite(experts, gate):
    # Two rows of which each goes to one expert leave a third without.
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 5.0])
    model = Regressor(experts, n_experts=3, gate=gate, top_k=1, random_state=0)
    with pytest.warns(UserWarning, match="no rows were left for the experts .*'expert_"):
        model.fit(X, y)
    starved = [name in model.starved_experts_ for name in model.named_experts_]
    np.testing.assert_array_equal(model.expert_usage_ < 1e-6, starved)
    for answer in ask_all(model, X, y):
        assert np.isfinite(answer).all()


# Classes that an expert does not see -------------------------------------------------------


# A warm start is nothing that a batch knows: that expert is fitted by itself.
@pytest.mark.parametrize(
    "expert", [None, LogisticRegression(warm_start=True), DecisionTreeClassifier()]
)
@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.filterwarnings("ignore:the experts .* repeat y:UserWarning")
def test_columns_stay_aligned_where_experts_miss_classes(expert, top_k, rng):
    X = np.sort(rng.uniform(-3, 3, size=(90, 1)), axis=0)
    labels = np.repeat(["c", "a", "b"], 30)
    # The first expert sees one class, the second never sees that class.
    init = np.column_stack([labels == "c", labels != "c"]).astype(float)
    model = Classifier(expert, n_experts=2, init=init, cv=None, top_k=top_k, random_state=0)
    model.fit(X, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    assert model.expert_predict(X).shape == (90, 2, 3)
    assert model.score(X, labels) > 0.95
    if isinstance(expert, DecisionTreeClassifier) and top_k == 1:
        assert [list(e.classes_) for e in model.experts_] == [["c"], ["a", "b"]]


@pytest.mark.parametrize("gate", [LogisticRegression(), KNeighborsClassifier(3)])
def test_a_classifier_gate_whose_rows_go_to_one_expert(gate, table):
    X, _, labels = table
    init = np.tile([1.0, 0.0], (60, 1))
    model = Classifier(gate=gate, n_experts=2, top_k=1, init=init, random_state=0)
    with pytest.warns(UserWarning, match="no rows were left"):
        model.fit(X, labels)
    assert np.isfinite(model.predict_proba(X)).all()
    assert ClassifierGate(gate).fit(X, init).predict_proba(X)[:, 0].min() > 0.99


# Experts that take no weights --------------------------------------------------------------


def test_experts_without_weights_warn_and_are_repeatable(table):
    X, y, _ = table
    model = Regressor(KNeighborsRegressor(3), n_experts=2, random_state=0)
    with pytest.warns(UserWarning, match=r"\['expert_0', 'expert_1'\] take no sample_weight"):
        first = model.fit(X, y).predict(X)
    with pytest.warns(UserWarning, match="take no sample_weight"):
        np.testing.assert_array_equal(model.fit(X, y).predict(X), first)
    with pytest.warns(UserWarning, match="take no sample_weight"):
        assert (model.set_params(random_state=1).fit(X, y).predict(X) != first).any()


def test_a_single_unweighted_expert_without_weights_is_fitted_as_it_is(table):
    X, y, _ = table
    model = Regressor(KNeighborsRegressor(3), n_experts=1).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), KNeighborsRegressor(3).fit(X, y).predict(X))


def test_resampled_classifiers_may_draw_a_single_class(rng):
    X, labels = rng.standard_normal((40, 2)), np.arange(40) % 2
    weights = np.where(labels == 0, 1.0, 1e-6)
    model = Classifier([("a", UnweightedClassifier()), ("b", LogisticRegression())], random_state=0)
    with pytest.warns(UserWarning, match=r"\['a'\] take no sample_weight"):
        model.fit(X, labels, sample_weight=weights)
    assert model.expert_predict(X).shape == (40, 2, 2)


def test_zero_one_weights_draw_each_row_once(rng):
    for offset in [0.0, 0.3, 0.999]:
        weights = (rng.uniform(size=50) < 0.4).astype(float)
        np.testing.assert_array_equal(weighted_rows(weights, offset), np.flatnonzero(weights))


def test_rows_are_drawn_as_often_as_their_weights_say(rng):
    weights = rng.uniform(0.0, 3.0, size=40)
    for offset in rng.uniform(size=5):
        counts = np.bincount(weighted_rows(weights, offset), minlength=40)
        expected = weights * counts.sum() / weights.sum()
        assert counts.sum() == round(weights.sum())
        assert (np.abs(counts - expected) < 1.0 + 1e-9).all()
