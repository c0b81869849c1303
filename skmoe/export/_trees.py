"""Trees and their ensembles, exactly: the leaf of each row, and the value of the leaf.

A tree finds the leaf of a row by comparisons alone. Values of leaves are looked up in double
precision; an operator of ONNX that sums leaves would do so in single precision.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._graph import Graph


@dataclass(frozen=True)
class Tree:
    """A binary tree; a row goes left where its feature is not above the threshold.

    Attributes
    ----------
    feature, threshold, left, right : ndarray of shape (n_nodes,)
    leaf, missing_left : ndarray of shape (n_nodes,), bool
        Whether a node is a leaf, and whether missing values go left.
    values : ndarray of shape (n_nodes, m)
        Values of leaves.
    """

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    leaf: NDArray[np.bool_]
    missing_left: NDArray[np.bool_]
    values: NDArray[Any]

    @classmethod
    def of(cls, estimator: Any) -> "Tree":
        """Return the tree of a fitted decision tree."""
        tree = estimator.tree_
        return cls(
            tree.feature,
            tree.threshold,
            tree.children_left,
            tree.children_right,
            tree.children_left < 0,
            tree.missing_go_to_left.astype(bool),
            tree.value.reshape(tree.node_count, -1),
        )

    @classmethod
    def of_histogram(cls, predictor: Any) -> "Tree":
        """Return the tree of a predictor of a fitted histogram gradient boosting.

        Raises
        ------
        ValueError
            If it splits on categories.
        """
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise ValueError("its trees split on categories, for which there is no converter")
        return cls(
            nodes["feature_idx"],
            nodes["num_threshold"],
            nodes["left"],
            nodes["right"],
            nodes["is_leaf"].astype(bool),
            nodes["missing_go_to_left"].astype(bool),
            nodes["value"][:, None],
        )


def write_leaves(graph: Graph, X: str, trees: list[Tree], single: bool) -> str:
    """Write the values of the leaves of all rows, (n, n_trees, m).

    Parameters
    ----------
    graph : Graph
    X : str
        Numbers (n, d) in double precision.
    trees : list of Tree
    single : bool
        Whether trees see X in single precision, as decision trees do.
    """
    leaves = graph.add(
        "TreeEnsembleRegressor",
        graph.cast(X, "FLOAT") if single else X,
        domain="ai.onnx.ml",
        version=3,
        n_targets=len(trees),
        **_splits(trees, single),
        **_leaf_numbers(trees, single),
    )
    counts = [int(np.count_nonzero(tree.leaf)) for tree in trees]
    first = graph.constant(np.cumsum([0, *counts[:-1]]))
    numbers = graph.add("Add", graph.cast(leaves, "INT64"), first)
    values = np.vstack([tree.values[tree.leaf] for tree in trees]).astype(float)
    return graph.add("Gather", graph.constant(values), numbers, axis=0)


def _splits(trees: list[Tree], single: bool) -> dict[str, Any]:
    """Return the attributes of the operator that describe all nodes."""
    inner = np.concatenate([~tree.leaf for tree in trees])

    def joined(name: str) -> NDArray[Any]:
        values = np.concatenate([getattr(tree, name) for tree in trees])
        return np.where(inner, values, 0)

    thresholds = _rounded_down(joined("threshold")) if single else joined("threshold")
    return {
        "nodes_treeids": _owners([len(tree.leaf) for tree in trees]),
        "nodes_nodeids": _counted([len(tree.leaf) for tree in trees]),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_featureids": joined("feature").astype(int).tolist(),
        "nodes_truenodeids": joined("left").astype(int).tolist(),
        "nodes_falsenodeids": joined("right").astype(int).tolist(),
        "nodes_missing_value_tracks_true": joined("missing_left").astype(int).tolist(),
        "nodes_values_as_tensor": _tensor(thresholds, single),
    }


def _leaf_numbers(trees: list[Tree], single: bool) -> dict[str, Any]:
    """Return the attributes of the operator that make each tree return the number of a leaf."""
    leaves = [np.flatnonzero(tree.leaf) for tree in trees]
    counts = [len(each) for each in leaves]
    return {
        "target_treeids": _owners(counts),
        "target_nodeids": np.concatenate(leaves).tolist(),
        "target_ids": _owners(counts),
        "target_weights_as_tensor": _tensor(_counted(counts), single),
    }


def _owners(counts: list[int]) -> list[int]:
    """Return the number of the tree of each node or leaf."""
    return np.repeat(np.arange(len(counts)), counts).tolist()


def _counted(counts: list[int]) -> list[int]:
    """Return the number of each node or leaf in its tree."""
    return np.concatenate([np.arange(count) for count in counts]).tolist()


def _tensor(values: Any, single: bool) -> Any:
    from onnx import TensorProto
    from onnx.helper import make_tensor

    kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
    return make_tensor("values", kind, [len(values)], np.asarray(values, dtype=float))


def _rounded_down(values: Any) -> NDArray[Any]:
    """Return the largest numbers in single precision that are not above `values`.

    As thresholds they split rows in single precision alike.
    """
    single = values.astype(np.float32)
    return np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)
