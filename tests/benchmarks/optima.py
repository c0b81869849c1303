"""How often the default starts reach the best known likelihood of classic tables.

Run ``python -m tests.benchmarks.optima`` or ``python tests/benchmarks/optima.py`` with the folder
``shared/data/mixtures`` beside the checkout. Twenty seeds a row, priors switched off; a fit that
ends within 1e-2 of the best value known has reached it. flexmix, where it is installed, is given
as many random starts as one fit draws, and its time for all of them stands beside, that of
starting R not counted.
"""

import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gaussian
from tests.benchmarks._timing import run_and_print, verdict
from tests.golden.rscript import available, run_flexmix

TABLES_AT = Path(__file__).resolve().parents[3] / "shared" / "data" / "mixtures"
SEEDS = 20
NEEDED = 18
NEAR = 1e-2

#: table, target, columns of the experts (^2 for a square), gate columns, K, best value known
ROWS = [
    ("NPreg", "yn", ("x", "x^2"), (), 2, -642.5320),
    ("NPreg", "yn", ("x", "x^2"), ("x",), 2, -642.0639),
    ("NPreg", "yn", ("x", "x^2"), ("x",), 3, -632.6836),
    ("NPreg", "yn", ("x",), ("x",), 2, -701.1040),
    ("NPreg", "yn", ("x",), ("x",), 3, -661.1558),
    ("tonedata", "tuned", ("stretchratio",), (), 2, 141.1984),
    ("tonedata", "tuned", ("stretchratio",), ("stretchratio",), 2, 142.8480),
    ("tonedata", "tuned", ("stretchratio",), (), 3, 238.7957),
    ("tonedata", "tuned", ("stretchratio",), ("stretchratio",), 3, 239.5508),
    ("CO2data", "CO2", ("GNP",), (), 2, -66.9398),
    ("CO2data", "CO2", ("GNP",), ("GNP",), 2, -66.2966),
]


def read(name):
    """Columns of a table by name."""
    table = np.genfromtxt(
        TABLES_AT / f"{name}.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    return {key: table[key] for key in table.dtype.names}


def design(table, columns):
    """Columns of X; ``x^2`` is the square of x."""
    return np.column_stack(
        [
            np.asarray(table[column.removesuffix("^2")], dtype=float) ** (1 + column.endswith("^2"))
            for column in columns
        ]
    )


def optima(quick=False):
    """One row a model."""
    return [_row(*row, seeds=3 if quick else SEEDS) for row in ROWS]


def _row(name, target, columns, gate_columns, n_experts, best, seeds):
    table = read(name)
    X, y = design(table, columns), np.asarray(table[target], dtype=float)
    seen = [columns.index(column) for column in gate_columns]
    began = time.perf_counter()
    models = [_fit(X, y, seen, n_experts, seed) for seed in range(seeds)]
    took = (time.perf_counter() - began) / seeds
    reached = [float(model.score_samples(X, y).sum()) for model in models]
    n_starts = len(models[0].starts_)
    rival = _flexmix_seconds(X, y, seen, n_experts, n_starts)
    hits = sum(value > best - NEAR for value in reached)
    return {
        "model": f"{name} {target} ~ {' + '.join(columns)}, gate {' + '.join(gate_columns) or '1'}",
        "K": n_experts,
        "best known": f"{best:.4f}",
        "best here": f"{max(reached):.4f}",
        "hits": f"{hits}/{seeds}",
        "starts": n_starts,
        "seconds a fit": took,
        "flexmix, as many starts": "" if rival is None else f"{rival:.3g}",
        "": verdict(NEEDED * seeds, hits * SEEDS),
    }


def _fit(X, y, seen, n_experts, seed):
    model = MixtureOfExpertsRegressor(
        n_experts=n_experts,
        gate=SoftmaxGate(alpha=0) if seen else ConstantGate(),
        gate_features=seen or None,
        response=Gaussian(prior=0, floor=0.01),
        tol=1e-8,
        max_iter=2000,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def _flexmix_seconds(X, y, seen, n_experts, starts):
    """Seconds of so many starts of flexmix at the same tolerance; None without it."""
    if not available():
        return None
    found = run_flexmix(X, y, n_experts, Z=X[:, seen], starts=starts, tolerance=1e-8)
    return sum(start["seconds"] for start in found["starts"])


TABLES = {"Hits of the best known optimum": optima}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
