"""Dummy estimators, whose predictions are the same in every row."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ._graph import Graph
from ._labels import output_classes


def convert_dummy(scope: Any, operator: Any, container: Any) -> None:
    """Write a fitted dummy estimator, as a converter of skl2onnx.

    Raises
    ------
    ValueError
        If it draws its predictions at random.
    """
    graph, model = Graph(scope, container), operator.raw_operator
    row, like = np.zeros((1, 1)), operator.inputs[0].full_name
    if model.strategy == "stratified":
        raise ValueError("its strategy must not be 'stratified', which draws predictions at random")
    if is_classifier(model):
        proba = graph.repeat(model.predict_proba(row)[0], like)
        output_classes(graph, proba, model.classes_, operator)
    else:
        graph.set_output(graph.repeat(np.ravel(model.predict(row)), like), operator.outputs[0])
