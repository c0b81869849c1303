"""A plot of the convergence of EM, and of the objectives that its starts reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._plot import PALETTE, axes_for, checked, figure_of, legend_beside, styled
from ._types import Mixture, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D


class ConvergenceDisplay:
    """Plot of the objective in each iteration, and of the objective that every start reached.

    The best start is drawn as a line over all iterations, every other start as a point at its last
    iteration. Starts with few iterations were stopped early, as others had a higher objective.
    Starts that failed are left out.

    Parameters
    ----------
    lower_bounds : array-like of shape (n_iter,)
        The attribute ``lower_bounds_`` of a fitted mixture.
    starts : list of dict
        Its attribute ``starts_``.
    converged : bool, default=True
        Its attribute ``converged_``.
    batches : bool, default=False
        Whether it was fitted by ``partial_fit``; `lower_bounds` then are mean log-scores of
        batches, and `starts`, which belong to the first batch, are not drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds it.
    line_ : matplotlib Line2D
        The objective of the best start, by iteration; iterations are counted from one.
    points_ : dict of str to matplotlib Line2D
        Last objectives of the other starts, by kind.
    end_ : matplotlib Line2D
        Last objective of the best start.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    PathDisplay : The criterion of each number of experts.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import ConvergenceDisplay
    >>> X, y = make_moe_regression(random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    >>> display = ConvergenceDisplay.from_estimator(model)
    >>> len(display.line_.get_xdata()) == model.n_iter_
    True
    """

    lower_bounds: ArrayLike
    starts: Sequence[Mapping[str, Any]]
    converged: bool
    batches: bool
    ax_: Axes
    figure_: Figure
    line_: Line2D
    points_: dict[str, Line2D]
    end_: Line2D
    legend_: Legend

    def __init__(
        self,
        lower_bounds: ArrayLike,
        starts: Sequence[Mapping[str, Any]],
        *,
        converged: bool = True,
        batches: bool = False,
    ) -> None:
        self.lower_bounds = lower_bounds
        self.starts = starts
        self.converged = converged
        self.batches = batches

    @classmethod
    def from_estimator(cls, estimator: Mixture, *, ax: Axes | None = None, **options: Any) -> Self:
        """Plot the convergence of a fitted mixture.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        **options : dict
            Further arguments of `plot`.

        Returns
        -------
        ConvergenceDisplay
            Plotted.

        Raises
        ------
        TypeError
            If `estimator` is not a mixture of experts.
        NotFittedError
            If it is not fitted.
        """
        checked(estimator)
        display = cls(
            estimator.lower_bounds_,
            estimator.starts_,
            converged=estimator.converged_,
            batches=hasattr(estimator, "learned_"),
        )
        return display.plot(ax, **options)

    def plot(
        self, ax: Axes | None = None, *, line_kw: Style | None = None, point_kw: Style | None = None
    ) -> Self:
        """Plot the objective of the best start, and the last ones of the others.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot`` for the best start.
        point_kw : dict, default=None
            Further arguments of ``Axes.plot`` for the other starts.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        self.ax_ = ax = axes_for(ax, figsize=(7.0, 4.0))
        self.figure_ = figure_of(ax)
        history = np.asarray(self.lower_bounds, dtype=float)
        steps = np.arange(1, len(history) + 1)
        style = {"color": "black", "label": self._name_of_the_best()}
        (self.line_,) = ax.plot(steps, history, **styled(style, line_kw))
        self.points_ = self._plot_others(point_kw)
        self.end_ = self._plot_end(steps[-1], history[-1])
        what = "mean log-score of the batch" if self.batches else "objective per unit of weight"
        ax.set(xlabel="batch" if self.batches else "EM iteration", ylabel=f"{what} (nats)")
        locator: Any = ax.xaxis.get_major_locator()
        locator.set_params(integer=True)
        self.legend_ = legend_beside(ax)
        return self

    def _name_of_the_best(self) -> str:
        if self.batches:
            return "batches"
        return next(f"best start ({s['kind']})" for s in self.starts if s["chosen"])

    def _plot_end(self, step: int, value: float) -> Line2D:
        if self.batches:
            label = "last batch"
        else:
            label = "converged" if self.converged else "ended, not converged"
        full = "full" if self.converged else "none"
        (end,) = self.ax_.plot(
            step, value, "o", color="black", fillstyle=full, markersize=7, label=label
        )
        return end

    def _plot_others(self, options: Style | None) -> dict[str, Line2D]:
        """Plot the last objectives of the other starts, a series for each kind."""
        others = [s for s in self.starts if not s["chosen"] and s["n_iter"] and not self.batches]
        kinds = list(dict.fromkeys(start["kind"] for start in others))
        points: dict[str, Line2D] = {}
        for kind, color, marker in zip(kinds, cycle(PALETTE), cycle("s^Dv<>P")):
            ends = [(s["n_iter"], s["lower_bound"]) for s in others if s["kind"] == kind]
            style = {
                "color": color,
                "marker": marker,
                "linestyle": "none",
                "label": kind,
            }
            (points[kind],) = self.ax_.plot(*zip(*ends, strict=True), **styled(style, options))
        return points
