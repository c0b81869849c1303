"""Sparse rows, in single or double precision: the same fits, and no copy of the entries."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data import sparse as _sparse
from skmoe._data.design import DenseDesign, SparseDesign, View
from skmoe._data.splits import row_folds
from skmoe._data.tables import numeric_features
from skmoe.em._directions import main_scores
from skmoe.em._starts import Starts
from skmoe.gates import GaussianGate, SoftmaxGate
from skmoe.routing import weighted_mean

# Mixtures of every batched part.
MIXTURES = {
    "linear": MixtureOfExpertsRegressor(LinearRegression()),
    "ridge": MixtureOfExpertsRegressor(Ridge(0.5)),
    "diag": MixtureOfExpertsRegressor(LinearRegression(), gate=GaussianGate("diag")),
    "logistic": MixtureOfExpertsClassifier(LogisticRegression()),
    "poisson": MixtureOfExpertsRegressor(PoissonRegressor(alpha=0), response="poisson"),
}


@pytest.fixture
def only_sparse(monkeypatch):
    """Keep small sparse tables sparse, and cut them into several blocks."""
    monkeypatch.setattr("skmoe._data.design._DENSE_ENTRIES", 0)
    monkeypatch.setattr(_sparse, "_BLOCK_ENTRIES", 300)


@pytest.fixture
def no_grams(monkeypatch, only_sparse):
    """Treat few columns as too many for their products."""
    monkeypatch.setattr("skmoe._data.design._GRAM_COLUMNS", 0)


@pytest.fixture
def table(rng):
    """Numbers that single precision holds exactly; two regions, two experts."""
    X = np.where(rng.random((400, 6)) < 0.6, 0.0, rng.integers(-8, 9, (400, 6)) / 4.0)
    X[:, 5] = 0.0
    left = X[:, 0] + 0.1 * rng.standard_normal(400) < 0
    slope = np.where(left, 1.0, -1.0)
    return X, 1.0 + slope * X[:, 1] + 0.3 * X[:, 2] + 0.1 * rng.standard_normal(400), left


def target(name, y):
    if name == "logistic":
        return np.digitize(y, [0.5, 1.5])
    return np.round(np.exp(np.clip(y, -2, 3))) if name == "poisson" else y


def mixture(name, left, **params):
    start = np.where(left[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    settings = {"init": start, "n_experts": 2, "tol": 1e-10, "max_iter": 500, "cv": None}
    return clone(MIXTURES[name]).set_params(**(settings | params))


# The same fits -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize(
    ("form", "dtype", "wide"),
    [
        (sparse.csr_array, np.float32, False),
        (sparse.csc_matrix, np.float64, False),
        (sparse.csr_array, np.float64, True),
        (sparse.csc_matrix, np.float32, True),
    ],
)
def test_sparse_fits_are_dense_fits(name, form, dtype, wide, table, request):
    X, y, left = table
    y = target(name, y)
    dense = mixture(name, left).fit(X, y)
    request.getfixturevalue("no_grams" if wide else "only_sparse")
    given, plain = form(X.astype(dtype)), sparse.csr_array(X)
    found, reference = mixture(name, left).fit(given, y), mixture(name, left).fit(plain, y)
    # Whatever the form and precision, the same numbers are computed.
    assert_array_equal(found.lower_bounds_, reference.lower_bounds_)
    assert_allclose(found.gate_proba(X), reference.gate_proba(plain), atol=1e-12)
    # Newton's directions are found otherwise where columns are sparse, for the same optimum.
    assert_allclose(found.lower_bound_, dense.lower_bound_, rtol=1e-6)
    assert_allclose(found.gate_proba(given), dense.gate_proba(X), atol=1e-3)
    predict = "predict_proba" if name == "logistic" else "predict"
    answer, expected = getattr(found, predict)(given), getattr(dense, predict)(X)
    assert answer.dtype == dtype
    assert_allclose(answer, expected, rtol=1e-3, atol=1e-3)
    assert_allclose(found.score_samples(given, y), dense.score_samples(X, y), atol=1e-2)


@pytest.mark.parametrize("name", ["linear", "logistic", "diag", "poisson"])
def test_dense_single_precision_fits_are_those_of_the_same_numbers(name, table):
    X, y, left = table
    y = target(name, y)
    double = mixture(name, left).fit(X, y)
    single = mixture(name, left).fit(X.astype(np.float32), y)
    assert_allclose(single.lower_bound_, double.lower_bound_, rtol=1e-12)
    assert_allclose(single.gate_proba(X), double.gate_proba(X), atol=1e-9)


@pytest.mark.parametrize("unit", [1e-200, 1e-90, 1e90, 1e200])
def test_units_out_of_range_are_units(unit, table, only_sparse):
    X, y, left = table
    scale = np.array([unit, 1.0, 1.0 / unit, 1.0, unit, 1.0])
    plain, moved = sparse.csr_array(X), sparse.csr_array(X * scale)
    for name in ("linear", "diag"):
        expected, found = mixture(name, left).fit(plain, y), mixture(name, left).fit(moved, y)
        assert_allclose(found.gate_proba(moved), expected.gate_proba(plain), atol=1e-6)


# Designs -------------------------------------------------------------------------------------


def standardised(X, weights):
    mean = np.average(X, axis=0, weights=weights)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    scaled = np.divide(X, spread, out=np.zeros(X.shape), where=spread > 0)
    return np.column_stack([scaled, np.ones(len(X))])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_that_are_written_twice_are_added(dtype, rng, only_sparse):
    n, d = 60, 4
    rows, columns = rng.integers(0, n, 400), rng.integers(0, d, 400)
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    values = rng.integers(1, 9, 400).astype(dtype)
    X = sparse.csr_array((values, columns[order], starts), (n, d))
    before = X.data.copy(), X.indices.copy()
    weights, m = rng.random(n), 3
    design, matrix = SparseDesign(X, weights), standardised(X.toarray(), weights)
    coef, values = rng.standard_normal((m, d + 1)), rng.standard_normal((n, m))
    assert_allclose(design.linear(coef), matrix @ coef.T, rtol=1e-6, atol=1e-6)
    assert_allclose(design.cross(values), values.T @ matrix, rtol=1e-6, atol=1e-6)
    assert_array_equal(X.data, before[0])
    assert_array_equal(X.indices, before[1])


def test_squares_are_those_of_the_standardised_columns(table, rng, only_sparse):
    X, weights = table[0], rng.random(400)
    values = rng.random((400, 2))
    found = SparseDesign(sparse.csr_array(X), weights).cross_squares(lambda r: values[r], 2)
    assert_allclose(found, values.T @ standardised(X, weights) ** 2, rtol=1e-9)


def test_blocks_hold_few_entries_and_all_rows(rng):
    X = sparse.csr_array(np.where(rng.random((5000, 3000)) < 0.1, 1.0, 0.0))
    parts = list(_sparse.row_blocks(X))
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, 5000)
    assert max(X[part].nnz for part in parts) < 1.1 * _sparse._BLOCK_ENTRIES
    assert [p.stop for p in _sparse.row_blocks(sparse.csr_array((3, 9)))] == [3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numeric_features_of_sparse_rows_are_the_rows(dtype, table):
    X = sparse.csr_array(table[0].astype(dtype))
    assert np.shares_memory(numeric_features(X, np.ones(400)).data, X.data)
    dense = row_folds(table[0].astype(np.float32), np.ones(400), 3)
    assert_array_equal(dense, row_folds(table[0], np.ones(400), 3))
    X.data[3] = np.nan
    filled = numeric_features(X, np.ones(400))
    assert filled.data[3] == 0.0
    assert np.isnan(X.data[3])
    assert filled.dtype == dtype


# Starts --------------------------------------------------------------------------------------


def test_main_scores_are_principal_components(rng):
    X = rng.standard_normal((300, 30)) * np.r_[9.0, 6.0, 4.0, np.ones(27)] + 5.0
    weights = rng.integers(1, 4, 300).astype(float)
    design = DenseDesign(X, weights, (np.full(30, 3.0), np.ones(30), np.zeros(30, bool)))
    coef = rng.standard_normal((6, 31))
    found = main_scores(design, weights, coef, 2)
    centred = X - np.average(X, axis=0, weights=weights)
    root = np.sqrt(weights / weights.sum())[:, None]
    expected = np.linalg.svd(root * centred, full_matrices=False)[0][:, :2] / root
    signs = np.sign((found * expected).sum(axis=0))
    assert_allclose(found * signs, expected, atol=1e-3)


def text(rng, n, d, dtype=np.float32, n_words=40):
    """Rows of a few words, half of them from the vocabulary of a region: (X, y, region)."""
    region, y = rng.integers(0, 2, n), rng.integers(0, 2, n)
    words = rng.integers(0, d // 2, (n, n_words)) * 2
    words[:, : n_words // 2] += region[:, None]
    # Two words tell the class, each its own in either region.
    words[:, 0] = (y + region) % 2
    rows = np.repeat(np.arange(n), n_words)
    X = sparse.csr_array((np.ones(rows.size, dtype), (rows, words.ravel())), (n, d))
    return X, y, region


def test_k_means_finds_the_regions_of_texts(rng):
    X, y, region = text(rng, 3000, 600)
    weights, scores = np.ones(3000), np.column_stack([y, np.eye(2)[y]])
    starts = Starts(View(X, weights).design, scores, weights, 2)
    found = starts.draw("kmeans", np.random.RandomState(0)).argmax(axis=1) == region
    assert max(found.mean(), 1 - found.mean()) > 0.99


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_a_mixture_reads_what_no_linear_classifier_can(rng):
    X, y, _ = text(rng, 4000, 600)
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0, max_iter=15)
    assert model.fit(X[:3000], y[:3000]).score(X[3000:], y[3000:]) > 0.9
    assert LogisticRegression().fit(X[:3000], y[:3000]).score(X[3000:], y[3000:]) < 0.6
    assert len(model.starts_) > 1


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_more_coefficients_than_rows_get_one_start(rng):
    X, y, _ = text(rng, 1000, 2000)
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0, max_iter=3).fit(X, y)
    assert [start["kind"] for start in model.starts_] == ["kmeans"]


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_too_many_parameters_are_not_accelerated(table, monkeypatch):
    X, y, left = table
    y = target("logistic", y)
    # What is folded never has so many.
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    plain = mixture("logistic", left, accelerate=False, max_iter=30).fit(X, y)
    faster = mixture("logistic", left, max_iter=30).fit(X, y)
    monkeypatch.setattr("skmoe.em._row_trainer.MOST_PACKED", 2 * (3 + 1) * 7 - 1)
    found = mixture("logistic", left, max_iter=30).fit(X, y)
    assert_array_equal(found.lower_bounds_, plain.lower_bounds_)
    monkeypatch.setattr("skmoe.em._row_trainer.MOST_PACKED", 2 * (3 + 1) * 7)
    found = mixture("logistic", left, max_iter=30).fit(X, y)
    assert_array_equal(found.lower_bounds_, faster.lower_bounds_)
    assert len(faster.lower_bounds_) < 30 or faster.lower_bound_ > plain.lower_bound_


# Memory --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize(
    ("gate", "dtype"),
    [
        (SoftmaxGate(), np.float32),
        pytest.param(GaussianGate("diag"), np.float64, marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_no_array_as_large_as_the_entries_is_made(dtype, gate, rng, monkeypatch):
    monkeypatch.setattr(_sparse, "_BLOCK_ENTRIES", 2**14)
    X, y, _ = text(rng, 4000, 3000, dtype, n_words=400)
    copies = X.data.copy(), X.indices.copy(), X.indptr.copy()
    model = MixtureOfExpertsClassifier(
        LogisticRegression(), 2, gate=gate, max_iter=2, random_state=0
    )
    tracemalloc.start()
    try:
        model.fit(X, y)
        fitted = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        model.predict(X)
        asked = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The peak of all arrays together, which no array exceeds.
    assert fitted < 0.5 * X.nnz * 4
    assert asked < 0.5 * X.nnz * 4
    for part, copy in zip((X.data, X.indices, X.indptr), copies, strict=True):
        assert_array_equal(part, copy)


def test_probabilities_are_combined_one_expert_at_a_time(rng):
    X = rng.standard_normal((300, 2))
    y = rng.integers(0, 3, 300)
    model = MixtureOfExpertsClassifier(n_experts=3, n_init=1, tol=0.01, random_state=0).fit(X, y)
    expected = weighted_mean(model.gate_proba(X), model.expert_predict(X))
    assert_allclose(model.predict_proba(X), expected, rtol=1e-12)
