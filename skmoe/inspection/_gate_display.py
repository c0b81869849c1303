"""Which expert handles what, as a plot over one or two columns."""

import numpy as np

from ._plot import axes_for, checked, colors, legend_beside
from ._slice import Slice


class GateDisplay:
    """Plot of the gate over one or two columns.

    Over one column there is a curve for each expert: its probability. Over two there are
    areas: the colour is that of the most probable expert, the paler the less probable it is,
    down to white where all are alike; lines are where another takes over.

    Parameters
    ----------
    values : list of ndarray
        Numbers of the one or two columns, (n_0,) or (n_0,) and (n_1,).
    proba : ndarray of shape (n_0, n_experts) or (n_0, n_1, n_experts)
        Probabilities of the experts there.
    feature_names : list of str
        Names of the columns.
    expert_names : list of str
        Names of the experts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure that holds it.
    lines_ : list of matplotlib Line2D
        A curve for each expert; empty over two columns.
    surface_ : matplotlib QuadMesh or None
        The areas; its cells are centred at `values`. None over one column.
    boundaries_ : list of matplotlib ContourSet
        For each expert that is the most probable one somewhere but not everywhere: where
        that ends. Empty over one column.
    legend_ : matplotlib Legend
        Names of the experts, over two columns of those that are the most probable somewhere.

    See Also
    --------
    ExpertUsageDisplay : How much each expert is used.
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

    def __init__(self, values, proba, *, feature_names, expert_names):
        self.values = values
        self.proba = proba
        self.feature_names = feature_names
        self.expert_names = expert_names

    @classmethod
    def from_estimator(
        cls, estimator, X, features, *, at=None, grid_resolution=200, ax=None, **options
    ):
        """Ask the gate of a fitted mixture along columns of X, and plot what it says.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted.
        X : array-like or data frame of shape (n, n_features)
            Gives the ranges of `features` and the values at which all other columns are held.
        features : str, int or sequence of one or two of them
            Numeric columns, by name or position. Columns without names are called x0, x1, ...
        at : mapping of (str or int) to object, default=None
            Values at which other columns are held. Those not named are held at the mean where
            they are numeric, at the most frequent value otherwise.
        grid_resolution : int, default=200
            Points along each column.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
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
            If it is no mixture of experts, X is sparse, or a column is named by something else
            than its name or position.
        ValueError
            If X has other columns than in ``fit``, or there is no such column, or it has no
            numbers, or there are more than two of them.
        """
        checked(estimator)
        features = [features] if np.ndim(features) == 0 else list(features)
        if len(features) not in (1, 2) or len(set(features)) < len(features):
            raise ValueError(f"features must be one column or two; got {features}")
        cut = Slice(estimator, X, features, at)
        values = [cut.grid(j, grid_resolution) for j in range(len(features))]
        mesh = np.meshgrid(*values, indexing="ij")
        proba = estimator.gate_proba(cut.rows(*(axis.ravel() for axis in mesh)))
        names = {"feature_names": cut.labels, "expert_names": list(estimator.named_experts_)}
        display = cls(values, proba.reshape(*mesh[0].shape, -1), **names)
        return display.plot(ax, **options)

    def plot(self, ax=None, *, line_kw=None, surface_kw=None, boundary_kw=None):
        """Plot curves or areas.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
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
        self.figure_ = self.ax_.figure
        self.lines_, self.surface_, self.boundaries_ = [], None, []
        self.ax_.set_xlabel(self.feature_names[0])
        if len(self.values) == 1:
            self._plot_curves(line_kw or {})
        else:
            self._plot_areas(surface_kw or {}, boundary_kw or {})
        return self

    def _plot_curves(self, options):
        palette = colors(len(self.expert_names))
        for name, color, curve in zip(self.expert_names, palette, self.proba.T, strict=True):
            self.lines_ += self.ax_.plot(
                self.values[0], curve, **({"color": color, "label": name} | options)
            )
        self.ax_.set(ylabel="gate probability", ylim=(-0.03, 1.03))
        self.legend_ = legend_beside(self.ax_)

    def _plot_areas(self, surface_kw, boundary_kw):
        from matplotlib.patches import Patch

        palette = colors(len(self.expert_names))
        top = self.proba.argmax(axis=2)
        # Rows of a mesh are heights, columns are widths: the first feature goes to the right.
        shades = np.swapaxes(_shades(self.proba, palette), 0, 1)
        style = {"shading": "nearest", "rasterized": True}
        self.surface_ = self.ax_.pcolormesh(*self.values, shades, **(style | surface_kw))
        style = {"colors": "black", "linewidths": 1.0}
        shown = np.unique(top)
        for k in shown if len(shown) > 1 else []:
            lead = self.proba[:, :, k] - np.delete(self.proba, k, axis=2).max(axis=2)
            self.boundaries_.append(
                self.ax_.contour(*self.values, lead.T, levels=[0.0], **(style | boundary_kw))
            )
        self.ax_.set_ylabel(self.feature_names[1])
        patches = [Patch(facecolor=palette[k], label=self.expert_names[k]) for k in shown]
        self.legend_ = legend_beside(self.ax_, patches)


def _shades(proba, palette):
    """Colours (..., 3): that of the most probable expert, mixed with white."""
    from matplotlib.colors import to_rgb

    hues = np.array([to_rgb(color) for color in palette])[proba.argmax(axis=-1)]
    count = proba.shape[-1]
    certainty = 1.0 - count * (1.0 - proba.max(axis=-1)) / max(count - 1, 1)
    return 1.0 - np.clip(certainty, 0.0, 1.0)[..., np.newaxis] * (1.0 - hues)
