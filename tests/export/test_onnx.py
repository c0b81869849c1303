"""Mixtures as ONNX graphs predict as the mixtures do, which are the oracle."""

import os
import pickle
import subprocess
import sys
from functools import cache, partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.export import to_onnx
from skmoe.export._graph import needed
from skmoe.export._labels import written
from skmoe.gates import (
    ClassifierGate,
    ConstantGate,
    GaussianGate,
    HierarchicalGate,
    SoftmaxGate,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

pytestmark = [
    # What is fitted here need not be fitted well.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:the experts .* repeat y"),
    pytest.mark.filterwarnings("ignore:the experts .* take no sample_weight"),
]

TOLERANCE = 1e-5

# Data: numbers that single precision holds exactly, so that both precisions see the same rows.


def rounded(values):
    return values.astype(np.float32).astype(np.float64)


_RNG = np.random.default_rng(20240917)
X = rounded(_RNG.normal(size=(150, 3)))
FRESH = rounded(1.5 * _RNG.normal(size=(200, 3)))
NUMBERS = 3.0 * np.abs(X[:, 0]) + X[:, 1] + 0.1 * _RNG.normal(size=150)
LABELS = np.array(["high", "low", "mid"])[np.digitize(NUMBERS, [1.5, 3.0])]
COUNTS = _RNG.poisson(np.exp(0.5 * np.abs(X[:, 0])))

REGRESSOR = partial(MixtureOfExpertsRegressor, n_init=1, max_iter=3, cv=None, random_state=0)
CLASSIFIER = partial(MixtureOfExpertsClassifier, n_init=1, max_iter=3, cv=None, random_state=0)


# Asking the graph ----------------------------------------------------------------------------


def session(graph):
    onnx.checker.check_model(graph, full_check=True)
    used = {name for node in graph.graph.node for name in node.input}
    assert used >= {each.name for each in graph.graph.initializer}
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def feeds(rows):
    if hasattr(rows, "columns"):
        return {name: rows[[name]].to_numpy() for name in rows.columns}
    return {"X": rows}


def answers(model, rows=FRESH, **options):
    """What the graph of a fitted model says of rows."""
    return session(to_onnx(model, rows, **options)).run(None, feeds(rows))


def assert_same(model, rows=FRESH, **options):
    """Assert that graph and model agree, to 1e-5 of the spread of the predictions."""
    found = answers(model, rows, **options)
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(found[0], model.predict(rows))
        np.testing.assert_allclose(found[1], model.predict_proba(rows), rtol=0, atol=TOLERANCE)
        assert len(found) == 2
        # As `predict_log_proba` needs it.
        assert (found[1] > 0).all()
        return
    expected = model.predict(rows)
    assert len(found) == 1
    assert found[0].shape == (len(rows), 1 if expected.ndim == 1 else expected.shape[1])
    np.testing.assert_allclose(
        found[0].reshape(expected.shape), expected, rtol=0, atol=TOLERANCE * np.std(expected)
    )


# The matrix: gates, experts, tasks, routing --------------------------------------------------

GATES = {
    "softmax": SoftmaxGate(),
    "gaussian": GaussianGate(),
    "tied": GaussianGate("tied"),
    "diag": GaussianGate("diag"),
    "constant": ConstantGate(),
    "tree": HierarchicalGate(((2,), 1)),
    "tree of gaussians": HierarchicalGate(((2,), 1), gate="gaussian"),
    "classifier": ClassifierGate(LogisticRegression()),
    "forest": ClassifierGate(ensemble.RandomForestClassifier(3, random_state=0)),
}
_SMALL = {"n_estimators": 3, "max_depth": 4, "random_state": 0}
EXPERTS = {
    "regressor": {
        "linear": None,
        "ridge": Ridge(),
        "tree": DecisionTreeRegressor(max_depth=4),
        "forest": ensemble.RandomForestRegressor(**_SMALL),
        "boosting": ensemble.GradientBoostingRegressor(**_SMALL),
        "histogram": ensemble.HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5),
    },
    "classifier": {
        "linear": None,
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "tree": DecisionTreeClassifier(max_depth=4),
        "forest": ensemble.RandomForestClassifier(**_SMALL),
        "boosting": ensemble.GradientBoostingClassifier(**_SMALL),
        "histogram": ensemble.HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5),
    },
}
ROUTINGS = {"soft": None, "top-2": 2, "hard": 1}
MATRIX = [
    cell for task, experts in EXPERTS.items() for cell in product([task], GATES, experts, ROUTINGS)
]


