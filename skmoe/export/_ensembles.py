"""Decision trees, forests and boosting of scikit-learn: what their trees add up to.

Exact in double precision, which the converters of skl2onnx are not.
"""

from dataclasses import replace

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from ._graph import Graph
from ._labels import give_classes
from ._table import Table
from ._trees import Tree, write_leaves


def convert_forest(scope, operator, container):
    """Write a decision tree, or a forest: the mean of what its trees say."""
    graph, model = Graph(scope, container), operator.raw_operator
    members = [model] if hasattr(model, "tree_") else model.estimators_
    trees = [Tree.of(member) for member in members]
    total = _write_sum(graph, operator, trees, single=True)
    mean = graph.add("Div", total, graph.constant(np.array(float(len(trees)))))
    _give(graph, mean, operator)


def convert_boosting(scope, operator, container):
    """Write gradient boosting: where it begins, and what its trees add to that."""
    graph, model = Graph(scope, container), operator.raw_operator
    if not isinstance(model.init_, DummyClassifier | DummyRegressor | str):
        raise ValueError("its parameter init must not be an estimator to be exported to ONNX")
    trees = [
        _in_column(Tree.of(tree), k, len(stage), model.learning_rate)
        for stage in model.estimators_
        for k, tree in enumerate(stage)
    ]
    total = _write_sum(graph, operator, trees, single=True)
    total = graph.add("Add", total, graph.constant(_beginning(model)))
    factor = 2.0 if model.loss == "exponential" else 1.0
    _give_raw(graph, total, operator, factor)


def convert_histogram_boosting(scope, operator, container):
    """Write histogram gradient boosting: its baseline, and what its trees add to that."""
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
    _give_raw(graph, total, operator)


def _write_sum(graph, operator, trees, single):
    """Write the sum (n, m) of what all trees say."""
    X = Table.of(graph, operator.inputs, operator.raw_operator.n_features_in_).numbers()
    return graph.sum(write_leaves(graph, X, trees, single), 1)


def _in_column(tree, k, width, factor=1.0):
    """A tree whose answers belong to one of several scores."""
    values = np.zeros((len(tree.values), width))
    values[:, k] = factor * tree.values[:, 0]
    return replace(tree, values=values)


def _beginning(model):
    """Scores (m,) that boosting begins with: those of any row, less what trees add to it."""
    row = np.zeros((1, model.n_features_in_))
    scores = model.decision_function(row) if is_classifier(model) else model.predict(row)
    added = [[tree.predict(row)[0] for tree in stage] for stage in model.estimators_]
    return np.ravel(scores) - model.learning_rate * np.sum(added, axis=0)


def _give_raw(graph, scores, operator, factor=1.0):
    """Let predictions, or the probabilities of scores, be the outputs."""
    if is_classifier(operator.raw_operator):
        scores = graph.add("Mul", scores, graph.constant(np.array(factor)))
        scores = _write_probabilities(graph, scores, len(operator.raw_operator.classes_))
    _give(graph, scores, operator)


def _write_probabilities(graph, scores, n_classes):
    """Write the softmax of scores; of two classes only the second has one."""
    if n_classes == 2:
        scores = graph.add("Concat", graph.repeat(np.zeros(1), scores), scores, axis=1)
    return graph.add("Softmax", scores, axis=1)


def _give(graph, answer, operator):
    if is_classifier(operator.raw_operator):
        give_classes(graph, answer, operator.raw_operator.classes_, operator)
    else:
        graph.give(answer, operator.outputs[0])
