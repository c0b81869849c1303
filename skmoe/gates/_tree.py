"""The shape of a tree of gates: which leaves lie under which child of which node.

Leaves have numbers in row-major order, so that leaves under one node have consecutive
numbers. A node is described by its edges alone: the leaves under its child c have the
numbers from ``edges[c]`` up to ``edges[c + 1]``. A tree is the list of its nodes in preorder.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np

from .._data.numerics import log_softmax, row_sum
from ..em._protocols import Floats, Ints

#: A third moment of coordinates of at most one is a rounding error below this.
_TIE = 1e-9

_EXPECTED = (
    "branching must be a tuple of integers of at least 2, the children of a node at each level, "
    "or a tuple of at least two subtrees: tuples, integers m for a node with m leaves, 1 for a leaf"
)


def check_branching(branching: Sequence[Any]) -> None:
    """Raise an error if `branching` is not valid; the message states what it must be.

    Parameters
    ----------
    branching : tuple
        As ``HierarchicalGate`` takes it.

    Raises
    ------
    TypeError
        If it, or a subtree, is no tuple, or an entry no integer.
    ValueError
        If it is empty, or a node has fewer than two children.
    """
    _check_subtree(branching, branching)


def _check_subtree(subtree: Any, whole: Any) -> None:
    if not isinstance(subtree, (tuple, list)):
        raise TypeError(f"{_EXPECTED}; got {whole!r}")
    nested = _is_nested(subtree)
    for entry in subtree:
        if nested and isinstance(entry, (tuple, list)):
            _check_subtree(entry, whole)
        elif not isinstance(entry, Integral) or isinstance(entry, bool):
            raise TypeError(f"{_EXPECTED}; got {whole!r} with the entry {entry!r}")
        elif entry < (1 if nested else 2):
            raise ValueError(f"{_EXPECTED}; got {whole!r} with the entry {entry!r}")
    if len(subtree) < (2 if nested else 1):
        raise ValueError(f"{_EXPECTED}; got {whole!r}")


def _is_nested(subtree: Any) -> bool:
    return any(isinstance(entry, (tuple, list)) for entry in subtree)


def count_leaves(subtree: Any) -> int:
    """Return the number of leaves of a subtree, which is an integer or a tuple."""
    if isinstance(subtree, Integral):
        return int(subtree)
    if _is_nested(subtree):
        return sum(count_leaves(child) for child in subtree)
    return math.prod(int(entry) for entry in subtree)


def preorder(subtree: Any, first: int = 0) -> Iterator[Ints]:
    """Yield the edges of every node, a node before its children.

    Parameters
    ----------
    subtree : int or tuple
    first : int
        Number of the first leaf of the subtree.

    Yields
    ------
    ndarray of shape (n_children + 1,), int
    """
    children = _children(subtree)
    edges = first + np.cumsum([0, *map(count_leaves, children)])
    yield edges
    for child, start in zip(children, edges[:-1], strict=True):
        if child != 1:
            yield from preorder(child, int(start))


def trunk(subtree: Any, depth: int) -> Any:
    """Return the first `depth` levels of nodes of a tree.

    Parameters
    ----------
    subtree : int or tuple
    depth : int
        At least 1 for a tree.

    Returns
    -------
    tuple, or 1 for a leaf
    """
    if depth == 0 or subtree == 1:
        return 1
    children = tuple(trunk(child, depth - 1) for child in _children(subtree))
    return (len(children),) if all(child == 1 for child in children) else children


def forks(subtree: Any, depth: int) -> list[int]:
    """Return the numbers of children of the nodes at a depth, in order; a leaf counts as 1."""
    if subtree == 1:
        return [1]
    if depth == 0:
        return [len(_children(subtree))]
    return [fork for child in _children(subtree) for fork in forks(child, depth - 1)]


def _children(subtree: Any) -> list[Any]:
    if isinstance(subtree, Integral):
        return [1] * subtree
    if _is_nested(subtree):
        return list(subtree)
    return [subtree[1:] or 1] * subtree[0]


def child_masses(masses: Floats, edges: Ints) -> Floats:
    """Return the masses of a node's children, (n, n_children): sums of those of leaves."""
    out = np.empty((len(edges) - 1, len(masses))).T
    for child, (first, last) in enumerate(pairwise(edges)):
        out[:, child] = row_sum(masses[:, first:last])
    return out


def leaf_log_proba(parts: Iterable[Floats], nodes: list[Ints]) -> Floats:
    """Return sums of log-probabilities along the path to every leaf.

    Parameters
    ----------
    parts : iterable of ndarray of shape (n, n_children)
        Log-probabilities of the children of each node, up to a constant in each row.
    nodes : list of ndarray
        Edges of each node.

    Returns
    -------
    ndarray of shape (n, n_leaves)
        The exponentials of a row sum to one.
    """
    out: Any = None
    for part, edges in zip(parts, nodes, strict=True):
        # The joint densities with x of a Gaussian gate must not be multiplied along a path.
        part = log_softmax(np.array(part, dtype=np.float64, order="F"))
        if out is None:
            out = np.zeros((nodes[0][-1], len(part))).T
        for child, (first, last) in enumerate(pairwise(edges)):
            out[:, first:last] += part[:, child, None]
    return out


def arrange(centers: Floats, nodes: Iterable[Ints]) -> Ints:
    """Return the cells of leaves, so that cells near each other are under the same nodes.

    From the root down, the cells of a node are ordered along the first principal
    direction of their centres, and divided among its children by their numbers of leaves.

    Parameters
    ----------
    centers : ndarray of shape (n_leaves, d)
    nodes : list of ndarray
        Edges of each node, in preorder.

    Returns
    -------
    ndarray of shape (n_leaves,), int
        The cell of each leaf.
    """
    # Cells are put in an order that depends on the centres alone, also in rounding.
    labels = np.lexsort(centers.T[::-1])
    centers, cells = centers[labels], np.arange(len(labels))
    for edges in nodes:
        under = slice(edges[0], edges[-1])
        scores = _principal_scores(centers[cells[under]])
        cells[under] = cells[under][np.argsort(scores, kind="stable")]
    return labels[cells]


def _principal_scores(points: Floats) -> Floats:
    """Return the coordinates (m,) of points (m, d) along their first principal direction."""
    points = points - points.mean(axis=0)
    direction = np.linalg.svd(points, full_matrices=False)[2][0]
    scores = points @ direction
    largest = np.abs(scores).max()
    if largest == 0:
        return scores
    scores = np.round(scores / largest, 9)
    # The sign is that of the skewness of scores, or of the largest entry where there is none.
    skewness = (scores**3).mean()
    if abs(skewness) <= _TIE:
        skewness = direction[np.abs(direction).argmax()]
    return scores if skewness > 0 else -scores
