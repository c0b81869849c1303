"""Labels that a first batch lacks."""

import numpy as np

from ..._sklearn import take

#: Share of its weight with which each row of a first batch stands for a label that the batch lacks.
UNSEEN = 1e-3


def with_unseen(X, y, weights, classes):
    """Return the rows, and all of them once more, with little weight, for each label they lack.

    Whatever learns from them gives such a label a small probability, the same everywhere.

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
