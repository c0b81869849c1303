"""One column of text cells as numbers or as categories."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import UsageError

_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?"})


@dataclass(frozen=True)
class Column:
    """A column: floats with NaN for missing cells, or strings with None for missing cells."""

    name: str
    values: NDArray[Any]
    is_number: bool

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of the missing cells."""
        if self.is_number:
            return np.isnan(self.values)
        return np.array([value is None for value in self.values], dtype=bool)

    @property
    def distinct(self) -> NDArray[Any]:
        """Sorted distinct values that are not missing."""
        return np.unique(self.values[~self.missing])


def parse_column(name: str, cells: Iterable[str], decimal: str = ".") -> Column:
    """Return numbers if every cell that is not missing reads as one, else categories."""
    cells = [cell.strip() for cell in cells]
    kept = [None if cell.casefold() in _MISSING else cell for cell in cells]
    try:
        values = [math.nan if cell is None else _number(cell, decimal) for cell in kept]
    except ValueError:
        return Column(name, np.array(kept, dtype=object), is_number=False)
    infinite = [cell for cell, value in zip(cells, values, strict=True) if math.isinf(value)]
    if infinite:
        raise UsageError(f"column {name!r} contains {infinite[0]!r}, which is not a finite number")
    return Column(name, np.array(values), is_number=True)


def _number(cell: str, decimal: str) -> float:
    """Return the cell as a float; raise ValueError if it is text."""
    if "_" in cell:  # Python reads 1_000 as a number, which tables do not mean
        raise ValueError(cell)
    return float(cell.replace(decimal, "."))
