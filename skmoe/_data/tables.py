"""Columns of tables, whatever holds them: arrays, pandas' data frames or polars'."""

import numpy as np
from scipy import sparse

from .._sklearn import take
from .numerics import all_finite


def with_columns(table, columns):
    """Return a copy of a table in which some columns have other values.

    Parameters
    ----------
    table : ndarray or data frame of shape (n, d)
    columns : dict of int to array of shape (n,)
        Values by position.

    Returns
    -------
    ndarray or data frame of shape (n, d)
    """
    if hasattr(table, "with_columns"):  # polars, whose frames never change
        series = [
            type(table.to_series(j))(table.columns[j], values) for j, values in columns.items()
        ]
        return table.with_columns(series)
    table = table.copy()
    for j, values in columns.items():
        if hasattr(table, "isetitem"):  # pandas
            table.isetitem(j, values)
        else:
            table[:, j] = values
    return table


def is_numeric(column):
    """Tell whether a column of a table holds numbers; truth values are none."""
    kind = getattr(column.dtype, "kind", None)
    return column.dtype.is_numeric() if kind is None else kind in "iuf"


def n_rows(X):
    """Return the number of rows of an array, sparse matrix, data frame or list."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def select(X, columns):
    """Return columns of X, as what X is; all of them for None."""
    return X if columns is None else take(X, columns, axis=1)


def is_dask(X):
    """Tell whether X is a Dask array or data frame."""
    return hasattr(X, "__dask_graph__")


def is_in_memory(X):
    """Tell whether X is a table whose rows are in memory: no file, blocks or Dask collection."""
    return hasattr(X, "shape") and not isinstance(X, np.memmap) and not is_dask(X)


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
