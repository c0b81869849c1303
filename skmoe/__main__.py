"""Compare a mixture of experts with other models.

Usage: ``python -m skmoe [TABLE.csv --target COLUMN]``.
"""

import io
import sys

from skmoe._cli import main

if __name__ == "__main__":
    # A column name that the terminal cannot show must not end the run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(main())
