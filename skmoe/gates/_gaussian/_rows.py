"""Standardised rows that the Gaussian gate sums over, dense or sparse."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..._data.numerics import BLOCK_ROWS, blocks
from ..._data.sparse import block_of, row_blocks, squared
from ...em._protocols import Floats, Ints

#: Entries of a dense block of sparse rows.
_BLOCK_ENTRIES = 2**20


class DenseRows:
    """Standardised rows (n, d), fastest in Fortran order."""

    #: Subtracted from `matrix` to get standardised rows.
    offset: float = 0.0

    def __init__(self, matrix: Floats) -> None:
        self.matrix = matrix

    def blocks(self, columns: Any = slice(None)) -> Iterator[tuple[slice, Floats]]:
        """Yield slices of rows, and the standardised values (d, b) of these rows."""
        for rows in blocks(len(self.matrix)):
            yield rows, self.matrix[rows].T[columns]

    def first(self, masses: Floats) -> Floats:
        """Return ``masses.T @ matrix`` (K, d)."""
        total: Any = sum(masses[rows].T @ values.T for rows, values in self.blocks())
        return total

    def second(self, masses: Floats) -> Floats:
        """Return ``masses.T @ matrix**2`` (K, d)."""
        total: Any = sum(masses[rows].T @ np.square(values).T for rows, values in self.blocks())
        return total

    def quadratic(self, square: Floats, linear: Floats) -> Floats:
        """Return ``matrix**2 @ square.T + matrix @ linear.T`` (n, K)."""
        out = np.empty((len(square), len(self.matrix))).T
        for rows, values in self.blocks():
            out[rows] = (square @ np.square(values) + linear @ values).T
        return out


class SparseRows:
    """Rows of a CSR matrix, scaled but not centred; the matrix itself is not changed.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, D)
    offset : ndarray of shape (d,)
        Subtracted from scaled rows to get standardised ones.
    factor : ndarray of shape (d,) or float
        Entries are multiplied by it.
    columns : ndarray of shape (d,), int, optional
        Numbers of the columns that are used; all by default.
    """

    def __init__(
        self, matrix: Any, offset: Floats, factor: Any = 1.0, columns: Ints | None = None
    ) -> None:
        self.matrix, self.offset = matrix, offset
        self.factor = np.broadcast_to(factor, offset.shape)
        self.columns = np.arange(len(offset)) if columns is None else columns

    def blocks(self, columns: Any = slice(None)) -> Iterator[tuple[slice, Floats]]:
        """Yield slices of rows, and the standardised values (d, b) of these rows."""
        taken, factor, offset = self.columns[columns], self.factor[columns], self.offset[columns]
        size = min(BLOCK_ROWS, _BLOCK_ENTRIES // max(len(offset), 1))
        for rows in blocks(self.matrix.shape[0], max(size, 1)):
            yield rows, (block_of(self.matrix, rows)[:, taken].toarray() * factor - offset).T

    def first(self, masses: Floats) -> Floats:
        """Return ``masses.T @ matrix`` (K, d), of scaled rows."""
        return self._sums(masses, lambda block: block) * self.factor

    def second(self, masses: Floats) -> Floats:
        """Return ``masses.T @ matrix**2`` (K, d), of scaled rows."""
        return self._sums(masses, squared) * self.factor**2

    def _sums(self, masses: Floats, transform: Callable[[Any], Any]) -> Floats:
        total = np.zeros((self.matrix.shape[1], masses.shape[1]))
        for rows in row_blocks(self.matrix):
            total += transform(block_of(self.matrix, rows)).T @ masses[rows]
        return total[self.columns].T

    def quadratic(self, square: Floats, linear: Floats) -> Floats:
        """Return ``matrix**2 @ square.T + matrix @ linear.T`` (n, K), of scaled rows."""
        out = np.empty((len(square), self.matrix.shape[0])).T
        square, linear = self._spread(square * self.factor**2), self._spread(linear * self.factor)
        for rows in row_blocks(self.matrix):
            block = block_of(self.matrix, rows)
            out[rows] = squared(block) @ square + block @ linear
        return out

    def _spread(self, coef: Floats) -> Floats:
        """Return coefficients (D, K) of all columns, given (K, d) of the columns in use."""
        out = np.zeros((self.matrix.shape[1], len(coef)))
        out[self.columns] = coef.T
        return out


def as_rows(matrix: Any, offset: Any) -> DenseRows | SparseRows:
    """Return rows of a matrix: dense, centred ones, or sparse ones with an `offset`."""
    if sparse.issparse(matrix):
        return SparseRows(matrix, offset)
    return DenseRows(matrix)


def weighted_sums_of(rows: DenseRows | SparseRows, masses: Floats, mass: Floats) -> Floats:
    """Return weighted sums (K, d) of standardised rows; `mass` (K,) are the sums of `masses`."""
    return rows.first(masses) - mass[:, None] * rows.offset
