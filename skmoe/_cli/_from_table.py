"""Conversion of a table, and the name of its target, to a problem."""

from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._column import Column, parse_column
from ._dates import as_days
from ._errors import UsageError
from ._problem import Problem
from ._table import Table
from ._target import as_labels, check_target, find_target, infer_task

# Stacking splits the training rows again, so every training set needs two rows, and two of each
# class. With four rows in all a training set has at least two, for two folds or more.
_MIN_ROWS = 4


def problem_from_table(table: Table, options: Namespace) -> Problem:
    """Return the problem, with notes on what was left out.

    Raises
    ------
    UsageError
        If the table has no column that can be predicted, or none to predict from.
    """
    columns = _parse_columns(table)
    target = columns.pop(find_target(table, options.target))
    check_target(table.path, target)
    task, why = infer_task(target, options.task)
    y = target.values if task == "regression" else as_labels(target)

    rows, row_notes = _choose_rows(table, target, y, task, options)
    features, feature_notes = _choose_features(columns, rows)
    if not features:
        raise UsageError(f"{table.path} has nothing to predict from: {'; '.join(feature_notes)}")
    return Problem(
        title=f"{target.name} in {Path(table.path).name}",
        task=task,
        X=_as_matrix(features, rows),
        y=y[rows] if task == "regression" else y[rows].astype(str),
        names=[feature.name for feature in features],
        is_number=np.array([feature.is_number for feature in features]),
        notes=([why] if why else []) + row_notes + feature_notes,
    )


def _parse_columns(table: Table) -> list[Column]:
    """Return typed columns; where semicolons separate cells, the decimal sign is a comma."""
    decimal = "," if table.delimiter == ";" else "."
    cells_by_column = zip(*table.rows, strict=True)
    return [
        parse_column(name, cells, decimal)
        for name, cells in zip(table.names, cells_by_column, strict=True)
    ]


def _choose_rows(
    table: Table, target: Column, y: NDArray[Any], task: str, options: Namespace
) -> tuple[NDArray[Any], list[str]]:
    """Return the indices of the rows to learn from and notes on those left out."""
    rows = np.flatnonzero(~target.missing)
    notes: list[str] = []
    if len(rows) < len(y):
        notes.append(f"{len(y) - len(rows)} of {len(y)} rows left out: {target.name!r} is missing")
    least = max(options.folds, _MIN_ROWS)
    if len(rows) < least:
        raise UsageError(
            f"{table.path} has {len(rows)} rows with a value of {target.name!r}; "
            f"{options.folds} folds take at least {least}"
        )
    if len(rows) > options.max_rows:
        notes.append(f"{options.max_rows} of {len(rows)} rows drawn at random (--max-rows)")
        drawn = np.random.default_rng(options.seed).permutation(len(rows))[: options.max_rows]
        rows = rows[np.sort(drawn)]
    if task == "classification":
        rows, rare = _drop_rare_classes(target.name, y, rows, least)
        notes += rare
    return rows, notes


def _drop_rare_classes(
    name: str, y: NDArray[Any], rows: NDArray[Any], least: int
) -> tuple[NDArray[Any], list[str]]:
    """Leave out classes that cannot be in every fold; refuse the target if few are left."""
    counts = Counter(y[rows])
    common = {label for label, count in counts.items() if count >= least}
    if len(common) < 2:
        raise UsageError(
            f"column {name!r} has {len(counts)} classes, of which {len(common)} with the {least} "
            "rows that every class needs here; it takes at least two (--folds, --task)"
        )
    kept = np.array([row for row in rows if y[row] in common])
    if len(kept) == len(rows):
        return rows, []
    return kept, [
        f"{len(rows) - len(kept)} rows left out: the {len(counts) - len(common)} rarest values of "
        f"{name!r} have fewer than {least} rows each"
    ]


def _choose_features(columns: list[Column], rows: NDArray[Any]) -> tuple[list[Column], list[str]]:
    """Return the columns that can be used to predict, and a note on each of the others."""
    kept: list[Column] = []
    notes: list[str] = []
    for cells in columns:
        column = as_days(cells)
        if column is not cells:
            notes.append(f"column {column.name!r} is read as dates, in days since 1970")
        reason = _why_useless(column, rows)
        if reason is None:
            kept.append(column)
        else:
            notes.append(f"column {column.name!r} left out: {reason}")
    return kept, notes


def _why_useless(column: Column, rows: NDArray[Any]) -> str | None:
    """Return why a column cannot be used to predict in new rows; None if it can."""
    values, missing = column.values[rows], column.missing[rows]
    n_distinct = len(np.unique(values[~missing]))
    if n_distinct == 0:
        return "all its values are missing"
    if n_distinct == 1 and not missing.any():
        return "it is constant"
    if not column.is_number and n_distinct == np.sum(~missing):
        return "it is text that differs in every row"
    return None


def _as_matrix(features: list[Column], rows: NDArray[Any]) -> NDArray[Any]:
    """Return floats if all features are numbers, else objects."""
    dtype = float if all(feature.is_number for feature in features) else object
    X = np.empty((len(rows), len(features)), dtype=dtype)
    for j, feature in enumerate(features):
        X[:, j] = feature.values[rows]
    return X
