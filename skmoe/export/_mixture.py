"""Mixtures of experts: sums of mixing weights times predictions of the experts."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .. import MixtureOfExpertsRegressor
from ._errors import exporting
from ._estimators import write_classifier, write_regressor
from ._gates import write_gate
from ._graph import Graph
from ._labels import aligned, output_classes
from ._routing import write_largest, write_weights
from ._table import Table

#: Writes the predictions (n, m) of an expert on a table.
Predict = Callable[[Any, Table], str]


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Write a fitted regressor, as a converter of skl2onnx."""
    graph, model = Graph(scope, container), operator.raw_operator
    if model.combine == "median":
        raise ValueError(
            "combine must be 'mean' or 'top' to be exported to ONNX; got 'median', which is found "
            "by a search in every row"
        )
    width = n_outputs(model)

    def predict(expert: Any, table: Table) -> str:
        return write_regressor(graph, _with_mean(expert), table, width)

    graph.set_output(_write_mixtures(graph, model, operator.inputs, predict), operator.outputs[0])


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Write a fitted classifier, as a converter of skl2onnx."""
    graph, model = Graph(scope, container), operator.raw_operator

    def predict(expert: Any, table: Table) -> str:
        proba = write_classifier(graph, expert, table)
        proba = aligned(graph, proba, expert.classes_, model.classes_)
        if model.combine == "vote":
            return write_largest(graph, proba, len(model.classes_))
        return proba

    proba = _write_mixtures(graph, model, operator.inputs, predict)
    least = graph.constant(np.array(_least_probability(operator)))
    output_classes(graph, graph.add("Max", proba, least), model.classes_, operator)


def _least_probability(operator: Any) -> float:
    """Return the smallest positive normal number in the precision of the output."""
    single = type(operator.outputs[1].type).__name__ == "FloatTensorType"
    return float(np.finfo(np.float32 if single else np.float64).tiny)


def n_outputs(model: Any) -> int:
    """Return the number of outputs of a fitted regressor."""
    return 1 if model.dispersion_.ndim == 1 else model.dispersion_.shape[1]


def _write_mixtures(graph: Graph, model: Any, variables: Any, predict: Predict) -> str:
    """Write the predictions (n, m) of a model: the mean over the mixtures that it averages."""
    table = Table.of(graph, variables, model.n_features_in_)
    parts = [(model.gate_, list(model.named_experts_.values()))]
    parts += [(further["gate"], further["experts"]) for further in model.averaged_]
    outputs = [_write_mixture(graph, model, *part, table, predict) for part in parts]
    count = graph.constant(np.array(float(len(outputs))))
    return graph.add("Div", graph.add("Sum", *outputs), count)


def _write_mixture(
    graph: Graph, model: Any, gate: Any, experts: list[Any], table: Table, predict: Predict
) -> str:
    """Write the predictions (n, m) of one gate and its experts."""
    weights = _write_weights(graph, model, gate, len(experts), table)
    seen = table.select(model.expert_columns_)
    return graph.add(
        "Sum",
        *[
            _write_share(graph, name, expert, graph.select(weights, own), seen, predict)
            for name, expert, own in _distinct(list(model.named_experts_), experts)
        ],
    )


def _write_weights(graph: Graph, model: Any, gate: Any, n_experts: int, table: Table) -> str:
    with exporting("gate", gate):
        log_gate = write_gate(graph, gate, table.select(model.gate_columns_))
    weights = write_weights(graph, log_gate, n_experts, model.top_k)
    return write_largest(graph, weights, n_experts) if model.combine == "top" else weights


def _write_share(
    graph: Graph, name: str, expert: Any, weights: str, table: Table, predict: Predict
) -> str:
    """Write the predictions of an expert times the sum of the weights of its components."""
    with exporting(f"expert {name!r}", expert):
        prediction = predict(expert, table)
    weight = graph.reshape(graph.sum(weights, 1), -1, 1)
    zero = graph.constant(np.array(0.0))
    # An expert without weight may predict infinity, and zero times infinity is NaN.
    share = graph.add("Mul", weight, prediction)
    return graph.add("Where", graph.add("Greater", weight, zero), share, zero)


def _distinct(names: list[str], experts: list[Any]) -> list[tuple[str, Any, list[int]]]:
    """Return name, expert and components of each distinct expert; several may share one."""
    found: dict[int, tuple[str, Any, list[int]]] = {}
    for k, (name, expert) in enumerate(zip(names, experts, strict=True)):
        found.setdefault(id(expert), (name, expert, []))[2].append(k)
    return list(found.values())


def _with_mean(expert: Any) -> Any:
    """Return the expert; a mixture with another `combine` becomes one that predicts its mean.

    The mixture that it is an expert of uses its components, which do not depend on `combine`.
    """
    inner = _innermost(expert)
    if not isinstance(inner, MixtureOfExpertsRegressor) or inner.combine == "mean":
        return expert
    expert = copy.deepcopy(expert)
    _innermost(expert).combine = "mean"
    return expert


def _innermost(expert: Any) -> Any:
    """Return the estimator inside pipelines and ``FrozenEstimator``."""
    if isinstance(expert, FrozenEstimator):
        return _innermost(expert.estimator)
    return _innermost(expert.steps[-1][1]) if isinstance(expert, Pipeline) else expert
