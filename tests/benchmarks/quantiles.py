"""Quantiles of the predictive mixture, in units of one evaluation of its distribution function.

Run ``python -m tests.benchmarks.quantiles`` or ``python tests/benchmarks/quantiles.py``. NumPy
reports what it allocates to ``tracemalloc``; what stands before the call is not counted.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np

from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian
from tests.benchmarks._timing import fastest, run_and_print, verdict
from tests.benchmarks.memory import peak_bytes

#: Distribution functions that the quantiles of as many rows may cost, and megabytes.
LIMIT = 60.0
MOST_MEGABYTES = 200.0


def components(n, n_experts, seed=0):
    """Mixtures of Gaussians of unlike widths, and a probability for every row."""
    rng = np.random.default_rng(seed)
    weights = np.asfortranarray(rng.dirichlet(np.full(n_experts, 0.5), size=n))
    means = np.asfortranarray(3 * rng.normal(size=(n, n_experts, 1)))
    deviations = rng.uniform(0.1, 1.0, size=(n_experts, 1))
    dist = MixtureDistribution(Gaussian(), weights, means, deviations, True)
    return dist, rng.uniform(size=n)


def quantiles(quick=False):
    """One row for each level."""
    dist, q = components(10_000 if quick else 100_000, 8)
    y = dist.mean()
    unit = fastest(lambda: dist.cdf(y), 2 if quick else 5)
    levels = {"0.5": 0.5, "0.05": 0.05, "1e-6": 1e-6, "one a row": q}
    return [_row(label, dist, level, unit) for label, level in levels.items()]


def _row(label, dist, level, unit):
    ratio = fastest(lambda: dist.ppf(level), 2) / unit
    megabytes = peak_bytes(lambda: dist.ppf(level)) / 1e6
    return {
        "rows": len(dist),
        "level": label,
        "cdf, ms": 1e3 * unit,
        "ppf / cdf": ratio,
        "limit": LIMIT,
        "": verdict(ratio, LIMIT),
        "peak, MB": megabytes,
        "limit, MB": MOST_MEGABYTES,
        " ": verdict(megabytes, MOST_MEGABYTES),
    }


def modes(quick=False):
    """One row: an ascent from every component."""
    dist, _ = components(2_000 if quick else 20_000, 8)
    y = dist.mean()
    unit = fastest(lambda: dist.logpdf(y), 2)
    took = fastest(dist.mode, 1)
    return [{"rows": len(dist), "logpdf, ms": 1e3 * unit, "mode / logpdf": took / unit}]


TABLES = {"Quantiles of 8 experts": quantiles, "Modes of 8 experts": modes}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
