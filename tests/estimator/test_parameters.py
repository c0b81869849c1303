"""Free parameters are counted by the rank of what they multiply."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data import design as design_module
from skmoe._data.design import View
from skmoe._fit import out_of_core
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.responses import Gaussian

# Counts do not depend on where EM ends, so that it need not converge.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def plain_table(rng, n=240):
    """Two numbers and a dummy, and a y of two regimes."""
    # Within three standard deviations, where features of dispersions are not cut off.
    numbers, level = rng.uniform(-1.7, 1.7, (n, 2)), rng.integers(0, 2, n)
    y = np.where(numbers[:, 0] > 0, 2.0, -1.0) * numbers[:, 1] + level
    return np.column_stack([numbers, level]), y + 0.3 * rng.standard_normal(n)


def redundant(X):
    """The same columns, the other level, a constant, a sum and a column in other units."""
    level = X[:, 2]
    further = [1.0 - level, np.full(len(X), 7.0), X[:, 0] + X[:, 1], 3.0 * X[:, 1] + 2.0]
    return np.column_stack([X, *further])


MODELS = {
    "learned": (MixtureOfExpertsRegressor, {"gate": SoftmaxGate("auto")}, 4 + 2 * (4 + 1)),
    "learned labels": (MixtureOfExpertsClassifier, {"gate": SoftmaxGate("auto")}, 4 + 2 * 2 * 4),
    "linear": (MixtureOfExpertsRegressor, {}, 4 + 2 * (4 + 1)),
    "two outputs": (MixtureOfExpertsRegressor, {}, 4 + 2 * (8 + 2)),
    "constant gate": (MixtureOfExpertsRegressor, {"gate": "constant"}, 1 + 2 * (4 + 1)),
    "Gaussian gate": (MixtureOfExpertsRegressor, {"gate": "gaussian"}, 10 + 2 * (4 + 1)),
    "one": (MixtureOfExpertsRegressor, {"n_experts": 1}, 4 + 1),
    "one, Gaussian gate": (MixtureOfExpertsRegressor, {"n_experts": 1, "gate": "gaussian"}, 5),
    "a tree": (
        MixtureOfExpertsRegressor,
        {"n_experts": 4, "gate": HierarchicalGate((2, 2))},
        3 * 4 + 4 * (4 + 1),
    ),
    "pipelines": (
        MixtureOfExpertsRegressor,
        {
            "experts": make_pipeline(StandardScaler(), Ridge(0.1)),
            "gate": make_pipeline(StandardScaler(), SoftmaxGate()),
        },
        4 + 2 * (4 + 1),
    ),
    "a list": (
        MixtureOfExpertsRegressor,
        {
            "experts": [
                ("line", make_pipeline(StandardScaler(), LinearRegression())),
                ("ridge", Ridge()),
            ]
        },
        4 + 2 * (4 + 1),
    ),
    "shared": (
        MixtureOfExpertsRegressor,
        {
            "experts": LinearRegression(),
            "specialize": False,
            "n_experts": 1,
            "response": Gaussian(n_scales=2),
        },
        4 + 4 + 2,
    ),
    "dispersion": (
        MixtureOfExpertsRegressor,
        {"response": Gaussian(dispersion="linear")},
        4 + 2 * (4 + 4),
    ),
    "counts": (MixtureOfExpertsRegressor, {"response": "poisson"}, 4 + 2 * 4),
    "one of counts": (
        MixtureOfExpertsRegressor,
        {"response": "poisson", "experts": PoissonRegressor(alpha=0.1), "n_experts": 1},
        4,
    ),
    "labels": (MixtureOfExpertsClassifier, {}, 4 + 2 * 2 * 4),
    "one of labels": (MixtureOfExpertsClassifier, {"n_experts": 1}, 2 * 4),
}


def target(name, y):
    if "counts" in name:
        return np.clip(np.round(np.exp(0.4 * y)), 0, 20)
    if "labels" in name:
        return np.digitize(y, [-0.5, 1.0])
    return np.column_stack([y, y**2]) if name == "two outputs" else y


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_redundant_columns_add_no_parameters(name, storage, rng, monkeypatch):
    # A small sparse table has a dense design, unless this says otherwise.
    monkeypatch.setattr(design_module, "_DENSE_ENTRIES", 0)
    if storage is not np.asarray and name in ("pipelines", "a list"):
        pytest.skip("the scaler centres columns")
    kind, params, count = MODELS[name]
    X, y = plain_table(rng)
    model = kind(**{"n_experts": 2, "max_iter": 5, "n_init": 1, "random_state": 0} | params)
    for table in (X, redundant(X)):
        assert model.fit(storage(table), target(name, y)).n_parameters_ == count


@pytest.mark.parametrize("n_experts", [1, 2])
def test_redundant_columns_do_not_change_a_criterion(n_experts, rng):
    X, y = plain_table(rng)
    settings = {"n_experts": n_experts, "gate": SoftmaxGate(alpha=0.0), "tol": 1e-12}
    init = np.eye(2)[(X[:, 0] > 0).astype(int)] * 0.9 + 0.05
    if n_experts == 2:
        settings |= {"init": init, "max_iter": 2000}
    found = [MixtureOfExpertsRegressor(**settings).fit(t, y).bic(t, y) for t in (X, redundant(X))]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_auto_is_not_misled_by_dummies(rng):
    """The column of all levels costs nothing, so the path is that of one level less."""
    X, y = plain_table(rng)
    paths = [
        MixtureOfExpertsRegressor(n_experts="auto", gate="constant", random_state=0).fit(t, y).path_
        for t in (X, np.column_stack([X, 1.0 - X[:, 2], np.ones(len(X))]))
    ]
    ours, theirs = ([step["bic"] for step in path[:2]] for path in paths)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize("n_experts", [2, 3])
def test_as_many_parameters_as_directions_change_the_density(n_experts, rng):
    """Oracle: the rank of the derivative of log p(y | x) by all coefficients and dispersions."""
    X, y = plain_table(rng)
    X = redundant(X)[:, :6]
    model = MixtureOfExpertsRegressor(n_experts=n_experts, max_iter=5, random_state=0).fit(X, y)
    scale = X.std(axis=0)
    Z = np.column_stack([X / np.where(scale > 0, scale, 1.0), np.ones(len(X))])
    K, p = n_experts, Z.shape[1]

    def log_density(parameters):
        gate, means = parameters[: 2 * K * p].reshape(2, K, p)
        spread = np.exp(parameters[2 * K * p :])
        errors = (y[:, None] - Z @ means.T) / spread
        return np.log((softmax(Z @ gate.T, axis=1) * np.exp(-0.5 * errors**2) / spread).sum(axis=1))

    at = np.concatenate([0.3 * rng.standard_normal(2 * K * p), np.zeros(K)])
    steps = 1e-5 * np.eye(len(at))
    jacobian = np.stack([(log_density(at + s) - log_density(at - s)) / 2e-5 for s in steps])
    rank = np.linalg.matrix_rank(jacobian, tol=1e-7 * np.linalg.norm(jacobian, 2))
    assert model.n_parameters_ == rank


@pytest.mark.parametrize("shape", [(40, 9), (12, 30), (3, 3), (200, 60)], ids=str)
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("rank", [1, 3, 50])
def test_rank_is_that_of_a_singular_value_decomposition(shape, storage, rank, rng, monkeypatch):
    monkeypatch.setattr(design_module, "_DENSE_ENTRIES", 0)
    n, d = shape
    X = rng.integers(-2, 3, (n, rank)) @ rng.integers(-1, 2, (rank, d)).astype(float)
    # Scales and shifts do not matter, nor do rows of weight zero.
    X = X * 10.0 ** rng.integers(-8, 8, d)
    weights = rng.integers(0, 3, n).astype(float)
    weights[0] = 1.0
    kept = X[weights > 0]
    unit = kept / np.maximum(np.abs(kept).max(axis=0), 1e-300)
    expected = np.linalg.matrix_rank(np.column_stack([unit, np.ones(len(kept))]))
    assert View(storage(X), weights).rank == expected


def test_very_many_columns_are_counted(rng, monkeypatch):
    monkeypatch.setattr(design_module, "MOST_RANKED", 3)
    X = np.column_stack([rng.standard_normal((30, 4)), np.ones(30)])
    assert View(np.column_stack([X, X]), np.ones(30)).rank == 9
    assert View(X[:4], np.ones(4)).rank == 4


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_without_an_intercept_ones_are_not_counted(storage, rng):
    X, y = plain_table(rng)
    line = LinearRegression(fit_intercept=False)
    model = MixtureOfExpertsRegressor(line, n_experts=1)
    assert model.fit(storage(X), y).n_parameters_ == 3 + 1
    both = np.column_stack([X, 1.0 - X[:, 2], X[:, 0]])
    assert model.fit(storage(both), y).n_parameters_ == 4 + 1
    assert model.fit(storage(1e-9 * both), y).n_parameters_ == 4 + 1


class Blocks:
    """Rows in three blocks."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, k):
        if k >= 3:
            raise IndexError(k)
        n = len(self.arrays[0])
        return tuple(array[k * n // 3 : (k + 1) * n // 3] for array in self.arrays)


@pytest.mark.parametrize(
    "model",
    [
        MixtureOfExpertsRegressor(n_experts=2, n_init=1, max_iter=3, random_state=0),
        MixtureOfExpertsClassifier(n_experts=2, n_init=1, max_iter=3, random_state=0),
        MixtureOfExpertsRegressor(
            n_experts=2, gate="gaussian", n_init=1, max_iter=3, random_state=0
        ),
    ],
    ids=["linear", "labels", "Gaussian gate"],
)
def test_blocks_are_counted_as_one_table(model, rng, monkeypatch):
    # Starts are tried on some rows, in which a level is missing that the others have.
    monkeypatch.setattr(out_of_core, "SOME_ROWS", 60)
    X, y = plain_table(rng)
    late = (np.arange(len(X)) >= 238).astype(float)
    X = np.column_stack([redundant(X), late, 1.0 - late])
    y = (y > 0).astype(int) if isinstance(model, MixtureOfExpertsClassifier) else y
    blocks = model.fit(Blocks(X, y)).n_parameters_
    assert blocks == model.fit(X, y).n_parameters_


def test_dask_is_counted_as_one_table(rng):
    da = pytest.importorskip("dask.array")
    X, y = plain_table(rng)
    X = redundant(X)
    model = MixtureOfExpertsRegressor(n_experts=2, n_init=1, max_iter=3, random_state=0)
    lazy = [da.from_array(values, chunks=(100, *values.shape[1:])) for values in (X, y)]
    assert model.fit(*lazy).n_parameters_ == 4 + 2 * (4 + 1)


@pytest.mark.parametrize("kind", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
def test_a_stream_keeps_the_count(kind, rng):
    X, y = plain_table(rng, 600)
    X = redundant(X)[:, :6]
    y = (y > 0).astype(int) if kind is MixtureOfExpertsClassifier else y
    model = kind(n_experts=2, random_state=0).partial_fit(X[:400], y[:400])
    count = model.n_parameters_
    assert count == 4 + 2 * 4 + (2 if kind is MixtureOfExpertsRegressor else 0)
    # Too few rows for a rank of their own.
    assert model.partial_fit(X[400:402], y[400:402]).n_parameters_ == count
    assert model.partial_fit(X[402:], y[402:]).n_parameters_ == count


def test_parts_say_what_they_count(rng):
    X, y = plain_table(rng)
    model = MixtureOfExpertsRegressor(n_experts=3, max_iter=3, random_state=0)
    model.fit(redundant(X), y)
    assert model.gate_.n_parameters_ == 2 * 4
    assert [expert.n_parameters_ for expert in model.experts_] == [4, 4, 4]
    labelled = MixtureOfExpertsClassifier(LogisticRegression(), n_experts=2)
    labelled.fit(redundant(X), np.digitize(y, [-0.5, 1.0]))
    assert [expert.n_parameters_ for expert in labelled.experts_] == [8, 8]
