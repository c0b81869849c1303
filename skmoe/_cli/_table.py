"""A CSV file as rows of text under named columns."""

import csv
import io
from collections import Counter
from dataclasses import dataclass

from ._errors import UsageError

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Rows of text, all as long as the header."""

    path: str
    names: list[str]
    rows: list[list[str]]
    delimiter: str


def read_table(path: str, delimiter: str | None = None) -> Table:
    """Read a CSV file; raise `UsageError` if it is not a table with at least one row."""
    text = _read_text(path)
    if not text.strip():
        raise UsageError(f"{path} is empty")
    delimiter = delimiter or _guess_delimiter(text)
    numbered = _split_rows(path, text, delimiter)
    if not numbered:
        raise UsageError(f"{path} is empty")
    (_, header), *body = numbered
    names = _column_names(path, header)
    if not body:
        raise UsageError(f"{path} has a header and no rows")
    for line, row in body:
        if len(row) != len(names):
            raise UsageError(
                f"{path}, line {line}: {_count(len(row), 'cell')} where the header has {len(names)}"
            )
    return Table(path, names, [row for _, row in body], delimiter)


def _read_text(path: str) -> str:
    """Return the content of the file, without a byte order mark."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 (byte {error.start + 1})") from error
    if "\0" in text:
        raise UsageError(f"{path} is not text: it contains zero bytes")
    return text


def _guess_delimiter(text: str) -> str:
    """Return the candidate that cuts the first line into most cells.

    `csv.Sniffer` uses the body as well, where commas or blanks in text cells mislead it. Names in
    a header rarely contain either.
    """
    first_line = io.StringIO(text.lstrip(), newline="").readline()

    def n_cells(delimiter: str) -> int:
        return len(next(csv.reader([first_line], delimiter=delimiter)))

    return max(_DELIMITERS, key=n_cells)


def _split_rows(path: str, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return pairs of line number and cells, blank lines left out."""
    # newline="" keeps line ends within quoted cells as they are.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from error


def _column_names(path: str, header: list[str]) -> list[str]:
    """Return names without line breaks, with a substitute for empty ones; refuse duplicates."""
    names = [" ".join(cell.split()) or f"column {i}" for i, cell in enumerate(header, start=1)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UsageError(f"{path} has more than one column named {repeated[0]!r}")
    if len(names) == 1:
        raise UsageError(
            f"{path} has one column only, {names[0]!r}; it takes a target and at least one more "
            "(see --delimiter if it has others)"
        )
    return names


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
