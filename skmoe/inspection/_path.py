"""A plot of the numbers of experts that ``n_experts="auto"`` has tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from sklearn.utils.validation import check_is_fitted

from ._plot import PALETTE, axes_for, figure_of, styled
from ._types import Mixture, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: Names of the criteria on the axis.
_LABELS = {
    "log_evidence": "log-evidence",
    "bic": "BIC",
    "icl": "ICL",
    "log_likelihood": "log-likelihood",
    "held_out": "held-out log-score",
    "out_of_fold": "out-of-fold log-score",
    "seconds": "seconds",
}


class PathDisplay:
    """Plot of the criterion of each number of experts.

    Parameters
    ----------
    path : list of dict
        The attribute ``path_`` of a mixture fitted with ``n_experts="auto"``.
    criterion : str
        The entry of `path` that is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds it.
    line_ : matplotlib Line2D
        The criterion by the number of experts.
    chosen_ : matplotlib Line2D
        The chosen number of experts.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import PathDisplay
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts="auto", random_state=0).fit(X, y)
    >>> display = PathDisplay.from_estimator(model)
    >>> display.ax_.get_ylabel()
    'BIC'
    """

    path: Sequence[Mapping[str, Any]]
    criterion: str
    ax_: Axes
    figure_: Figure
    line_: Line2D
    chosen_: Line2D

    def __init__(self, path: Sequence[Mapping[str, Any]], *, criterion: str) -> None:
        self.path = path
        self.criterion = criterion

    @classmethod
    def from_estimator(
        cls,
        model: Mixture,
        *,
        criterion: str | None = None,
        ax: Axes | None = None,
        line_kw: Style | None = None,
    ) -> Self:
        """Plot the path of a fitted mixture.

        Parameters
        ----------
        model : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
            Fitted with ``n_experts="auto"``.
        criterion : str, default=None
            Criterion to draw: "log_evidence", "bic", "icl", "log_likelihood", "held_out",
            "out_of_fold" or "seconds"; None for the one that the number of experts was chosen by.
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``.

        Returns
        -------
        PathDisplay
            Plotted.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If its number of experts was given, or the path has no such criterion.
        """
        check_is_fitted(model)
        path = model.path_
        if not path:
            raise ValueError("model must be fitted with n_experts='auto'; its path_ is empty")
        deciding = ("log_evidence", "held_out", "out_of_fold", "bic")
        default = next(name for name in deciding if name in path[0])
        criterion = default if criterion is None else criterion
        if criterion not in _LABELS or criterion not in path[0]:
            known = [name for name in _LABELS if name in path[0]]
            raise ValueError(f"criterion must be one of {known}; got {criterion!r}")
        return cls(path, criterion=criterion).plot(ax, line_kw=line_kw)

    def plot(self, ax: Axes | None = None, *, line_kw: Style | None = None) -> Self:
        """Plot the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None for a new figure.
        line_kw : dict, default=None
            Further arguments of ``Axes.plot``.

        Returns
        -------
        PathDisplay
            Itself.
        """
        ax = axes_for(ax)
        self.ax_, self.figure_ = ax, figure_of(ax)
        sizes = [step["n_experts"] for step in self.path]
        values = [step[self.criterion] for step in self.path]
        chosen = next(k for k, step in enumerate(self.path) if step["chosen"])
        (self.line_,) = ax.plot(
            sizes, values, **styled({"marker": "o", "color": PALETTE[0]}, line_kw)
        )
        (self.chosen_,) = ax.plot(
            sizes[chosen], values[chosen], "o", markersize=12, fillstyle="none", color="black"
        )
        ax.set_xticks(sizes)
        ax.set(xlabel="experts", ylabel=_LABELS[self.criterion])
        return self
