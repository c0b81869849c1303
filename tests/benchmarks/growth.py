"""Time and memory of a default fit against rows, columns and experts, beside its rivals.

Run ``python -m tests.benchmarks.growth``; the largest file has 10⁷ rows of ten columns, 0.9 GB in
the folder for temporary files. With ``--quick`` the largest has 10⁵. Each fit has a process of its
own. Rivals are fitted where they are installed: R's flexmix, from one random start, and cgmm, from
its one start by k-means; both have the same model, a softmax gate and linear-Gaussian experts, and
need all rows in memory. Log-likelihoods, of the rows fitted to, say what the time was spent on.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import importlib.util
import json
import subprocess
import tempfile
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._memory import watched
from tests.benchmarks._timing import run_and_print
from tests.golden.problems import simulated
from tests.golden.rscript import available, run_flexmix

SOME = 10_000
"""Rows that are drawn; larger tables hold them over and over, and have the same optimum."""

N, D, K = 100_000, 10, 4

#: Rows, columns and experts of each line; the last rows only without ``--quick``.
QUICK = [(10_000, D, K), (N, D, K), (N, 30, K), (N, D, 2), (N, D, 8)]
WHOLE = [
    *[(n, D, K) for n in (10**4, 10**5, 10**6, 10**7)],
    *[(N, d, K) for d in (30, 100)],
    *[(N, D, k) for k in (2, 8, 16)],
]
RIVALS = [(SOME, D, K)]


def write(folder, n, d, n_experts):
    """Write X (n, d) and y (n,)."""
    X, y, _ = simulated(SOME, d, n_experts, seed=0)
    for name, values in {"X": X, "y": y}.items():
        file = np.memmap(Path(folder) / name, np.float64, "w+", shape=(n, *values.shape[1:]))
        for start in range(0, n, SOME):
            file[start : start + SOME] = values[: n - start]
        file.flush()


def read(folder, n, d):
    """X and y, mapped into memory."""
    folder = Path(folder)
    X = np.memmap(folder / "X", np.float64, "r", shape=(n, d))
    return X, np.memmap(folder / "y", np.float64, "r", shape=(n,))


def fit(who, folder, n, d, n_experts):
    """Fit in this process; print what came of it."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(json.dumps(FITS[who](*read(folder, n, d), n_experts)))


def ours(X, y, n_experts):
    """Seconds, peak of private megabytes, iterations and log-likelihood of a default fit."""
    model = MixtureOfExpertsRegressor(n_experts=n_experts, random_state=0)
    seconds, peak = watched(lambda: model.fit(X, y))
    reached = model.score_samples(np.array(X[:SOME]), np.array(y[:SOME])).mean()
    return _found(seconds, peak, model.n_iter_, reached)


def cgmm(X, y, n_experts):
    """The same of cgmm."""
    from cgmm import MixtureOfExpertsRegressor as Rival

    X, y, model = np.array(X), np.array(y), Rival(n_experts, random_state=0)
    seconds, peak = watched(lambda: model.fit(X, y))
    return _found(seconds, peak, model.n_iter_, np.mean(model.log_prob(X[:SOME], y[:SOME])))


def flexmix(X, y, n_experts):
    """The same of flexmix, but for the memory of R."""
    found = run_flexmix(np.array(X), np.array(y), n_experts, tolerance=1e-6)
    seconds, reached = found["starts"][0]["seconds"], found["log_likelihood"] / len(y)
    return _found(seconds, np.nan, found["n_iter"], reached)


def _found(seconds, peak, iterations, reached):
    return {
        "fit, s": float(seconds),
        "private peak, MB": float(peak),
        "iterations": int(iterations),
        "log-likelihood a row": float(reached),
    }


FITS = {"skmoe": ours, "cgmm": cgmm, "flexmix": flexmix}


def _measured(who, n, d, n_experts):
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        write(folder, n, d, n_experts)
        sizes = [str(size) for size in (n, d, n_experts)]
        command = [sys.executable, __file__, "fit", who, folder, *sizes]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(found.stdout)
    each = 1e6 * found["fit, s"] / n
    return {"fit": who, "n": n, "d": d, "K": n_experts, **found, "microseconds a row": each}


def growth(quick=False):
    """One row for each size, and for each rival."""
    rows = [_measured("skmoe", *sizes) for sizes in (QUICK if quick else WHOLE)]
    rivals = [] if importlib.util.find_spec("cgmm") is None else ["cgmm"]
    rivals += ["flexmix"] if available() else []
    return rows + [_measured(who, *sizes) for sizes in RIVALS for who in rivals]


TABLES = {"Default fits of growing tables": growth}

if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(*sys.argv[2:4], *map(int, sys.argv[4:]))
    else:
        run_and_print(__doc__, TABLES)
