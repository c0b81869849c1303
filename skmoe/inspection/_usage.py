"""A plot of the use of each expert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from ._plot import PALETTE, axes_for, checked, figure_of, legend_beside, styled
from ._types import Floats, Mixture, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D


class ExpertUsageDisplay:
    """Plot of how rows are routed to experts: shares, their spread over rows, and entropy.

    A bar is an expert's share: its mean probability. The line on it goes from one quantile of the
    probabilities of all rows to another. An expert with probability one in some rows and zero in
    the others has a line from 0 to 1; an expert with a small probability in every row has a short
    line. A diamond is the share of the rows for which the expert is the most probable one. The
    title has two entropies: the mean entropy of a row, 0 where each row has one expert, and the
    entropy of the shares, which is largest for equal shares. The exponential of an entropy is an
    effective number of experts.

    Parameters
    ----------
    proba : array-like of shape (n, n_experts)
        Probabilities of the experts; rows sum to one.
    expert_names : list of str
        Names of the experts.
    quantiles : (float, float), default=(0.1, 0.9)
        Levels of the quantiles at which the lines begin and end.

    Attributes
    ----------
    share_ : ndarray of shape (n_experts,)
        Mean probability of each expert.
    top_share_ : ndarray of shape (n_experts,)
        Share of the rows for which it is the most probable expert.
    spread_ : ndarray of shape (n_experts, 2)
        The two quantiles of its probability.
    entropy_ : float
        Mean entropy of a row, in nats.
    share_entropy_ : float
        Entropy of the shares, in nats; never below `entropy_`.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds it.
    bars_ : matplotlib BarContainer
        The shares; the first expert is at the top.
    lines_ : matplotlib LineCollection
        The spreads.
    points_ : matplotlib Line2D
        The shares of rows.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    GateDisplay : The gate over one or two columns.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import ExpertUsageDisplay
    >>> X, y = make_moe_regression(random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    >>> display = ExpertUsageDisplay.from_estimator(model, X)
    >>> f"{display.share_.sum():.3f}"
    '1.000'
    >>> display.entropy_ <= display.share_entropy_
    True
    """

    proba: ArrayLike
    expert_names: list[str]
    quantiles: tuple[float, float]
    share_: Floats
    top_share_: Floats
    spread_: Floats
    entropy_: float
    share_entropy_: float
    ax_: Axes
    figure_: Figure
    bars_: BarContainer
    lines_: LineCollection
    points_: Line2D
    legend_: Legend

    def __init__(
        self,
        proba: ArrayLike,
        *,
        expert_names: list[str],
        quantiles: tuple[float, float] = (0.1, 0.9),
    ) -> None:
        self.proba = proba
        self.expert_names = expert_names
        self.quantiles = quantiles

    @classmethod
    def from_estimator(
        cls,
        estimator: Mixture,
        X: Any,
        y: ArrayLike | None = None,
        *,
        quantiles: tuple[float, float] = (0.1, 0.9),
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Compute the probabilities of the experts in the rows of X, and plot their use.

        Parameters
        ----------
        estimator : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted.
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            The rows.
        y : array-like of shape (n,) or (n, n_outputs), default=None
            With y the responsibilities given x and y are plotted; None for the probabilities of
            the gate given x.
        quantiles : (float, float), default=(0.1, 0.9)
            Levels of the quantiles at which the lines begin and end, from 0 to 1.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        **options : dict
            Further arguments of `plot`.

        Returns
        -------
        ExpertUsageDisplay
            Plotted.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is not a mixture of experts.
        ValueError
            If X has other columns than in ``fit``, or `quantiles` are not two in order.
        """
        checked(estimator)
        if len(quantiles) != 2 or not 0 <= quantiles[0] <= quantiles[1] <= 1:
            raise ValueError(f"quantiles must be two from 0 to 1, in order; got {quantiles!r}")
        proba = estimator.gate_proba(X) if y is None else estimator.responsibilities(X, y)
        display = cls(proba, expert_names=list(estimator.named_experts_), quantiles=quantiles)
        return display.plot(ax, **options)

    def plot(
        self, ax: Axes | None = None, *, bar_kw: Style | None = None, line_kw: Style | None = None
    ) -> Self:
        """Plot shares, spreads and entropies.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        bar_kw : dict, default=None
            Further arguments of ``Axes.barh``.
        line_kw : dict, default=None
            Further arguments of ``Axes.hlines``.

        Returns
        -------
        ExpertUsageDisplay
            Itself.
        """
        self._compute()
        places = np.arange(len(self.share_))
        self.ax_ = ax = axes_for(ax, figsize=(7.0, 1.6 + 0.4 * len(places)))
        self.figure_ = figure_of(ax)
        style = {"color": PALETTE[4], "label": "share", "height": 0.7}
        self.bars_ = ax.barh(places, self.share_, **styled(style, bar_kw))
        low, high = (f"{100 * q:g}" for q in self.quantiles)
        style = {"color": "black", "linewidth": 1.5, "label": f"{low} % to {high} % of rows"}
        self.lines_ = ax.hlines(
            places, self.spread_[:, 0], self.spread_[:, 1], **styled(style, line_kw)
        )
        (self.points_,) = ax.plot(
            self.top_share_, places, "D", color=PALETTE[5], label="rows it is first in", zorder=3
        )
        self._add_labels()
        return self

    def _compute(self) -> None:
        proba = np.asarray(self.proba, dtype=float)
        count = proba.shape[1]
        self.share_ = proba.mean(axis=0)
        self.top_share_ = np.bincount(proba.argmax(axis=1), minlength=count) / len(proba)
        self.spread_ = np.quantile(proba, self.quantiles, axis=0).T
        self.entropy_ = float(-xlogy(proba, proba).sum(axis=1).mean())
        self.share_entropy_ = float(-xlogy(self.share_, self.share_).sum())

    def _add_labels(self) -> None:
        ax = self.ax_
        ax.set_yticks(np.arange(len(self.share_)), self.expert_names)
        ax.invert_yaxis()
        ax.set(xlabel="probability", xlim=(-0.02, 1.02))
        largest = np.log(len(self.share_))
        ax.set_title(
            f"entropy of a row {self.entropy_:.2f}, of the shares {self.share_entropy_:.2f} "
            f"(at most {largest:.2f} nats)",
            fontsize="medium",
        )
        self.legend_ = legend_beside(ax)
