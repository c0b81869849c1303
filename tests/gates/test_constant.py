"""The constant gate: its weights are the masses of the experts."""

import numpy as np

from skmoe.gates import ConstantGate


def test_constant_weights_are_the_masses(table):
    X, targets, weights = table
    gate = ConstantGate().fit(X, targets, weights)
    np.testing.assert_allclose(gate.weights_, weights @ targets / weights.sum())
    gate = ConstantGate(prior=5.0).fit(X, targets, weights)
    np.testing.assert_allclose(
        gate.weights_, (weights @ targets + 5.0) / (weights.sum() + 15.0), rtol=1e-12
    )
