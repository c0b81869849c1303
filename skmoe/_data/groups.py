"""Observational units, each of which has one latent expert: a row, or all rows of a group.

EM computes with units. Experts are fitted to rows; the gate is fitted to one row per unit, and
the log-density of a unit is the sum of those of its rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .._sklearn import take
from .numerics import Floats, Ints
from .tables import n_rows, with_columns


class Rows:
    """Units that are rows.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Sample weights.
    """

    def __init__(self, weights: Floats):
        self.weights = weights

    #: Group labels, from which the same units can be made again; None where rows are units.
    labels_of_rows: NDArray | None = None

    def rows(self, rows: Ints, weights: Floats) -> Rows:
        """Return the units of some rows, with these weights."""
        return Rows(weights)

    def table(self, X: Any) -> Any:
        """Return the table that the gate is fitted to: X itself."""
        return X

    def first(self, values: NDArray) -> NDArray:
        """Return the values of the first row of each unit: all of them."""
        return values

    def gather(self, log_density: Floats) -> Floats:
        """Return sums over the rows of each unit: the values themselves."""
        return log_density

    def spread(self, values: NDArray) -> NDArray:
        """Return the value of the unit of each row: the values themselves."""
        return values

    def mean(self, values: Floats) -> Floats:
        """Return means over the rows of each unit: the values themselves."""
        return values


class Groups:
    """Units that are groups of rows, in the order of the sorted labels.

    Parameters
    ----------
    labels : array-like of shape (n,)
    weights : ndarray of shape (n,)
        Sample weights. A group of weight w counts as w equal groups.

    Raises
    ------
    ValueError
        If the weights differ within a group.
    """

    def __init__(self, labels: ArrayLike, weights: Floats):
        self.labels, self._first, self.codes, self._sizes = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        self.weights = weights[self._first]
        if (weights != self.weights[self.codes]).any():
            raise ValueError(
                "sample_weight must be the same in all rows of a group, class_weight included: it "
                "is the number of times that the group counts"
            )
        ones = np.ones(len(self.codes))
        self._member = sparse.csr_array((ones, (self.codes, np.arange(len(self.codes)))))

    @property
    def labels_of_rows(self) -> NDArray:
        """Group labels (n,), from which the same units can be made again."""
        return self.labels[self.codes]

    def rows(self, rows: Ints, weights: Floats) -> Groups:
        """Return the units of some rows, which hold whole groups, with these weights."""
        return Groups(self.labels[self.codes[rows]], weights)

    def table(self, X: Any) -> Any:
        """Return one row per group, (G, d).

        It holds the mean of a numeric column, and the one value of any other column.

        Raises
        ------
        ValueError
            If a column that is not numeric varies within a group.
        """
        if sparse.issparse(X):
            return sparse.csr_matrix(sparse.diags(1.0 / self._sizes) @ (self._member @ X))
        if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
            return self.mean(X)
        means = {}
        for j in range(X.shape[1]):
            column = np.asarray(take(X, j, axis=1))
            if column.dtype.kind in "fiub":
                means[j] = self.mean(column[:, None])[:, 0]
            else:
                self._check_constant(column, j, X)
        return with_columns(take(X, self._first), means)

    def _check_constant(self, column: NDArray, j: int, X: Any) -> None:
        text = column.astype(str)
        if (text != text[self._first][self.codes]).any():
            name = X.columns[j] if hasattr(X, "columns") else j  # data frames have names
            raise ValueError(
                f"gate_features must be numeric or the same in all rows of a group: the gate gives "
                f"a group one expert; column {name!r} varies within groups"
            )

    def first(self, values: NDArray) -> NDArray:
        """Return the values of the first row of each group."""
        return values[self._first]

    def gather(self, log_density: Floats) -> Floats:
        """Return sums (G, K) over the rows of each group."""
        return np.asfortranarray(self._member @ log_density)

    def spread(self, values: NDArray) -> NDArray:
        """Return the values (n, K) of the group of each row."""
        return np.asfortranarray(values[self.codes])

    def mean(self, values: Floats) -> Floats:
        """Return means (G, K) over the rows of each group."""
        return np.asfortranarray((self._member @ values) / self._sizes[:, None])


def make_units(groups: ArrayLike | None, weights: Floats) -> Rows | Groups:
    """Return `Groups` of rows with these labels, or `Rows` for None."""
    return Rows(weights) if groups is None else Groups(groups, weights)


def check_groups(groups: Any, X: Any) -> NDArray:
    """Validate group labels; return them as an array (n,).

    Raises
    ------
    ValueError
        If there is not one label for each row, or a label is missing.
    """
    groups = np.asarray(groups)
    if groups.ndim != 1 or len(groups) != n_rows(X):
        raise ValueError(
            f"groups must have one label a row, the shape {(n_rows(X),)}; got {groups.shape}"
        )
    missing = groups != groups  # NaN, of any type
    if missing.any() or any(label is None for label in groups.tolist()):
        raise ValueError("groups must be known for all rows; got NaN or None")
    try:
        np.unique(groups)
    except TypeError as error:
        raise ValueError(f"groups must have labels of one type: {error}") from error
    return groups
