"""Rows that are read chunk by chunk, and folded: arrays on disk, sequences of blocks."""

import copy
from functools import reduce
from operator import add

import numpy as np
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from .numerics import BLOCK_ROWS, blocks

#: Rows that are worked on at once: sixteen blocks of what fits into a cache. Of many columns
#: fewer rows: so many numbers, 64 MB.
CHUNK_ROWS = 16 * BLOCK_ROWS
_CHUNK_ENTRIES = 2**23


def chunk_slices(X):
    """Yield slices of the rows of X, (n, d), that are worked on at once."""
    most = max(_CHUNK_ENTRIES // max(X.shape[1], 1), BLOCK_ROWS)
    yield from blocks(X.shape[0], min(CHUNK_ROWS, most))


def as_numbers(y, weights):
    """y as numbers (b, m), and the weights."""
    return np.asarray(y, dtype=np.float64).reshape(len(y), -1), weights


class Summable:
    """Rows of which sums can be made.

    Attributes
    ----------
    interpret : callable
        Turns y and weights (b,) of some rows into what the functions that are folded are handed.
    """

    interpret = staticmethod(as_numbers)

    def interpreted(self, interpret):
        """The same rows, whose y and weights are something else."""
        other = copy.copy(self)
        other.interpret = interpret
        return other


class Chunks(Summable):
    """What can be folded: rows that are read anew each time.

    Parameters
    ----------
    read : callable
        ``read()`` yields X (b, d), y (b,) or (b, m) and sample weights (b,), or None for ones,
        of up to `CHUNK_ROWS` rows each, the same each time.
    first : array or data frame of shape (b, d)
        X of some rows, as it came.
    single : bool
        Whether y has one dimension.
    n_jobs : int or None
        Threads that work on chunks.
    """

    def __init__(self, read, first, single, n_jobs):
        self.read, self.first, self.single, self.n_jobs = read, first, single, n_jobs

    def fold(self, function):
        """Return the sum of ``function(number, X, y, weights)`` over all chunks.

        Parameters
        ----------
        function : callable
            Is handed the number of a chunk, X (b, d), and what `interpret` makes of y and of
            weights (b,), of rows of positive weight.

        Returns
        -------
        object
            Whatever the function returns, added in the order of the chunks.
        """
        if self.n_jobs in (None, 1):
            return reduce(add, (on_chunk(*task) for task in self._tasks(function)))
        parallel = Parallel(self.n_jobs, require="sharedmem", return_as="generator")
        return reduce(add, parallel(delayed(on_chunk)(*task) for task in self._tasks(function)))

    def _tasks(self, function):
        """Yield what `on_chunk` takes."""
        for number, chunk in enumerate(self.read()):
            yield function, self.interpret, number, *chunk


def of_arrays(X, y, weights, n_jobs):
    """Return chunks of arrays, in memory or on disk."""

    def read():
        for rows in chunk_slices(X):
            yield X[rows], y[rows], None if weights is None else weights[rows]

    return Chunks(read, X[:1], y.ndim == 1, n_jobs)


def of_blocks(items, n_jobs):
    """Return chunks of blocks (X, y), or (X, y, sample_weight).

    Parameters
    ----------
    items : object with ``__len__`` and ``__getitem__``, or one that can be iterated anew
    n_jobs : int or None

    Raises
    ------
    TypeError
        If the items can be read only once.
    """
    if not hasattr(items, "__getitem__") and iter(items) is items:
        raise TypeError(
            "X must be blocks that can be read again: an object with __len__ and __getitem__, or "
            f"one whose __iter__ starts anew; got {type(items).__name__}, which can be read once"
        )

    def read():
        for number, item in enumerate(_each(items)):
            X, y, weights = _unpacked(number, item)
            for rows in chunk_slices(X):
                yield take_rows(X, rows), y[rows], None if weights is None else weights[rows]

    for item in _each(items):
        X, y, _ = _unpacked(0, item)
        return Chunks(read, take_rows(X, slice(1)), y.ndim == 1, n_jobs)
    raise ValueError("X must hold at least one block (X, y); it holds none")


def are_blocks(X):
    """Tell blocks of rows from a table: from arrays, data frames and lists of numbers."""
    if hasattr(X, "shape") or isinstance(X, (str, bytes, dict)):
        return False
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], (list, tuple)) and hasattr(X[0][0], "shape")
    return hasattr(X, "__iter__") or hasattr(X, "__getitem__")


def _each(items):
    if hasattr(items, "__len__") and hasattr(items, "__getitem__"):
        return (items[k] for k in range(len(items)))
    return iter(items)


def _unpacked(number, item):
    """X, y and weights or None of one block."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise TypeError(
            f"X must hold blocks (X, y) or (X, y, sample_weight) where y is None; block {number} "
            f"is a {type(item).__name__}"
        )
    X, y, weights = (*item, None) if len(item) == 2 else item
    y = np.asarray(y)
    weights = None if weights is None else np.asarray(weights)
    rows = {"X": X.shape[0], "y": len(y), "sample_weight": len(y if weights is None else weights)}
    if len(set(rows.values())) > 1:
        raise ValueError(f"block {number} must have one number of rows; got {rows}")
    return X, y, weights


def take_rows(X, rows):
    """Rows of an array, matrix or data frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def on_chunk(function, interpret, number, X, y, weights):
    """Return what a function makes of the rows of positive weight of a chunk."""
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=np.float64)
    y, weights = interpret(y, weights)
    kept = weights != 0
    if not kept.all():
        X, y, weights = X[kept], y[kept], weights[kept]
    return function(number, X, y, weights)
