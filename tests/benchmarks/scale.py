"""Time and memory of fits to files, against the number of rows.

Run ``python -m tests.benchmarks.scale``; the largest file has 10⁷ rows of ten columns, 0.9 GB in
the folder for temporary files. With ``--quick`` the largest has 10⁶. Private memory is what the
process holds beyond mapped files, as Linux counts it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import json
import subprocess
import tempfile
import warnings
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfExpertsRegressor
from skmoe._data.chunks import of_arrays
from skmoe._data.moments import survey
from skmoe._fit.out_of_core import ChunkSums
from skmoe.experts._linear import LinearForm
from skmoe.gates._softmax_sums import SoftmaxForm
from skmoe.responses import Gaussian
from tests.benchmarks._memory import watched
from tests.benchmarks._timing import fastest, run_and_print, verdict
from tests.golden.problems import simulated

D, K = 10, 4
SOME = 100_000

#: Megabytes of private memory of a whole process, and seconds of a row over those at 10⁵ rows.
MOST_MEMORY, MOST_TIME = 400.0, 1.5


def write(folder, n):
    """Write X (n, 10) and y (n,): the rows of one simulated table over and over."""
    X, y, _ = simulated(SOME, D, K, seed=0)
    for name, values in {"X": X, "y": y}.items():
        shape = (n, *values.shape[1:])
        file = np.memmap(Path(folder) / name, np.float64, "w+", shape=shape)
        for start in range(0, n, SOME):
            file[start : start + SOME] = values[: n - start]
        file.flush()


def fit(folder, n):
    """Fit in this process; print seconds and the peak of private megabytes."""
    folder = Path(folder)
    X = np.memmap(folder / "X", np.float64, "r", shape=(n, D))
    y = np.memmap(folder / "y", np.float64, "r", shape=(n,))
    model = MixtureOfExpertsRegressor(n_experts=K, max_iter=10, tol=0, random_state=0)
    warnings.simplefilter("ignore", ConvergenceWarning)
    elapsed, peak = watched(lambda: model.fit(X, y))
    found = {"seconds": elapsed, "peak": peak, "iterations": model.n_iter_}
    print(json.dumps(found | {"pass": _seconds_of_a_pass(X, y)}))


def _seconds_of_a_pass(X, y):
    """What an EM iteration reads: all rows, once."""
    chunks = of_arrays(X, y, None, None)
    moments, units, _ = survey(chunks, D, Gaussian(), 1, np.random.RandomState(0))
    rng = np.random.default_rng(0)
    gate, experts = rng.standard_normal((K, D + 1)), rng.standard_normal((K, 1, D + 1))
    forms = partial(SoftmaxForm, gate), partial(LinearForm, experts, np.ones((K, 1)))
    fold = ChunkSums(chunks, units, moments)
    return fastest(lambda: fold.statistics(*forms, curvature=False), 3)


def _measured(folder, n):
    command = [sys.executable, __file__, "fit", folder, str(n)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def scale(quick=False):
    """One row for each number of rows."""
    rows, first = [], None
    for n in (10**5, 10**6) if quick else (10**5, 10**6, 10**7):
        with tempfile.TemporaryDirectory() as folder:
            write(folder, n)
            found = _measured(folder, n)
        each = found["pass"] / n
        first = first or each
        rows.append({
            "n": n, "d": D, "K": K, "file, MB": 8e-6 * n * (D + 1),
            "fit, s": found["seconds"], "iterations on all": found["iterations"],
            "microseconds a row and iteration": 1e6 * each,
            "over 10^5 rows": each / first, "time": verdict(each / first, MOST_TIME),
            "private peak, MB": found["peak"], "memory": verdict(found["peak"], MOST_MEMORY),
        })  # fmt: skip
    return rows


TABLES = {"Fits to files": scale}

if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(sys.argv[2], int(sys.argv[3]))
    else:
        run_and_print(__doc__, TABLES)
