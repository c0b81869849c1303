"""What all displays share: axes, colours, and which models they take."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

#: The palette of Okabe and Ito, which people with any colour vision can tell apart; without
#: black, which is for what belongs to the whole mixture.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]

#: From dark blue to yellow, as evenly for any colour vision: for more experts than the palette has.
_MANY = "cividis"


def checked(estimator, *, regressor=False):
    """Return a fitted mixture.

    Raises
    ------
    TypeError
        If it is none, or no regressor where that is needed.
    NotFittedError
        If it is not fitted.
    """
    kinds = (MixtureOfExpertsRegressor,) + (() if regressor else (MixtureOfExpertsClassifier,))
    if not isinstance(estimator, kinds):
        names = " or a ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"estimator must be a {names}; got {type(estimator).__name__}")
    check_is_fitted(estimator)
    return estimator


def pyplot():
    """Matplotlib's pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed; says how to get it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "displays need matplotlib, an extra of skmoe: pip install 'skmoe[plot]'"
        ) from error
    return plt


def axes_for(ax, **options):
    """Return `ax`, or the axes of a new figure made with `options`."""
    plt = pyplot()
    return plt.subplots(**({"layout": "constrained"} | options))[1] if ax is None else ax


def colors(count):
    """Return a colour for each of so many experts."""
    if count <= len(PALETTE):
        return PALETTE[:count]
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in pyplot().get_cmap(_MANY)(np.linspace(0, 1, count))]


def legend_beside(ax, handles=None, **options):
    """Put a legend to the right of the axes, where it covers nothing."""
    count = len(ax.get_legend_handles_labels()[0] if handles is None else handles)
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    size = {"fontsize": "small", "ncols": 1 + (count - 1) // 16, "frameon": False}
    given = {} if handles is None else {"handles": handles}
    return ax.legend(**(place | size | given | options))
