"""Dask collections: sums over rows that are distributed, computed by the workers that have them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .chunks import Interpret, Summable, chunk_slices, on_chunk, take_rows, total
from .tables import is_dask

#: Number of sums that one task adds up.
_FAN_IN = 8

#: The chunks of a partition have numbers from this multiple of the partition's number on.
_CHUNKS_PER_PARTITION = 2**16


class DaskChunks(Summable):
    """Rows of Dask collections, which are summed over by the workers that have them.

    Only functions, which hold parameters, and sums are sent. A partition that is lost with its
    worker is computed again by Dask.

    Parameters
    ----------
    X : dask array or data frame of shape (n, d)
    y : dask array, series or data frame of shape (n,) or (n, m)
    weights : dask array or series of shape (n,), or None

    Raises
    ------
    TypeError
        If y or the weights are not Dask collections.
    ValueError
        If they have other partitions than X.
    """

    def __init__(self, X: Any, y: Any, weights: Any = None):
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
    def first(self) -> Any:
        """X of one row, of the type of a partition."""
        return self._tree([self._delayed(_first, *self._partitions[0])])

    def sum_of(self, function: Callable[..., Any]) -> Any:
        """Return the sum of ``function(number, X, y, weights)`` over all chunks."""
        return self._tree(
            [
                self._delayed(_on_partition, function, self.interpret, number, *parts)
                for number, parts in enumerate(self._partitions)
            ]
        )

    def _tree(self, sums: list[Any]) -> Any:
        """Compute the sum of delayed sums, `_FAN_IN` of which are added at a time."""
        while len(sums) > 1:
            sums = [
                self._delayed(total, sums[k : k + _FAN_IN]) for k in range(0, len(sums), _FAN_IN)
            ]
        return sums[0].compute()

    def _delayed(self, function: Callable[..., Any], *args: Any) -> Any:
        from dask.delayed import delayed

        return delayed(function, pure=False)(*args)


def _partitions(name: str, values: Any) -> list[Any]:
    """Return the partitions of a collection, each with all columns."""
    if not is_dask(values):
        raise TypeError(f"{name} must be a Dask collection, as X is; got {type(values).__name__}")
    # An array has chunks, a data frame has partitions.
    if hasattr(values, "chunks") and values.ndim == 2:
        values = values.rechunk({1: -1})
    return list(np.ravel(values.to_delayed()))


def _first(X: Any, *rest: Any) -> Any:
    return take_rows(X, slice(1))


def _on_partition(
    function: Callable[..., Any],
    interpret: Interpret,
    number: int,
    X: Any,
    y: Any,
    weights: Any = None,
) -> Any:
    """Return the sum over the chunks of a partition."""
    if len({len(y), X.shape[0], len(y if weights is None else weights)}) > 1:
        raise ValueError(f"partition {number} of X, y and sample_weight differ in their rows")
    sums = [
        on_chunk(
            function,
            interpret,
            number * _CHUNKS_PER_PARTITION + chunk,
            take_rows(X, rows),
            np.asarray(y)[rows],
            None if weights is None else np.asarray(weights)[rows],
        )
        for chunk, rows in enumerate(list(chunk_slices(X)) or [slice(0)])
    ]
    return total(sums)


def by_partition(
    function: Callable[[Any], NDArray],
    X: Any,
    n_outputs: int | None,
    dtype: DTypeLike = np.float64,
) -> Any:
    """Apply a function of rows, with values (n,) or (n, m), to each partition, lazily.

    Parameters
    ----------
    function : callable
    X : dask array or data frame of shape (n, d)
    n_outputs : int or None
        Number of columns of the result; None for a result of one dimension.
    dtype : dtype
        Data type of the result.

    Returns
    -------
    dask array of shape (n,) or (n, n_outputs)
    """
    import dask.array as da
    from dask.delayed import delayed

    each, shape = delayed(function, pure=True), () if n_outputs is None else (n_outputs,)
    sizes = X.chunks[0] if hasattr(X, "chunks") else [np.nan] * X.npartitions
    parts = [
        da.from_delayed(each(part), (size, *shape), dtype=dtype)
        for part, size in zip(_partitions("X", X), sizes, strict=True)
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)
