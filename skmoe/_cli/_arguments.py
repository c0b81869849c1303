"""The arguments of the command line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from ._errors import UsageError

_DESCRIPTION = """\
Cross-validate a mixture of linear experts against a linear model, a random forest, gradient
boosting and stacking, then show what each expert handles. Without TABLE the data come from
scikit-learn: one regression and one classification problem."""

_LARGEST_SEED = 2**32 - 1


class _Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError`, which the caller shows as one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see python -m skmoe --help)")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options as a namespace; raise `UsageError` where they are inconsistent."""
    parser = _Parser(
        prog="python -m skmoe",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_table_options(parser)
    _add_comparison_options(parser)
    options = parser.parse_args(arguments)
    if options.table is None and options.target is not None:
        parser.error("--target names a column of a table: give the table too")
    if options.table is None and options.delimiter is not None:
        parser.error("--delimiter is for reading a table: give the table too")
    return options


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table",
        metavar="TABLE",
        nargs="?",
        help="CSV file in UTF-8 whose first line names the columns; empty cells, NA and the like "
        "are missing values",
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict")
    parser.add_argument(
        "--delimiter",
        metavar="CHARACTER",
        type=_delimiter,
        help="what separates the cells ('tab' for a tab); default: whichever of comma, "
        "semicolon, tab and bar splits the first line into most names",
    )
    parser.add_argument(
        "--max-rows",
        metavar="N",
        type=_whole_number(2),
        default=5_000,
        help="compare on this many rows drawn at random if the table has more "
        "(default: %(default)s)",
    )


def _add_comparison_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        choices=("regression", "classification"),
        help="what kind of target it is; default: classification for text and for at most 10 "
        "different whole numbers",
    )
    parser.add_argument(
        "--experts",
        metavar="N",
        type=_whole_number(1),
        default=4,
        help="number of experts in the mixture (default: %(default)s)",
    )
    parser.add_argument(
        "--folds",
        metavar="N",
        type=_whole_number(2),
        default=5,
        help="number of cross-validation folds (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_whole_number(0, _LARGEST_SEED),
        default=0,
        help="seed of folds and models (default: %(default)s)",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        type=_file_to_write,
        help="also write one HTML page with all of it, and pictures; needs matplotlib",
    )


def _file_to_write(text: str) -> Path:
    """Return the path of a file in a folder that exists."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, got {text!r}")
    return path


def _whole_number(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return an argparse type for whole numbers in a range."""
    expected = f"a whole number from {minimum}"
    expected += " up" if maximum is None else f" to {maximum}"

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < minimum or (maximum is not None and value > maximum):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return convert


def _delimiter(text: str) -> str:
    """Return the delimiter; ``tab`` stands for a tab, which is hard to type in a shell."""
    character = "\t" if text in ("tab", r"\t") else text
    if len(character) != 1 or character in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one character or 'tab', got {text!r}")
    return character
