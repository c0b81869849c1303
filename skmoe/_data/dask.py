"""Dask collections: rows that live on a cluster, folded where they are."""

from functools import reduce
from operator import add

import numpy as np

from .chunks import Summable, chunk_slices, on_chunk, take_rows
from .tables import is_dask

#: Sums that one task adds up.
_FAN_IN = 8

#: Numbers of the chunks of one partition lie within so many.
_CHUNKS_A_PARTITION = 2**16


class DaskChunks(Summable):
    """Rows of Dask collections: `Chunks` whose sums are made where the rows are.

    Only functions, which hold parameters, and sums travel. A partition that is lost with its
    worker is made again by Dask, from what it was made of.

    Parameters
    ----------
    X : dask array or data frame of shape (n, d)
    y : dask array, series or data frame of shape (n,) or (n, m)
    weights : dask array or series of shape (n,), or None

    Raises
    ------
    TypeError
        If y or the weights are no Dask collection.
    ValueError
        If they have other partitions than X.
    """

    def __init__(self, X, y, weights=None):
        given = {"X": X, "y": y} | ({} if weights is None else {"sample_weight": weights})
        partitions = {name: _partitions(name, values) for name, values in given.items()}
        counts = {name: len(parts) for name, parts in partitions.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(
                f"X, y and sample_weight must have the same partitions; got {counts} of them: "
                "rechunk or repartition them alike"
            )
        self.single = y.ndim == 1
        self._partitions = list(zip(*partitions.values(), strict=True))

    @property
    def first(self):
        """X of a row, as it comes."""
        return self._tree([self._delayed(_first, *self._partitions[0])])

    def fold(self, function):
        """Return the sum of ``function(number, X, y, weights)`` over all chunks.

        Parameters
        ----------
        function : callable
            As `Chunks.fold` takes it.
        """
        return self._tree(
            [
                self._delayed(_on_partition, function, self.interpret, number, *parts)
                for number, parts in enumerate(self._partitions)
            ]
        )

    def _tree(self, sums):
        while len(sums) > 1:
            sums = [
                self._delayed(_sum, sums[k : k + _FAN_IN]) for k in range(0, len(sums), _FAN_IN)
            ]
        return sums[0].compute()

    def _delayed(self, function, *args):
        import dask

        return dask.delayed(function, pure=False)(*args)


def _partitions(name, values):
    """The partitions of a collection, each with all columns."""
    if not is_dask(values):
        raise TypeError(f"{name} must be a Dask collection, as X is; got {type(values).__name__}")
    if hasattr(values, "chunks") and values.ndim == 2:
        values = values.rechunk({1: -1})
    return list(np.ravel(values.to_delayed()))


def _first(X, *rest):
    return take_rows(X, slice(1))


def _on_partition(function, interpret, number, X, y, weights=None):
    """The sum over the chunks of a partition."""
    if len({len(y), X.shape[0], len(y if weights is None else weights)}) > 1:
        raise ValueError(f"partition {number} of X, y and sample_weight differ in their rows")
    sums = [
        on_chunk(
            function,
            interpret,
            number * _CHUNKS_A_PARTITION + chunk,
            take_rows(X, rows),
            np.asarray(y)[rows],
            None if weights is None else np.asarray(weights)[rows],
        )
        for chunk, rows in enumerate(list(chunk_slices(X)) or [slice(0)])
    ]
    return _sum(sums)


def _sum(parts):
    return reduce(add, parts)


def by_partition(function, X, n_outputs, dtype=np.float64):
    """Apply a function of rows, with (n,) or (n, m) values, to each partition when it is asked.

    Parameters
    ----------
    function : callable
    X : dask array or data frame of shape (n, d)
    n_outputs : int or None
        Columns of the result; None for one dimension.
    dtype : dtype
        Of the result.

    Returns
    -------
    dask array of shape (n,) or (n, n_outputs)
    """
    import dask
    import dask.array as da

    each, shape = dask.delayed(function, pure=True), () if n_outputs is None else (n_outputs,)
    sizes = X.chunks[0] if hasattr(X, "chunks") else [np.nan] * X.npartitions
    parts = [
        da.from_delayed(each(part), (size, *shape), dtype=dtype)
        for part, size in zip(_partitions("X", X), sizes, strict=True)
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)