def is_quick(task, gate, expert, routing):
    """By default every gate, every kind of experts and every routing is there in both tasks."""
    return (gate == "softmax" and routing != "soft") or (expert == "linear" and routing == "top-2")


@cache
def fitted(task, gate, expert):
    make, y = (REGRESSOR, NUMBERS) if task == "regressor" else (CLASSIFIER, LABELS)
    return pickle.dumps(make(EXPERTS[task][expert], n_experts=3, gate=GATES[gate]).fit(X, y))


@pytest.mark.parametrize(
    ("task", "gate", "expert", "routing"),
    [pytest.param(*c, marks=[] if is_quick(*c) else pytest.mark.slow) for c in MATRIX],
)
def test_graph_predicts_as_the_mixture(task, gate, expert, routing):
    model = pickle.loads(fitted(task, gate, expert)).set_params(top_k=ROUTINGS[routing])
    assert_same(model)


# Further mixtures ----------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["top", "vote"])
@pytest.mark.parametrize("top_k", [None, 2])
def test_classifier_combines_in_other_ways(combine, top_k):
    model = pickle.loads(fitted("classifier", "softmax", "linear"))
    assert_same(model.set_params(combine=combine, top_k=top_k))


def test_regressor_with_the_most_probable_expert_alone():
    model = pickle.loads(fitted("regressor", "softmax", "linear"))
    assert_same(model.set_params(combine="top"))


@pytest.mark.parametrize("response", ["poisson", "student_t"])
def test_other_laws(response):
    y = COUNTS if response == "poisson" else NUMBERS
    assert_same(REGRESSOR(n_experts=2, response=response).fit(X, y))


def test_gamma():
    assert_same(REGRESSOR(n_experts=2, response="gamma").fit(X, np.exp(0.3 * NUMBERS)))


@pytest.mark.parametrize(
    "experts",
    [
        None,
        ensemble.RandomForestRegressor(**_SMALL),
        KNeighborsRegressor(),
        make_pipeline(StandardScaler(), Ridge()),
    ],
    ids=lambda experts: type(experts).__name__,
)
def test_several_outputs(experts):
    y = np.column_stack([NUMBERS, X[:, 2] - NUMBERS])
    assert_same(REGRESSOR(experts, n_experts=2).fit(X, y))


@pytest.fixture(scope="module")
def support_vectors():
    """Fitted before the test begins: libsvm takes its seed from NumPy's global random state."""
    return make_pipeline(StandardScaler(), SVR()).fit(X, NUMBERS)


def test_experts_of_several_kinds(support_vectors):
    named = [
        ("line", Ridge()),
        ("bag", ensemble.BaggingRegressor(DecisionTreeRegressor(max_depth=3), 3, random_state=0)),
        ("frozen", FrozenEstimator(support_vectors)),
    ]
    assert_same(REGRESSOR(named).fit(X, NUMBERS))


class MeanRegressor(RegressorMixin, BaseEstimator):
    """The mean of y, and a converter that knows single precision only."""

    def fit(self, X, y, sample_weight=None):
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def convert_mean(scope, operator, container):
    (rows,), (answer,) = operator.input_full_names, operator.output_full_names
    zeros, mean = scope.get_unique_variable_name("zeros"), scope.get_unique_variable_name("mean")
    weights = scope.get_unique_variable_name("weights")
    container.add_initializer(weights, onnx.TensorProto.FLOAT, [3, 1], [0.0, 0.0, 0.0])
    container.add_initializer(mean, onnx.TensorProto.FLOAT, [1], [operator.raw_operator.mean_])
    container.add_node("MatMul", [rows, weights], [zeros], name="zeros")
    container.add_node("Add", [zeros, mean], [answer], name="mean")


def shape_of_mean(operator):
    from skl2onnx.common.data_types import FloatTensorType

    assert isinstance(operator.inputs[0].type, FloatTensorType)
    operator.outputs[0].type = FloatTensorType([None, 1])


def test_expert_with_a_converter_of_ones_own():
    skl2onnx.update_registered_converter(MeanRegressor, "Mean", shape_of_mean, convert_mean)
    model = REGRESSOR(make_pipeline(StandardScaler(), MeanRegressor()), n_experts=2)
    assert_same(model.fit(X, NUMBERS))


