"""Tables on which EM has many optima: three classes, and counts or positive numbers by indicators.

Rows are drawn from mixtures, and each table comes with its number of experts.
"""

from functools import partial

import numpy as np

from skmoe.datasets import make_moe_classification


def labels_of(logits, rng):
    """Draw one label for each row of logits (n, 3)."""
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (proba / proba.sum(axis=1, keepdims=True)).cumsum(axis=1)
    return (rng.random(len(shares))[:, None] > shares[:, :2]).sum(axis=1)


def gated(n, d, n_experts, sharpness, separation, seed):
    """The generator of the package."""
    return (
        *make_moe_classification(
            n,
            d,
            n_experts=n_experts,
            n_classes=3,
            sharpness=sharpness,
            separation=separation,
            random_state=seed,
        ),
        n_experts,
    )


def hidden(n, d, n_experts, seed):
    """The expert of a row is independent of x."""
    rng = np.random.default_rng(seed)
    X, expert = rng.standard_normal((n, d)), rng.integers(n_experts, size=n)
    coef = 4 * rng.standard_normal((n_experts, 3, d)) / np.sqrt(d)
    return X, labels_of(np.einsum("nd,ncd->nc", X, coef[expert]), rng), n_experts


def crossed(n, d, n_experts, seed):
    """The gate sees the first half of the columns, and the experts see the others."""
    rng = np.random.default_rng(seed)
    X, half = rng.standard_normal((n, d)), d // 2
    expert = (rng.standard_normal((n_experts, half)) @ X[:, :half].T).argmax(axis=0)
    coef = 6 * rng.standard_normal((n_experts, 3, d - half))
    return X, labels_of(np.einsum("nd,ncd->nc", X[:, half:], coef[expert]), rng), n_experts


def renamed(n, d, n_experts, seed):
    """All experts have the same coefficients, but each gives the classes other names."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    above = 0.5 + 0.5 * np.tanh(1.2 * X[:, -1])
    expert = np.minimum((n_experts * above).astype(int), n_experts - 1)
    coef = 8 * rng.standard_normal((3, d - 1))
    coef = np.stack([coef[rng.permutation(3)] for _ in range(n_experts)])
    return X, labels_of(np.einsum("nd,ncd->nc", X[:, :-1], coef[expert]), rng), n_experts


def chessboard(n, d, n_experts, seed):
    """Squares of a board in three colours."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, d))
    return X, (np.floor(2 * X[:, :2]).sum(axis=1) % 3).astype(int), n_experts


#: Three classes, by kind of mixture and sizes.
THREE_CLASSES = {
    "gated, 500 x 2, K = 2": partial(gated, 500, 2, 2, 3.0, 8.0, 0),
    "gated, 1000 x 5, K = 3": partial(gated, 1000, 5, 3, 3.0, 8.0, 0),
    "gated, 2000 x 10, K = 4": partial(gated, 2000, 10, 4, 6.0, 8.0, 1),
    "gated, 300 x 3, K = 3": partial(gated, 300, 3, 3, 6.0, 8.0, 2),
    "softly gated, 1000 x 6, K = 4": partial(gated, 1000, 6, 4, 10.0, 2.0, 5),
    "hidden, 800 x 8, K = 3": partial(hidden, 800, 8, 3, 22),
    "crossed, 600 x 5, K = 4": partial(crossed, 600, 5, 4, 21),
    "renamed, 800 x 8, K = 3": partial(renamed, 800, 8, 3, 22),
    "renamed, 600 x 5, K = 4": partial(renamed, 600, 5, 4, 21),
    "chessboard, 1000 x 3, K = 4": partial(chessboard, 1000, 3, 4, 9),
}


def by_indicators(law, n, d, n_experts, seed):
    """Draw y of a log-linear mixture whose columns are indicators; the expert is independent of x.

    Parameters
    ----------
    law : {"poisson", "gamma"}
    n, d, n_experts, seed : int

    Returns
    -------
    X, y : ndarray
    n_experts : int
    """
    rng = np.random.default_rng(seed)
    X = (rng.random((n, d)) < rng.uniform(0.25, 0.6, d)).astype(float)
    coef, level = 1.2 * rng.standard_normal((n_experts, d)), rng.uniform(0, 2.5, n_experts)
    expert = rng.integers(n_experts, size=n)
    mean = np.exp(np.minimum((X * coef[expert]).sum(axis=1) + level[expert], 5.0))
    y = rng.poisson(mean) if law == "poisson" else rng.gamma(4.0, mean / 4.0)
    return X, y.astype(float), n_experts


#: Law and table, by law and sizes.
INDICATORS = {
    f"{law}, {n} x {d}, K = {n_experts}": (law, partial(by_indicators, law, n, d, n_experts, seed))
    for law, n, d, n_experts, seed in [
        ("poisson", 60, 2, 2, 0),
        ("poisson", 100, 3, 3, 1),
        ("poisson", 200, 4, 3, 2),
        ("poisson", 300, 4, 4, 3),
        ("gamma", 60, 2, 2, 5),
        ("gamma", 100, 3, 3, 6),
        ("gamma", 200, 4, 3, 7),
        ("gamma", 300, 4, 4, 8),
    ]
}
