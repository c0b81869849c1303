"""The predictive density of y over one column, as a plot."""

from numbers import Integral, Real

import numpy as np

from ._plot import axes_for, checked, colors, legend_beside
from ._slice import Slice

#: Density outside of this interval is not drawn.
_COVERAGE_DRAWN = 0.99

#: Experts are drawn where the gate gives them more than this.
_VISIBLE = 0.05


class PredictiveDensityDisplay:
    """Plot of the density of y over one column, with experts' predictions and an interval.

    The darker, the denser; each cell has the mean density within it. Lines are the predictions
    of the experts, where the gate gives them more than a twentieth, the mean of the mixture, and
    the ends of an equal-tailed interval.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers of the column.
    y_edges : ndarray of shape (m + 1,)
        Edges of the cells along y.
    density : ndarray of shape (n, m)
        Mean density of y in each cell; for a law of whole numbers the probability.
    mean : ndarray of shape (n,)
        Of the mixture.
    interval : ndarray of shape (n, 2)
        Lower and upper ends.
    expert_means : ndarray of shape (n, n_experts)
        Predictions of the experts.
    proba : ndarray of shape (n, n_experts)
        Probabilities of the experts.
    feature_name : str
        Name of the column.
    expert_names : list of str
        Names of the experts.
    coverage : float, default=0.9
        Of the interval.
    target_name : str, default="y"
        What y is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure that holds it.
    surface_ : matplotlib QuadMesh
        The density, a row of cells for each interval between `y_edges`.
    colorbar_ : matplotlib Colorbar
        Which shade is which density.
    lines_ : list of matplotlib Line2D
        Predictions of the experts; NaN where they are not drawn.
    mean_ : matplotlib Line2D
        Mean of the mixture.
    interval_ : list of matplotlib Line2D
        Ends of the interval, the lower first.
    legend_ : matplotlib Legend
        Names of the lines, of experts those that are drawn somewhere.

    See Also
    --------
    GateDisplay : Which expert handles what.
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

    def __init__(
        self,
        values,
        y_edges,
        density,
        *,
        mean,
        interval,
        expert_means,
        proba,
        feature_name,
        expert_names,
        coverage=0.9,
        target_name="y",
    ):
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
        estimator,
        X,
        feature,
        *,
        at=None,
        target=0,
        target_name=None,
        coverage=0.9,
        grid_resolution=200,
        ax=None,
        **options,
    ):
        """Ask a fitted mixture for its density along a column of X, and plot it.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor
            Fitted.
        X : array-like or data frame of shape (n, n_features)
            Gives the range of `feature` and the values at which all other columns are held.
        feature : str or int
            A numeric column, by name or position. Columns without names are called x0, x1, ...
        at : mapping of (str or int) to object, default=None
            Values at which other columns are held. Those not named are held at the mean where
            they are numeric, at the most frequent value otherwise.
        target : int, default=0
            Which output, where y has several.
        target_name : str, default=None
            What y is called; None for "y", or "y0", "y1", ... where it has several outputs.
        coverage : float, default=0.9
            Of the interval, in (0, 1).
        grid_resolution : int, default=200
            Points along the column, and cells along y; a law of whole numbers has a cell for
            each.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
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
            If it is no regressor that is a mixture of experts, X is sparse, or a column is named
            by something else than its name or position.
        ValueError
            If X has other columns than in ``fit``, there is no such column or output, the column
            has no numbers, or `coverage` is out of range.
        """
        checked(estimator, regressor=True)
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}")
        answers = _Answers(estimator, target)
        cut = Slice(estimator, X, [feature], at)
        values = cut.grid(0, grid_resolution)
        parts = answers.along(cut.rows(values), coverage, grid_resolution)
        names = {
            "feature_name": cut.labels[0],
            "expert_names": list(estimator.named_experts_),
            "target_name": answers.name if target_name is None else target_name,
        }
        display = cls(values, **parts, **names, coverage=coverage)
        return display.plot(ax, **options)

    def plot(self, ax=None, *, surface_kw=None, line_kw=None):
        """Plot density, experts, mean and interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
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
        self.figure_ = ax.figure
        self.surface_ = ax.pcolormesh(
            _edges(self.values),
            self.y_edges,
            self.density.T,
            **(_shading() | {"rasterized": True} | (surface_kw or {})),
        )
        self._plot_experts(line_kw or {})
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

    def _plot_experts(self, options):
        self.lines_ = []
        shown = np.where(self.proba > _VISIBLE, self.expert_means, np.nan)
        palette = colors(len(self.expert_names))
        for name, color, curve in zip(self.expert_names, palette, shown.T, strict=True):
            style = {"color": color, "label": name, "linewidth": 2.5}
            self.lines_ += self.ax_.plot(self.values, curve, **(style | options))


def _shading():
    """Options of the surface: white to grey, which leaves black to the lines."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    # The square root lets thin tails be seen beside sharp peaks.
    return {
        "cmap": LinearSegmentedColormap.from_list("density", ["white", "0.45"]),
        "norm": PowerNorm(0.5, vmin=0.0),
    }


class _Answers:
    """What a mixture says about one of its outputs."""

    def __init__(self, estimator, target):
        self.estimator = estimator
        several = estimator.dispersion_.ndim == 2
        count = estimator.dispersion_.shape[1] if several else 1
        if not isinstance(target, Integral) or not 0 <= target < count:
            raise ValueError(f"target must be an integer from 0 to {count - 1}; got {target!r}")
        self.pick = (..., target) if several else ...
        self.name = f"y{target}" if several else "y"

    def along(self, rows, coverage, resolution):
        """Return density, mean, interval, experts and gate in rows, as arguments of the display."""
        dist = self.estimator.predict_dist(rows)
        edges = self._cells(dist, coverage, resolution)
        levels = edges[(slice(None),) + (np.newaxis,) * len(dist.shape)]
        below = self._of(dist.cdf(np.broadcast_to(levels, (len(edges), *dist.shape))))
        return {
            "y_edges": edges,
            "density": (np.diff(below, axis=0) / np.diff(edges)[:, np.newaxis]).T,
            "mean": self._of(dist.mean()),
            "interval": self._ends(dist, coverage),
            "expert_means": self._of(self.estimator.expert_predict(rows)),
            "proba": self.estimator.gate_proba(rows),
        }

    def _of(self, values):
        return values[self.pick]

    def _ends(self, dist, coverage):
        low, high = np.moveaxis(dist.interval(coverage), -1, 0)
        return np.column_stack([self._of(low), self._of(high)])

    def _cells(self, dist, coverage, resolution):
        """Edges of cells that hold what is to be drawn; of whole numbers where the law has them."""
        ends = self._ends(dist, max(coverage, _COVERAGE_DRAWN))
        low, high = ends.min(), ends.max()
        if self.estimator.response_.discrete:
            return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
        return np.linspace(low, high, resolution + 1)


def _edges(values):
    """Edges of cells whose centres are evenly spaced."""
    half = 0.5 * (values[1] - values[0])
    return np.append(values - half, values[-1] + half)
