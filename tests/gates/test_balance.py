"""Experts that starve: a prior against it, and new rows for those that did."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ClassifierGate, HierarchicalGate, SoftmaxGate
from skmoe.responses import Gaussian
from tests.oracles.likelihood import regression_arrays, regression_terms

N = 240


@pytest.fixture
def line(rng):
    """One line: experts beyond the first have nothing to add."""
    X = rng.standard_normal((N, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(N)


@pytest.fixture
def two_lines(rng):
    X = rng.uniform(-1, 1, (N, 2))
    return X, np.where(X[:, 0] > 0, 4.0, -4.0) * X[:, 1] + 0.1 * rng.standard_normal(N)


@pytest.fixture
def cross(rng):
    """Two lines that cross; which one a row is on does not hang on x."""
    X = rng.uniform(-1, 1, (N, 1))
    return X, rng.choice([-4.0, 4.0], N) * X[:, 0] + 0.1 * rng.standard_normal(N)


def regressor(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": 3, "n_init": 2, "random_state": 0, **params})


# The balance prior -------------------------------------------------------------------------


def balance_term(gate_proba, strength, weights):
    """The prior, by its definition."""
    share = weights @ gate_proba / weights.sum()
    return strength * np.log(len(share) * share).sum()


def test_the_objective_holds_the_prior_and_is_at_its_optimum(two_lines, rng):
    X, y = two_lines
    weights = rng.uniform(0.5, 2.0, N)
    gate = SoftmaxGate(alpha=1.0, balance=30.0)
    law = Gaussian(prior=0, floor=1e-6)
    model = regressor(gate=gate, response=law, tol=1e-12, max_iter=2000, n_experts=2)
    model.fit(X, y, sample_weight=weights)
    arrays = regression_arrays(model)
    mean = np.average(X, axis=0, weights=weights)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))

    def objective(coef, intercept):
        log_gate, log_density = regression_terms([coef, intercept, *arrays[2:]], X, y)
        value = weights @ np.logaddexp.reduce(log_gate + log_density, axis=1)
        value += balance_term(np.exp(log_gate), 30.0, weights)
        return value - 0.5 * ((coef * spread) ** 2).sum()

    best = objective(*arrays[:2])
    np.testing.assert_allclose(model.lower_bound_ * weights.sum(), best, rtol=1e-9)
    for _ in range(20):
        step = 1e-3 * rng.standard_normal(arrays[0].shape), 1e-3 * rng.standard_normal(2)
        assert objective(arrays[0] + step[0], arrays[1] + step[1]) < best


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("strength", [1.0, 100.0])
@pytest.mark.filterwarnings("ignore:EM did not converge", "ignore:no rows were left:UserWarning")
def test_the_objective_never_falls_under_the_prior(top_k, strength, line, rng):
    X, y = line
    gate, worst = SoftmaxGate(balance=strength), np.inf
    for _ in range(2):
        init = rng.dirichlet(np.ones(3), N)
        params = {"gate": gate, "top_k": top_k, "init": init, "tol": 1e-8, "max_iter": 100}
        labels = np.digitize(y + rng.standard_normal(N), [-1.0, 1.0])
        for model, target in [
            (regressor(**params), y),
            (MixtureOfExpertsClassifier(n_experts=3, **params), labels),
        ]:
            bounds = model.fit(X, target, sample_weight=rng.uniform(0.1, 2, N)).lower_bounds_
            worst = min(worst, (np.diff(bounds) / (1 + np.abs(bounds[1:]))).min(initial=np.inf))
    assert worst >= -1e-9


@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
@pytest.mark.parametrize("top_k", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_the_prior_keeps_all_experts_in_use(top_k, line):
    X, y = line
    starved = regressor(n_experts=10, top_k=top_k, tol=1e-4).fit(X, y)
    assert starved.gate_proba(X).mean(axis=0).min() < 0.01
    for branches, least in ((3, 0.1), (5, 0.05)):
        tree = HierarchicalGate((branches, 2), balance=100.0)
        for gate in (SoftmaxGate(balance=100.0), tree):
            params = {"n_experts": 2 * branches, "top_k": top_k, "tol": 1e-4}
            fed = regressor(gate=gate, **params).fit(X, y)
            assert fed.gate_proba(X).mean(axis=0).min() > least


def test_the_prior_serves_any_classifier_as_a_gate(line):
    X, y = line
    init = np.tile([0.9, 0.06, 0.04], (N, 1))
    shares = []
    for strength in (0.0, 60.0):
        gate = ClassifierGate(LogisticRegression(), balance=strength)
        model = regressor(gate=gate, init=init, max_iter=1)
        with pytest.warns(UserWarning, match="did not converge"):
            shares.append(model.fit(X, y).gate_proba(X).mean(axis=0))
    masses = N * init[0]
    np.testing.assert_allclose(shares[0], masses / N, atol=1e-3)
    np.testing.assert_allclose(shares[1], (masses + 60.0) / (N + 180.0), atol=1e-3)


def test_without_strength_there_is_no_prior(two_lines):
    X, y = two_lines
    plain = regressor(gate=SoftmaxGate()).fit(X, y)
    none = regressor(gate=SoftmaxGate(balance=0.0)).fit(X, y)
    np.testing.assert_array_equal(plain.predict(X), none.predict(X))


# Experts that died -------------------------------------------------------------------------


ALL_TO_ONE = np.tile([1.0, 0.0], (N, 1))


@pytest.mark.parametrize("top_k", [None, 1])
@pytest.mark.parametrize(
    "experts",
    [
        None,
        Ridge(),
        DecisionTreeRegressor(max_depth=3),
        [("a", LinearRegression()), ("b", Ridge())],
    ],
)
def test_a_starved_expert_starts_again_on_the_rows_explained_worst(experts, top_k, cross):
    X, y = cross
    params = {"top_k": top_k, "gate": "constant", "init": ALL_TO_ONE, "cv": None}
    model = regressor(experts=experts, n_experts=2, **params)
    second = "b" if isinstance(experts, list) else "expert_1"
    with pytest.warns(
        UserWarning, match=rf"no rows were left for the experts \['{second}'\]: .*again"
    ):
        model.fit(X, y)
    assert model.expert_usage_.min() > 0.1
    assert model.starved_experts_ == []
    first, last = model.starts_[0], model.starts_[-1]
    assert (first["kind"], first["chosen"]) == ("given", False)
    assert (last["kind"], last["chosen"], last["experts"]) == ("reseeded", True, [1])
    assert model.lower_bound_ == last["lower_bound"] > first["lower_bound"] + 0.3
    assert len(model.lower_bounds_) == model.n_iter_ == last["n_iter"]
    assert model.dispersion_.min() < 1.0 < y.std()


def test_a_starved_expert_of_a_classifier(rng):
    X = rng.uniform(-1, 1, (N, 2))
    y = np.where(rng.uniform(size=N) < 0.4, X[:, 0] > 0, X[:, 0] < 0).astype(int)
    for experts in (None, DecisionTreeClassifier(max_depth=1)):
        model = MixtureOfExpertsClassifier(experts, 2, gate="constant", init=ALL_TO_ONE)
        with pytest.warns(UserWarning, match="no rows were left"):
            model.fit(X, y)
        assert [start["kind"] for start in model.starts_] == ["given", "reseeded"]


class Demanding(LinearRegression):
    """A line that cannot be fitted to few rows."""

    def fit(self, X, y, sample_weight=None):
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        if (weights > 0.5 * weights.max()).sum() < 100:
            raise ValueError("too few rows")
        return super().fit(X, y, sample_weight)


def test_a_second_start_that_fails_takes_nothing_away(cross):
    X, y = cross
    model = regressor(experts=Demanding(), n_experts=2, gate="constant", init=ALL_TO_ONE)
    with pytest.warns(UserWarning, match="keep their last fit"):
        model.fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.starts_[0]["chosen"]
    assert model.starts_[1]["lower_bound"] == -np.inf
    assert "'expert_1' failed in fit: too few rows" in model.starts_[1]["error"]


def test_what_is_explained_by_fewer_experts_keeps_them_starved(line):
    X, y = line
    model = regressor(n_experts=2, gate="constant", top_k=1, init=ALL_TO_ONE)
    with pytest.warns(UserWarning, match="keep their last fit"):
        model.fit(X, y)
    assert model.starved_experts_ == ["expert_1"]
    kinds = [(start["kind"], start["chosen"]) for start in model.starts_]
    assert kinds == [("given", True), ("reseeded", False)]


# Seeing it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("experts", [None, Ridge(2.0), DecisionTreeRegressor(max_depth=3)])
@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
def test_the_entropy_of_the_gate(experts, two_lines, rng):
    X, y = two_lines
    weights = rng.uniform(0.5, 2.0, N)
    for gate in (None, "constant", "gaussian"):
        model = regressor(experts=experts, gate=gate).fit(X, y, sample_weight=weights)
        proba = model.gate_proba(X)
        entropy = -(proba * np.log(np.maximum(proba, 1e-300))).sum(axis=1)
        np.testing.assert_allclose(
            model.gate_entropy_, np.average(entropy, weights=weights), rtol=1e-6
        )
        assert 0 <= model.gate_entropy_ <= np.log(3)
