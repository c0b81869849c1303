"""A plot of the predictive density of y over one column."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .. import MixtureOfExpertsRegressor
from ..distributions import MixtureDistribution
from ._plot import axes_for, checked, colors, figure_of, legend_beside, styled
from ._slice import Slice
from ._types import Floats, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

#: Coverage of the interval outside of which the density is not drawn.
_COVERAGE_DRAWN = 0.99

#: Experts are drawn where their gate probability is above this.
_VISIBLE = 0.05


class PredictiveDensityDisplay:
    """Plot of the density of y over one column, with experts' predictions and an interval.

    The shade of a cell is the mean density within it, darker where it is higher. Lines are the
    predictions of the experts, where their gate probability is above 0.05, the mean of the
    mixture, and the ends of an equal-tailed interval.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values of the column.
    y_edges : ndarray of shape (m + 1,)
        Edges of the cells along y.
    density : ndarray of shape (n, m)
        Mean density of y in each cell; the probability for a law of whole numbers.
    mean : ndarray of shape (n,)
        Mean of the mixture.
    interval : ndarray of shape (n, 2)
        Lower and upper ends of the interval.
    expert_means : ndarray of shape (n, n_experts)
        Predictions of the experts.
    proba : ndarray of shape (n, n_experts)
        Probabilities of the experts.
    feature_name : str
        Name of the column.
    expert_names : list of str
        Names of the experts.
    coverage : float, default=0.9
        Coverage of the interval.
    target_name : str, default="y"
        Name of y.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds it.
    surface_ : matplotlib QuadMesh
        The density; it has a row of cells for each interval between `y_edges`.
    colorbar_ : matplotlib Colorbar
        The densities of the shades.
    lines_ : list of matplotlib Line2D
        Predictions of the experts; NaN where they are not drawn.
    mean_ : matplotlib Line2D
        Mean of the mixture.
    interval_ : list of matplotlib Line2D
        Ends of the interval, the lower first.
    legend_ : matplotlib Legend
        Names of the lines; only of experts that are drawn somewhere.

    See Also
    --------
    GateDisplay : The gate over one or two columns.
    skmoe.MixtureOfExpertsRegressor.predict_dist : The density as an object.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.inspection import PredictiveDensityDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, size=(400, 1))
    >>> y = np.abs(X[:, 0]) + 0.2 * rng.standard_normal(400)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> display = PredictiveDensityDisplay.from_estimator(model, X, "x0")
    >>> display.ax_.get_xlabel()
    'x0'
    """

    values: Floats
    y_edges: Floats
    density: Floats
    mean: Floats
    interval: Floats
    expert_means: Floats
    proba: Floats
    feature_name: str
    expert_names: list[str]
    coverage: float
    target_name: str
    ax_: Axes
    figure_: Figure
    surface_: QuadMesh
    colorbar_: Colorbar
    lines_: list[Line2D]
    mean_: Line2D
    interval_: list[Line2D]
    legend_: Legend

    def __init__(
        self,
        values: Floats,
        y_edges: Floats,
        density: Floats,
        *,
        mean: Floats,
        interval: Floats,
        expert_means: Floats,
        proba: Floats,
        feature_name: str,
        expert_names: list[str],
        coverage: float = 0.9,
        target_name: str = "y",
    ) -> None:
        self.values = values
        self.y_edges = y_edges
        self.density = density
        self.mean = mean
        self.interval = interval
        self.expert_means = expert_means
        self.proba = proba
        self.feature_name = feature_name
        self.expert_names = expert_names
        self.coverage = coverage
        self.target_name = target_name

    @classmethod
    def from_estimator(
        cls,
        estimator: MixtureOfExpertsRegressor,
        X: Any,
        feature: str | int,
        *,
        at: Mapping[str | int, Any] | None = None,
        target: int = 0,
        target_name: str | None = None,
        coverage: float = 0.9,
        grid_resolution: int = 200,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Evaluate the density of a fitted mixture along a column of X, and plot it.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor
            Fitted.
        X : array-like or data frame of shape (n, n_features)
            Determines the range of `feature` and the values at which other columns are held.
        feature : str or int
            A numeric column, by name or position. Columns without names are called x0, x1, ...
        at : mapping of (str or int) to object, default=None
            Values at which other columns are held. Those not named are held at the mean where
            they are numeric, at the most frequent value otherwise.
        target : int, default=0
            Number of the output, where y has several.
        target_name : str, default=None
            Name of y; None for "y", or "y0", "y1", ... where it has several outputs.
        coverage : float, default=0.9
            Coverage of the interval, in (0, 1).
        grid_resolution : int, default=200
            Points along the column, and cells along y; a law of whole numbers has a cell for
            each number.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        **options : dict
            Further arguments of `plot`.

        Returns
        -------
        PredictiveDensityDisplay
            Plotted.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is not a mixture of experts for regression, X is sparse, or a column is named
            by something else than its name or position.
        ValueError
            If X has other columns than in ``fit``, there is no such column or output, the column
            has no numbers, or `coverage` is out of range.
        """
        checked(estimator, regressor=True)
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}")
        predictions = _Predictions(estimator, target)
        cut = Slice(estimator, X, [feature], at)
        values = cut.grid(0, grid_resolution)
        parts = predictions.along(cut.rows(values), coverage, grid_resolution)
        display = cls(
            values,
            **parts,
            feature_name=cut.labels[0],
            expert_names=list(estimator.named_experts_),
            target_name=predictions.name if target_name is None else target_name,
            coverage=coverage,
        )
        return display.plot(ax, **options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        surface_kw: Style | None = None,
        line_kw: Style | None = None,
    ) -> Self:
        """Plot density, experts, mean and interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        surface_kw : dict, default=None
            Further arguments of ``Axes.pcolormesh``.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``, for the experts.

        Returns
        -------
        PredictiveDensityDisplay
            Itself.
        """
        self.ax_ = ax = axes_for(ax, figsize=(7.5, 4.2))
        self.figure_ = figure_of(ax)
        self.surface_ = ax.pcolormesh(
            _edges(self.values),
            self.y_edges,
            self.density.T,
            **styled(_shading() | {"rasterized": True}, surface_kw),
        )
        self._plot_experts(line_kw)
        (self.mean_,) = ax.plot(self.values, self.mean, color="black", linewidth=1.2, label="mean")
        self.interval_ = ax.plot(
            self.values, self.interval, color="black", linestyle="--", linewidth=1
        )
        self.interval_[0].set_label(f"{100 * self.coverage:g} % interval")
        ax.set(xlabel=self.feature_name, ylabel=self.target_name)
        ax.set_ylim(self.y_edges[0], self.y_edges[-1])
        seen = [line for line in self.lines_ if np.isfinite(line.get_ydata()).any()]
        self.legend_ = legend_beside(ax, [*seen, self.mean_, self.interval_[0]])
        self.colorbar_ = self.figure_.colorbar(self.surface_, ax=ax, label="density")
        return self

    def _plot_experts(self, options: Style | None) -> None:
        self.lines_ = []
        shown = np.where(self.proba > _VISIBLE, self.expert_means, np.nan)
        palette = colors(len(self.expert_names))
        for name, color, curve in zip(self.expert_names, palette, shown.T, strict=True):
            style = {"color": color, "label": name, "linewidth": 2.5}
            self.lines_ += self.ax_.plot(self.values, curve, **styled(style, options))


