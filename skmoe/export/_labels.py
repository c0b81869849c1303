"""Probabilities of classes, and the most probable labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._graph import Graph


def aligned(graph: Graph, proba: str, seen: Any, classes: Any) -> str:
    """Write probabilities (n, len(seen)) as those of all classes; the others get zero."""
    if np.array_equal(seen, classes):
        return proba
    places = np.asarray(seen)[:, None] == np.asarray(classes)[None, :]
    return graph.add("MatMul", proba, graph.constant(places.astype(float)))


def output_classes(graph: Graph, proba: str, classes: Any, operator: Any) -> None:
    """Set the most probable label and the probabilities (n, n_classes) as outputs."""
    label, probabilities = operator.outputs
    graph.set_output(proba, probabilities)
    best = graph.add("ArgMax", proba, axis=1, keepdims=0)
    graph.add("Gather", graph.constant(written(classes)), best, out=label.full_name)


def written(classes: Any) -> NDArray[Any]:
    """Return labels in a type of ONNX: text, or whole numbers.

    Raises
    ------
    ValueError
        If labels are of another type.
    """
    classes = np.array(np.asarray(classes).tolist())
    if classes.dtype.kind == "U":
        return classes
    whole = classes.astype(np.int64) if classes.dtype.kind in "biuf" else None
    if whole is None or not np.array_equal(whole, classes):
        raise ValueError(
            f"y must hold text, whole numbers or truth values to be exported to ONNX; got the "
            f"labels {classes.tolist()}"
        )
    return whole
