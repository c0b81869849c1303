"""Sparse rows, read a block at a time. No function makes a second copy of all entries."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .numerics import BLOCK_ROWS, SMALLEST_SPREAD, Bools, Floats, blocks

#: Entries of a block, on average.
_BLOCK_ENTRIES = 2**19

#: The squares of a column of magnitudes between these neither overflow nor vanish in weighted sums.
_SMALLEST, _LARGEST = 1e-100, 1e100

#: A column is constant up to rounding if its standard deviation, relative to its mean, is at most
#: this.
_LEAST_SPREAD = 1e-7

#: A smaller share of the mean square of a column is not told from rounding as its variance.
_LEAST_SHARE = 1e-12


def row_blocks(X: Any) -> Iterator[slice]:
    """Yield slices that cut the rows of a CSR matrix into blocks of about `_BLOCK_ENTRIES`."""
    n = X.shape[0]
    return blocks(n, max(1, min(BLOCK_ROWS, _BLOCK_ENTRIES * n // max(X.nnz, 1))))


def _with_data(block: Any, data: NDArray) -> Any:
    return sparse.csr_matrix((data, block.indices, block.indptr), block.shape)


def block_of(X: Any, rows: slice) -> Any:
    """Return rows of a CSR matrix. They share their entries with X and must not be written to."""
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    starts = X.indptr[rows.start : rows.stop + 1] - first
    block = sparse.csr_matrix((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    return _sharing(block, X.data[first:last], X.indices[first:last], starts)


def transposed(block: Any) -> Any:
    """Return the transpose of a block of rows, which shares its entries."""
    out = sparse.csc_matrix(block.shape[::-1], dtype=block.dtype)
    return _sharing(out, block.data, block.indices, block.indptr)


def _sharing(empty: Any, data: NDArray, indices: NDArray, indptr: NDArray) -> Any:
    """Return a sparse matrix with these arrays, which its constructor would copy."""
    empty.data, empty.indices, empty.indptr = data, indices, indptr
    return empty


def _canonical(X: Any) -> Iterator[tuple[slice, Any]]:
    """Yield slices of rows of a CSR matrix, and copies of these rows without duplicate entries."""
    for rows in row_blocks(X):
        block = block_of(X, rows).copy()
        block.sum_duplicates()
        yield rows, block


def squared(block: Any) -> Any:
    """Return the squares of a block of rows, in double precision."""
    return _with_data(block, np.square(block.data, dtype=np.float64))


def weighted(block: Any, weights: Floats) -> Any:
    """Return a block of rows, each times its weight, in double precision."""
    return _with_data(block, block.data * np.repeat(weights, np.diff(block.indptr)))


def row_products(X: Any, factor: Floats) -> Floats:
    """Return one plus the products (n, n) of all pairs of rows, with columns × `factor` (d,)."""
    scaled = _with_data(X, X.data * factor[X.indices])
    return (scaled @ scaled.T).toarray() + 1.0


def column_magnitudes(X: Any) -> Floats:
    """Return the largest absolute entry (d,) of each column of a CSR matrix."""
    magnitude = np.zeros(X.shape[1])
    for rows in row_blocks(X):
        block = block_of(X, rows).tocsc()
        present = np.flatnonzero(np.diff(block.indptr))
        largest = np.maximum.reduceat(np.abs(block.data), block.indptr[present])
        magnitude[present] = np.maximum(magnitude[present], largest)
    return magnitude


def in_range(X: Any) -> tuple[Any, Floats]:
    """Divide columns so that their squares neither overflow nor vanish.

    Returns
    -------
    X : CSR matrix of shape (n, d)
        The matrix given, unless a column has numbers beyond 1e100, or only numbers below 1e-100.
    factor : ndarray of shape (d,)
        What each column was divided by; one for columns of zeros, or of numbers below 1e-280.
    """
    magnitude = column_magnitudes(X)
    extreme = (magnitude > _LARGEST) | ((magnitude < _SMALLEST) & (magnitude >= SMALLEST_SPREAD))
    factor = np.where(extreme, magnitude, 1.0)
    return (_with_data(X, X.data / factor[X.indices]) if extreme.any() else X), factor


def column_scales(X: Any, weights: Floats) -> tuple[Floats, Floats, Bools]:
    """Return weighted mean and standard deviation (d,) of each column, and whether it is constant.

    Parameters
    ----------
    X : CSR matrix of shape (n, d)
        As `in_range` returns it.
    weights : ndarray of shape (n,)
    """
    share = weights / weights.max()
    share = share / share.sum()
    first, second = np.zeros((2, X.shape[1]))
    for rows, block in _canonical(X):
        own = np.repeat(share[rows], np.diff(block.indptr)) * block.data
        first += np.bincount(block.indices, own, X.shape[1])
        second += np.bincount(block.indices, own * block.data, X.shape[1])
    deviation = np.sqrt(np.maximum(second - first**2, 0.0))
    constant = deviation <= _LEAST_SPREAD * np.abs(first)
    return first, np.where(constant, 1.0, deviation), constant


def linear_functions(X: Any, coef: Floats, intercept: Floats) -> Floats:
    """Return ``X @ coef.T + intercept`` (n, K), in Fortran order and double precision.

    No copy of X is made, dense or CSR, in single or double precision.
    """
    out = np.empty((len(coef), X.shape[0])).T
    transposed = np.ascontiguousarray(coef.T)
    for rows in row_blocks(X) if sparse.issparse(X) else blocks(len(X)):
        out[rows] = X[rows] @ transposed
    out += intercept
    return out


class CentredColumns:
    """Columns of a sparse design, centred and scaled for each expert and its penalty.

    The matrices of the normal equations then have a unit diagonal, and their intercepts are
    solved for apart, so that conjugate gradients need few products.

    Parameters
    ----------
    design : SparseDesign
    weights : ndarray of shape (n, K)
    ridge : ndarray of shape (1, p) or (K, p)
    n_outputs : int
    """

    def __init__(self, design: Any, weights: Floats, ridge: Floats, n_outputs: int) -> None:
        mass = np.maximum(weights.sum(axis=0), np.finfo(float).tiny)[:, None]
        mean = design.cross(weights) / mass
        squares = design.cross_squares(lambda rows: weights[rows], weights.shape[1])
        mean[:, -1] = 0.0
        spread = np.sqrt(np.maximum(squares - mass * mean**2, _LEAST_SHARE * squares) + ridge)
        spread[spread == 0.0] = 1.0
        self._mean: Floats = np.repeat(mean, n_outputs, axis=0)
        self._spread: Floats = np.repeat(spread, n_outputs, axis=0)

    def coef(self, vector: Floats) -> Floats:
        """Return coefficients (K m, p) of the design from those of these columns."""
        coef = vector / self._spread
        coef[:, -1] -= (coef * self._mean).sum(axis=1)
        return coef

    def vector(self, coef: Floats) -> Floats:
        """Return the coefficients of these columns from those of the design."""
        vector = coef.copy()
        vector[:, -1] += (coef * self._mean).sum(axis=1)
        return vector * self._spread

    def adjoint(self, products: Floats) -> Floats:
        """Return products (K m, p) of these columns from those of the design."""
        return (products - self._mean * products[:, -1:]) / self._spread