def _shading() -> dict[str, Any]:
    """Return the options of the surface: from white to grey, as lines are black."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    # The square root makes thin tails visible beside sharp peaks.
    return {
        "cmap": LinearSegmentedColormap.from_list("density", ["white", "0.45"]),
        "norm": PowerNorm(0.5, vmin=0.0),
    }


class _Predictions:
    """The predictions of a mixture for one of its outputs."""

    def __init__(self, estimator: MixtureOfExpertsRegressor, target: int) -> None:
        self.estimator = estimator
        several = estimator.dispersion_.ndim == 2
        count = estimator.dispersion_.shape[1] if several else 1
        if not isinstance(target, Integral) or not 0 <= int(target) < count:
            raise ValueError(f"target must be an integer from 0 to {count - 1}; got {target!r}")
        self.pick: Any = (..., target) if several else ...
        self.name: str = f"y{target}" if several else "y"

    def along(self, rows: Any, coverage: float, resolution: int) -> dict[str, Any]:
        """Return density, mean, interval, experts and gate in rows, as arguments of the display."""
        dist = self.estimator.predict_dist(rows)
        edges = self._cells(dist, coverage, resolution)
        levels = edges[(slice(None),) + (np.newaxis,) * len(dist.shape)]
        below = self._picked(dist.cdf(np.broadcast_to(levels, (len(edges), *dist.shape))))
        return {
            "y_edges": edges,
            "density": (np.diff(below, axis=0) / np.diff(edges)[:, np.newaxis]).T,
            "mean": self._picked(dist.mean()),
            "interval": self._ends(dist, coverage),
            "expert_means": self._picked(self.estimator.expert_predict(rows)),
            "proba": self.estimator.gate_proba(rows),
        }

    def _picked(self, values: Floats) -> Floats:
        return values[self.pick]

    def _ends(self, dist: MixtureDistribution, coverage: float) -> Floats:
        low, high = np.moveaxis(dist.interval(coverage), -1, 0)
        return np.column_stack([self._picked(low), self._picked(high)])

    def _cells(self, dist: MixtureDistribution, coverage: float, resolution: int) -> Floats:
        """Return the edges of the cells; cells are whole numbers for a law of whole numbers."""
        ends = self._ends(dist, max(coverage, _COVERAGE_DRAWN))
        low, high = ends.min(), ends.max()
        if self.estimator.response_.discrete:
            return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
        return np.linspace(low, high, resolution + 1)


def _edges(values: Floats) -> Floats:
    """Return the edges of cells whose centres are evenly spaced."""
    half = 0.5 * (values[1] - values[0])
    return np.append(values - half, values[-1] + half)
