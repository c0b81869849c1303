"""A numeric stand-in for X of any kind, for starts, folds and cheap first fits only.

Nothing that is fitted in the end depends on this encoding: experts and gates
see X as it came.
"""

import numpy as np
from scipy import sparse

from .._sklearn import take
from .numerics import all_finite
from .tables import n_rows

#: Categories of a column that get an indicator of their own, the heaviest first.
_INDICATORS = 10


def numeric_features(X, weights):
    """Turn X into finite columns, in double or, where X is, in single precision.

    Missing values become the weighted mean of their column, categories become
    indicators.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)

    Returns
    -------
    ndarray or CSR matrix of shape (n, d')
    """
    if sparse.issparse(X):
        X = X.tocsr()
        return X.astype(_float_type(X), copy=False) if all_finite(X.data) else _without_holes(X)
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
        if all_finite(X):
            return X.astype(_float_type(X), copy=False)
        columns = list(X.T)
    else:
        columns = [np.asarray(take(X, j, axis=1)) for j in range(X.shape[1])]
    encoded = [_encode(column, weights) for column in columns]
    return np.column_stack(encoded) if encoded else np.zeros((n_rows(X), 1))


def _float_type(X):
    return np.float32 if X.dtype == np.float32 else np.float64


def _without_holes(X):
    """A copy of a sparse X in which what is not finite is zero."""
    X = X.astype(_float_type(X))
    X.data[~np.isfinite(X.data)] = 0.0
    return X


def _encode(column, weights):
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        return _indicators(column.astype(str), weights)
    known = np.isfinite(values)
    # As shares: a weight above one could carry a large value beyond the range of floats.
    shares = weights[known] / weights[known].sum() if known.any() else weights[known]
    mean = shares @ values[known]
    return np.where(known, values, mean)[:, None]


def _indicators(labels, weights):
    _, codes = np.unique(labels, return_inverse=True)
    mass = np.bincount(codes, weights)
    heaviest = np.argsort(-mass, kind="stable")[:_INDICATORS]
    return (codes[:, None] == np.sort(heaviest)).astype(np.float64)
