"""Fits by blocks of rows: files and sequences, of which the fit in memory is the oracle."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

import skmoe._block_fitting
import skmoe._chunks
from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._block_fitting import BlockFold
from skmoe._chunks import of_arrays, of_blocks
from skmoe._survey import survey
from skmoe.datasets import make_moe_regression
from skmoe.em._blocks import LinearFold, LinearParameters
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian, StudentT


class Blocks:
    """A table in blocks of uneven sizes, which counts how often it has been read."""

    def __init__(self, *arrays, cuts=(0, 1, 900, 2500, 2500, 4100)):
        self.arrays, self.reads = arrays, 0
        self.cuts = [*cuts, arrays[0].shape[0]]

    def __len__(self):
        return len(self.cuts) - 1

    def __getitem__(self, k):
        if not 0 <= k < len(self):
            raise IndexError(k)
        self.reads += k == 0
        rows = slice(self.cuts[k], self.cuts[k + 1])
        return tuple(a.iloc[rows] if hasattr(a, "iloc") else a[rows] for a in self.arrays)


class Anew:
    """The same as something that can only be iterated, again and again."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


@pytest.fixture
def few_rows_first(monkeypatch):
    """Starts are tried on a thousand rows, and rows are read five hundred at a time."""
    monkeypatch.setattr(skmoe._block_fitting, "SOME_ROWS", 1000)
    monkeypatch.setattr(skmoe._large, "SOME_ROWS", 1000)
    monkeypatch.setattr(skmoe._chunks, "CHUNK_ROWS", 500)


def table(n_targets=1, n=5000):
    return make_moe_regression(n, 3, n_experts=3, n_targets=n_targets, random_state=1)


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 3, "tol": 1e-12, "max_iter": 5000, "random_state": 0} | params
    )


def mapped(path, values):
    file = np.memmap(path, dtype=values.dtype, mode="w+", shape=values.shape)
    file[:] = values
    file.flush()
    return np.memmap(path, dtype=values.dtype, mode="r", shape=values.shape)


# Statistics that add -----------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_any_partition_are_those_of_one_block(top_k, weighted, rng):
    X, y = table(n_targets=2, n=3000)
    weights = rng.uniform(0.1, 3, 3000) if weighted else None
    parameters = LinearParameters(
        rng.standard_normal((3, 4)), rng.standard_normal((3, 2, 4)), rng.uniform(0.3, 2, (3, 2))
    )
    moments, units, _ = survey(of_arrays(X, y, weights, None), 3, 100, np.random.RandomState(0))
    ones = np.ones(3000) if weights is None else weights
    whole = LinearFold(units.design(X).matrix, units.targets(y), ones)
    expected = whole.statistics(parameters, top_k=top_k, curvature=True)
    for _ in range(5):
        cuts = np.sort(rng.integers(0, 3000, rng.integers(1, 12)))
        arrays = (X, y) if weights is None else (X, y, weights)
        fold = BlockFold(of_blocks(Blocks(*arrays, cuts=(0, *cuts)), None), units, moments)
        found = fold.statistics(parameters, top_k=top_k, curvature=True)
        for name in ("grams", "cross", "squares", "gate_gradient", "curvature"):
            assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-9 * 3000)
        assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-12)
        assert_allclose(fold.gate_entropy(parameters), whole.gate_entropy(parameters), rtol=1e-12)


def test_location_and_scale_of_blocks_are_those_of_the_whole(rng):
    X, y = 1e6 + rng.standard_normal((999, 2)) * [1, 1e-3], rng.standard_normal(999)
    weights = rng.uniform(0, 2, 999) * (rng.random(999) < 0.8)
    chunks = of_blocks(Blocks(X, y, weights, cuts=(0, 10, 10, 500)), None)
    moments, units, some = survey(chunks, 2, 10_000, np.random.RandomState(0))
    kept = weights > 0
    assert moments.n == kept.sum()
    mean = np.average(X, axis=0, weights=weights)
    assert_allclose(units.mean, mean, rtol=1e-12)
    variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    assert_allclose(units.scale, np.sqrt(variance), rtol=1e-6)
    assert_allclose(units.y_mean, np.average(y, weights=weights), rtol=1e-9)
    assert_array_equal(some.X, X[kept])
    assert_array_equal(some.weights, weights[kept])


# Fits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("expert", [LinearRegression(), Ridge(20.0)])
def test_blocks_files_and_memory_agree(top_k, n_targets, expert, few_rows_first, tmp_path):
    X, y = table(n_targets)
    model = regressor(experts=expert, top_k=top_k)
    tries = {
        "blocks": (Blocks(X, y),),
        "iterable": (Anew(Blocks(X, y)),),
        "list": ([(X[:10], y[:10]), (X[10:], y[10:])],),
        "file": (mapped(tmp_path / "X", X), mapped(tmp_path / "y", y)),
    }
    bounds, predictions = {}, {}
    for name, data in tries.items():
        model.fit(*data)
        bounds[name], predictions[name] = model.lower_bound_, model.predict(X)
        assert np.diff(model.lower_bounds_).min(initial=0) > -1e-9
    best = model.responsibilities(X, y)
    memory = regressor(experts=expert, top_k=top_k, init=best).fit(X, y)
    # A hard mixture has optima wherever a row may change sides.
    apart = 1e-7 if top_k is None else 1e-5
    for name in tries:
        assert_allclose(bounds[name], bounds["blocks"], atol=apart)
        assert_allclose(bounds[name], memory.lower_bound_, atol=apart)
        if top_k is None:
            assert_allclose(predictions[name], memory.predict(X), atol=1e-3)
    assert_allclose(model.gate_entropy_, memory.gate_entropy_, atol=1e-3)
    assert_allclose(model.expert_usage_, memory.expert_usage_, atol=1e-3)
    assert model.n_features_in_ == 3


