"""Peak memory of a fit, in units of n K doubles, beyond X and one float copy of it.

Run ``python -m tests.benchmarks.memory`` or ``python tests/benchmarks/memory.py``. NumPy reports
what it allocates to ``tracemalloc``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import tracemalloc

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._timing import run_and_print, verdict
from tests.golden.problems import simulated

LIMIT = 6.0
SETTINGS = {
    "as it comes": {},
    "top_k=1": {"top_k": 1},
    "n_init=1": {"n_init": 1},
}


def peak_bytes(function):
    """Most bytes that a call holds at one time, beyond what was held before it."""
    tracemalloc.start()
    try:
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        function()
        return tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()


def memory(quick=False):
    """One row for each setting."""
    shape = (20_000, 10, 4) if quick else (200_000, 10, 4)
    return [_memory_row(label, *shape, setting) for label, setting in SETTINGS.items()]


def _memory_row(label, n, d, n_experts, setting):
    X, y, _ = simulated(n, d, n_experts, seed=0)
    model = MixtureOfExpertsRegressor(n_experts=n_experts, random_state=0, **setting)
    peak = peak_bytes(lambda: model.fit(X, y))
    units = (peak - X.nbytes) / (8 * n * n_experts)
    return {
        "fit": label, "n": n, "d": d, "K": n_experts,
        "peak, MB": peak / 1e6, "one copy of X, MB": X.nbytes / 1e6,
        "n K doubles beyond it": units, "limit": LIMIT, "": verdict(units, LIMIT),
    }  # fmt: skip


TABLES = {"Peak memory of a fit beyond X": memory}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