def test_experts_that_share_a_fit():
    model = REGRESSOR(Ridge(), n_experts=3, specialize=False).fit(X, NUMBERS)
    assert len({id(expert) for expert in model.experts_}) == 1
    assert_same(model)


def test_frozen_expert():
    frozen = FrozenEstimator(LinearRegression().fit(X, NUMBERS))
    named = [("old", frozen), ("new", DecisionTreeRegressor(max_depth=2))]
    assert_same(REGRESSOR(named).fit(X, NUMBERS))


def test_average_of_several_starts():
    make = partial(REGRESSOR, n_experts=2, average=2)
    model = make(n_init=3).fit(X, NUMBERS)
    assert model.averaged_
    assert_same(model)


def test_mixture_of_mixtures():
    inner = MixtureOfExpertsRegressor(n_experts=2, n_init=1, max_iter=3, combine="top")
    assert_same(REGRESSOR(make_pipeline(StandardScaler(), inner), n_experts=2).fit(X, NUMBERS))


def test_classifier_of_classifiers():
    inner = MixtureOfExpertsClassifier(n_experts=2, n_init=1, max_iter=3, combine="vote")
    assert_same(CLASSIFIER(inner, n_experts=2).fit(X, LABELS))


def test_columns_of_gate_and_experts():
    model = REGRESSOR(n_experts=2, gate_features=[2, 0], expert_features=[1], gate="gaussian")
    assert_same(model.fit(X, NUMBERS))


def test_constant_columns_of_a_gaussian_gate():
    rows = np.column_stack([X, np.full(len(X), 7.0)])
    model = REGRESSOR(n_experts=2, gate="gaussian").fit(rows, NUMBERS)
    assert_same(model, rows)


def test_scores_far_beyond_the_range_of_exponentials():
    model = pickle.loads(fitted("regressor", "softmax", "linear"))
    model.gate_.coef_ = 1e6 * model.gate_.coef_
    assert np.isfinite(answers(model)[0]).all()
    assert_same(model)


def test_expert_without_weight_may_overflow():
    model = REGRESSOR(n_experts=2, response="poisson", top_k=1).fit(X, COUNTS)
    own = model.apply(FRESH) == 0
    assert 0 < own.sum() < len(own)
    model.experts_[0].intercept_ = 1e4
    with np.errstate(over="ignore"):
        expected = model.experts_[1].predict(FRESH[~own])
    np.testing.assert_allclose(answers(model)[0][~own, 0], expected, rtol=TOLERANCE)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_rows_too_far_away_to_be_squared(covariance):
    targets = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    gate, rows = GaussianGate(covariance).fit(X, targets), 1e200 * FRESH
    np.testing.assert_allclose(answers(gate, rows)[0], gate.predict_proba(rows), rtol=0, atol=1e-9)


def test_boosting_of_counts():
    experts = ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=3, min_samples_leaf=5)
    assert_same(REGRESSOR(experts, n_experts=2, response="poisson").fit(X, COUNTS))


# Labels --------------------------------------------------------------------------------------


def test_experts_that_miss_classes():
    rows = np.linspace(-1, 1, 90)[:, None]
    y = np.repeat([7, 3, 5], 30)
    y[:5] = 5
    start = np.eye(2)[(rows[:, 0] > -1 / 3).astype(int)]
    model = CLASSIFIER(
        DecisionTreeClassifier(max_depth=2), n_experts=2, init=start, max_iter=1
    ).fit(rows, y)
    assert {len(expert.classes_) for expert in model.experts_} == {2}
    assert_same(model, rounded(rows))


def test_expert_of_one_class():
    rows = np.linspace(-1, 1, 90)[:, None]
    y = np.where(rows[:, 0] < 0, "a", np.where(np.arange(90) % 3, "b", "c"))
    start = np.eye(2)[(rows[:, 0] > 0).astype(int)]
    tree = DecisionTreeClassifier(max_depth=2)
    model = CLASSIFIER(tree, n_experts=2, init=start, max_iter=1).fit(rows, y)
    assert sorted(len(expert.classes_) for expert in model.experts_) == [1, 2]
    assert_same(model, rounded(rows))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, -1, 2]),
        np.array([2.0, 0.0, 1.0]),
        np.array([True, False, True]),
        np.array(["ä", "b", "c"], dtype=object),
    ],
    ids=lambda labels: labels.dtype.name,
)
@pytest.mark.parametrize("expert", ["linear", "tree", "forest"])
def test_labels_of_any_type(labels, expert):
    y = labels[np.digitize(NUMBERS, [1.5, 3.0])]
    assert_same(CLASSIFIER(EXPERTS["classifier"][expert], n_experts=2).fit(X, y))


