"""``fit`` on rows that are not all in memory: what it takes, and what it refuses."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._block_fitting import SOME_ROWS, BlockFitting, misfit
from ._chunks import are_blocks, of_arrays, of_blocks
from ._dask import DaskChunks, by_partition, is_dask
from ._inputs import check_X


class LargeMixin:
    """Adds fits by blocks of rows to the regressor."""

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
            if refused is not None:
                raise ValueError(f"rows in blocks cannot be fitted so: {refused}")
            return of_blocks(X, self.n_jobs)
        if is_dask(X):
            if refused is not None:
                raise ValueError(f"Dask collections cannot be fitted so: {refused}")
            return DaskChunks(X, y, sample_weight)
        mapped = isinstance(X, np.memmap) and X.ndim == 2 and len(X) > SOME_ROWS
        if not mapped or refused is not None:
            return None
        y = y if isinstance(y, np.ndarray) else np.asarray(y)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
        for name, values in [("y", y), ("sample_weight", sample_weight)]:
            if values is not None and len(values) != len(X):
                raise ValueError(f"{name} must have {len(X)} rows, as X; got {len(values)}")
        return of_arrays(X, y, sample_weight, self.n_jobs)

    def _needs_memory(self, groups, params, parts):
        """Say what needs all rows at once; None where nothing does."""
        for name, wanted in [
            ("gate_features", None),
            ("expert_features", None),
            ("average", 1),
        ]:
            if getattr(self, name) != wanted:
                return f"{name} must be {wanted}; got {getattr(self, name)!r}"
        if self.n_experts == "auto" or not isinstance(self.init, str) or self.warm_start:
            return "n_experts must be a number, init a string and warm_start False"
        if self.cv not in (None, "auto"):
            return f"cv must be None or 'auto'; got {self.cv!r}"
        if groups is not None or params:
            return f"groups and further parameters must be None; got {['groups', *params]}"
        return misfit(parts)

    def _lazily(self, X):
        """Predictions of a Dask collection, made when they are asked for."""
        check_is_fitted(self)
        n_outputs = None if self.dispersion_.ndim == 1 else self.dispersion_.shape[1]
        return by_partition(self.predict, X, n_outputs)

    def _fit_chunks(self, chunks, parts, settings, rng):
        """Fit to chunks; return the training, its result and the log of the starts."""
        check_X(self, chunks.first, reset=True)
        self.gate_columns_ = self.expert_columns_ = None
        self.path_ = []
        fitting = BlockFitting(chunks, parts, settings, rng)
        training, result, log = fitting.run(self.n_features_in_, self.init, self.n_init)
        return training, [result], log
