"""Sums over rows that are read chunk by chunk: from arrays on disk, or sequences of blocks."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from .numerics import BLOCK_ROWS, Floats, blocks

#: Rows of a chunk: sixteen blocks, each of which fits into a cache.
CHUNK_ROWS = 16 * BLOCK_ROWS

#: Numbers of a chunk (64 MB): a chunk of many columns has fewer rows.
_CHUNK_ENTRIES = 2**23

#: Turns y and weights (b,) of some rows into what a summed function is given in their place.
Interpret = Callable[[NDArray, Floats], tuple[NDArray, Floats]]


def chunk_slices(X: Any) -> Iterator[slice]:
    """Yield slices that cut the rows of X, (n, d), into chunks."""
    most = max(_CHUNK_ENTRIES // max(X.shape[1], 1), BLOCK_ROWS)
    yield from blocks(X.shape[0], min(CHUNK_ROWS, most))


def as_numbers(y: NDArray, weights: Floats) -> tuple[Floats, Floats]:
    """Return y as numbers (b, m), and the weights."""
    return np.asarray(y, dtype=np.float64).reshape(len(y), -1), weights


class Summable(ABC):
    """Rows over which functions can be summed.

    Attributes
    ----------
    interpret : callable
        Turns y and weights (b,) of some rows into what a summed function is given in their place.
    single : bool
        Whether y has one dimension.
    first : array or data frame of shape (b, d)
        X of some rows, of the type that the user gave.
    """

    interpret: Interpret = staticmethod(as_numbers)
    single: bool
    first: Any

    def interpreted(self, interpret: Interpret) -> Summable:
        """Return the same rows with another `interpret`."""
        other = copy.copy(self)
        other.interpret = interpret
        return other

    @abstractmethod
    def sum_of(self, function: Callable[..., Any]) -> Any:
        """Return the sum of ``function(number, X, y, weights)`` over all chunks.

        Parameters
        ----------
        function : callable
            Is given the number of a chunk, X (b, d), and what `interpret` returns for y and
            weights (b,), of the rows of positive weight.

        Returns
        -------
        object
            The sum of the values of the function, in the order of the chunks.
        """


class Chunks(Summable):
    """Rows that are read again for each sum.

    Parameters
    ----------
    read : callable
        ``read()`` yields X (b, d), y (b,) or (b, m) and sample weights (b,), or None for ones,
        of up to `CHUNK_ROWS` rows each, the same rows each time.
    first : array or data frame of shape (b, d)
        X of some rows, of the type that the user gave.
    single : bool
        Whether y has one dimension.
    n_jobs : int or None
        Threads that work on chunks.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[tuple[Any, NDArray, NDArray | None]]],
        first: Any,
        single: bool,
        n_jobs: int | None,
    ):
        self.read, self.first, self.single, self.n_jobs = read, first, single, n_jobs

    def sum_of(self, function: Callable[..., Any]) -> Any:
        """Return the sum of ``function(number, X, y, weights)`` over all chunks."""
        if self.n_jobs in (None, 1):
            return total(on_chunk(*task) for task in self._tasks(function))
        parallel = Parallel(self.n_jobs, require="sharedmem", return_as="generator")
        return total(parallel(delayed(on_chunk)(*task) for task in self._tasks(function)))

    def _tasks(self, function: Callable[..., Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the arguments of `on_chunk`."""
        for number, chunk in enumerate(self.read()):
            yield function, self.interpret, number, *chunk


def total(parts: Iterable[Any]) -> Any:
    """Return the sum of one or more parts, added in their order."""
    return reduce(lambda left, right: left + right, parts)


def of_arrays(X: NDArray, y: NDArray, weights: NDArray | None, n_jobs: int | None) -> Chunks:
    """Return chunks of arrays, in memory or on disk."""

    def read():
        for rows in chunk_slices(X):
            yield X[rows], y[rows], None if weights is None else weights[rows]

    return Chunks(read, X[:1], y.ndim == 1, n_jobs)


def of_blocks(items: Any, n_jobs: int | None) -> Chunks:
    """Return chunks of blocks (X, y), or (X, y, sample_weight).

    Parameters
    ----------
    items : object with ``__len__`` and ``__getitem__``, or one that can be iterated repeatedly
    n_jobs : int or None

    Raises
    ------
    TypeError
        If the items can be read only once.
    ValueError
        If there are none.
    """
    # What blocks come in is the user's, as in `are_blocks` and `_each`.
    if not hasattr(items, "__getitem__") and iter(items) is items:
        raise TypeError(
            "X must be blocks that can be read again: an object with __len__ and __getitem__, or "
            f"one whose __iter__ starts again; got {type(items).__name__}, which can be read once"
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


def are_blocks(X: Any) -> bool:
    """Tell whether X is a sequence of blocks, and no array, data frame or list of numbers."""
    if hasattr(X, "shape") or isinstance(X, (str, bytes, dict)):
        return False
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], (list, tuple)) and hasattr(X[0][0], "shape")
    return hasattr(X, "__iter__") or hasattr(X, "__getitem__")


def _each(items: Any) -> Iterator[Any]:
    if hasattr(items, "__len__") and hasattr(items, "__getitem__"):
        return (items[k] for k in range(len(items)))
    return iter(items)


def _unpacked(number: int, item: Any) -> tuple[Any, NDArray, NDArray | None]:
    """Return X, y and weights (or None) of one block."""
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


def take_rows(X: Any, rows: slice) -> Any:
    """Return rows of an array, matrix or data frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]  # pandas has `iloc`


def on_chunk(
    function: Callable[..., Any],
    interpret: Interpret,
    number: int,
    X: Any,
    y: NDArray,
    weights: NDArray | None,
) -> Any:
    """Return the value of a function of the rows of positive weight of a chunk."""
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=np.float64)
    y, weights = interpret(y, weights)
    kept = weights != 0
    if not kept.all():
        X, y, weights = X[kept], y[kept], weights[kept]
    return function(number, X, y, weights)
