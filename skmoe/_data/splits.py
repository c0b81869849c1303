"""Folds that the rows themselves decide.

A fold belongs to what a row holds, not to where it stands: folds depend neither on the
order of rows or columns, nor on whether a weight of two is written as two rows, and equal
rows are never on both sides of a split.
"""

import numpy as np
from scipy import sparse

from .numerics import blocks, weighted_location_scale
from .sparse import column_magnitudes, row_blocks
from .tables import numeric_features

#: Decimals of a standardised sum by which rows count as different.
_DECIMALS = 9


def row_folds(X, weights, n_folds):
    """Return the number of the fold of each row, (n,).

    Rows are put in the order of the sum of their standardised columns, and dealt out in turn.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)
    n_folds : int

    Returns
    -------
    ndarray of shape (n,), int
        Below `n_folds`; all zero where all rows are equal.
    """
    return places(X, weights) % n_folds


def places(X, weights):
    """Return the place of each row, (n,), among the rows that differ; equal ones share one.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,), int
    """
    return np.unique(np.round(_sums(X, weights), _DECIMALS), return_inverse=True)[1]


def unit_folds(X, weights, units, n_folds):
    """Return the number of the fold of each row, (n,): all rows of a unit are in one.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)
    units : Rows or Groups
    n_folds : int

    Returns
    -------
    ndarray of shape (n,), int
    """
    table = units.table(numeric_features(X, weights))
    return units.spread(row_folds(table, units.weights, n_folds))


def _sums(X, weights):
    features = numeric_features(X, weights)
    if sparse.issparse(features):
        largest = column_magnitudes(features)
        share = 1.0 / np.where(largest > 0, largest, 1.0)
        return _products(features, share, row_blocks(features))
    mean, scale, constant = weighted_location_scale(features, weights)
    share = np.where(constant, 0.0, 1.0 / scale)
    return _products(features, share, blocks(len(features))) - mean @ share


def _products(features, share, parts):
    """Sums (n,) of the columns, times a share each, in double precision."""
    out = np.empty(features.shape[0])
    for rows in parts:
        out[rows] = features[rows] @ share
    return out
