"""The nodes and leaves of the tree of a hierarchical gate, read from a fitted mixture."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..gates import HierarchicalGate, SoftmaxGate
from ._types import Bools, Floats, Mixture


@dataclass(frozen=True)
class Branch:
    """A node or a leaf of the tree.

    Attributes
    ----------
    parent : int
        Number of its parent branch; -1 for the root.
    depth : int
        Number of branches above it.
    first, last : int
        Range of its leaves, `last` not included.
    lead : str
        The weights by which its parent chooses it among its siblings; empty where there are none.
    name : str
        Name of the expert; ``"node"`` for a node.
    share : float
        Share of the weight of the training rows.
    text : str
        The columns that a node splits on, or the spread of an expert; empty where there is none.
    """

    parent: int
    depth: int
    first: int
    last: int
    lead: str
    name: str
    share: float
    text: str


def read_branches(
    model: Mixture, feature_names: Sequence[str] | None, max_features: int, decimals: int
) -> list[Branch]:
    """Return the branches of a fitted mixture in preorder."""
    check_is_fitted(model)
    steps, gate = _unwrap(getattr(model, "gate_", None))
    if not isinstance(gate, HierarchicalGate):
        raise ValueError(
            "model must be a mixture whose gate is a HierarchicalGate, or a pipeline that ends in "
            f"one; got the gate {type(gate).__name__} of {type(model).__name__}"
        )
    names = feature_names
    if names is None:
        names = _renamed(_column_names(model), steps + _unwrap(gate.nodes_[0])[0])
    splits = [_Split.of(_unwrap(node)[1], gate, names, max_features) for node in gate.nodes_]
    return _grow(model, gate, splits, decimals)


def _unwrap(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers of a pipeline, and its last step."""
    steps: list[Any] = []
    while isinstance(estimator, Pipeline):
        steps += [estimator[:-1]] * (len(estimator.steps) > 1)
        estimator = estimator.steps[-1][1]
    return steps, estimator


def _column_names(model: Any) -> Any:
    """Return the names of the gate's columns: those of the table, or x0, x1, ..."""
    numbered = [f"x{j}" for j in range(model.n_features_in_)]
    names = np.array(getattr(model, "feature_names_in_", numbered), dtype=object)
    return names if model.gate_columns_ is None else names[model.gate_columns_]


def _renamed(names: Any, steps: list[Any]) -> Any:
    """Return `names` behind transformers; None where one of them cannot name its columns."""
    for step in steps:
        try:
            names = step.get_feature_names_out(names)
        except AttributeError:
            return None
    return names


@dataclass(frozen=True)
class _Split:
    """The split of a node.

    Attributes
    ----------
    gate : gate
        The gate of the node.
    names : list of str
        Columns with the largest differences of weights, the largest first.
    weights : ndarray of shape (n_children, len(names))
        Weights for a step of one standard deviation.
    """

    gate: Any
    names: list[str]
    weights: Floats

    @classmethod
    def of(cls, gate: Any, tree: Any, names: Any, max_features: int) -> "_Split":
        """Return the split of a softmax node; other gates have no names and weights."""
        if not isinstance(gate, SoftmaxGate):
            return cls(gate, [], np.empty((0, 0)))
        names = _checked(names, gate.n_features_in_)
        weights = gate.coef_ * tree.scale_
        largest = np.argsort(-np.ptp(weights, axis=0), kind="stable")[:max_features]
        return cls(gate, [names[j] for j in largest], weights[:, largest])

    def visible(self, decimals: int) -> Bools:
        """Return which columns have a weight that is not rounded to zero."""
        return np.asarray((np.abs(self.weights) >= 0.5 * 10.0**-decimals).any(axis=0))

    def text(self, decimals: int) -> str:
        """Return the columns that the node splits on, or the name of its gate, as text."""
        if not isinstance(self.gate, SoftmaxGate):
            part = _unwrap(getattr(self.gate, "classifier_", self.gate))[1]
            return f"splits by {type(part).__name__}"
        pairs = zip(self.names, self.visible(decimals), strict=True)
        return "splits on " + (", ".join(name for name, show in pairs if show) or "no column")

    def lead(self, child: int, decimals: int) -> str:
        """Return the weights of a child as text."""
        if not self.names:
            return ""
        seen = self.visible(decimals)
        pairs = zip(self.names, self.weights[child], seen, strict=True)
        return ", ".join(f"{name} {weight:+.{decimals}f}" for name, weight, show in pairs if show)


def _checked(names: Any, n_columns: int) -> list[str]:
    if names is None:
        return [f"x{j}" for j in range(n_columns)]
    names = [str(name) for name in names]
    if len(names) != n_columns:
        raise ValueError(
            f"feature_names must name the {n_columns} columns of the nodes; got {len(names)}"
        )
    return names


def _grow(model: Any, gate: Any, splits: list[_Split], decimals: int) -> list[Branch]:
    """Return nodes and leaves as branches, in preorder."""
    names, spreads = list(model.named_experts_), _spreads(model, decimals)
    shares = np.asarray(model.expert_usage_)
    branches: list[Branch] = []
    nodes = iter(zip(gate.edges_, splits, strict=True))

    def add(parent: int, depth: int, first: Any, last: Any, lead: str, *rest: Any) -> int:
        branches.append(Branch(parent, depth, int(first), int(last), lead, *rest))
        return len(branches) - 1

    def grow(parent: int, depth: int, lead: str) -> None:
        edges, split = next(nodes)
        share = float(shares[edges[0] : edges[-1]].sum())
        text = split.text(decimals)
        here = add(parent, depth, edges[0], edges[-1], lead, "node", share, text)
        for child, (first, last) in enumerate(pairwise(edges)):
            lead = split.lead(child, decimals)
            if last - first > 1:
                grow(here, depth + 1, lead)
            else:
                leaf = names[first], float(shares[first]), spreads[first]
                add(here, depth + 1, first, last, lead, *leaf)

    grow(-1, 0, "")
    return branches


def _spreads(model: Any, decimals: int) -> list[str]:
    """Return the dispersion of each expert as text; empty text for a classifier."""
    dispersion = getattr(model, "dispersion_", None)
    if dispersion is None:
        return [""] * len(model.experts_)
    rows = np.asarray(dispersion).reshape(len(model.experts_), -1)
    return ["spread " + ", ".join(f"{value:.{decimals}f}" for value in row) for row in rows]
