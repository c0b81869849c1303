"""The tree of a hierarchical gate, as text and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from ._branches import Branch, read_branches
from ._plot import PALETTE, axes_for, figure_of, styled
from ._types import Mixture, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

#: Size of the text of a node in a plot, in inches: width, height.
_BOX = (2.7, 1.0)


def export_gate_text(
    model: Mixture,
    *,
    feature_names: Sequence[str] | None = None,
    max_features: int = 3,
    decimals: int = 2,
) -> str:
    """Write the tree of a hierarchical mixture as text.

    Each line is a node or an expert, with its share of the weight of the training rows. A
    softmax node lists the columns that it splits on, whose weights differ most between its
    children. Brackets before a child hold its weights of these columns: positive ones
    increase its probability, negative ones decrease it. A weight is for a step of one standard
    deviation of the column, less the mean over all children of the node. Other nodes name
    their gate. An expert of a regressor also has its spread, the scale of its law in units of y.

    Parameters
    ----------
    model : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with a ``HierarchicalGate`` or a pipeline that ends in one.
    feature_names : array-like of str, default=None
        Names of the columns of the nodes, behind all transformers; None for the names of the
        table, as the transformers rename them.
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
        If its gate is not a tree, or `feature_names` has the wrong length.

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
    branches = read_branches(model, feature_names, max_features, decimals)
    return "\n".join(_line(branch, decimals) for branch in branches)


def _line(branch: Branch, decimals: int) -> str:
    indent = "|   " * (branch.depth - 1) + "|-- " * (branch.depth > 0)
    lead = f"[{branch.lead}] " if branch.lead else ""
    return indent + lead + ", ".join(_words(branch, decimals))


def _words(branch: Branch, decimals: int) -> list[str]:
    words = [branch.name, f"share {branch.share:.{decimals}f}", branch.text]
    return [word for word in words if word]


class GateTreeDisplay:
    """Plot of the tree of a hierarchical mixture.

    The root is at the left, and experts are below one another in the order of their numbers.
    The width of a line is proportional to the share of the rows below it. The texts are those of
    `export_gate_text`.

    Parameters
    ----------
    branches : list of Branch
        Nodes and experts, as `from_estimator` reads them from a model.
    decimals : int, default=2
        Digits after the point.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
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

    branches: list[Branch]
    decimals: int
    ax_: Axes
    figure_: Figure
    lines_: list[Line2D]
    text_: list[Text]

    def __init__(self, branches: list[Branch], *, decimals: int = 2) -> None:
        self.branches = branches
        self.decimals = decimals

    @classmethod
    def from_estimator(
        cls,
        model: Mixture,
        *,
        feature_names: Sequence[str] | None = None,
        max_features: int = 3,
        decimals: int = 2,
        ax: Axes | None = None,
        line_kw: Style | None = None,
        text_kw: Style | None = None,
    ) -> Self:
        """Read the tree of a fitted mixture and plot it.

        Parameters
        ----------
        model : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted, with a ``HierarchicalGate`` or a pipeline that ends in one.
        feature_names : array-like of str, default=None
            Names of the columns of the nodes, behind all transformers; None for the names of
            the table, as the transformers rename them.
        max_features : int, default=3
            Largest number of columns that are named at a node.
        decimals : int, default=2
            Digits after the point.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
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
            If its gate is not a tree, or `feature_names` has the wrong length.
        """
        branches = read_branches(model, feature_names, max_features, decimals)
        return cls(branches, decimals=decimals).plot(ax, line_kw=line_kw, text_kw=text_kw)

    def plot(
        self, ax: Axes | None = None, *, line_kw: Style | None = None, text_kw: Style | None = None
    ) -> Self:
        """Plot the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
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
        self.ax_, self.figure_ = ax, figure_of(ax)
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

    def _draw_line(
        self,
        branch: Branch,
        start: tuple[float, float],
        end: tuple[float, float],
        options: Style | None,
    ) -> Line2D:
        style = {
            "color": PALETTE[0],
            "linewidth": 0.5 + 8.0 * branch.share,
            "alpha": 0.5,
            "zorder": 1,
        }
        xs, ys = zip(start, end, strict=True)
        return self.ax_.plot(xs, ys, **styled(style, options))[0]

    def _draw_text(self, branch: Branch, place: tuple[float, float], options: Style | None) -> Text:
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.6"}
        style = {"ha": "center", "va": "center", "fontsize": "small", "bbox": box, "zorder": 2}
        lead = [f"[{branch.lead}]"] if branch.lead else []
        words = "\n".join(lead + _words(branch, self.decimals))
        return self.ax_.text(*place, words, **styled(style, options))
