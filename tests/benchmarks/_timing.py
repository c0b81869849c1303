"""Clocks, tables and command lines shared by the benchmarks."""

import argparse
import time


def seconds(function):
    """Wall seconds of one call without arguments."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def fastest(function, repeats=5):
    """Fewest wall seconds of several calls without arguments."""
    return min(seconds(function) for _ in range(repeats))


def verdict(ratio, limit):
    """Word for a ratio that may not exceed its limit."""
    return "ok" if ratio <= limit else "TOO MUCH"


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(title, rows):
    """Text of a list of dictionaries: one line each, columns in the order of first use.

    Parameters
    ----------
    title : str
    rows : list of dict

    Returns
    -------
    str
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns] + [[_cell(row.get(name, "")) for name in columns] for row in rows]
    widths = [max(len(line[j]) for line in cells) for j in range(len(columns))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([title, "-" * len(title), *lines, ""])


def run_and_print(description, tables, argv=None):
    """Command line of a benchmark: ``--quick``, then a table for each title.

    Parameters
    ----------
    description : str
    tables : dict of str to callable
        Each takes ``quick`` and returns a list of dict.
    argv : list of str, default=None
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small tables, few repeats")
    quick = parser.parse_args(argv).quick
    for title, rows in tables.items():
        print(table(title, rows(quick)), flush=True)
