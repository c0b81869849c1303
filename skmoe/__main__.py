"""Compare a mixture of experts with other models.

Usage: ``python -m skmoe [TABLE.csv --target COLUMN]``.
"""

import io
import sys

from skmoe._cli import main


def _run() -> int:
    """Run the command line on the arguments of the program, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A column name that the terminal cannot show must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return main()


if __name__ == "__main__":
    sys.exit(_run())
