"""Mixtures of experts: mixing weights times what the experts say, summed."""

import copy

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .. import MixtureOfExpertsRegressor
from ._errors import exporting
from ._estimators import write_classifier, write_regressor
from ._gates import write_gate
from ._graph import Graph
from ._labels import aligned, give_classes
from ._routing import write_largest, write_weights
from ._table import Table


def convert_regressor(scope, operator, container):
    """Write a fitted regressor, as a converter of skl2onnx."""
    graph, model = Graph(scope, container), operator.raw_operator
    if model.combine == "median":
        raise ValueError(
            "combine must be 'mean' or 'top' to be exported to ONNX; got 'median', which is found "
            "by a search in every row"
        )
    width = n_outputs(model)

    def ask(expert, table):
        return write_regressor(graph, _asked_for_mean(expert), table, width)

    graph.give(_write_mixtures(graph, model, operator.inputs, ask), operator.outputs[0])


def convert_classifier(scope, operator, container):
    """Write a fitted classifier, as a converter of skl2onnx."""
    graph, model = Graph(scope, container), operator.raw_operator

    def ask(expert, table):
        answer = write_classifier(graph, expert, table)
        answer = aligned(graph, answer, expert.classes_, model.classes_)
        if model.combine == "vote":
            return write_largest(graph, answer, len(model.classes_))
        return answer

    proba = _write_mixtures(graph, model, operator.inputs, ask)
    least = graph.constant(np.array(_least_probability(operator)))
    give_classes(graph, graph.add("Max", proba, least), model.classes_, operator)


def _least_probability(operator):
    """The smallest number that has a logarithm, in the precision of the answer."""
    single = type(operator.outputs[1].type).__name__ == "FloatTensorType"
    return float(np.finfo(np.float32 if single else np.float64).tiny)


def n_outputs(model):
    """Number of values that a fitted regressor answers with."""
    return 1 if model.dispersion_.ndim == 1 else model.dispersion_.shape[1]


def _write_mixtures(graph, model, variables, ask):
    """Write the answers (n, m) of a model: the mean of the mixtures that it averages."""
    table = Table.of(graph, variables, model.n_features_in_)
    parts = [(model.gate_, list(model.named_experts_.values()))]
    parts += [(further["gate"], further["experts"]) for further in model.averaged_]
    answers = [_write_mixture(graph, model, *part, table, ask) for part in parts]
    count = graph.constant(np.array(float(len(answers))))
    return graph.add("Div", graph.add("Sum", *answers), count)


def _write_mixture(graph, model, gate, experts, table, ask):
    """Write the answers (n, m) of one gate and its experts."""
    weights = _write_weights(graph, model, gate, len(experts), table)
    seen = table.select(model.expert_columns_)
    return graph.add(
        "Sum",
        *[
            _write_share(graph, name, expert, graph.select(weights, own), seen, ask)
            for name, expert, own in _asked(list(model.named_experts_), experts)
        ],
    )


def _write_weights(graph, model, gate, n_experts, table):
    with exporting("gate", gate):
        log_gate = write_gate(graph, gate, table.select(model.gate_columns_))
    weights = write_weights(graph, log_gate, n_experts, model.top_k)
    return write_largest(graph, weights, n_experts) if model.combine == "top" else weights


def _write_share(graph, name, expert, weights, table, ask):
    """Write the answers of an expert times the sum of its weights, one for each component."""
    with exporting(f"expert {name!r}", expert):
        answer = ask(expert, table)
    weight = graph.reshape(graph.sum(weights, 1), -1, 1)
    zero = graph.constant(np.array(0.0))
    # An expert without weight may answer with infinity, which zero times is no number.
    share = graph.add("Mul", weight, answer)
    return graph.add("Where", graph.add("Greater", weight, zero), share, zero)


def _asked(names, experts):
    """Name, expert and components of each expert: several may share one."""
    found = {}
    for k, (name, expert) in enumerate(zip(names, experts, strict=True)):
        found.setdefault(id(expert), (name, expert, []))[2].append(k)
    return list(found.values())


def _asked_for_mean(expert):
    """The expert; a mixture whose own `combine` is another as one that answers with its mean.

    To the mixture that it is an expert of, it is its components.
    """
    inner = _innermost(expert)
    if not isinstance(inner, MixtureOfExpertsRegressor) or inner.combine == "mean":
        return expert
    expert = copy.deepcopy(expert)
    _innermost(expert).combine = "mean"
    return expert


def _innermost(expert):
    """What stands behind pipelines and ``FrozenEstimator``."""
    if isinstance(expert, FrozenEstimator):
        return _innermost(expert.estimator)
    return _innermost(expert.steps[-1][1]) if isinstance(expert, Pipeline) else expert
