"""Starts depend on the table, not on how it is written down."""

import numpy as np
import pytest
from scipy import sparse

from skmoe._data.design import View
from skmoe._data.tables import numeric_features
from skmoe.em._starts import SMOOTHING, Starts, reseeded

KINDS = ["random", "kmeans", "experts", "split"]


def draw(kind, X, y, weights, seed=0, n_experts=3):
    scores = y.reshape(len(y), -1)
    starts = Starts(View(X, weights).design, scores, weights, n_experts)
    return starts.draw(kind, np.random.RandomState(seed))


@pytest.fixture
def table(rng):
    X = rng.standard_normal((120, 4))
    return X, X @ [1.0, -2.0, 0.5, 0.0] + rng.standard_normal(120), np.ones(120)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_sum_to_one_and_all_experts_have_rows(kind, table):
    resp = draw(kind, *table)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0)
    assert (resp.sum(axis=0) > 5).all()


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_rows_are_weights(kind, table, rng):
    X, y, _ = table
    times = rng.integers(1, 4, len(X))
    weighted = draw(kind, X, y, times.astype(float))
    repeated = draw(kind, X.repeat(times, axis=0), y.repeat(times), np.ones(times.sum()))
    np.testing.assert_allclose(repeated, weighted.repeat(times, axis=0), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_order_scale_and_shift_do_not_matter(kind, table, rng):
    X, y, weights = table
    expected = draw(kind, X, y, weights)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    np.testing.assert_allclose(draw(kind, X[rows], y[rows], weights), expected[rows])
    np.testing.assert_allclose(draw(kind, X[:, columns], y, weights), expected)
    moved = X * [1e6, 1e-6, 3.0, 1.0] + [5.0, 0.0, -1e3, 1.0]
    np.testing.assert_allclose(draw(kind, moved, 1e-9 * y + 3e-8, weights), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_give_different_starts(kind, table):
    different = [draw(kind, *table, seed=seed).argmax(axis=1).tobytes() for seed in range(8)]
    assert len(set(different)) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_columns(kind, table):
    X, y, weights = table
    resp = draw(kind, sparse.csr_array(np.where(X > 0, X, 0.0)), y, weights)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0)


def test_splits_find_the_pieces_of_a_function(rng):
    X = rng.uniform(-1, 1, (800, 3))
    piece = np.select([X[:, 1] < 0, X[:, 0] < 0], [0, 1], 2)
    y = np.array([3.0, -3.0, 0.0])[piece] * X[:, 2] + 0.1 * rng.standard_normal(800)
    labels = draw("split", X, y, np.ones(800)).argmax(axis=1)
    agreement = np.zeros((3, 3))
    np.add.at(agreement, (labels, piece), 1 / 800)
    assert agreement.max(axis=0).sum() > 0.95


def test_an_arrangement_renumbers_the_cells(table):
    X, y, weights = table
    design, seen = View(X, weights).design, []

    def arrange(centers):
        seen.append(centers)
        return np.array([2, 0, 1])

    plain = Starts(design, y[:, None], weights, 3).draw("kmeans", np.random.RandomState(0))
    arranged = Starts(design, y[:, None], weights, 3, arrange)
    found = arranged.draw("kmeans", np.random.RandomState(0))
    np.testing.assert_array_equal(found, plain[:, [2, 0, 1]])
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    centers = [Z[plain.argmax(axis=1) == k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(seen[0], centers, atol=1e-12)


def test_starved_experts_get_the_rows_explained_worst(rng):
    log_likelihood = rng.standard_normal(100)
    weights = rng.integers(1, 4, 100)
    resp = np.asfortranarray(rng.dirichlet([1.0, 1e-9, 1.0, 1e-9], 100))
    found = reseeded(resp.copy(), log_likelihood, weights.astype(float), np.array([1, 3]))
    given = np.flatnonzero((found != resp).any(axis=1))
    assert set(found[given].argmax(axis=1)) == {1, 3}
    np.testing.assert_allclose(found[given].max(axis=1), 1 - SMOOTHING + SMOOTHING / 4)
    worst = np.argsort(log_likelihood)[: len(given)]
    assert set(worst) == set(given)
    # An eighth of the weight to each of two experts, up to the row that the cut goes through.
    assert abs(weights[given].sum() / weights.sum() - 0.25) < 3 / weights.sum()
    repeated = reseeded(
        resp.repeat(weights, axis=0).copy(order="F"),
        log_likelihood.repeat(weights),
        np.ones(weights.sum()),
        np.array([1, 3]),
    )
    np.testing.assert_array_equal(repeated, found.repeat(weights, axis=0))


def test_numeric_surrogate_of_any_table():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", "y", None], "c": [True, False, True]})
    found = numeric_features(frame, np.array([1.0, 1.0, 3.0]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], [1.0, 2.5, 3.0])
    assert found.shape == (3, 1 + 3 + 1)
