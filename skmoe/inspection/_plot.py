"""Functions that all displays share: axes, colours, and the check of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from ._types import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

#: The palette of Okabe and Ito, which people with any colour vision can distinguish. Black is left
#: out; it is the colour of what belongs to the whole mixture.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]

#: Colour map from dark blue to yellow, for more experts than the palette has colours. It is even
#: for any colour vision.
_MANY = "cividis"


def checked(estimator: Any, *, regressor: bool = False) -> Any:
    """Return the estimator if it is a fitted mixture of experts, else raise an error.

    Raises
    ------
    TypeError
        If it is not a mixture, or not a regressor where one is needed.
    NotFittedError
        If it is not fitted.
    """
    kinds = (MixtureOfExpertsRegressor,) + (() if regressor else (MixtureOfExpertsClassifier,))
    if not isinstance(estimator, kinds):
        names = " or a ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"estimator must be a {names}; got {type(estimator).__name__}")
    check_is_fitted(estimator)
    return estimator


def pyplot() -> Any:
    """Return matplotlib's pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed. The message says how to install it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "displays need matplotlib, an extra of skmoe: pip install 'skmoe[plot]'"
        ) from error
    return plt


def axes_for(ax: Axes | None, **options: Any) -> Axes:
    """Return `ax`, or the axes of a new figure made with `options`."""
    plt = pyplot()
    return plt.subplots(**({"layout": "constrained"} | options))[1] if ax is None else ax


def styled(defaults: Mapping[str, Any], options: Style | None) -> dict[str, Any]:
    """Return defaults, replaced by options where both have them."""
    return {**defaults, **(options or {})}


def figure_of(ax: Axes) -> Figure:
    """Return the figure that holds axes."""
    return cast("Figure", ax.figure)


def colors(count: int) -> list[str]:
    """Return a colour for each of `count` experts."""
    if count <= len(PALETTE):
        return PALETTE[:count]
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in pyplot().get_cmap(_MANY)(np.linspace(0, 1, count))]


def legend_beside(ax: Axes, handles: Sequence[Any] | None = None, **options: Any) -> Legend:
    """Add a legend to the right of the axes."""
    count = len(ax.get_legend_handles_labels()[0] if handles is None else handles)
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    size = {"fontsize": "small", "ncols": 1 + (count - 1) // 16, "frameon": False}
    given = {} if handles is None else {"handles": handles}
    return ax.legend(**(place | size | given | options))
