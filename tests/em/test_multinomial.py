"""Newton's method for multinomial problems: derivatives, ascent, optimum, agreement."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from skmoe._data.design import View
from skmoe.em import _curvature, _multinomial
from tests.oracles.likelihood import gradient


def soft_problem(rng, n_classes=3, kind="dense"):
    X, weights = rng.standard_normal((200, 4)), rng.uniform(0.5, 2.0, 200)
    X = sparse.csr_array(X) if kind == "sparse" else X
    design = View(X, weights).design
    ridge = np.array([0.3, 0.3, 0.3, 0.3, 0.0])
    problem = _multinomial.SoftTargets(design, ridge, n_classes)
    masses = rng.dirichlet(np.ones(n_classes), 200) * weights[:, None]
    problem.bind(np.asfortranarray(masses), weights)
    return problem


def label_problem(rng, n_classes=3, kind="dense"):
    X, weights = rng.standard_normal((200, 4)), rng.uniform(0.5, 2.0, (200, 2))
    X = sparse.csr_array(X) if kind == "sparse" else X
    codes = rng.integers(0, n_classes, 200)
    ridge = np.array([0.3, 0.3, 0.3, 0.3, 0.0])
    problem = _multinomial.Labels(View(X, np.ones(200)).design, ridge, codes, n_classes, 2)
    problem.bind(np.asfortranarray(weights))
    return problem


PROBLEMS = [soft_problem, label_problem]


def value_of(problem, vector):
    coef = vector.reshape(problem.shape)
    return problem.values(coef, problem.log_proba(coef)).sum()


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradient_and_hessian_are_those_of_the_value(make, n_classes, rng):
    problem = make(rng, n_classes)
    coef = rng.standard_normal(problem.shape)
    iterate = _multinomial.Iterate(coef, problem.log_proba(coef))
    found = problem.gradient(iterate)
    expected = gradient(lambda v: value_of(problem, v), coef.ravel())
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    # Along the null direction of the softmax the Hessian is regularised: probe across it.
    vector = rng.standard_normal(problem.shape)
    vector -= vector.mean(axis=1, keepdims=True)
    step = 1e-5
    up, down = (
        problem.gradient(_multinomial.Iterate(c, problem.log_proba(c)))
        for c in (coef + step * vector, coef - step * vector)
    )
    expected = -(up - down) / (2 * step)
    flat = vector.reshape(problem.shape[0], -1)
    explicit = (_multinomial.negative_hessian(problem, iterate) @ flat[:, :, None])[:, :, 0]
    implicit = _curvature.hessian_product(
        problem, _curvature.kept_probabilities(problem, problem.probabilities(iterate)), flat
    )
    np.testing.assert_allclose(explicit.reshape(problem.shape), expected, atol=1e-4)
    np.testing.assert_allclose(implicit.reshape(problem.shape), expected, atol=1e-4)


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("explicit_size", [256, 0])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_steps_climb_to_a_vanishing_gradient(make, explicit_size, kind, rng, monkeypatch):
    monkeypatch.setattr(_multinomial, "EXPLICIT_SIZE", explicit_size)
    problem = make(rng, kind=kind)
    iterate = _multinomial.start(problem, 3.0 * rng.standard_normal(problem.shape))
    for _ in range(30):
        before = problem.values(iterate.coef, iterate.log_proba)
        iterate, gain = _multinomial.newton_step(problem, iterate)
        after = problem.values(iterate.coef, iterate.log_proba)
        assert (after >= before - 1e-9 * np.abs(before)).all()
        np.testing.assert_allclose(gain, after - before, atol=1e-9)
    assert np.abs(problem.gradient(iterate)).max() < 1e-5


def test_probabilities_kept_and_made_anew_are_the_same(rng, monkeypatch):
    problem = label_problem(rng)
    iterate = _multinomial.start(problem, rng.standard_normal(problem.shape))
    vector = rng.standard_normal((2, 15))
    products = []
    for size in (2**22, 0):
        monkeypatch.setattr(_curvature, "_KEPT_SIZE", size)
        kept = _curvature.kept_probabilities(problem, problem.probabilities(iterate))
        products.append(_curvature.hessian_product(problem, kept, vector))
    np.testing.assert_array_equal(*products)


def test_labels_agree_with_logistic_regression(rng):
    problem = label_problem(rng)
    iterate, _, converged = _multinomial.solve(
        problem, _multinomial.start(problem), max_iter=50, tol=1e-14
    )
    assert converged
    design = problem.design
    Z = design.matrix[:, :-1]
    for g in range(2):
        reference = LogisticRegression(C=1 / 0.3, tol=1e-12, max_iter=10_000)
        reference.fit(Z, problem.codes, problem.weights[:, g])
        np.testing.assert_allclose(iterate.coef[g, :, :-1], reference.coef_, atol=1e-5)
