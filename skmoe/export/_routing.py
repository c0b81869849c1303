"""Mixing weights after routing, as in `skmoe.routing`."""

import numpy as np

from ._graph import Graph


def write_weights(graph: Graph, log_gate: str, n_experts: int, top_k: int | None) -> str:
    """Write the mixing weights (n, K) of log-probabilities of the gate (n, K)."""
    weights = graph.add("Exp", log_gate)
    if top_k is not None and top_k < n_experts:
        weights = graph.add("Mul", weights, write_largest(graph, log_gate, n_experts, top_k))
    total = graph.reshape(graph.sum(weights, 1), -1, 1)
    return graph.add("Div", weights, total)


def write_largest(graph: Graph, scores: str, width: int, k: int = 1) -> str:
    """Write a mask of scores (n, width): one for the `k` largest of a row, ties to the first."""
    _, order = graph.add_pair("TopK", scores, graph.constant(np.array([k])), axis=1)
    # Each of the k is a row of the identity matrix.
    marks = graph.add("Gather", graph.constant(np.eye(width)), order, axis=0)
    return graph.sum(marks, 1)
