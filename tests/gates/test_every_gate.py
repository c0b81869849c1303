"""All gates as estimators and within EM: probabilities, weights, targets, ascent."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
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
