"""Columns of tables: of arrays, of sparse matrices, and of data frames of pandas or polars."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._sklearn import take
from .numerics import Floats, all_finite


def read_only(values: Any) -> Any:
    """Return a view of an array or data frame, through which the original cannot be changed.

    A sparse matrix is returned itself, since many estimators sort its entries in place.
    """
    if isinstance(values, np.ndarray):
        values = values.view()
        values.flags.writeable = False
    elif hasattr(values, "iloc"):
        # pandas, which from version 3 on copies a frame when it is written to.
        values = values.copy(deep=False)
    elif hasattr(values, "with_columns"):
        # polars, whose columns never change. A clone is another frame of the same columns.
        values = values.clone()
    return values


def with_columns(table: Any, columns: Mapping[int, NDArray]) -> Any:
    """Return a copy of a table in which some columns are replaced.

    Parameters
    ----------
    table : ndarray or data frame of shape (n, d)
    columns : dict of int to array of shape (n,)
        New values of columns, by position.

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


def is_numeric(column: Any) -> bool:
    """Tell whether a column of a table holds numbers; truth values are no numbers."""
    # The data types of polars have no `kind`.
    kind = getattr(column.dtype, "kind", None)
    return column.dtype.is_numeric() if kind is None else kind in "iuf"


def n_rows(X: Any) -> int:
    """Return the number of rows of an array, sparse matrix, data frame or list."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def select(X: Any, columns: list[int] | None) -> Any:
    """Return columns of X, as an object of the type of X; all of them for None."""
    return X if columns is None else take(X, columns, axis=1)


def is_dask(X: Any) -> bool:
    """Tell whether X is a Dask array or data frame."""
    return hasattr(X, "__dask_graph__")


def is_in_memory(X):
    """Tell whether X is a table whose rows are in memory: no file, blocks or Dask collection."""
    return hasattr(X, "shape") and not isinstance(X, np.memmap) and not is_dask(X)


#: Categories of a column that get an indicator: those of the largest total weight.
_INDICATORS = 10


def numeric_features(X: Any, weights: Floats) -> Any:
    """Turn X into finite numeric columns, for starts and folds.

    Missing values become the weighted mean of their column, categories become
    indicators. The result is in single precision where X is, else in double precision.

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
        if not all_finite(X.data):
            return _with_finite_entries(X)
        return X.astype(_float_type(X), copy=False)
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
        if all_finite(X):
            return X.astype(_float_type(X), copy=False)
        columns = list(X.T)
    else:
        columns = [np.asarray(take(X, j, axis=1)) for j in range(X.shape[1])]
    encoded = [_encode(column, weights) for column in columns]
    return np.column_stack(encoded) if encoded else np.zeros((n_rows(X), 1))


def _float_type(X: Any) -> Any:
    return np.float32 if X.dtype == np.float32 else np.float64


def _with_finite_entries(X: Any) -> Any:
    """Return a copy of a sparse X in which entries that are not finite are zero."""
    X = X.astype(_float_type(X))
    X.data[~np.isfinite(X.data)] = 0.0
    return X


def _encode(column: NDArray, weights: Floats) -> Floats:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        return _indicators(column.astype(str), weights)
    known = np.isfinite(values)
    # Shares, not weights: a weight above one times a large value could overflow.
    shares = weights[known] / weights[known].sum() if known.any() else weights[known]
    mean = shares @ values[known]
    return np.where(known, values, mean)[:, None]


def _indicators(labels: NDArray, weights: Floats) -> Floats:
    _, codes = np.unique(labels, return_inverse=True)
    mass = np.bincount(codes, weights)
    heaviest = np.argsort(-mass, kind="stable")[:_INDICATORS]
    return (codes[:, None] == np.sort(heaviest)).astype(np.float64)
