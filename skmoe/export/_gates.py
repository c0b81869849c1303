"""Gates: log-probabilities of the experts, one function a gate."""

from itertools import pairwise

import numpy as np
from sklearn.pipeline import Pipeline

from ..gates import (
    ClassifierGate,
    ConstantGate,
    GaussianGate,
    HierarchicalGate,
    SoftmaxGate,
)
from ._estimators import write_classifier, write_transformer
from ._graph import Graph
from ._labels import aligned
from ._table import Table

#: Standardised columns are not looked at beyond this, as in `GaussianGate`.
_FARTHEST = 1e100


def convert_gate(scope, operator, container):
    """Write the probabilities (n, K) of a fitted gate, as a converter of skl2onnx."""
    graph, gate = Graph(scope, container), operator.raw_operator
    table = Table.of(graph, operator.inputs, gate.n_features_in_)
    graph.give(graph.add("Exp", write_gate(graph, gate, table)), operator.outputs[0])


def write_gate(graph, gate, table):
    """Write the log-probabilities (n, K) of a fitted gate, or of a pipeline that ends in one.

    Raises
    ------
    ValueError
        If it is no gate of `skmoe.gates`.
    """
    if isinstance(gate, Pipeline):
        return write_gate(graph, gate.steps[-1][1], _transformed(graph, gate, table))
    if type(gate) not in WRITERS:
        known = ", ".join(kind.__name__ for kind in WRITERS)
        raise ValueError(f"it must be one of {known}, or a classifier")
    return WRITERS[type(gate)](graph, gate, table)


def _transformed(graph, gate, table):
    """What the last step of a fitted pipeline sees."""
    if len(gate.steps) == 1:
        return table
    columns = write_transformer(graph, gate[:-1], table)
    return Table.of_numbers(graph, columns, gate.steps[-1][1].n_features_in_)


def _write_constant(graph, gate, table):
    return graph.repeat(np.log(gate.weights_), table.columns[0].tensor)


def _write_softmax(graph, gate, table):
    product = graph.add("MatMul", table.numbers(), graph.constant(gate.coef_.T))
    scores = graph.add("Add", product, graph.constant(gate.intercept_))
    return graph.add("LogSoftmax", scores, axis=1)


def _write_gaussian(graph, gate, table):
    """Standardised x, distances from the means, and what the determinants add to them."""
    rows = graph.select(table.numbers(), gate._columns)
    rows = graph.add("Sub", rows, graph.constant(gate._center))
    rows = graph.add("Div", rows, graph.constant(gate._scale))
    limits = [graph.constant(np.array(limit)) for limit in (-_FARTHEST, _FARTHEST)]
    rows = graph.reshape(graph.add("Clip", rows, *limits), 1, -1, len(gate._columns))
    errors = graph.add("Sub", rows, graph.constant(gate._means[:, None]))
    white = _whitened(graph, gate, errors)
    distances = graph.sum(graph.add("Mul", white, white), 2)
    scores = graph.add("Mul", distances, graph.constant(np.array(-0.5)))
    scores = graph.add("Add", scores, graph.constant(_heights(gate)[:, None]))
    return graph.add("LogSoftmax", graph.add("Transpose", scores, perm=[1, 0]), axis=1)


def _whitened(graph, gate, errors):
    """Errors (K, n, d) in standard deviations, along directions that are independent."""
    if gate._whiteners.ndim == 2:
        return graph.add("Mul", errors, graph.constant(gate._whiteners[:, None]))
    return graph.add("MatMul", errors, graph.constant(gate._whiteners.swapaxes(1, 2)))


def _heights(gate):
    """Log-densities (K,) at the means, up to what all have in common."""
    whiteners = gate._whiteners
    spreads = whiteners if whiteners.ndim == 2 else np.einsum("kjj->kj", whiteners)
    return np.log(gate.weights_) + np.log(spreads).sum(axis=1)


def _write_classifier(graph, gate, table):
    experts = np.arange(gate.n_experts_)
    proba = write_classifier(graph, gate.classifier_, table)
    proba = aligned(graph, proba, gate.classifier_.classes_, experts)
    proba = graph.add("Max", proba, graph.constant(np.array(gate.floor)))
    total = graph.reshape(graph.sum(proba, 1), -1, 1)
    return graph.add("Log", graph.add("Div", proba, total))


def _write_tree(graph, gate, table):
    """Sums of the log-probabilities of the nodes along the path to each leaf."""
    parts = [write_gate(graph, node, table) for node in gate.nodes_]
    below = np.vstack([_leaves_below(edges, gate.n_experts_) for edges in gate.edges_])
    return graph.add("MatMul", graph.add("Concat", *parts, axis=1), graph.constant(below))


def _leaves_below(edges, n_leaves):
    """Which leaves stand under each child of a node: ones, (n_children, n_leaves)."""
    leaves = np.arange(n_leaves)
    return np.array([(first <= leaves) & (leaves < last) for first, last in pairwise(edges)], float)


#: How each gate is written.
WRITERS = {
    SoftmaxGate: _write_softmax,
    GaussianGate: _write_gaussian,
    ConstantGate: _write_constant,
    HierarchicalGate: _write_tree,
    ClassifierGate: _write_classifier,
}
