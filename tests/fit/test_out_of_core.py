"""Fits by blocks of rows: files and sequences, of which the fit in memory is the oracle."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import block_diag
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.chunks import of_arrays, of_blocks
from skmoe._data.design import View
from skmoe._data.moments import survey
from skmoe._fit.out_of_core import ChunkSums
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.em._multinomial import assemble_hessian
from skmoe.em._sums import BlockSums
from skmoe.experts._glm._losses import GammaLoss, PoissonLoss
from skmoe.experts._glm._sums import GlmForm
from skmoe.experts._linear import LinearForm
from skmoe.experts._logistic import LogisticForm
from skmoe.gates import ConstantGate, GaussianGate, SoftmaxGate
from skmoe.gates._gaussian._sums import GaussianForm, GaussianPart
from skmoe.gates._softmax_sums import SoftmaxForm
from skmoe.responses import Categorical, Gamma, Gaussian, Poisson, StudentT


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
    monkeypatch.setattr("skmoe._fit.out_of_core.SOME_ROWS", 1000)
    monkeypatch.setattr("skmoe._estimator.out_of_core.SOME_ROWS", 1000)
    monkeypatch.setattr("skmoe._data.chunks.CHUNK_ROWS", 500)


def table(n_targets=1, n=5000):
    return make_moe_regression(n, 3, n_experts=3, n_targets=n_targets, random_state=1)


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 3, "n_init": 2, "tol": 1e-12, "max_iter": 5000, "random_state": 0} | params
    )


def mapped(path, values):
    file = np.memmap(path, dtype=values.dtype, mode="w+", shape=values.shape)
    file[:] = values
    file.flush()
    return np.memmap(path, dtype=values.dtype, mode="r", shape=values.shape)


# Statistics that add -----------------------------------------------------------------------

N, P, K = 3000, 4, 3


def forms(gate, expert, rng):
    """What makes forms of random iterates, and y that suits them."""
    matrices = {"full": np.linalg.qr(rng.standard_normal((K, 3, 3)))[0], "diag": np.eye(3)}
    gates = {"softmax": partial(SoftmaxForm, rng.standard_normal((K, P)))}
    for kind, matrix in matrices.items():
        coef = np.concatenate([matrix + np.zeros((K, 3, 3)), rng.standard_normal((K, 3, 1))], 2)
        gates[kind] = partial(GaussianForm, coef, rng.standard_normal(K), kind == "diag")
    coef, spread = 0.3 * rng.standard_normal((K, P)), rng.uniform(0.3, 2, (K, 1))
    log_link = partial(GlmForm, coef, spread, Gamma(), GammaLoss(), 2.0)
    counts = partial(GlmForm, coef, np.ones((K, 1)), Poisson(), PoissonLoss(), 2.0)
    experts = {
        "linear": (LinearForm, rng.standard_normal((K, 2, P)), rng.uniform(0.3, 2, (K, 2))),
        "logistic": (LogisticForm, rng.standard_normal((K, 4, P))),
        "poisson": (counts,),
        "gamma": (log_link,),
    }
    y = {
        "linear": rng.standard_normal((N, 2)),
        "logistic": rng.integers(0, 4, (N, 1)).astype(float),
        "poisson": rng.poisson(2.0, (N, 1)).astype(float),
        "gamma": rng.gamma(2.0, size=(N, 1)),
    }
    return gates[gate], partial(*experts[expert]), y[expert]


PAIRS = [
    ("softmax", "linear"),
    ("softmax", "logistic"),
    ("softmax", "poisson"),
    ("full", "gamma"),
    ("diag", "linear"),
]


def numbers(statistics):
    """All sums of statistics, as one vector."""
    parts = [statistics.masses, [statistics.weight, statistics.log_likelihood]]
    parts += [] if statistics.grams is None else [statistics.grams]
    for sums in (statistics.gate, statistics.experts):
        parts += [sums.first, sums.pairs * statistics.whole, *sums.further]
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("gate", "expert"), PAIRS)
def test_statistics_of_any_partition_are_those_of_one_block(gate, expert, top_k, weighted, rng):
    X = rng.standard_normal((N, 3))
    gate, expert, y = forms(gate, expert, rng)
    weights = rng.uniform(0.1, 3, N) if weighted else None
    chunks = of_arrays(X, y, weights, None)
    moments, units, _ = survey(chunks, 3, Categorical(), 100, np.random.RandomState(0))
    ones = np.ones(N) if weights is None else weights
    whole = BlockSums(units.design(X).matrix, y, ones)
    expected = numbers(whole.statistics(gate, expert, top_k=top_k, curvature=True))
    for _ in range(5):
        cuts = np.sort(rng.integers(0, N, rng.integers(1, 12)))
        arrays = (X, y) if weights is None else (X, y, weights)
        fold = ChunkSums(of_blocks(Blocks(*arrays, cuts=(0, *cuts)), None), units, moments)
        found = fold.statistics(gate, expert, top_k=top_k, curvature=True)
        assert_allclose(numbers(found), expected, rtol=1e-9, atol=1e-9 * N)
        assert_allclose(
            fold.gate_entropy(gate, expert), whole.gate_entropy(gate, expert), rtol=1e-12
        )


@pytest.mark.parametrize(
    ("part", "other"),
    [("softmax", "linear"), ("logistic", None), ("poisson", None), ("gamma", None)],
)
def test_gradients_and_curvatures_are_those_of_finite_differences(part, other, rng):
    gate, expert, y = forms("softmax", other or part, rng)
    fold = BlockSums(np.column_stack([rng.standard_normal((N, 3)), np.ones(N)]), y, np.ones(N))
    varied = gate if other else expert
    coef, rest = varied.args[0], varied.args[1:]

    def at(coef, **given):
        moved = partial(varied.func, coef, *rest, **varied.keywords)
        found = fold.statistics(*([moved, expert] if other else [gate, moved]), **given)
        return found, (found.gate if other else found.experts)

    _, sums = at(coef, curvature=True)
    resp = fold.responsibilities(gate, expert)
    pairs, index = sums.pairs, rng.permutation(coef.size)[:6]
    for i in index:
        step = np.zeros(coef.size)
        step[i] = 1e-5
        step = step.reshape(coef.shape)
        (high, first), (low, last) = (at(coef + sign * step) for sign in (1, -1))
        slope = (high.log_likelihood - low.log_likelihood) / 2e-5
        assert_allclose(slope, sums.first.ravel()[i], rtol=1e-6, atol=1e-4)
        first, last = (at(coef + sign * step, resp=resp)[1].first for sign in (1, -1))
        bend = -(first - last).ravel() / 2e-5
        groups = {"softmax": (1, K), "logistic": (K, 4)}.get(part, (K, 1))
        if groups[1] > 1:
            mass = np.zeros(groups[0])
            hessian = assemble_hessian(pairs.reshape(groups[0], -1, P, P), mass, np.zeros(P))
        else:
            hessian = pairs
        whole = block_diag(*hessian)
        assert_allclose(bend, whole[i], atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_the_step_of_a_gaussian_gate_is_that_of_its_trainer(kind, prior, rng):
    X = rng.standard_normal((N, 3)) @ rng.standard_normal((3, 3)) + [1e3, 0, 0]
    weights, resp = rng.uniform(0, 2, N), rng.dirichlet(np.ones(K), N)
    view = View(X, weights)
    trainer = GaussianGate(kind, prior=prior).em_trainer(view, weights, K)
    expected = trainer.update(resp * weights[:, None], None)
    part = GaussianPart(trainer, K)
    experts = partial(LinearForm, np.zeros((K, 1, P)), np.ones((K, 1)))
    fold = BlockSums(view.design.matrix, np.zeros((N, 1)), weights)
    other = trainer.update(rng.dirichlet(np.ones(K), N) * weights[:, None], None)
    for old in (part.zero(), other):
        found = fold.statistics(part.form(old), experts, resp=resp)
        new = part.propose(old, found.gate, found, None)
        for name in ("weights", "means", "covariance", "whiteners"):
            assert_allclose(getattr(new, name), getattr(expected, name), atol=1e-9)
        # What the fold says of rows is what the trainer says of them.
        block = part.form(new)()
        assert_allclose(
            block.evaluate_forms(block.coef @ view.design.matrix.T).T,
            trainer.log_proba(expected),
            atol=1e-8,
        )


def test_location_and_scale_of_blocks_are_those_of_the_whole(rng):
    X, y = 1e6 + rng.standard_normal((999, 2)) * [1, 1e-3], rng.standard_normal(999)
    weights = rng.uniform(0, 2, 999) * (rng.random(999) < 0.8)
    chunks = of_blocks(Blocks(X, y, weights, cuts=(0, 10, 10, 500)), None)
    moments, units, some = survey(chunks, 2, Gaussian(), 10_000, np.random.RandomState(0))
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


@pytest.mark.parametrize(
    ("top_k", "n_targets", "expert"),
    [
        (None, 1, LinearRegression()),
        (None, 2, Ridge(20.0)),
        (1, 1, Ridge(20.0)),
        (1, 2, LinearRegression()),
    ],
)
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


def kinds(rng):
    """Mixtures of every kind that sums suffice for, and tables for them."""
    X, y = table()
    mean = np.exp(0.5 * y / y.std())
    labels = make_moe_classification(5000, 3, n_experts=3, n_classes=3, random_state=1)
    settings = {"n_experts": 3, "tol": 1e-12, "max_iter": 5000, "random_state": 0}
    classifier = MixtureOfExpertsClassifier(**settings)
    return {
        "counts": (regressor(response="poisson"), X, rng.poisson(3 * mean)),
        "amounts": (regressor(response="gamma"), X, rng.gamma(4, mean / 4)),
        "full": (regressor(gate="gaussian"), X, y),
        "tied": (regressor(gate=GaussianGate("tied")), X, y),
        "diag": (regressor(gate=GaussianGate("diag")), X, y),
        "labels": (classifier, *labels),
        "names": (clone(classifier), labels[0], np.array(["x", "yy", "z"])[labels[1]]),
        "balanced": (clone(classifier).set_params(class_weight="balanced"), *labels),
        "one out": (clone(classifier).set_params(class_weight={0: 2.0, 1: 1.0, 2: 0.0}), *labels),
        "labels, full": (clone(classifier).set_params(gate="gaussian"), *labels),
    }


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if kind in ("labels, full", "one out") else ())
        for kind in kinds(np.random.default_rng(0))
    ],
)
def test_every_kind_in_blocks_is_what_it_is_in_memory(kind, few_rows_first, rng, monkeypatch):
    model, X, y = kinds(rng)[kind]
    model.fit(Blocks(X, y))
    assert np.diff(model.lower_bounds_).min(initial=0) > -1e-12
    # The same optimum, by EM on matrices with a row per row.
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    known = np.isin(y, getattr(model, "classes_", y))
    init = np.full((len(y), 3), 1 / 3)
    init[known] = model.responsibilities(X[known], y[known])
    memory = clone(model).set_params(init=init).fit(X, y)
    assert_allclose(model.lower_bound_, memory.lower_bound_, atol=1e-7)
    assert_allclose(model.gate_entropy_, memory.gate_entropy_, atol=1e-3)
    assert_allclose(model.expert_usage_, memory.expert_usage_, atol=1e-3)
    assert_allclose(model.gate_.penalty_, memory.gate_.penalty_, rtol=1e-3)
    if hasattr(model, "classes_"):
        assert_array_equal(model.classes_, memory.classes_)
        assert_allclose(model.predict_proba(X), memory.predict_proba(X), atol=1e-3)
    else:
        assert_allclose(model.predict(X), memory.predict(X), atol=1e-3 * np.abs(y).max())


def test_a_label_may_be_missing_from_the_rows_that_starts_are_tried_on(few_rows_first, rng):
    X, y = make_moe_classification(5000, 3, n_experts=2, n_classes=2, random_state=1)
    y[rng.permutation(5000)[:3]] = 7
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(Blocks(X, y))
    assert_array_equal(model.classes_, [0, 1, 7])
    # Rare labels are as probable as they are frequent: an identity of logistic regression.
    assert_allclose(model.predict_proba(X)[:, 2].sum(), 3, atol=0.1)


def test_columns_that_do_not_vary_at_first(few_rows_first):
    X, y = table()
    X = np.column_stack([X, np.arange(5000) == 4999])
    for gate in (GaussianGate(), SoftmaxGate()):
        model = regressor(gate=gate).fit(Blocks(X, y))
        assert np.isfinite(model.predict(X)).all()
        assert np.diff(model.lower_bounds_).min(initial=0) > -1e-12


def test_more_columns_than_can_be_solved_for_are_refused(monkeypatch):
    monkeypatch.setattr("skmoe._fit.out_of_core._LARGEST_SYSTEM", 11)
    with pytest.raises(ValueError, match="fewer columns, or n_experts must be smaller: 12"):
        regressor().fit(Blocks(*table()))


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
        ((file, y), {"gate": "constant"}),
        ((file, y), {"average": 2}),
        ((file, y), {"experts": DecisionTreeRegressor(max_depth=2), "max_iter": 3, "tol": 1}),
    ]:
        model = regressor(**{"tol": 1e-4} | params).fit(*data)
        assert "all rows" not in [start["kind"] for start in model.starts_]


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"experts": DecisionTreeRegressor()}, "experts must be clones of"),
        ({"gate": ConstantGate()}, "gate must be GaussianGate, or SoftmaxGate without balance"),
        ({"gate": SoftmaxGate(balance=1.0)}, "or SoftmaxGate without balance; got SoftmaxGate"),
        ({"response": StudentT()}, "response must be Gaussian or Gamma .*, or Poisson"),
        ({"response": Poisson(), "experts": Ridge()}, r"clones of PoissonRegressor\(alpha=0\)"),
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
        MixtureOfExpertsClassifier().fit(X)
    with pytest.raises(ValueError, match="Unknown label type"):
        MixtureOfExpertsClassifier().fit(Blocks(X, y))
    with pytest.raises(ValueError, match="at least two classes"):
        MixtureOfExpertsClassifier().fit(Blocks(X, np.zeros(len(y))))
    with pytest.raises(ValueError, match="y must be positive with response='gamma'"):
        regressor(response="gamma").fit(Blocks(X, y))


def test_a_file_without_y_is_refused(few_rows_first, tmp_path):
    with pytest.raises(ValueError, match="requires y to be passed"):
        regressor().fit(mapped(tmp_path / "X", table()[0]))


def test_a_file_and_its_y_have_the_same_rows(few_rows_first, tmp_path):
    X, y = table()
    with pytest.raises(ValueError, match="y must have 5000 rows, as X; got 4999"):
        regressor().fit(mapped(tmp_path / "X", X), y[:-1])
