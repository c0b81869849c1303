"""Labels that a first batch lacks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._data.numerics import Floats
from ..._sklearn import take

#: Share of its weight with which each row of a first batch stands for a label that the batch lacks.
UNSEEN = 1e-3


def with_unseen(
    X: Any, y: NDArray, weights: Floats, classes: NDArray
) -> tuple[Any, NDArray, Floats]:
    """Return the rows, and all of them once more, with little weight, for each label they lack.

    A model that is fitted to them gives such a label a small probability, the same everywhere.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, d)
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,)
        All labels.

    Returns
    -------
    X, y, weights
        The same where no label is missing.
    """
    missing, n = np.setdiff1d(classes, y), len(y)
    if not len(missing):
        return X, y, weights
    times = 1 + len(missing)
    weights = np.tile(weights, times)
    weights[n:] *= UNSEEN
    return take(X, np.tile(np.arange(n), times)), np.append(y, missing.repeat(n)), weights