def test_nothing_but_all_rows_are_the_fit_in_memory():
    X, y = table()
    blocks, memory = regressor().fit(Blocks(X, y)), regressor().fit(X, y)
    assert_allclose(blocks.lower_bound_, memory.lower_bound_, atol=1e-9)
    assert [start["kind"] for start in blocks.starts_][-1] == "all rows"
    assert [start["chosen"] for start in blocks.starts_].count(True) == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_weights_and_threads(n_jobs, few_rows_first, rng, tmp_path):
    X, y = table()
    weights = rng.integers(0, 3, len(X)).astype(float)
    model = regressor(n_jobs=n_jobs)
    repeated = model.fit(X.repeat(weights.astype(int), 0), y.repeat(weights.astype(int)))
    bound = repeated.lower_bound_
    assert_allclose(model.fit(Blocks(X, y, weights)).lower_bound_, bound, atol=1e-7)
    file = mapped(tmp_path / "X", X)
    assert_allclose(model.fit(file, y, sample_weight=weights).lower_bound_, bound, atol=1e-7)


def test_names_of_columns_are_kept(few_rows_first):
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = regressor().fit(Blocks(frame, pd.Series(y)))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert list(model.experts_[0].feature_names_in_) == ["a", "b", "c"]
    assert_array_equal(model.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c"]])


def test_sparse_and_single_precision_blocks(few_rows_first):
    X, y = table()
    bound = regressor().fit(Blocks(X, y)).lower_bound_
    assert_allclose(regressor().fit(Blocks(sparse.csr_array(X), y)).lower_bound_, bound, atol=1e-9)
    single = regressor().fit(Blocks(X.astype(np.float32), y.astype(np.float32)))
    assert_allclose(single.lower_bound_, bound, atol=1e-4)


def test_a_small_or_unsuited_file_is_read_into_memory(few_rows_first, tmp_path):
    X, y = table()
    file = mapped(tmp_path / "X", X)
    for data, params in [
        ((file[:800], y[:800]), {}),
        ((file, y), {"gate": "gaussian"}),
        ((file, y), {"average": 2}),
        ((file, y), {"experts": DecisionTreeRegressor(max_depth=2), "max_iter": 3, "tol": 1}),
    ]:
        model = regressor(**{"tol": 1e-4} | params).fit(*data)
        assert "all rows" not in [start["kind"] for start in model.starts_]


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"experts": DecisionTreeRegressor()}, "experts must be two or more clones"),
        ({"n_experts": 1}, "experts must be two or more clones"),
        ({"gate": "gaussian"}, "gate must be SoftmaxGate"),
        ({"gate": SoftmaxGate(balance=1.0)}, "gate must be SoftmaxGate without balance"),
        ({"response": StudentT()}, "response must be Gaussian"),
        ({"response": Gaussian(dispersion="linear")}, "with constant dispersion"),
        ({"average": 2}, "average must be 1; got 2"),
        ({"expert_features": [0]}, "expert_features must be None"),
        ({"n_experts": "auto"}, "n_experts must be a number"),
        ({"cv": 3}, "cv must be None or 'auto'; got 3"),
    ],
)
def test_what_needs_all_rows_is_refused_by_name(params, match):
    with pytest.raises(ValueError, match=f"rows in blocks cannot be fitted so: .*{match}"):
        regressor(**params).fit(Blocks(*table()))


def test_blocks_that_are_none_are_refused():
    X, y = table()
    with pytest.raises(TypeError, match="can be read once"):
        regressor().fit(iter(Blocks(X, y)))
    with pytest.raises(TypeError, match="block 0 is a ndarray"):
        regressor().fit(Anew([X, X]))
    with pytest.raises(ValueError, match="at least one block"):
        regressor().fit(Anew([]))
    with pytest.raises(ValueError, match="block 1 must have one number of rows; got"):
        regressor().fit([(X, y), (X[:5], y[:4])])
    with pytest.raises(ValueError, match="all blocks must have 3 columns, as the first; block 1"):
        regressor().fit([(X, y), (X[:, :2], y)])
    with pytest.raises(ValueError, match="y must be finite numbers"):
        regressor().fit([(X, y), (X, np.where(y > 0, np.nan, y))])
    with pytest.raises(ValueError, match="sample_weight must stand in the blocks"):
        regressor().fit(Blocks(X, y), sample_weight=np.ones(5000))
    with pytest.raises(ValueError, match="requires y to be passed"):
        regressor().fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        MixtureOfExpertsClassifier().fit(Blocks(X, y), None)


def test_a_file_without_y_is_refused(few_rows_first, tmp_path):
    with pytest.raises(ValueError, match="requires y to be passed"):
        regressor().fit(mapped(tmp_path / "X", table()[0]))


def test_a_file_and_its_y_have_the_same_rows(few_rows_first, tmp_path):
    X, y = table()
    with pytest.raises(ValueError, match="y must have 5000 rows, as X; got 4999"):
        regressor().fit(mapped(tmp_path / "X", X), y[:-1])
