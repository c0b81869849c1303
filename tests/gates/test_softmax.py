"""The softmax gate: optimum, standardisation, sparse columns, separable targets."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from skmoe.gates import SoftmaxGate
from tests.oracles.likelihood import log_softmax


def term(gate, X, targets, weights):
    return weights @ (targets * gate.predict_log_proba(X)).sum(axis=1)


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
