"""Folds for cross-fitting that depend on the values of the rows alone.

The fold of a row is decided by its values, not by its position. Folds therefore depend neither
on the order of rows or columns, nor on whether a weight of two is written as two rows, and
equal rows are always in the same fold.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from .groups import Groups, Rows
from .numerics import Floats, Ints, blocks, weighted_location_scale
from .sparse import column_magnitudes, row_blocks
from .tables import numeric_features

#: Two rows are different if sums of their standardised columns, rounded to so many decimals, are.
_DECIMALS = 9


def row_folds(X: Any, weights: Floats, n_folds: int) -> Ints:
    """Return the number of the fold of each row, (n,).

    Rows are sorted by the sum of their standardised columns and assigned to the folds in turn.

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


def places(X: Any, weights: Floats) -> Ints:
    """Return the rank of each row, (n,), among the distinct rows; equal rows have the same rank.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,), int
    """
    return np.unique(np.round(_sums(X, weights), _DECIMALS), return_inverse=True)[1]


def unit_folds(X: Any, weights: Floats, units: Rows | Groups, n_folds: int) -> Ints:
    """Return the number of the fold of each row, (n,); all rows of a unit are in one fold.

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


def _sums(X: Any, weights: Floats) -> Floats:
    """Return the sum of the standardised columns of each row, (n,)."""
    features = numeric_features(X, weights)
    if sparse.issparse(features):
        largest = column_magnitudes(features)
        share = 1.0 / np.where(largest > 0, largest, 1.0)
        return _products(features, share, row_blocks(features))
    mean, scale, constant = weighted_location_scale(features, weights)
    share = np.where(constant, 0.0, 1.0 / scale)
    return _products(features, share, blocks(len(features))) - mean @ share


def _products(features: Any, share: Floats, parts: Iterable[slice]) -> Floats:
    """Return ``features @ share`` (n,) in double precision, a block of rows at a time."""
    out = np.empty(features.shape[0])
    for rows in parts:
        out[rows] = features[rows] @ share
    return out


#: Number of folds of ``cv="auto"``, where experts are fitted in every iteration, or only once.
AUTO_FOLDS = 3
AUTO_FOLDS_ONCE = 5


def make_folds(
    cv: int | str, X: Any, weights: Floats, units: Rows | Groups, specialize: bool
) -> Ints | None:
    """Return the fold of each row (n,), or None where all rows are equal.

    Parameters
    ----------
    cv : int or "auto"
        Number of folds.
    X : array, sparse matrix or data frame of shape (n, d)
        The columns that the experts are fitted to.
    weights : ndarray of shape (n,)
    units : Rows or Groups
        All rows of a unit are in one fold.
    specialize : bool
        Whether experts are fitted in every iteration.
    """
    if isinstance(cv, str):
        cv = AUTO_FOLDS if specialize else AUTO_FOLDS_ONCE
    fold = unit_folds(X, weights, units, cv)
    return fold if fold.any() else None
