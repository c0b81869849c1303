"""Probabilities of classes, and the labels that they lead to."""

import numpy as np


def aligned(graph, proba, seen, classes):
    """Write probabilities (n, len(seen)) as those of all classes; the others get zero."""
    if np.array_equal(seen, classes):
        return proba
    places = np.asarray(seen)[:, None] == np.asarray(classes)[None, :]
    return graph.add("MatMul", proba, graph.constant(places.astype(float)))


def give_classes(graph, proba, classes, operator):
    """Let the most probable label and the probabilities (n, n_classes) be the outputs."""
    label, probabilities = operator.outputs
    graph.give(proba, probabilities)
    best = graph.add("ArgMax", proba, axis=1, keepdims=0)
    graph.add("Gather", graph.constant(written(classes)), best, out=label.full_name)


def written(classes):
    """Labels as ONNX knows them: text, or whole numbers.

    Raises
    ------
    ValueError
        If they are neither.
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
