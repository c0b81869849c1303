"""Time of an EM iteration on a Dask cluster: two workers of one thread each over one.

Run ``python -m tests.benchmarks.cluster``; it needs the extra ``dask`` and two idle cores. Rows
are on the workers already.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

from functools import partial

import numpy as np

from skmoe._data.dask import DaskChunks
from skmoe._data.moments import survey
from skmoe._fit.out_of_core import ChunkSums
from skmoe.experts._linear import LinearForm
from skmoe.gates._softmax_sums import SoftmaxForm
from skmoe.responses import Gaussian
from tests.benchmarks._timing import fastest, run_and_print, verdict
from tests.golden.problems import simulated

D, K = 10, 4
LEAST = 1.5


def cluster(quick=False):
    """One row for each number of workers."""
    n, rows = 400_000 if quick else 4_000_000, []
    for n_workers in (1, 2):
        each = _seconds_of_a_pass(n, n_workers)
        rows.append({"workers": n_workers, "n": n, "d": D, "K": K, "seconds": each})
    gain = rows[0]["seconds"] / rows[1]["seconds"]
    rows[1] |= {"times as fast": gain, "": verdict(LEAST, gain)}
    return rows


def _seconds_of_a_pass(n, n_workers):
    import dask.array as da
    from distributed import Client, LocalCluster, wait

    X, y, _ = simulated(100_000, D, K, seed=0)
    settings = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**settings, dashboard_address=None) as workers, Client(workers):
        parts = [da.from_array(values, chunks=len(values)) for values in (X, y)]
        lazy = [da.concatenate([part] * (n // len(X))).copy().persist() for part in parts]
        wait(lazy)
        chunks = DaskChunks(*lazy)
        moments, units, _ = survey(chunks, D, Gaussian(), 1, np.random.RandomState(0))
        rng = np.random.default_rng(0)
        gate, experts = rng.standard_normal((K, D + 1)), rng.standard_normal((K, 1, D + 1))
        forms = partial(SoftmaxForm, gate), partial(LinearForm, experts, np.ones((K, 1)))
        fold = ChunkSums(chunks, units, moments)
        return fastest(lambda: fold.statistics(*forms, curvature=False), 3)


TABLES = {"An iteration on a cluster": cluster}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
