"""Anderson's mixing: fewer iterations to the same optimum, and never a fall."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.em._loop import State, accelerate
from skmoe.gates import ConstantGate, HierarchicalGate
from skmoe.responses import Gaussian
from tests.oracles import groups as textbook

Regressor, Classifier = MixtureOfExpertsRegressor, MixtureOfExpertsClassifier

#: What "never falls" leaves to rounding, relative to the objective.
ROUNDING = 1e-9

#: How far apart the two may end: neither is at the optimum itself, but within `tol` a step.
SAME = 1e-6


def overlapping(seed, n=2000, d=2, n_experts=4):
    """Experts so close to one another that plain EM crawls, and responsibilities to start from."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    gate, slopes = rng.standard_normal((2, n_experts, d))
    expert = (X @ gate.T + rng.gumbel(size=(n, n_experts))).argmax(axis=1)
    y = (X * slopes[expert]).sum(axis=1) + rng.standard_normal(n_experts)[expert]
    y += 0.7 * rng.standard_normal(n)
    start = X @ rng.standard_normal((d, n_experts)) + y[:, None] * rng.standard_normal(n_experts)
    start = np.exp(0.5 * (start - start.max(axis=1, keepdims=True)))
    return X, y, start / start.sum(axis=1, keepdims=True)


def bounds_of(model, X, y, init, **params):
    """Objectives of plain and of accelerated EM from one start."""
    model.set_params(init=init, **{"max_iter": 20_000, "tol": 1e-9, **params})
    return [model.set_params(accelerate=on).fit(X, y).lower_bounds_ for on in (False, True)]


def check_saving(pairs, share):
    """At most this share of the iterations, in sum and in the median, for the same objective."""
    steps = np.array([[len(plain), len(fast)] for plain, fast in pairs])
    assert steps[:, 1].sum() <= share * steps[:, 0].sum()
    assert np.median(steps[:, 1] / steps[:, 0]) <= share
    for plain, fast in pairs:
        assert_allclose(fast[-1], plain[-1], rtol=0, atol=SAME)
        check_ascent(fast)


def check_ascent(bounds):
    changes = np.diff(bounds) / (1.0 + np.abs(bounds[1:]))
    assert changes.min(initial=np.inf) >= -ROUNDING


# What it saves -----------------------------------------------------------------------------


def test_overlapping_experts_take_a_third_of_the_iterations():
    pairs = [bounds_of(Regressor(n_experts=4), *overlapping(seed)) for seed in (0, 4, 5, 7, 27)]
    check_saving(pairs, 1 / 3)


@pytest.mark.slow
def test_fifty_overlapping_problems_take_a_third_of_the_iterations():
    pairs = [bounds_of(Regressor(n_experts=4), *overlapping(seed)) for seed in range(50)]
    check_saving(pairs, 1 / 3)


PARTS = {
    "default": Regressor(),
    "ridge": Regressor(Ridge(3.0)),
    "constant gate": Regressor(gate="constant"),
    "balanced gate": Regressor(gate=ConstantGate(prior=5.0)),
    "hierarchical gate": Regressor(gate=HierarchicalGate((2, 2))),
    "shared dispersion": Regressor(response=Gaussian(shared=True)),
    "two outputs": Regressor(),
    "classifier": Classifier(),
    "classifier, constant gate": Classifier(LogisticRegression(C=100.0), gate="constant"),
    "classifier, hierarchical gate": Classifier(gate=HierarchicalGate((2, 2))),
}


def problem_for(parts, seed, n):
    """A table that suits the parts of this name, and where to start from."""
    X, y, init = overlapping(seed, n)
    if isinstance(PARTS[parts], Classifier):
        y = np.digitize(y, [-0.5, 1.0])
    elif parts == "two outputs":
        y = np.column_stack([y, X[:, 0] - y + np.random.default_rng(seed).standard_normal(n)])
    return X, y, init


@pytest.mark.parametrize("parts", sorted(set(PARTS) - {"default"}))
def test_all_batched_parts_gain(parts):
    X, y, init = problem_for(parts, seed=6, n=600)
    plain, fast = bounds_of(clone(PARTS[parts]), X, y, init, tol=1e-8)
    assert len(fast) <= 0.5 * len(plain)
    assert fast[-1] >= plain[-1] - SAME
    check_ascent(fast)


