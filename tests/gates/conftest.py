"""A table that gates are fitted to."""

import pytest


@pytest.fixture
def table(rng):
    """X (n, 4) of several scales, targets (n, 3) and whole weights (n,)."""
    X = rng.standard_normal((300, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 5e3, 0.0, 1.0]
    return X, rng.dirichlet([1.0, 2.0, 3.0], 300), rng.integers(0, 4, 300)
