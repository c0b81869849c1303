"""``fit`` on rows that are not all in memory: what it takes, and what it refuses."""

from functools import partial

import numpy as np

from .._data.chunks import are_blocks, of_arrays, of_blocks
from .._data.dask import DaskChunks
from .._data.tables import is_dask
from .._fit.out_of_core import SOME_ROWS, ChunkedFitting, needs_all_rows
from .validation import check_X


class LargeMixin:
    """Adds fits by blocks of rows to the estimators."""

    def _chunks_of(self, X, y, sample_weight, groups, params, parts):
        """Return the chunks of rows that come in blocks or from a large file, else None.

        Raises
        ------
        ValueError
            If rows come in blocks, and parameters need all of them at once.
        """
        refused = self._needs_memory(groups, params, parts)
        if y is None and are_blocks(X):
            if sample_weight is not None:
                refused = "sample_weight must stand in the blocks, as (X, y, sample_weight)"
            _refuse("rows in blocks", refused)
            return of_blocks(X, self.n_jobs)
        if is_dask(X):
            _refuse("Dask collections", refused)
            return DaskChunks(X, y, sample_weight)
        if not _is_large_file(X) or y is None or refused is not None:
            return None
        given = [values if values is None else np.asarray(values) for values in (y, sample_weight)]
        for name, values in zip(["y", "sample_weight"], given, strict=True):
            if values is not None and len(values) != len(X):
                raise ValueError(f"{name} must have {len(X)} rows, as X; got {len(values)}")
        return of_arrays(X, *given, self.n_jobs)

    def _needs_memory(self, groups, params, parts):
        """Say what needs all rows at once; None where nothing does."""
        for name, needed, wanted in [
            ("gate_features", self.gate_features is not None, "None"),
            ("expert_features", self.expert_features is not None, "None"),
            ("average", self.average != 1, "1"),
            ("n_experts", self.n_experts == "auto", "a number"),
            ("init", not isinstance(self.init, str), "a string"),
            ("warm_start", bool(self.warm_start), "False"),
            ("cv", self.cv is not None and not isinstance(self.cv, str), "None or 'auto'"),
        ]:
            if needed:
                return f"{name} must be {wanted}; got {getattr(self, name)!r}"
        if groups is not None or params:
            return f"groups and further parameters must be None; got {['groups', *params]}"
        return needs_all_rows(parts)

    def _fit_chunks(self, chunks, parts, settings, rng):
        """Fit to chunks; return training, results, log of the starts, and widening."""
        check_X(self, chunks.first, reset=True)
        self.gate_columns_ = self.expert_columns_ = None
        self.path_ = []
        chunks = self._interpreted(chunks)
        fitting = ChunkedFitting(chunks, parts, partial(self._target_of, chunks), settings, rng)
        training, result, *rest = fitting.run(self.n_features_in_, self.init, self.n_init)
        return training, [result], *rest


def _refuse(what, refused):
    """Raise an error that says why rows cannot be fitted where they are, if there is a reason."""
    if refused is not None:
        raise ValueError(f"{what} cannot be fitted so: {refused}")


def _is_large_file(X):
    return isinstance(X, np.memmap) and X.ndim == 2 and len(X) > SOME_ROWS
