"""How EM climbed, and what its starts reached, as a plot."""

from itertools import cycle

import numpy as np

from ._plot import PALETTE, axes_for, checked, legend_beside


class ConvergenceDisplay:
    """Plot of the objective in each iteration, and of what every start reached.

    Of the start that won the whole history is known and drawn; of any other only where it
    ended: a point at its number of iterations. Starts with few iterations were given up, as
    others were ahead. Starts that failed are left out.

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
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure that holds it.
    line_ : matplotlib Line2D
        The history of the start that won, iterations counted from one.
    points_ : dict of str to matplotlib Line2D
        Where other starts ended, by their kind.
    end_ : matplotlib Line2D
        Where the start that won ended.
    legend_ : matplotlib Legend
        What is what.

    See Also
    --------
    PathDisplay : What each number of experts reached.

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

    def __init__(self, lower_bounds, starts, *, converged=True, batches=False):
        self.lower_bounds = lower_bounds
        self.starts = starts
        self.converged = converged
        self.batches = batches

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **options):
        """Plot how a mixture was fitted.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **options : dict
            Further arguments of `plot`.

        Returns
        -------
        ConvergenceDisplay
            Plotted.

        Raises
        ------
        TypeError
            If `estimator` is no mixture of experts.
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

    def plot(self, ax=None, *, line_kw=None, point_kw=None):
        """Plot history and starts.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot`` for the history.
        point_kw : dict, default=None
            Further arguments of ``Axes.plot`` for the other starts.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        self.ax_ = ax = axes_for(ax, figsize=(7.0, 4.0))
        self.figure_ = ax.figure
        history = np.asarray(self.lower_bounds, dtype=float)
        steps = np.arange(1, len(history) + 1)
        style = {"color": "black", "label": self._name_of_the_best()}
        (self.line_,) = ax.plot(steps, history, **(style | (line_kw or {})))
        self.points_ = self._plot_others(point_kw or {})
        self.end_ = self._plot_end(steps[-1], history[-1])
        what = "mean log-score of the batch" if self.batches else "objective per unit of weight"
        ax.set(xlabel="batch" if self.batches else "EM iteration", ylabel=f"{what} (nats)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        self.legend_ = legend_beside(ax)
        return self

    def _name_of_the_best(self):
        if self.batches:
            return "batches"
        return next(f"best start ({s['kind']})" for s in self.starts if s["chosen"])

    def _plot_end(self, step, value):
        if self.batches:
            label = "last batch"
        else:
            label = "converged" if self.converged else "ended, not converged"
        full = "full" if self.converged else "none"
        (end,) = self.ax_.plot(
            step, value, "o", color="black", fillstyle=full, markersize=7, label=label
        )
        return end

    def _plot_others(self, options):
        """Plot where the other starts ended, a series for each kind."""
        others = [s for s in self.starts if not s["chosen"] and s["n_iter"] and not self.batches]
        kinds = list(dict.fromkeys(start["kind"] for start in others))
        points = {}
        for kind, color, marker in zip(kinds, cycle(PALETTE), cycle("s^Dv<>P")):
            ends = [(s["n_iter"], s["lower_bound"]) for s in others if s["kind"] == kind]
            style = {"color": color, "marker": marker, "linestyle": "none", "label": kind}
            (points[kind],) = self.ax_.plot(*zip(*ends, strict=True), **(style | options))
        return points
