"""Decision trees, forests and boosting of scikit-learn, as sums of their trees.

The sums are exact in double precision; those of the converters of skl2onnx are not.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from ._graph import Graph
from ._labels import output_classes
from ._table import Table
from ._trees import Tree, write_leaves


def convert_forest(scope: Any, operator: Any, container: Any) -> None:
    """Write a decision tree, or a forest: the mean of the predictions of its trees."""
    graph, model = Graph(scope, container), operator.raw_operator
    members = [model] if hasattr(model, "tree_") else model.estimators_
    trees = [Tree.of(member) for member in members]
    total = _write_sum(graph, operator, trees, single=True)
    mean = graph.add("Div", total, graph.constant(np.array(float(len(trees)))))
    _output(graph, mean, operator)


def convert_boosting(scope: Any, operator: Any, container: Any) -> None:
    """Write gradient boosting: its initial scores plus the sum of its trees."""
    graph, model = Graph(scope, container), operator.raw_operator
    if not isinstance(model.init_, DummyClassifier | DummyRegressor | str):
        raise ValueError("its parameter init must not be an estimator to be exported to ONNX")
    trees = [
        _in_column(Tree.of(tree), k, len(stage), model.learning_rate)
        for stage in model.estimators_
        for k, tree in enumerate(stage)
    ]
    total = _write_sum(graph, operator, trees, single=True)
    total = graph.add("Add", total, graph.constant(_initial_scores(model)))
    factor = 2.0 if model.loss == "exponential" else 1.0
    _output_raw(graph, total, operator, factor)


def convert_histogram_boosting(scope: Any, operator: Any, container: Any) -> None:
    """Write histogram gradient boosting: its baseline plus the sum of its trees."""
    graph, model = Graph(scope, container), operator.raw_operator
    trees = [
        _in_column(Tree.of_histogram(tree), k, len(stage))
        for stage in model._predictors
        for k, tree in enumerate(stage)
    ]
    total = _write_sum(graph, operator, trees, single=False)
    total = graph.add("Add", total, graph.constant(np.ravel(model._baseline_prediction)))
    if model.loss in ("poisson", "gamma"):
        total = graph.add("Exp", total)
    _output_raw(graph, total, operator)


def _write_sum(graph: Graph, operator: Any, trees: list[Tree], single: bool) -> str:
    """Write the sum (n, m) of the predictions of all trees."""
    X = Table.of(graph, operator.inputs, operator.raw_operator.n_features_in_).numbers()
    return graph.sum(write_leaves(graph, X, trees, single), 1)


def _in_column(tree: Tree, k: int, width: int, factor: float = 1.0) -> Tree:
    """Return a tree whose values belong to score k of `width` scores."""
    values = np.zeros((len(tree.values), width))
    values[:, k] = factor * tree.values[:, 0]
    return replace(tree, values=values)


def _initial_scores(model: Any) -> NDArray[np.float64]:
    """Return the initial scores (m,) of boosting: those of a row less the sum of its trees."""
    row = np.zeros((1, model.n_features_in_))
    scores = model.decision_function(row) if is_classifier(model) else model.predict(row)
    added = [[tree.predict(row)[0] for tree in stage] for stage in model.estimators_]
    return np.ravel(scores) - model.learning_rate * np.sum(added, axis=0)


def _output_raw(graph: Graph, scores: str, operator: Any, factor: float = 1.0) -> None:
    """Set predictions, or the probabilities of scores, as outputs."""
    if is_classifier(operator.raw_operator):
        scores = graph.add("Mul", scores, graph.constant(np.array(factor)))
        scores = _write_probabilities(graph, scores, len(operator.raw_operator.classes_))
    _output(graph, scores, operator)


def _write_probabilities(graph: Graph, scores: str, n_classes: int) -> str:
    """Write the softmax of scores; with two classes only the second has a score."""
    if n_classes == 2:
        scores = graph.add("Concat", graph.repeat(np.zeros(1), scores), scores, axis=1)
    return graph.add("Softmax", scores, axis=1)


def _output(graph: Graph, prediction: str, operator: Any) -> None:
    if is_classifier(operator.raw_operator):
        output_classes(graph, prediction, operator.raw_operator.classes_, operator)
    else:
        graph.set_output(prediction, operator.outputs[0])
