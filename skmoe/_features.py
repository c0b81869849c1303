"""A numeric stand-in for X of any kind, for starts, folds and cheap first fits only.

Nothing that is fitted in the end depends on this encoding: experts and gates
see X as it came.
"""

import numpy as np
from scipy import sparse

from ._sklearn import take
from ._target import n_rows

#: Categories of a column that get an indicator of their own, the heaviest first.
_INDICATORS = 10


def numeric_features(X, weights):
    """Turn X into finite float64 columns.

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
        X = sparse.csr_matrix(X, dtype=np.float64)
        if np.isfinite(X.data).all():
            return X
        X = X.copy()
        X.data[~np.isfinite(X.data)] = 0.0
        return X
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
        if np.isfinite(X).all():
            return X.astype(np.float64, copy=False)
        columns = list(X.T)
    else:
        columns = [np.asarray(take(X, j, axis=1)) for j in range(X.shape[1])]
    encoded = [_encode(column, weights) for column in columns]
    return np.column_stack(encoded) if encoded else np.zeros((n_rows(X), 1))


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
