"""A slice of a table: one or two columns vary, every other column has one value."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from .._data.tables import is_numeric, with_columns
from .._sklearn import take
from ._types import Floats, Mixture


class Slice:
    """Rows of a table along one or two of its columns.

    Parameters
    ----------
    estimator : mixture of experts
        Fitted; it has the names of the columns.
    X : array-like or data frame of shape (n, n_features)
        Determines the ranges and typical values of the columns.
    features : list of (str or int)
        The columns that vary, by name or position.
    at : mapping of (str or int) to object, default=None
        Values of other columns. For those not named: the mean of a numeric one, the most
        frequent value of any other.

    Raises
    ------
    TypeError
        If X is sparse.
    ValueError
        If X has no rows or other columns than in ``fit``, or there is no such feature, or it has no
        numbers.
    """

    def __init__(
        self,
        estimator: Mixture,
        X: Any,
        features: Sequence[str | int],
        at: Mapping[str | int, Any] | None = None,
    ) -> None:
        if sparse.issparse(X):
            raise TypeError("X must be dense; got a sparse matrix: hand in X.toarray()")
        self.X: Any = X if hasattr(X, "columns") else np.asarray(X)
        if len(self.X.shape) != 2 or len(self.X) == 0:
            raise ValueError(f"X must be a table with rows; got the shape {self.X.shape}")
        estimator.gate_proba(self._table({}, 1))  # checks the columns
        self.names: list[str] = _names(estimator)
        self.positions: list[int] = [_position(self.names, name, "features") for name in features]
        self.at: dict[int, Any] = {
            _position(self.names, name, "at"): value for name, value in _items(at)
        }
        both = sorted({self.names[j] for j in self.at} & {self.names[j] for j in self.positions})
        if both:
            raise ValueError(f"at must not hold what varies; got {both}, which features names too")
        for j in self.positions:
            if not is_numeric(self._column(j)):
                raise ValueError(f"features must be numeric; {self.names[j]!r} is not")

    @property
    def labels(self) -> list[str]:
        """Names of the columns that vary."""
        return [self.names[j] for j in self.positions]

    def values(self, number: int) -> Floats:
        """Return the values of one of the columns that vary, (n,)."""
        return np.asarray(self._column(self.positions[number]), dtype=np.float64)

    def grid(self, number: int, resolution: int) -> Floats:
        """Return evenly spaced numbers over the range of one of the columns that vary.

        Raises
        ------
        ValueError
            If the column has only one value, or `resolution` is not a number of points.
        """
        if not isinstance(resolution, Integral) or int(resolution) < 2:
            raise ValueError(f"grid_resolution must be an integer >= 2; got {resolution!r}")
        values = self.values(number)
        low, high = np.nanmin(values), np.nanmax(values)
        if not low < high:
            raise ValueError(
                f"features must have several finite values in X; {self.labels[number]!r} has "
                f"{low:g} alone"
            )
        return np.linspace(low, high, resolution)

    def rows(self, *varied: Floats) -> Any:
        """Return a table of the kind of X, a row for each entry of the arrays in `varied`."""
        return self._table(self.at | dict(zip(self.positions, varied, strict=True)), len(varied[0]))

    def _table(self, given: dict[int, Any], n: int) -> Any:
        columns = [self._filled(j, given.get(j), n) for j in range(self.X.shape[1])]
        if isinstance(self.X, np.ndarray):
            return np.column_stack(columns)
        table = take(self.X, np.zeros(n, dtype=int))
        if hasattr(table, "reset_index"):  # pandas would name all rows alike
            table = table.reset_index(drop=True)
        return with_columns(table, dict(enumerate(columns)))

    def _column(self, j: int) -> Any:
        return take(self.X, j, axis=1)

    def _filled(self, j: int, given: Any, n: int) -> Any:
        """Return `n` values of a column: those that are given, or a typical one."""
        column = self._column(j)
        if given is not None:
            return np.broadcast_to(np.asarray(given), n).copy()
        if is_numeric(column):
            return np.full(n, np.nanmean(np.asarray(column, dtype=np.float64)))
        row = np.full(n, _first_of_most_frequent(column))
        return column.iloc[row].array if hasattr(column, "iloc") else column[row]


def _names(estimator: Mixture) -> list[str]:
    """Return the names of the columns: those of the table, or x0, x1, ..."""
    numbered = [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in getattr(estimator, "feature_names_in_", numbered)]


def _items(at: Any) -> Iterable[tuple[Any, Any]]:
    if at is not None and not isinstance(at, Mapping):
        raise TypeError(f"at must be a mapping of features to values or None; got {at!r}")
    return () if at is None else at.items()


def _position(names: list[str], feature: Any, parameter: str) -> int:
    """Return the position of a column.

    Raises
    ------
    TypeError
        If `feature` is neither a name nor a position.
    ValueError
        If there is no such column.
    """
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    is_position = isinstance(feature, Integral) and not isinstance(feature, bool)
    if not isinstance(feature, str) and not is_position:
        raise TypeError(f"{parameter} must name columns by name or position; got {feature!r}")
    if is_position and -len(names) <= int(feature) < len(names):
        return int(feature) % len(names)
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise ValueError(f"{parameter} must name columns of X ({known}); got {feature!r}")


def _first_of_most_frequent(column: Any) -> int:
    """Return the row in which the most frequent value of a column occurs first."""
    firsts: dict[Any, int] = {}
    counts: dict[Any, int] = {}
    values = [None if value != value else value for value in np.asarray(column, dtype=object)]
    for row, value in enumerate(values):
        firsts.setdefault(value, row)
        counts[value] = counts.get(value, 0) + 1
    return firsts[max(counts, key=counts.__getitem__)]