@pytest.mark.filterwarnings("ignore:no rows were left", "ignore:EM did not converge")
@pytest.mark.parametrize("Estimator", [Regressor, Classifier])
@pytest.mark.parametrize("gate", [None, "constant"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_never_falls_from_random_starts(Estimator, gate, weighted, rng):
    for seed in range(5):
        X, y, _ = overlapping(seed, n=200, d=3)
        y = y if Estimator is Regressor else np.digitize(y, [-0.5, 1.0])
        weights = rng.uniform(0.1, 3.0, len(y)) if weighted else None
        model = Estimator(n_experts=3, gate=gate, init=rng.dirichlet(np.ones(3), len(y)), tol=1e-10)
        model.set_params(max_iter=200).fit(X, y, sample_weight=weights)
        check_ascent(model.lower_bounds_)
        assert model.lower_bound_ == model.lower_bounds_.max()


# What it leaves as it was ------------------------------------------------------------------


def test_without_it_an_iteration_is_the_textbooks():
    X, y, init = overlapping(1, n=120)
    model = Regressor(
        n_experts=4,
        gate="constant",
        response=Gaussian(prior=0, floor=1e-9),
        init=init,
        accelerate=False,
        tol=0,
        max_iter=25,
    )
    with pytest.warns(UserWarning, match="did not converge"):
        model.fit(X, y)
    expected = textbook.em(X, y, list(range(len(y))), init, textbook.constant_gate, 25)
    assert_allclose(model.lower_bounds_ * len(y), expected["history"], rtol=1e-9)
    with pytest.warns(UserWarning, match="did not converge"):
        fast = model.set_params(accelerate=True).fit(X, y).lower_bounds_
    # The first steps have nothing to look back on; later ones are ahead.
    assert_allclose(fast[:2] * len(y), expected["history"][:2], rtol=1e-9)
    assert fast[-1] * len(y) > expected["history"][-1] + 0.1


@pytest.mark.parametrize(
    "params",
    [
        {"top_k": 1},
        {"top_k": 2},
        {"experts": [("a", LinearRegression()), ("b", Ridge()), ("c", Ridge(9.0))]},
        {"gate": "gaussian"},
    ],
    ids=["hard", "sparse", "wrapped", "gaussian"],
)
def test_parts_without_a_vector_and_restricted_mixtures_take_plain_steps(params):
    X, y, init = overlapping(2, n=60)
    model = Regressor(n_experts=3, **params)
    plain, fast = bounds_of(model, X, y, init[:, :3] + 1e-3, tol=1e-4)
    assert_array_equal(fast, plain)


@pytest.fixture
def trainings(monkeypatch):
    """The training and the state that every accelerated run begins with."""
    seen = []

    def spy(state, training, top_k, tol):
        seen.append((training, state))
        return accelerate(state, training, top_k, tol)

    monkeypatch.setattr("skmoe.em._search.accelerate", spy)
    return seen


@pytest.mark.parametrize("parts", PARTS)
def test_a_vector_of_parameters_is_all_there_is_to_them(parts, trainings):
    X, y, init = problem_for(parts, seed=3, n=100)
    model = clone(PARTS[parts])
    model.set_params(init=init, max_iter=12, tol=0, accelerate=True)
    with pytest.warns(UserWarning, match="did not converge"):
        model.fit(X, y)
    training, state = trainings[0]
    for _ in range(3):
        state = training.advance(state, None)
    vector = training.pack(state.parameters)
    assert vector.ndim == 1
    again = training.expect(training.unpack(vector, state.parameters), None)
    assert_allclose(training.pack(again.parameters), vector, rtol=1e-12, atol=1e-12)
    assert_allclose(again.objective, state.objective, rtol=1e-12)
    assert_allclose(
        training.responsibilities(again, None), training.responsibilities(state, None), atol=1e-12
    )


# The mixing itself -------------------------------------------------------------------------


@dataclass
class LinearMap:
    """A fixed-point iteration x <- A x + b, and a concave objective that it climbs."""

    matrix: np.ndarray
    shift: np.ndarray
    spoil: float = 0.0

    def __post_init__(self):
        self.fixed = np.linalg.solve(np.eye(len(self.shift)) - self.matrix, self.shift)

    def state(self, x):
        return State(x, None, -float(((x - self.fixed) ** 2).sum()))

    def propose(self, state, top_k):
        return self.matrix @ state.parameters + self.shift

    def reach(self, state, x, top_k):
        return self.state(x + self.spoil)

    def advance(self, state, top_k, proposed=None):
        return self.state(self.propose(state, top_k) if proposed is None else proposed)

    def pack(self, x):
        return x

    def unpack(self, vector, like):
        return vector


@pytest.fixture
def linear(rng):
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    return LinearMap(axes @ np.diag([0.99, 0.9, 0.7, 0.2]) @ axes.T, rng.standard_normal(4))


def follow(training, n_steps):
    states = accelerate(training.state(np.zeros(4)), training, None, 0.0)
    return [state for state, _ in zip(states, range(n_steps), strict=False)]


def test_a_linear_map_of_four_dimensions_is_solved_in_five_steps(linear):
    # Walker and Ni (2011): it is GMRES there.
    errors = [np.abs(state.parameters - linear.fixed).max() for state in follow(linear, 8)]
    assert errors[0] > 0.1
    assert errors[5] < 1e-9 * errors[0]


def test_a_combination_that_falls_is_refused_for_the_plain_step(linear):
    linear.spoil = 1e6
    plain = linear.state(np.zeros(4))
    for state in follow(linear, 12):
        plain = linear.advance(plain, None)
        assert_allclose(state.parameters, plain.parameters, rtol=1e-12)


def test_a_combination_that_is_no_number_is_refused(linear):
    linear.spoil = np.nan
    objectives = [state.objective for state in follow(linear, 12)]
    assert np.isfinite(objectives).all()
    assert (np.diff(objectives) > 0).all()
