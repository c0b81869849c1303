"""The column to predict: its position, its task, and its values as labels."""

from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._column import Column
from ._errors import UsageError
from ._table import Table

_MAX_CLASSES_OF_WHOLE_NUMBERS = 10
_MAX_NAMES_SHOWN = 12


def find_target(table: Table, name: str | None) -> int:
    """Return the index of the target column; the error lists the columns if there is none."""
    if name in table.names:
        return table.names.index(name)
    if name is None:
        raise UsageError(f"--target must name the column to predict; {_columns_of(table)}")
    lowered = {column.casefold(): column for column in table.names}
    close = get_close_matches(name.casefold(), lowered, n=1)
    hint = f"did you mean {lowered[close[0]]!r}? " if close else ""
    raise UsageError(f"{table.path} has no column {name!r}; {hint}{_columns_of(table)}")


def _columns_of(table: Table) -> str:
    shown = ", ".join(table.names[:_MAX_NAMES_SHOWN])
    more = len(table.names) - _MAX_NAMES_SHOWN
    return f"columns: {shown}" + (f" and {more} more" if more > 0 else "")


def check_target(path: str, target: Column) -> None:
    """Raise an error if the target has fewer than two distinct values."""
    n_distinct = len(target.distinct)
    if n_distinct == 0:
        raise UsageError(f"{path}: column {target.name!r} has no values, all are missing")
    if n_distinct == 1:
        value = target.distinct[0]
        raise UsageError(f"{path}: column {target.name!r} is constant, always {value}")


def infer_task(target: Column, wish: str | None = None) -> tuple[str, str | None]:
    """Return the task and, if it was inferred, a note with the reason."""
    if wish == "regression" and not target.is_number:
        text = next(value for value in target.values if value is not None and not _is_number(value))
        raise UsageError(
            f"--task regression needs numbers, but column {target.name!r} contains {text!r}"
        )
    if wish is not None:
        return wish, None
    distinct = target.distinct
    if not target.is_number:
        return "classification", None
    if len(distinct) <= _MAX_CLASSES_OF_WHOLE_NUMBERS and np.all(distinct == np.round(distinct)):
        return "classification", (
            f"{target.name!r} has {len(distinct)} different whole numbers, taken as classes "
            "(--task regression takes them as quantities)"
        )
    return "regression", None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_labels(target: Column) -> NDArray[Any]:
    """Return class labels as text, None where missing."""
    if not target.is_number:
        return target.values
    return np.array([_label(value) for value in target.values], dtype=object)


def _label(value: float) -> str | None:
    if np.isnan(value):
        return None
    return str(int(value)) if value == int(value) else repr(float(value))
