"""Fixtures that every test may ask for, and one that every test gets."""

import os

# Before anything imports matplotlib: tests draw into files, never on a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

DEFAULT_SEED = 20240917


def pytest_report_header(config):
    return f"SKMOE_TEST_SEED={session_seed()}"


def session_seed():
    """Return the seed of this session: fixed, unless SKMOE_TEST_SEED names another."""
    return int(os.environ.get("SKMOE_TEST_SEED", DEFAULT_SEED))


@pytest.fixture(scope="session")
def seed():
    """Seed of the whole session."""
    return session_seed()


@pytest.fixture
def rng(seed):
    """A generator that starts afresh for every test, so that tests can run in any order."""
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def global_random_state():
    """Fail a test after which NumPy's global random state is another.

    Nothing in skmoe may touch that state, and a test that draws from it gives another answer
    each time it runs.
    """
    before = np.random.get_state()  # noqa: NPY002 - the legacy state is what is guarded
    yield
    after = np.random.get_state()  # noqa: NPY002
    if before[2] != after[2] or not np.array_equal(before[1], after[1]):
        np.random.set_state(before)  # noqa: NPY002 - or every later test would fail too
        pytest.fail("the test changed NumPy's global random state")
