"""Time and memory of a classifier of texts: many sparse columns, none of them made dense.

Run ``python -m tests.benchmarks.text``; the table has 10⁵ rows of 50,000 columns, a hundred of them
not zero. Rows come from regions with a vocabulary of their own, and the words that tell classes
apart mean another class in another region: no linear classifier can know. With ``--quick`` the
table has 10⁴ rows of 5,000 columns.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import json
import subprocess
import threading
import tracemalloc
import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from skmoe import MixtureOfExpertsClassifier
from tests.benchmarks._memory import private
from tests.benchmarks._timing import run_and_print, seconds, verdict

K, CLASSES, WORDS = 4, 5, 100

#: Slots of a row: common words, words of its region, of its class, and those that mean another
#: class in another region; shares of them that say so.
SLOTS = (30, 40, 10, 20)
FAITH = (0.0, 0.75, 0.3, 0.6)

#: Entries of a block of rows: in a small table more than all else.
BLOCK = 2**19

#: Seconds, and private megabytes beyond the input in units of the largest array there may be.
MOST_SECONDS, MOST_ARRAYS = 180.0, 25.0


def simulated(n, d, n_classes=CLASSES, seed=0):
    """Simulate texts.

    Parameters
    ----------
    n, d, n_classes : int
        The columns are a hundred times as many words; a row has one of each.
    seed : int

    Returns
    -------
    X : csr_array of shape (n, d), float32
        Rows have the norm one.
    y : ndarray of shape (n,), int
    """
    rng = np.random.default_rng(seed)
    region, topic = rng.integers(K, size=n), rng.integers(n_classes, size=n)
    y = (topic + region) % n_classes
    owners = [(np.zeros(n, int), 1), (region, K), (y, n_classes), (topic, n_classes)]
    words = np.hstack([
        _words(rng, d // WORDS, size, faith, *owner)
        for size, faith, owner in zip(SLOTS, FAITH, owners, strict=True)
    ])  # fmt: skip
    columns = (words * WORDS + np.arange(WORDS)).astype(np.int32)
    values = rng.lognormal(0.0, 0.3, (n, WORDS)).astype(np.float32)
    values /= np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    starts = np.arange(0, n * WORDS + 1, WORDS, dtype=np.int32)
    return sparse.csr_array((values.ravel(), columns.ravel(), starts), (n, d)), y


def _words(rng, vocabulary, size, faith, owner, n_owners):
    """Numbers (n, size) of words by Zipf's law, from the owner's part or from all."""
    shape, part = (len(owner), size), vocabulary // n_owners
    own = owner[:, None] * part + _ranks(rng, part, shape)
    return np.where(rng.random(shape) < faith, own, _ranks(rng, vocabulary, shape))


def _ranks(rng, n, shape):
    return np.minimum(n ** rng.random(shape), n - 1).astype(int)


class Watch:
    """Samples the private memory of the process, and the sizes of NumPy's arrays."""

    def __init__(self):
        self.peak, self.largest, self._done = 0.0, 0, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        tracemalloc.start()
        self.before = private()
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._done.set()
        self._thread.join()
        tracemalloc.stop()

    def _run(self):
        arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        while not self._done.wait(0.02):
            self.peak = max(self.peak, private() - self.before)
            traces = tracemalloc.take_snapshot().filter_traces([arrays]).traces
            self.largest = max([self.largest, *(trace.size for trace in traces)])


def fit(n, d):
    """Fit in this process, and print what was found."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = simulated(n + n // 5, d)
    X, y, X_new, y_new = X[:n], y[:n], X[n:], y[n:]
    found = {"input": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20}
    # First, before the process holds memory that it could use again.
    with Watch() as watch:
        MixtureOfExpertsClassifier(n_experts=K, random_state=0, max_iter=2).fit(X, y).predict(X)
    found |= {"peak": watch.peak, "largest": watch.largest}
    plain, model = (
        LogisticRegression(max_iter=200),
        MixtureOfExpertsClassifier(n_experts=K, random_state=0),
    )
    found |= {"plain": seconds(lambda: plain.fit(X, y)), "fit": seconds(lambda: model.fit(X, y))}
    found |= {"iterations": model.n_iter_}
    scores = {"accuracy": model.score(X_new, y_new), "plain accuracy": plain.score(X_new, y_new)}
    print(json.dumps(found | scores))


def _measured(n, d):
    command = [sys.executable, __file__, "fit", str(n), str(d)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def text(quick=False):
    """One row: time, memory and accuracy of one fit."""
    n, d = (10**4, 5000) if quick else (10**5, 50_000)
    found = _measured(n, d)
    bound = 8 * max(2 * n * K, (d + 1) * K * CLASSES, BLOCK)
    arrays = found["peak"] * 2**20 / bound
    return [{
        "n": n, "d": d, "K": K, "classes": CLASSES, "input, MB": found["input"],
        "fit, s": found["fit"], "iterations": found["iterations"],
        "time": verdict(found["fit"], MOST_SECONDS),
        "largest array, MB": found["largest"] / 2**20, "bound, MB": bound / 2**20,
        "array": verdict(found["largest"], bound),
        "peak beyond input, MB": found["peak"], "in bounds": arrays,
        "memory": verdict(arrays, MOST_ARRAYS),
        "accuracy": found["accuracy"], "LogisticRegression": found["plain accuracy"],
        "its fit, s": found["plain"],
    }]  # fmt: skip


TABLES = {"A mixture of four classifiers of texts": text}

if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(int(sys.argv[2]), int(sys.argv[3]))
    else:
        run_and_print(__doc__, TABLES)
