"""Gates as estimators: probabilities, optimum, units, weights."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skmoe import MixtureOfExpertsRegressor
from skmoe._data.design import View
from skmoe.gates import (
    ClassifierGate,
    ConstantGate,
    GaussianGate,
    HierarchicalGate,
    SoftmaxGate,
    is_gate,
    make_trainer,
)
from tests.oracles.likelihood import log_softmax

GATES = [
    SoftmaxGate(),
    ConstantGate(),
    ConstantGate(prior=2.0),
    ClassifierGate(LogisticRegression(solver="newton-cholesky")),
    ClassifierGate(DecisionTreeClassifier(max_depth=3, random_state=0)),
    GaussianGate(),
    GaussianGate("tied"),
    GaussianGate("diag"),
]


@pytest.fixture
def table(rng):
    X = rng.standard_normal((300, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 5e3, 0.0, 1.0]
    return X, rng.dirichlet([1.0, 2.0, 3.0], 300), rng.integers(0, 4, 300)


def term(gate, X, targets, weights):
    return weights @ (targets * gate.predict_log_proba(X)).sum(axis=1)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_probabilities_normalise(gate, table):
    X, targets, _ = table
    proba = clone(gate).fit(X, targets).predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    assert proba.shape == targets.shape


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_weights_are_repetition(gate, table):
    X, targets, weights = table
    weighted = clone(gate).fit(X, targets, weights).predict_proba(X)
    repeated = clone(gate).fit(np.repeat(X, weights, axis=0), np.repeat(targets, weights, axis=0))
    np.testing.assert_allclose(weighted, repeated.predict_proba(X), atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0])
def test_softmax_finds_the_optimum(alpha, table):
    X, targets, weights = table
    weights = weights + 0.5
    gate = SoftmaxGate(alpha).fit(X, targets, weights)
    mean = np.average(X, axis=0, weights=weights)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    Z = (X - mean) / spread

    def negative(vector):
        coef, intercept = vector[:12].reshape(3, 4), vector[12:]
        log_proba = log_softmax(Z @ coef.T + intercept)
        return -weights @ (targets * log_proba).sum(axis=1) + 0.5 * alpha * (coef**2).sum()

    best = minimize(negative, np.zeros(15), method="BFGS", options={"gtol": 1e-7})
    reached = term(gate, X, targets, weights) - gate.penalty_
    np.testing.assert_allclose(reached, -best.fun, rtol=1e-9)
    np.testing.assert_allclose(gate.penalty_, 0.5 * alpha * ((gate.coef_ * spread) ** 2).sum())
    np.testing.assert_allclose(gate.coef_.sum(axis=0), 0.0, atol=1e-10)


def test_softmax_does_not_see_scale_and_shift(table):
    X, targets, _ = table
    plain = SoftmaxGate(1.0).fit(X, targets).predict_proba(X)
    moved = 1e6 * X - 1e5
    np.testing.assert_allclose(
        SoftmaxGate(1.0).fit(moved, targets).predict_proba(moved), plain, atol=1e-8
    )


def test_softmax_on_sparse_columns(table):
    X, targets, _ = table
    X = np.where(X > 0.5, X, 0.0)
    dense = SoftmaxGate().fit(X, targets).predict_proba(X)
    S = sparse.csr_array(X)
    np.testing.assert_allclose(SoftmaxGate().fit(S, targets).predict_proba(S), dense, atol=1e-6)


def test_softmax_stays_finite_under_separable_targets():
    X = np.linspace(-1, 1, 40)[:, None]
    targets = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0]).astype(float)
    for alpha in (0.0, 0.1):
        gate = SoftmaxGate(alpha).fit(X, targets)
        assert np.isfinite(gate.coef_).all()
        assert np.isfinite(gate.predict_log_proba(1e3 * X)).all()
        assert (gate.predict_proba(X).argmax(axis=1) == targets.argmax(axis=1)).all()


def test_constant_weights_are_the_masses(table):
    X, targets, weights = table
    gate = ConstantGate().fit(X, targets, weights)
    np.testing.assert_allclose(gate.weights_, weights @ targets / weights.sum())
    gate = ConstantGate(prior=5.0).fit(X, targets, weights)
    np.testing.assert_allclose(
        gate.weights_, (weights @ targets + 5.0) / (weights.sum() + 15.0), rtol=1e-12
    )


def test_classifier_gate_repeats_rows_as_weighted_labels(table):
    X, targets, weights = table
    tree = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0)
    gate = ClassifierGate(tree).fit(X, targets, weights)
    leaf = gate.classifier_.apply(X)
    mass = weights[:, None] * targets
    for number in np.unique(leaf):
        shares = mass[leaf == number].sum(axis=0)
        expected = shares / shares.sum()
        found = gate.predict_proba(X[leaf == number][:1])[0]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_classifier_gate_with_a_missing_expert(table):
    X, _, _ = table
    targets = np.zeros((len(X), 3))
    targets[:150, 2] = targets[150:, 1] = 1.0
    gate = ClassifierGate(DecisionTreeClassifier(random_state=0), floor=1e-4).fit(X, targets)
    proba = gate.predict_proba(X)
    np.testing.assert_allclose(proba[:, 0], 1e-4, rtol=1e-3)
    assert (proba[:150].argmax(axis=1) == 2).all()


def test_classifier_gate_without_weights_is_drawn_with_a_seed(table):
    X, targets, _ = table
    gates = [ClassifierGate(KNeighborsClassifier(9)).fit(X, targets) for _ in range(2)]
    np.testing.assert_array_equal(gates[0].predict_proba(X), gates[1].predict_proba(X))
    mean = gates[0].predict_proba(X).mean(axis=0)
    np.testing.assert_allclose(mean, targets.mean(axis=0), atol=0.1)


@pytest.mark.parametrize(
    "targets", [[[0.5, 0.6]], [[1.5, -0.5]]], ids=["sum is not one", "negative"]
)
@pytest.mark.parametrize("gate", GATES[:4], ids=repr)
def test_targets_must_be_probabilities(gate, targets):
    with pytest.raises(ValueError, match="targets must be probabilities"):
        clone(gate).fit([[0.0], [1.0]], targets * 2)


def test_pipelines_that_end_in_a_gate_are_gates(rng):
    gate = make_pipeline(StandardScaler(), SoftmaxGate(alpha=2.0))
    assert is_gate(gate)
    assert not is_gate(LogisticRegression())
    X = rng.standard_normal((200, 2))
    y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1])
    model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0).fit(X, y)
    bare = MixtureOfExpertsRegressor(n_experts=2, gate=gate[-1], random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), bare.predict(X), atol=1e-3)
    assert model.gate_[-1].coef_.shape == (2, 2)


# Training within EM ------------------------------------------------------------------------


TRAINED = [
    SoftmaxGate(alpha=1.0),
    SoftmaxGate(alpha=1.0, balance=20.0),
    ConstantGate(prior=2.0),
    HierarchicalGate((2, 2)),
    HierarchicalGate((2, 2), balance=20.0),
    HierarchicalGate((2, 2), SoftmaxGate(alpha=1.0, balance=5.0)),
    HierarchicalGate((1, (1, (2,))), "constant"),
    GaussianGate(),
    GaussianGate("tied"),
    GaussianGate("diag"),
    ClassifierGate(LogisticRegression(C=1e4, solver="newton-cholesky", tol=1e-8)),
]


@pytest.mark.parametrize("gate", TRAINED, ids=repr)
def test_an_m_step_raises_its_term(gate, rng):
    """From any state, towards any responsibilities; with penalties, as the objective has them."""
    X, weights = rng.standard_normal((200, 3)), rng.uniform(0.5, 2.0, 200)
    trainer = make_trainer(gate, View(X, weights), None, weights, 4)
    state = None
    for sharpness in (5.0, 1.0, 0.2, 10.0, 0.05):
        masses = rng.dirichlet(np.full(4, sharpness), 200) * weights[:, None]
        masses = np.asfortranarray(masses)

        def term(state, masses=masses):
            return (masses * trainer.log_proba(state)).sum() - trainer.penalty(state)

        if state is not None:
            assert term(trainer.update(masses, state)) > term(state)
        state = trainer.update(masses, state)
        small = trainer.restore(trainer.strip(state))
        np.testing.assert_allclose(term(small), term(state), rtol=1e-12)
