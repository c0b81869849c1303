"""Every speed claim of the package, as ratios measured in one run, on one thread.

Run ``python -m tests.benchmarks.speed`` or ``python tests/benchmarks/speed.py``; with ``--quick``
in about a minute, on small tables, where fixed costs weigh more and limits may be missed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

from tests.benchmarks import fits, iteration, memory, quantiles, routing, versus_flexmix, wrapped
from tests.benchmarks._timing import run_and_print

TABLES = (
    versus_flexmix.TABLES
    | iteration.TABLES
    | memory.TABLES
    | wrapped.TABLES
    | routing.TABLES
    | fits.TABLES
    | quantiles.TABLES
)

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
