"""How fast NumPy forms the K weighted products X'W_kX: the yardstick of one EM iteration.

Run ``python -m tests.benchmarks.products`` or ``python tests/benchmarks/products.py``.
"""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np

from tests.benchmarks._timing import fastest, run_and_print

SHAPES = ((100_000, 10, 4), (100_000, 20, 8), (20_000, 50, 4))
BLOCKS = (128, 256, 512, 1024, 2048, 4096, 8192)


def shapes(quick=False):
    """The (n, d, K) at which one EM iteration is compared; a tenth of the rows when quick."""
    return [(n // 10 if quick else n, d, n_experts) for n, d, n_experts in SHAPES]


def _slices(n, block):
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def rows_scaled(X, weights, block):
    """Rows of a C-ordered block times a weight, then one product: ``(X_b * w)' X_b``."""
    (n, d), n_experts = X.shape, weights.shape[0]
    grams, term, scratch = np.zeros((n_experts, d, d)), np.empty((d, d)), np.empty((block, d))
    for rows in _slices(n, block):
        part = X[rows]
        scaled = scratch[: len(part)]
        for k in range(n_experts):
            np.multiply(part, weights[k, rows, None], out=scaled)
            grams[k] += np.matmul(scaled.T, part, out=term)
    return grams


def columns_scaled(X, weights, block):
    """The same on transposed storage (X in Fortran order): ``(X_b' * w) X_b``."""
    (n, d), n_experts = X.shape, weights.shape[0]
    grams, term, scratch = np.zeros((n_experts, d, d)), np.empty((d, d)), np.empty((d, block))
    for rows in _slices(n, block):
        part = X.T[:, rows]
        scaled = scratch[:, : part.shape[1]]
        for k in range(n_experts):
            np.multiply(part, weights[k, rows], out=scaled)
            grams[k] += np.matmul(scaled, part.T, out=term)
    return grams


def copied_columns_scaled(X, weights, block):
    """As ``columns_scaled``, after the block is copied to contiguous memory once."""
    (n, d), n_experts = X.shape, weights.shape[0]
    grams, term = np.zeros((n_experts, d, d)), np.empty((d, d))
    for rows in _slices(n, block):
        part = np.ascontiguousarray(X[rows].T)
        scaled = np.empty_like(part)
        for k in range(n_experts):
            np.multiply(part, weights[k, rows], out=scaled)
            grams[k] += np.matmul(scaled, part.T, out=term)
    return grams


def stacked(X, weights, block):
    """All K scaled copies of a block side by side, then one tall product."""
    (n, d), n_experts = X.shape, weights.shape[0]
    grams, term = np.zeros((n_experts * d, d)), np.empty((n_experts * d, d))
    scratch = np.empty((n_experts, d, block))
    for rows in _slices(n, block):
        part = np.ascontiguousarray(X[rows].T)
        width = part.shape[1]
        scaled = scratch if width == block else np.empty((n_experts, d, width))
        np.multiply(part[None], weights[:, None, rows], out=scaled)
        grams += np.matmul(scaled.reshape(-1, width), part.T, out=term)
    return grams.reshape(n_experts, d, d)


def square_roots(X, weights, block):
    """Rows times the root of their weight, then a symmetric product: half the flops."""
    (n, d), n_experts = X.shape, weights.shape[0]
    grams, roots = np.zeros((n_experts, d, d)), np.sqrt(weights)
    for rows in _slices(n, block):
        part = np.ascontiguousarray(X[rows].T)
        scaled = np.empty_like(part)
        for k in range(n_experts):
            np.multiply(part, roots[k, rows], out=scaled)
            grams[k] += scaled @ scaled.T
    return grams


def pairs(X, weights, block):
    """The d (d + 1) / 2 products of two columns once a block, then one product with all weights."""
    (n, d), n_experts = X.shape, weights.shape[0]
    starts = np.cumsum([0, *range(d, 0, -1)])
    upper, scratch = np.zeros((n_experts, starts[-1])), np.empty((starts[-1], block))
    for rows in _slices(n, block):
        part = np.ascontiguousarray(X[rows].T)
        squares = scratch[:, : part.shape[1]]
        for j in range(d):
            np.multiply(part[j], part[j:], out=squares[starts[j] : starts[j + 1]])
        upper += weights[:, rows] @ squares.T
    return _unpacked(upper, d)


def _unpacked(upper, d):
    grams = np.zeros((len(upper), d, d))
    i, j = np.triu_indices(d)
    grams[:, i, j] = upper
    grams[:, j, i] = upper
    return grams


FORMS = {
    "rows scaled, C": (rows_scaled, "C"),
    "rows scaled, F": (rows_scaled, "F"),
    "columns scaled, C": (columns_scaled, "C"),
    "columns scaled, F": (columns_scaled, "F"),
    "copied columns scaled, C": (copied_columns_scaled, "C"),
    "stacked, C": (stacked, "C"),
    "stacked, F": (stacked, "F"),
    "square roots, C": (square_roots, "C"),
    "square roots, F": (square_roots, "F"),
    "pairs, C": (pairs, "C"),
    "pairs, F": (pairs, "F"),
}


def random_problem(n, d, n_experts, seed=0):
    """Random X (n, d) and weights (K, n) that sum to one over the K experts."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    weights = rng.dirichlet(np.ones(n_experts), size=n).T.copy()
    return X, weights


def measure_forms(n, d, n_experts, blocks=BLOCKS, repeats=2, finalists=4):
    """Fewest seconds of every form at its best block, fastest first.

    Every form and block is tried a few times, then the fastest of them again and again.

    Returns
    -------
    list of dict
        With ``form``, ``block``, ``seconds`` and ``ns_per_row``.
    """
    X, weights = random_problem(n, d, n_experts)
    layouts = {"C": X, "F": np.asfortranarray(X)}

    def measure(name, block, repeats):
        form, order = FORMS[name]
        return fastest(lambda: form(layouts[order], weights, block), repeats)

    tried = {key: measure(*key, repeats) for key in itertools.product(FORMS, (*blocks, n))}
    for key in sorted(tried, key=tried.get)[:finalists]:
        tried[key] = min(tried[key], measure(*key, 8 * repeats))
    best = {}
    for name, block in sorted(tried, key=tried.get):
        best.setdefault(name, (block, tried[name, block]))
    return [
        {"form": name, "block": block, "seconds": took, "ns_per_row": 1e9 * took / n}
        for name, (block, took) in best.items()
    ]


def fastest_products(n, d, n_experts):
    """The fastest form of all, as the row that `measure_forms` gives it."""
    return measure_forms(n, d, n_experts)[0]


def forms(quick=False):
    """Every form at every shape of `shapes`, fastest first."""
    return [
        {"n": n, "d": d, "K": n_experts} | row
        for n, d, n_experts in shapes(quick)
        for row in measure_forms(n, d, n_experts)
    ]


TABLES = {"K weighted products X'W_kX: every form at its best block of rows": forms}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
