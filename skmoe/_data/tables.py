"""Columns of tables, whatever holds them: arrays, pandas' data frames or polars'."""

from .._sklearn import take


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
