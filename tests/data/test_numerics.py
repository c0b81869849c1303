"""Array routines and designs against their definitions."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax as reference_log_softmax

from skmoe._data import numerics as _numerics
from skmoe._data.design import DenseDesign, SparseDesign


@pytest.fixture
def tall(rng):
    """More rows than a block."""
    return rng.standard_normal((2 * _numerics.BLOCK_ROWS + 7, 5))


def naive_grams(matrix, weights):
    return np.stack([matrix.T @ (weight[:, None] * matrix) for weight in weights.T])


@pytest.mark.parametrize("n_weights", [1, 3, 12])
@pytest.mark.parametrize("order", ["C", "F"])
def test_grams(tall, rng, order, n_weights):
    weights = rng.random((len(tall), n_weights))
    matrix = np.asarray(tall, order=order)
    found = _numerics.weighted_grams(matrix, weights)
    np.testing.assert_allclose(found, naive_grams(tall, weights), rtol=1e-10)
    beside = rng.standard_normal((len(tall), 2))
    found = _numerics.weighted_grams(matrix, weights, beside)
    expected = naive_grams(np.hstack([tall, beside]), weights)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("offset", [0, 1])
def test_products_of_pairs_stand_in_the_order_of_triangle_indices(rng, offset):
    rows = rng.standard_normal((4, 6))
    first, second = np.triu_indices(4, offset)
    found = _numerics.pair_products(rows, offset)
    np.testing.assert_array_equal(found, rows[first] * rows[second])


def test_log_softmax_normalises_to_rounding(tall):
    logits = np.asfortranarray(300 * tall)
    found = _numerics.log_softmax(logits.copy(order="F"))
    np.testing.assert_allclose(found, reference_log_softmax(logits, axis=1), atol=1e-11)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-12)


def test_normal_equations_of_full_rank(rng):
    grams = naive_grams(rng.standard_normal((50, 4)), rng.random((50, 3)))
    right = rng.standard_normal((3, 4, 2))
    np.testing.assert_allclose(
        _numerics.solve_normal_equations(grams, right), np.linalg.solve(grams, right), rtol=1e-9
    )


def test_normal_equations_of_deficient_rank_give_the_smallest_solution(rng):
    column = rng.standard_normal((30, 1))
    matrix = np.hstack([column, column, np.zeros((30, 1))])
    gram, right = matrix.T @ matrix, matrix.T @ column
    solution = _numerics.solve_normal_equations(gram[None], right[None])[0]
    np.testing.assert_allclose(solution.ravel(), [0.5, 0.5, 0.0], atol=1e-12)


def test_conjugate_gradient_solves_all_systems(rng):
    grams = naive_grams(rng.standard_normal((50, 6)), rng.random((50, 3)))
    right = rng.standard_normal((3, 6))
    found = _numerics.conjugate_gradient(
        lambda v: np.einsum("gpq,gq->gp", grams, v), right, rtol=1e-12, max_iter=100
    )
    expected = np.linalg.solve(grams, right[:, :, None])[:, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_location_and_scale_at_any_magnitude(rng, scale):
    values, weights = rng.standard_normal((100, 2)), rng.integers(0, 4, 100).astype(float)
    values[:, 1] = 3.0
    mean, spread, constant = _numerics.weighted_location_scale(values * scale, weights)
    repeated = np.repeat(values, weights.astype(int), axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0) * scale, rtol=1e-10)
    np.testing.assert_allclose(spread[0], repeated[:, 0].std() * scale, rtol=1e-10)
    assert list(constant) == [False, True]
    assert spread[1] == 1.0


@pytest.mark.parametrize("kind", [DenseDesign, SparseDesign])
def test_design_products_and_units(tall, rng, kind):
    tall = np.where(rng.random(tall.shape) < 0.5, 0.0, 4.0 + 3.0 * tall)
    given = tall if kind is DenseDesign else sparse.csr_array(tall)
    design = kind(given, np.ones(len(tall)))
    scaled = np.column_stack([tall / tall.std(axis=0), np.ones(len(tall))])
    matrix = design.matrix if kind is DenseDesign else scaled
    np.testing.assert_allclose(matrix[:, :-1].std(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_array_equal(matrix[:, -1], 1.0)
    coef, values = rng.standard_normal((2, 6)), rng.random((len(tall), 2))
    np.testing.assert_allclose(design.linear(coef), matrix @ coef.T, atol=1e-10)
    np.testing.assert_allclose(design.cross(values), values.T @ matrix, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(design.grams(values), naive_grams(matrix, values), atol=1e-7)
    grams, right = design.normal_equations(values, values)
    np.testing.assert_allclose(grams, naive_grams(matrix, values), atol=1e-7)
    expected = np.stack([values[:, :1] * values, values[:, 1:] * values])
    np.testing.assert_allclose(right, np.einsum("np,knm->kpm", matrix, expected), atol=1e-7)
    raw, intercept = design.to_raw(coef)
    np.testing.assert_allclose(tall @ raw.T + intercept, matrix @ coef.T, atol=1e-8)
