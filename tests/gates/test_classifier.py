"""Any classifier as a gate: rows as weighted labels, experts without rows, seeds."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skmoe.gates import ClassifierGate


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