@pytest.mark.parametrize("labels", [np.array([0.5, 1.5]), np.array([b"a", b"b"])])
def test_labels_that_onnx_cannot_know(labels):
    with pytest.raises(ValueError, match=r"y must hold text, whole numbers .*; got the labels \["):
        written(labels)


def test_more_classifiers():
    named = [
        ("ada", ensemble.AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=3)),
        ("extra", ensemble.ExtraTreesClassifier(**_SMALL)),
        ("exponential", ensemble.GradientBoostingClassifier(loss="exponential", **_SMALL)),
    ]
    assert_same(CLASSIFIER(named).fit(X, (NUMBERS > 2).astype(int)))


# Around and within pipelines -----------------------------------------------------------------


def test_pipeline_that_ends_in_a_mixture():
    model = make_pipeline(StandardScaler(), CLASSIFIER(n_experts=2)).fit(X, LABELS)
    assert_same(model)


def test_gate_behind_a_transformer():
    gate = make_pipeline(StandardScaler(), SoftmaxGate())
    assert_same(REGRESSOR(n_experts=2, gate=gate).fit(X, NUMBERS))


def test_voting_of_mixtures():
    model = ensemble.VotingRegressor([("a", REGRESSOR(n_experts=2)), ("b", Ridge())]).fit(
        X, NUMBERS
    )
    assert_same(model)


@pytest.fixture
def frame():
    """Numbers beside text."""
    table = pd.DataFrame(X[:, :2], columns=["age", "income"])
    return table.assign(town=np.where(X[:, 2] > 0, "north", "south"))


def encoder():
    return ColumnTransformer(
        [("scaled", StandardScaler(), ["age", "income"]), ("towns", OneHotEncoder(), ["town"])]
    )


def test_data_frame_with_text_before_a_mixture(frame):
    model = make_pipeline(encoder(), REGRESSOR(n_experts=2)).fit(frame, NUMBERS)
    assert_same(model, frame)


def test_data_frame_with_text_before_experts_and_gate(frame):
    experts = make_pipeline(encoder(), Ridge())
    model = REGRESSOR(experts, n_experts=2, gate_features=["income", "age"]).fit(frame, NUMBERS)
    assert_same(model, frame)


def test_data_frame_of_text(frame):
    frame = frame[["town"]].assign(sea=np.where(X[:, 0] > 0, "yes", "no"))
    experts = make_pipeline(OneHotEncoder(), Ridge())
    assert_same(REGRESSOR(experts, n_experts=2, gate="constant").fit(frame, NUMBERS), frame)


def test_data_frame_of_numbers(frame):
    frame = frame[["age", "income"]]
    assert_same(REGRESSOR(n_experts=2).fit(frame, NUMBERS), frame)


def test_experts_that_pick_numbers_by_name(frame):
    frame = frame[["age", "income"]]
    picked = ColumnTransformer([("scaled", StandardScaler(), ["income"])])
    model = REGRESSOR(make_pipeline(picked, Ridge()), n_experts=2).fit(frame, NUMBERS)
    assert_same(model, frame)


def test_gate_that_sees_text(frame):
    experts = make_pipeline(encoder(), Ridge())
    model = REGRESSOR(experts, n_experts=2, gate="constant").fit(frame, NUMBERS)
    model.gate_ = SoftmaxGate().fit(X, np.full((len(X), 2), 0.5))
    with pytest.raises(ValueError, match=r"gate \(SoftmaxGate\).*column 'town' must be numeric"):
        to_onnx(model, frame)


# Precision -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["regressor", "classifier"])
@pytest.mark.parametrize("expert", ["linear", "forest", "histogram"])
def test_single_precision_in_and_out(task, expert):
    model = pickle.loads(fitted(task, "softmax", expert)).set_params(top_k=1)
    found = answers(model, FRESH.astype(np.float32))[-1]
    expected = model.predict(FRESH) if task == "regressor" else model.predict_proba(FRESH)
    assert found.dtype == np.float32
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, rtol=0, atol=TOLERANCE * scale
    )


