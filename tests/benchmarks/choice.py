"""How often ``n_experts="auto"`` finds the number of experts that made the data, and at what cost.

Run ``python -m tests.benchmarks.choice`` or ``python tests/benchmarks/choice.py``. Twenty tables
from `make_moe_regression` for each number of experts; the time is that of the whole choice over
that of one fit with the true number, default starts included.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from tests.benchmarks._timing import run_and_print, seconds, verdict

ROWS, COLUMNS = 1000, 2
NUMBERS = (1, 2, 3, 5)
PROBLEMS = 20
NEEDED = 17
LIMIT = 3.0


def choice(quick=False):
    """One row for each true number of experts."""
    return [_row(n_experts, 3 if quick else PROBLEMS) for n_experts in NUMBERS]


def _row(n_experts, problems):
    found = np.array([_choose(n_experts, seed) for seed in range(problems)])
    hits = int((found[:, 0] == n_experts).sum())
    ratio = float(np.median(found[:, 1] / found[:, 2]))
    return {
        "experts": n_experts,
        "hits": f"{hits}/{problems}",
        "found": " ".join(str(int(k)) for k in np.unique(found[:, 0])),
        "seconds": float(np.median(found[:, 1])),
        "over one fit": ratio,
        "": verdict(NEEDED * problems, hits * PROBLEMS),
    }


def _choose(n_experts, seed):
    X, y = make_moe_regression(ROWS, COLUMNS, n_experts=n_experts, random_state=seed)
    chooser = MixtureOfExpertsRegressor(n_experts="auto", random_state=seed)
    alone = MixtureOfExpertsRegressor(n_experts=n_experts, random_state=seed)
    took, once = seconds(lambda: chooser.fit(X, y)), seconds(lambda: alone.fit(X, y))
    return chooser.n_experts_, took, once


TABLES = {"The number of experts, chosen": choice}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
