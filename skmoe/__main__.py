"""Compare a mixture of experts with its rivals: ``python -m skmoe [TABLE.csv --target COLUMN]``."""

import sys

from skmoe._cli import main

if __name__ == "__main__":
    # A column name the terminal cannot show must not end the run.
    sys.stdout.reconfigure(errors="replace")
    sys.stderr.reconfigure(errors="replace")
    sys.exit(main())
