"""Sparse rows, read a block at a time: nothing here makes another copy of all entries."""

import numpy as np
from scipy import sparse

from .numerics import BLOCK_ROWS, SMALLEST_SPREAD, blocks

#: Entries of a block, on average.
_BLOCK_ENTRIES = 2**19

#: Magnitudes of a column whose squares, weighted and added up, are numbers.
_SMALLEST, _LARGEST = 1e-100, 1e100

#: A column that spreads less than this, relative to its mean, is constant but for rounding.
_LEAST_SPREAD = 1e-7


def row_blocks(X):
    """Yield slices that cut the rows of a CSR matrix into blocks of not too many entries."""
    n = X.shape[0]
    return blocks(n, max(1, min(BLOCK_ROWS, _BLOCK_ENTRIES * n // max(X.nnz, 1))))


def _with_data(block, data):
    return sparse.csr_matrix((data, block.indices, block.indptr), block.shape)


def block_of(X, rows):
    """Return rows of a CSR matrix; their entries are those of X, not to be written to."""
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    starts = X.indptr[rows.start : rows.stop + 1] - first
    parts = X.data[first:last], X.indices[first:last], starts
    return sparse.csr_matrix(parts, (rows.stop - rows.start, X.shape[1]), copy=False)


def _canonical(X):
    """Yield slices of rows of a CSR matrix, and copies of these rows with one entry a place."""
    for rows in row_blocks(X):
        block = block_of(X, rows).copy()
        block.sum_duplicates()
        yield rows, block


def squared(block):
    """Return the squares of a block of rows, in double precision."""
    return _with_data(block, np.square(block.data, dtype=np.float64))


def weighted(block, weights):
    """Return a block of rows times the weight of each, in double precision."""
    return _with_data(block, block.data * np.repeat(weights, np.diff(block.indptr)))


def column_magnitudes(X):
    """Return the largest absolute entry (d,) of each column of a CSR matrix."""
    magnitude = np.zeros(X.shape[1])
    for rows in row_blocks(X):
        block = block_of(X, rows).tocsc()
        present = np.flatnonzero(np.diff(block.indptr))
        largest = np.maximum.reduceat(np.abs(block.data), block.indptr[present])
        magnitude[present] = np.maximum(magnitude[present], largest)
    return magnitude


def in_range(X):
    """Return X in units in which squares neither overflow nor vanish, and the units (d,).

    X is copied only where it has to be: in a column of numbers beyond 1e100, or all below
    1e-100. Columns of nothing but zeros, or next to nothing, have the unit one.
    """
    magnitude = column_magnitudes(X)
    strange = (magnitude > _LARGEST) | ((magnitude < _SMALLEST) & (magnitude >= SMALLEST_SPREAD))
    unit = np.where(strange, magnitude, 1.0)
    return (_with_data(X, X.data / unit[X.indices]) if strange.any() else X), unit


def column_scales(X, weights):
    """Return weighted mean and standard deviation (d,) of each column, and whether it is constant.

    Parameters
    ----------
    X : CSR matrix of shape (n, d)
        In units as `in_range` chooses them.
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
