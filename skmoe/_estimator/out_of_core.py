"""``fit`` on rows that are not all in memory: which fits can, and how rows are read."""

import numpy as np

from .._data.chunks import are_blocks, of_arrays, of_blocks
from .._data.dask import DaskChunks
from .._data.tables import is_dask
from .._fit.out_of_core import SOME_ROWS, needs_all_rows


def chunks_of(model, given, specification):
    """Return the chunks of rows that come in blocks or from a large file, else None.

    Parameters
    ----------
    model : mixture
    given : TrainingRows
    specification : Specification

    Raises
    ------
    ValueError
        If rows come in blocks, and parameters need all of them at once.
    """
    X, y, sample_weight = given.X, given.y, given.sample_weight
    refused = _needs_memory(model, given, specification)
    if y is None and are_blocks(X):
        if sample_weight is not None:
            refused = "sample_weight must stand in the blocks, as (X, y, sample_weight)"
        _refuse("rows in blocks", refused)
        return of_blocks(X, model.n_jobs)
    if is_dask(X):
        _refuse("Dask collections", refused)
        return DaskChunks(X, y, sample_weight)
    if not _is_large_file(X) or y is None or refused is not None:
        return None
    y = np.asarray(y)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    for name, values in [("y", y), ("sample_weight", weights)]:
        if values is not None and len(values) != len(X):
            raise ValueError(f"{name} must have {len(X)} rows, as X; got {len(values)}")
    return of_arrays(X, y, weights, model.n_jobs)


def _needs_memory(model, given, specification):
    """Say what needs all rows at once; None where nothing does."""
    seen, columns, init, cv = model.gate_features, model.expert_features, model.init, model.cv
    for name, value, needed, wanted in [
        ("gate_features", seen, seen is not None, "None"),
        ("expert_features", columns, columns is not None, "None"),
        ("average", model.average, model.average != 1, "1"),
        ("n_experts", model.n_experts, model.n_experts == "auto", "a number"),
        ("init", init, not isinstance(init, str), "a string"),
        ("warm_start", model.warm_start, bool(model.warm_start), "False"),
        ("cv", cv, cv is not None and not isinstance(cv, str), "None or 'auto'"),
    ]:
        if needed:
            return f"{name} must be {wanted}; got {value!r}"
    if given.groups is not None or given.params:
        return f"groups and further parameters must be None; got {['groups', *given.params]}"
    return needs_all_rows(specification)


def _refuse(rows, reason):
    """Raise an error that says why rows of a kind cannot be fitted, if there is a reason."""
    if reason is not None:
        raise ValueError(f"{rows} cannot be fitted so: {reason}")


def _is_large_file(X):
    return isinstance(X, np.memmap) and X.ndim == 2 and len(X) > SOME_ROWS