@pytest.mark.parametrize("first", [StandardScaler(), OneHotEncoder(handle_unknown="ignore")])
def test_whole_numbers(first):
    rows = np.rint(3 * X).astype(np.int64) + 10**8
    experts = make_pipeline(first, Ridge())
    assert_same(REGRESSOR(experts, n_experts=2).fit(rows, NUMBERS), rows)


@pytest.mark.parametrize("expert", ["tree", "forest", "boosting", "histogram"])
def test_offset_of_y_costs_no_digits(expert):
    y = 1e6 + NUMBERS
    assert_same(REGRESSOR(EXPERTS["regressor"][expert], n_experts=2).fit(X, y))


@pytest.mark.parametrize("expert", ["tree", "histogram"])
def test_rows_on_and_beside_thresholds(expert):
    """Neighbours in single precision, which a rounded threshold would take for each other."""
    low = np.nextafter(np.float32(4.0), np.float32(5.0))
    high = np.nextafter(low, np.float32(5.0))
    rows = np.repeat([[low], [high]], 30, axis=0).astype(float)
    y = np.repeat([-1.0, 1.0], 30)
    model = REGRESSOR(EXPERTS["regressor"][expert], n_experts=1).fit(rows, y)
    assert len(np.unique(model.predict(rows))) == 2
    assert_same(model, rows)


def test_missing_values():
    rows = X.copy()
    rows[::7, 0] = np.nan
    experts = ensemble.HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5)
    model = REGRESSOR(experts, n_experts=2, gate_features=[1, 2]).fit(rows, NUMBERS)
    assert_same(model, rows)


@pytest.mark.parametrize("gate", GATES)
def test_gate_alone(gate):
    targets = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    gate = GATES[gate].fit(X, targets)
    np.testing.assert_allclose(answers(gate)[0], gate.predict_proba(FRESH), rtol=0, atol=1e-9)


# What cannot go ------------------------------------------------------------------------------


class OwnRegressor(MeanRegressor):
    """Has no converter."""


