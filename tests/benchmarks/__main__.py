"""``python -m tests.benchmarks`` runs `speed`."""

from tests.benchmarks._timing import run_and_print
from tests.benchmarks.speed import TABLES
from tests.benchmarks.speed import __doc__ as DESCRIPTION

run_and_print(DESCRIPTION, TABLES)
