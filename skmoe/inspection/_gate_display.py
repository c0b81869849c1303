"""A plot of the gate over one or two columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ._plot import axes_for, checked, colors, figure_of, legend_beside, styled
from ._slice import Slice
from ._types import Floats, Mixture, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D


class GateDisplay:
    """Plot of the gate over one or two columns.

    Over one column each expert has a curve, its probability. Over two columns the colour of a
    point is that of the most probable expert, and its saturation is the probability: white where
    all experts are equally probable. Lines separate the areas of different experts.

    Parameters
    ----------
    values : list of ndarray
        Values of the one or two columns, (n_0,) or (n_0,) and (n_1,).
    proba : ndarray of shape (n_0, n_experts) or (n_0, n_1, n_experts)
        Probabilities of the experts at these values.
    feature_names : list of str
        Names of the columns.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds it.
    lines_ : list of matplotlib Line2D
        A curve for each expert; empty over two columns.
    surface_ : matplotlib QuadMesh or None
        The areas; its cells are centred at `values`. None over one column.
    boundaries_ : list of matplotlib ContourSet
        The boundary of the area of each expert that is the most probable one somewhere but not
        everywhere. Empty over one column.
    legend_ : matplotlib Legend
        Names of the experts; over two columns only of those that are the most probable somewhere.

    See Also
    --------
    ExpertUsageDisplay : The use of each expert.
    GateTreeDisplay : The tree of a hierarchical gate.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import GateDisplay
    >>> X, y = make_moe_regression(n_features=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    >>> display = GateDisplay.from_estimator(model, X, ["x0", "x1"])
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('x0', 'x1')
    """

    values: list[Floats]
    proba: Floats
    feature_names: list[str]
    expert_names: list[str]
    ax_: Axes
    figure_: Figure
    lines_: list[Line2D]
    surface_: QuadMesh | None
    boundaries_: list[QuadContourSet]
    legend_: Legend

    def __init__(
        self,
        values: list[Floats],
        proba: Floats,
        *,
        feature_names: list[str],
        expert_names: list[str],
    ) -> None:
        self.values = values
        self.proba = proba
        self.feature_names = feature_names
        self.expert_names = expert_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Mixture,
        X: Any,
        features: str | int | Sequence[str | int],
        *,
        at: Mapping[str | int, Any] | None = None,
        grid_resolution: int = 200,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Evaluate the gate of a fitted mixture along columns of X, and plot it.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted.
        X : array-like or data frame of shape (n, n_features)
            Determines the ranges of `features` and the values at which other columns are held.
        features : str, int or sequence of one or two of them
            Numeric columns, by name or position. Columns without names are called x0, x1, ...
        at : mapping of (str or int) to object, default=None
            Values at which other columns are held. Those not named are held at the mean where
            they are numeric, at the most frequent value otherwise.
        grid_resolution : int, default=200
            Points along each column.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        **options : dict
            Further arguments of `plot`.

        Returns
        -------
        GateDisplay
            Plotted.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is not a mixture of experts, X is sparse, or a column is named by something else
            than its name or position.
        ValueError
            If X has other columns than in ``fit``, or there is no such column, or it has no
            numbers, or there are more than two of them.
        """
        checked(estimator)
        chosen: Any = features
        columns: list[Any] = [chosen] if np.ndim(chosen) == 0 else list(chosen)
        if len(columns) not in (1, 2) or len(set(columns)) < len(columns):
            raise ValueError(f"features must be one column or two; got {columns}")
        cut = Slice(estimator, X, columns, at)
        values = [cut.grid(j, grid_resolution) for j in range(len(columns))]
        mesh = np.meshgrid(*values, indexing="ij")
        proba = estimator.gate_proba(cut.rows(*(axis.ravel() for axis in mesh)))
        display = cls(
            values,
            proba.reshape(*mesh[0].shape, -1),
            feature_names=cut.labels,
            expert_names=list(estimator.named_experts_),
        )
        return display.plot(ax, **options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kw: Style | None = None,
        surface_kw: Style | None = None,
        boundary_kw: Style | None = None,
    ) -> Self:
        """Plot curves or areas.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``.
        surface_kw : dict, default=None
            Further arguments of ``Axes.pcolormesh``.
        boundary_kw : dict, default=None
            Further arguments of ``Axes.contour``.

        Returns
        -------
        GateDisplay
            Itself.
        """
        self.ax_ = axes_for(ax, figsize=(6.5, 4.2))
        self.figure_ = figure_of(self.ax_)
        self.lines_, self.surface_, self.boundaries_ = [], None, []
        self.ax_.set_xlabel(self.feature_names[0])
        if len(self.values) == 1:
            self._plot_curves(line_kw)
        else:
            self._plot_areas(surface_kw, boundary_kw)
        return self

    def _plot_curves(self, options: Style | None) -> None:
        palette = colors(len(self.expert_names))
        for name, color, curve in zip(self.expert_names, palette, self.proba.T, strict=True):
            self.lines_ += self.ax_.plot(
                self.values[0], curve, **styled({"color": color, "label": name}, options)
            )
        self.ax_.set(ylabel="gate probability", ylim=(-0.03, 1.03))
        self.legend_ = legend_beside(self.ax_)

    def _plot_areas(self, surface_kw: Style | None, boundary_kw: Style | None) -> None:
        from matplotlib.patches import Patch

        palette = colors(len(self.expert_names))
        top = self.proba.argmax(axis=2)
        # The first feature is the horizontal axis, which is the second axis of a mesh.
        shades = np.swapaxes(_shades(self.proba, palette), 0, 1)
        style = {"shading": "nearest", "rasterized": True}
        self.surface_ = self.ax_.pcolormesh(*self.values, shades, **styled(style, surface_kw))
        style = {"colors": "black", "linewidths": 1.0}
        shown = np.unique(top)
        for k in shown if len(shown) > 1 else []:
            lead = self.proba[:, :, k] - np.delete(self.proba, k, axis=2).max(axis=2)
            self.boundaries_.append(
                self.ax_.contour(*self.values, lead.T, levels=[0.0], **styled(style, boundary_kw))
            )
        self.ax_.set_ylabel(self.feature_names[1])
        patches = [Patch(facecolor=palette[k], label=self.expert_names[k]) for k in shown]
        self.legend_ = legend_beside(self.ax_, patches)


def _shades(proba: Floats, palette: list[str]) -> Floats:
    """Return colours (..., 3): that of the most probable expert, mixed with white."""
    from matplotlib.colors import to_rgb

    hues = np.array([to_rgb(color) for color in palette])[proba.argmax(axis=-1)]
    count = proba.shape[-1]
    certainty = 1.0 - count * (1.0 - proba.max(axis=-1)) / max(count - 1, 1)
    return 1.0 - np.clip(certainty, 0.0, 1.0)[..., np.newaxis] * (1.0 - hues)