class OwnClassifier(ClassifierMixin, BaseEstimator):
    """Has no converter."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class OwnGate(SoftmaxGate):
    """Might answer otherwise than a softmax gate."""


def test_expert_without_converter_is_named():
    model = REGRESSOR([("line", Ridge()), ("mine", OwnRegressor())]).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"expert 'mine' \(OwnRegressor\) cannot .* no converter"):
        to_onnx(model, X)


def test_classifier_without_converter_is_named():
    model = CLASSIFIER([("line", LogisticRegression()), ("mine", OwnClassifier())]).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"expert 'mine' \(OwnClassifier\) cannot .* no converter"):
        to_onnx(model, X)


def test_expert_within_an_expert_is_named():
    inner = MixtureOfExpertsRegressor([("mine", OwnRegressor())], n_init=1, max_iter=2)
    model = REGRESSOR([("inner", inner), ("line", Ridge())]).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="expert 'mine'"):
        to_onnx(model, X)


def test_gate_of_ones_own_is_named():
    model = REGRESSOR(n_experts=2, gate=OwnGate()).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"gate \(OwnGate\) cannot be exported.*SoftmaxGate"):
        to_onnx(model, X)


def test_classifier_of_a_gate_is_named():
    model = REGRESSOR(n_experts=2, gate=OwnClassifier()).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"gate \(ClassifierGate\).*OwnClassifier"):
        to_onnx(model, X)


def test_median_is_refused():
    model = pickle.loads(fitted("regressor", "softmax", "linear")).set_params(combine="median")
    with pytest.raises(ValueError, match=r"combine must be 'mean' or 'top'.*got 'median'"):
        to_onnx(model, X)


def test_sampled_predictions_are_refused():
    named = [("line", LogisticRegression()), ("dice", DummyClassifier(strategy="stratified"))]
    model = CLASSIFIER(named).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"expert 'dice'.*stratified"):
        to_onnx(model, X)


def test_splits_on_categories_are_refused():
    rows = np.column_stack([X, np.arange(150) % 5])
    experts = ensemble.HistGradientBoostingRegressor(
        max_iter=3, min_samples_leaf=5, categorical_features=[3]
    )
    model = REGRESSOR(experts, n_experts=1).fit(rows, NUMBERS + 5 * (rows[:, 3] == 2))
    with pytest.raises(ValueError, match=r"expert 'expert_0' \(Hist.*categories"):
        to_onnx(model, rows)


def test_boosting_on_another_model_is_refused():
    experts = ensemble.GradientBoostingRegressor(init=LinearRegression(), n_estimators=2)
    with pytest.raises(ValueError, match=r"expert 'expert_0'.*init"):
        to_onnx(REGRESSOR(experts, n_experts=1).fit(X, NUMBERS), X)


def test_unfitted_model_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(MixtureOfExpertsRegressor(), X)


# Options, and the way to the file --------------------------------------------------------------


@pytest.mark.parametrize("target_opset", [15, 18, None])
def test_versions_of_operators(target_opset):
    model = pickle.loads(fitted("classifier", "tree of gaussians", "forest"))
    graph = to_onnx(model, X, target_opset=target_opset)
    versions = {each.domain: each.version for each in graph.opset_import}
    assert target_opset in (None, versions[""])
    assert_same(model.set_params(top_k=2), target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [11, 1000])
def test_versions_of_operators_that_will_not_do(target_opset):
    model = pickle.loads(fitted("regressor", "softmax", "linear"))
    with pytest.raises(ValueError, match=f"target_opset must be between 15 .* got {target_opset}"):
        to_onnx(model, X, target_opset=target_opset)


def test_probabilities_as_dictionaries():
    model = pickle.loads(fitted("classifier", "softmax", "linear"))
    found = answers(model, FRESH.astype(np.float32), options={"zipmap": True})[1]
    expected = model.predict_proba(FRESH)
    assert list(found[0]) == model.classes_.tolist()
    np.testing.assert_allclose(
        [list(row.values()) for row in found], expected, rtol=0, atol=TOLERANCE
    )


def test_a_graph_within_a_node_needs_what_is_around_it():
    number = onnx.helper.make_tensor_value_info
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", ["outer"], ["inner"])], "body", [], [number("inner", 1, [1])]
    )
    nodes = [
        onnx.helper.make_node("Abs", ["x"], ["outer"]),
        onnx.helper.make_node("Exp", ["x"], ["idle"]),
        onnx.helper.make_node("If", ["c"], ["out"], then_branch=body, else_branch=body),
    ]
    graph = onnx.helper.make_graph(nodes, "whole", [], [number("out", 1, [1])])
    kept, names = needed(graph, "out")
    assert [node.op_type for node in kept] == ["Abs", "If"]
    assert {"x", "outer"} <= names


def test_the_same_graph_every_time():
    model = pickle.loads(fitted("classifier", "softmax", "forest"))
    first, second = (to_onnx(model, X).SerializeToString() for _ in range(2))
    assert first == second


def test_conversion_leaves_the_model_as_it_is():
    inner = MixtureOfExpertsRegressor(n_experts=2, n_init=1, max_iter=3, combine="top")
    model = REGRESSOR([("inner", inner), ("line", Ridge())]).fit(X, NUMBERS)
    before = pickle.dumps(model)
    to_onnx(model, X)
    assert pickle.dumps(model) == before


ELSEWHERE = """
import sys
import numpy as np
import onnxruntime

path, rows, out = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
np.save(out, session.run(None, {"X": np.load(rows)})[1])
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"skmoe", "sklearn", "skl2onnx"}, loaded
"""


def test_file_in_a_process_that_knows_onnxruntime_only(tmp_path):
    model = pickle.loads(fitted("classifier", "tree", "forest"))
    (tmp_path / "model.onnx").write_bytes(to_onnx(model, X).SerializeToString())
    np.save(tmp_path / "rows.npy", FRESH)
    script = [sys.executable, "-c", ELSEWHERE, "model.onnx", "rows.npy", "proba.npy"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(script, cwd=tmp_path, env=environment, check=True, timeout=60)
    found = np.load(tmp_path / "proba.npy")
    np.testing.assert_allclose(found, model.predict_proba(FRESH), rtol=0, atol=TOLERANCE)


def test_skmoe_is_imported_without_the_extra():
    script = "import sys, skmoe.export; sys.exit(any('onnx' in n for n in list(sys.modules)"
    script += " if not n.startswith('skmoe')))"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skmoe\[onnx\]'"):
        to_onnx(pickle.loads(fitted("regressor", "softmax", "linear")), X)


def test_sparse_rows_are_refused():
    from scipy import sparse

    model = pickle.loads(fitted("regressor", "softmax", "linear"))
    with pytest.raises(ValueError, match="X must be dense"):
        to_onnx(model, sparse.csr_matrix(X))
