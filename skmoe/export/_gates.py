"""Gates: log-probabilities of the experts, one function for each gate."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
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

#: Standardised columns are clipped to this size, as in `GaussianGate`.
_FARTHEST = 1e100


def convert_gate(scope: Any, operator: Any, container: Any) -> None:
    """Write the probabilities (n, K) of a fitted gate, as a converter of skl2onnx."""
    graph, gate = Graph(scope, container), operator.raw_operator
    table = Table.of(graph, operator.inputs, gate.n_features_in_)
    graph.set_output(graph.add("Exp", write_gate(graph, gate, table)), operator.outputs[0])


def write_gate(graph: Graph, gate: Any, table: Table) -> str:
    """Write the log-probabilities (n, K) of a fitted gate, or of a pipeline that ends in one.

    Raises
    ------
    ValueError
        If it is not a gate of `skmoe.gates`.
    """
    if isinstance(gate, Pipeline):
        return write_gate(graph, gate.steps[-1][1], _transformed(graph, gate, table))
    if type(gate) not in WRITERS:
        known = ", ".join(kind.__name__ for kind in WRITERS)
        raise ValueError(f"it must be one of {known}, or a classifier")
    return WRITERS[type(gate)](graph, gate, table)


def _transformed(graph: Graph, gate: Any, table: Table) -> Table:
    """Return the table that the last step of a fitted pipeline gets."""
    if len(gate.steps) == 1:
        return table
    columns = write_transformer(graph, gate[:-1], table)
    return Table.of_numbers(graph, columns, gate.steps[-1][1].n_features_in_)


def _write_constant(graph: Graph, gate: Any, table: Table) -> str:
    return graph.repeat(np.log(gate.weights_), table.columns[0].tensor)


def _write_softmax(graph: Graph, gate: Any, table: Table) -> str:
    product = graph.add("MatMul", table.numbers(), graph.constant(gate.coef_.T))
    scores = graph.add("Add", product, graph.constant(gate.intercept_))
    return graph.add("LogSoftmax", scores, axis=1)


def _write_gaussian(graph: Graph, gate: Any, table: Table) -> str:
    """Write standardised x, its distances from the means, and the terms of the determinants."""
    rows = graph.select(table.numbers(), gate._columns)
    rows = graph.add("Sub", rows, graph.constant(gate._center))
    rows = graph.add("Div", rows, graph.constant(gate._scale))
    limits = [graph.constant(np.array(limit)) for limit in (-_FARTHEST, _FARTHEST)]
    rows = graph.reshape(graph.add("Clip", rows, *limits), 1, -1, len(gate._columns))
    errors = graph.add("Sub", rows, graph.constant(gate._means[:, None]))
    white = _whitened(graph, gate, errors)
    distances = graph.sum(graph.add("Mul", white, white), 2)
    scores = graph.add("Mul", distances, graph.constant(np.array(-0.5)))
    scores = graph.add("Add", scores, graph.constant(_log_peaks(gate)[:, None]))
    return graph.add("LogSoftmax", graph.add("Transpose", scores, perm=[1, 0]), axis=1)


def _whitened(graph: Graph, gate: Any, errors: str) -> str:
    """Write errors (K, n, d) in standard deviations along independent directions."""
    if gate._whiteners.ndim == 2:
        return graph.add("Mul", errors, graph.constant(gate._whiteners[:, None]))
    return graph.add("MatMul", errors, graph.constant(gate._whiteners.swapaxes(1, 2)))


def _log_peaks(gate: Any) -> Any:
    """Return log-densities (K,) at the means, up to a common term."""
    whiteners = gate._whiteners
    spreads = whiteners if whiteners.ndim == 2 else np.einsum("kjj->kj", whiteners)
    return np.log(gate.weights_) + np.log(spreads).sum(axis=1)


def _write_classifier(graph: Graph, gate: Any, table: Table) -> str:
    experts = np.arange(gate.n_experts_)
    proba = write_classifier(graph, gate.classifier_, table)
    proba = aligned(graph, proba, gate.classifier_.classes_, experts)
    proba = graph.add("Max", proba, graph.constant(np.array(gate.floor)))
    total = graph.reshape(graph.sum(proba, 1), -1, 1)
    return graph.add("Log", graph.add("Div", proba, total))


def _write_tree(graph: Graph, gate: Any, table: Table) -> str:
    """Write sums of the log-probabilities of the nodes along the path to each leaf."""
    parts = [write_gate(graph, node, table) for node in gate.nodes_]
    below = np.vstack([_leaves_below(edges, gate.n_experts_) for edges in gate.edges_])
    return graph.add("MatMul", graph.add("Concat", *parts, axis=1), graph.constant(below))


def _leaves_below(edges: Any, n_leaves: int) -> NDArray[np.float64]:
    """Return ones for the leaves below each child of a node, (n_children, n_leaves)."""
    leaves = np.arange(n_leaves)
    return np.array([(first <= leaves) & (leaves < last) for first, last in pairwise(edges)], float)


#: The function that writes each gate.
WRITERS: dict[type, Callable[[Graph, Any, Table], str]] = {
    SoftmaxGate: _write_softmax,
    GaussianGate: _write_gaussian,
    ConstantGate: _write_constant,
    HierarchicalGate: _write_tree,
    ClassifierGate: _write_classifier,
}
