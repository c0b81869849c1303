"""The tree of a hierarchical gate, in words and as a plot."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..gates import HierarchicalGate, SoftmaxGate
from ._plot import PALETTE, axes_for

#: Inches that the text of a node takes in a plot: width, height.
_BOX = (2.7, 1.0)


@dataclass(frozen=True)
class Branch:
    """A node or a leaf of the tree, and what leads to it.

    Attributes
    ----------
    parent : int
        Number of the branch that it grows from; -1 for the root.
    depth : int
    first, last : int
        Its leaves, `last` not included.
    lead : str
        What speaks for it among its siblings; empty where that is not known.
    name : str
        Of the expert; ``"node"`` for a node.
    share : float
        Of the weight of the training rows.
    text : str
        What a node splits on, or the spread of an expert; empty where there is none.
    """

    parent: int
    depth: int
    first: int
    last: int
    lead: str
    name: str
    share: float
    text: str


def export_gate_text(model, *, feature_names=None, max_features=3, decimals=2):
    """Write the tree of a hierarchical mixture as text.

    A line is a node or an expert with its share of the weight of the training rows. A
    softmax node names the columns that it splits on, those whose weights differ most
    between its children. Each child has in brackets what speaks for it (positive) or
    against it: its weight less the mean of its siblings and itself, for a step of one
    standard deviation of the column. Other nodes name their gate. An expert of a
    regressor has its spread too, the scale of its law in units of y.

    Parameters
    ----------
    model : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with a ``HierarchicalGate`` or a pipeline that ends in one.
    feature_names : array-like of str, default=None
        Names of the columns that the nodes see, behind all transformers; None for the
        names in the table, as the transformers hand them on.
    max_features : int, default=3
        Largest number of columns that are named at a node.
    decimals : int, default=2
        Digits after the point.

    Returns
    -------
    str
        One line per node and per expert.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If its gate is no tree, or `feature_names` has the wrong length.

    See Also
    --------
    GateTreeDisplay : The same as a plot.

    References
    ----------
    Jordan and Jacobs (1994). Hierarchical mixtures of experts and the EM algorithm.
    Neural Computation 6, 181-214.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.gates import HierarchicalGate
    >>> from skmoe.inspection import export_gate_text
    >>> X = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    >>> y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1])
    >>> gate = HierarchicalGate((2,))
    >>> model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0).fit(X, y)
    >>> print(export_gate_text(model, feature_names=["side", "slope"], max_features=1))
    node, share 1.00, splits on side
    |-- [side ...] expert_0, share 0..., spread ...
    |-- [side ...] expert_1, share 0..., spread ...
    """
    branches = _branches(model, feature_names, max_features, decimals)
    return "\n".join(_line(branch, decimals) for branch in branches)


def _line(branch, decimals):
    indent = "|   " * (branch.depth - 1) + "|-- " * (branch.depth > 0)
    lead = f"[{branch.lead}] " if branch.lead else ""
    return indent + lead + ", ".join(_words(branch, decimals))


def _words(branch, decimals):
    words = [branch.name, f"share {branch.share:.{decimals}f}", branch.text]
    return [word for word in words if word]


class GateTreeDisplay:
    """Plot of the tree of a hierarchical mixture.

    The root is at the left, experts are below one another in the order of their numbers,
    and a line is as wide as the share of the rows that pass along it. What is written is
    what `export_gate_text` writes.

    Parameters
    ----------
    branches : list of Branch
        Nodes and experts, as `from_estimator` reads them off a model.
    decimals : int, default=2
        Digits after the point.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the tree is drawn.
    figure_ : matplotlib Figure
        The figure that holds it.
    lines_ : list of matplotlib Line2D
        One for each branch but the root, in the order of `branches`.
    text_ : list of matplotlib Text
        One for each branch.

    See Also
    --------
    export_gate_text : The same as text.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.gates import HierarchicalGate
    >>> from skmoe.inspection import GateTreeDisplay
    >>> X, y = make_moe_regression(n_experts=4, random_state=0)
    >>> model = MixtureOfExpertsRegressor(gate=HierarchicalGate(), random_state=0).fit(X, y)
    >>> display = GateTreeDisplay.from_estimator(model)
    >>> len(display.lines_)
    6
    """

    def __init__(self, branches, *, decimals=2):
        self.branches = branches
        self.decimals = decimals

    @classmethod
    def from_estimator(
        cls,
        model,
        *,
        feature_names=None,
        max_features=3,
        decimals=2,
        ax=None,
        line_kw=None,
        text_kw=None,
    ):
        """Read the tree off a fitted mixture and plot it.

        Parameters
        ----------
        model : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted, with a ``HierarchicalGate`` or a pipeline that ends in one.
        feature_names : array-like of str, default=None
            Names of the columns that the nodes see, behind all transformers; None for
            the names in the table, as the transformers hand them on.
        max_features : int, default=3
            Largest number of columns that are named at a node.
        decimals : int, default=2
            Digits after the point.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``.
        text_kw : dict, default=None
            Further arguments of ``Axes.text``.

        Returns
        -------
        GateTreeDisplay
            Plotted.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If its gate is no tree, or `feature_names` has the wrong length.
        """
        branches = _branches(model, feature_names, max_features, decimals)
        return cls(branches, decimals=decimals).plot(ax, line_kw=line_kw, text_kw=text_kw)

    def plot(self, ax=None, *, line_kw=None, text_kw=None):
        """Plot the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``.
        text_kw : dict, default=None
            Further arguments of ``Axes.text``.

        Returns
        -------
        GateTreeDisplay
            Itself.
        """
        deepest = max(branch.depth for branch in self.branches)
        size = _BOX[0] * (deepest + 1), _BOX[1] * self.branches[0].last
        ax = axes_for(ax, figsize=size)
        self.ax_, self.figure_ = ax, ax.figure
        places = [
            (branch.depth, 0.5 * (branch.first + branch.last - 1)) for branch in self.branches
        ]
        self.lines_ = [
            self._draw_line(branch, places[branch.parent], place, line_kw)
            for branch, place in zip(self.branches[1:], places[1:], strict=True)
        ]
        self.text_ = [
            self._draw_text(*pair, text_kw) for pair in zip(self.branches, places, strict=True)
        ]
        ax.margins(0.5 / deepest, 0.5 / max(self.branches[0].last - 1, 1))
        ax.invert_yaxis()
        ax.set_axis_off()
        return self

    def _draw_line(self, branch, start, end, options):
        style = {
            "color": PALETTE[0],
            "linewidth": 0.5 + 8.0 * branch.share,
            "alpha": 0.5,
            "zorder": 1,
        }
        xs, ys = zip(start, end, strict=True)
        return self.ax_.plot(xs, ys, **(style | (options or {})))[0]

    def _draw_text(self, branch, place, options):
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.6"}
        style = {"ha": "center", "va": "center", "fontsize": "small", "bbox": box, "zorder": 2}
        lead = [f"[{branch.lead}]"] if branch.lead else []
        words = "\n".join(lead + _words(branch, self.decimals))
        return self.ax_.text(*place, words, **(style | (options or {})))


# Reading the tree --------------------------------------------------------------------------


def _branches(model, feature_names, max_features, decimals):
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
        names = _handed_on(_column_names(model), steps + _unwrap(gate.nodes_[0])[0])
    splits = [_Split.of(_unwrap(node)[1], gate, names, max_features) for node in gate.nodes_]
    return _grow(model, gate, splits, decimals)


def _unwrap(estimator):
    """Return the transformers of a pipeline, and its last step."""
    steps = []
    while isinstance(estimator, Pipeline):
        steps += [estimator[:-1]] * (len(estimator.steps) > 1)
        estimator = estimator.steps[-1][1]
    return steps, estimator


def _column_names(model):
    """Names of the columns that the gate sees: those of the table, or x0, x1, ..."""
    numbered = [f"x{j}" for j in range(model.n_features_in_)]
    names = np.array(getattr(model, "feature_names_in_", numbered), dtype=object)
    return names if model.gate_columns_ is None else names[model.gate_columns_]


def _handed_on(names, steps):
    """Return `names` behind transformers, or None where one of them has no names to give."""
    for step in steps:
        try:
            names = step.get_feature_names_out(names)
        except AttributeError:
            return None
    return names


@dataclass(frozen=True)
class _Split:
    """How a node tells its children apart.

    Attributes
    ----------
    gate : gate
    names : list of str
        Columns that count, the first most.
    weights : ndarray of shape (n_children, len(names))
        For a step of one standard deviation.
    """

    gate: object
    names: list
    weights: np.ndarray

    @classmethod
    def of(cls, gate, tree, names, max_features):
        """Read a softmax node; of any other only the kind is known."""
        if not isinstance(gate, SoftmaxGate):
            return cls(gate, [], np.empty((0, 0)))
        names = _checked(names, gate.n_features_in_)
        weights = gate.coef_ * tree.scale_
        largest = np.argsort(-np.ptp(weights, axis=0), kind="stable")[:max_features]
        return cls(gate, [names[j] for j in largest], weights[:, largest])

    def visible(self, decimals):
        """Tell which of the columns have a weight that the digits show."""
        return (np.abs(self.weights) >= 0.5 * 10.0**-decimals).any(axis=0)

    def text(self, decimals):
        """Name what the node splits on."""
        if not isinstance(self.gate, SoftmaxGate):
            part = _unwrap(getattr(self.gate, "classifier_", self.gate))[1]
            return f"splits by {type(part).__name__}"
        pairs = zip(self.names, self.visible(decimals), strict=True)
        return "splits on " + (", ".join(name for name, show in pairs if show) or "no column")

    def lead(self, child, decimals):
        """What speaks for a child."""
        if not self.names:
            return ""
        seen = self.visible(decimals)
        pairs = zip(self.names, self.weights[child], seen, strict=True)
        return ", ".join(f"{name} {weight:+.{decimals}f}" for name, weight, show in pairs if show)


def _checked(names, n_columns):
    if names is None:
        return [f"x{j}" for j in range(n_columns)]
    names = [str(name) for name in names]
    if len(names) != n_columns:
        raise ValueError(
            f"feature_names must name the {n_columns} columns that the nodes see; got {len(names)}"
        )
    return names


def _grow(model, gate, splits, decimals):
    """Return nodes and leaves as branches, in preorder."""
    names, spreads = list(model.named_experts_), _spreads(model, decimals)
    shares = np.asarray(model.expert_usage_)
    branches, nodes = [], iter(zip(gate.edges_, splits, strict=True))

    def add(parent, depth, first, last, lead, *rest):
        branches.append(Branch(parent, depth, int(first), int(last), lead, *rest))
        return len(branches) - 1

    def grow(parent, depth, lead):
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


def _spreads(model, decimals):
    """What is said of the dispersion of each expert; nothing for a classifier."""
    dispersion = getattr(model, "dispersion_", None)
    if dispersion is None:
        return [""] * len(model.experts_)
    rows = np.asarray(dispersion).reshape(len(model.experts_), -1)
    return ["spread " + ", ".join(f"{value:.{decimals}f}" for value in row) for row in rows]
