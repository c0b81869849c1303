"""Penalties learned by evidence: identities, quadrature, finite differences, other solvers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.em._evidence import (
    INTERCEPT_STRENGTH,
    dispersion_volume,
    gaussian_evidence,
    roots_of_inverses,
    softmax_evidence,
)
from skmoe.em._parts import assemble_hessian
from skmoe.gates import ConstantGate, HierarchicalGate, SoftmaxGate

LEARNED = {"gate": SoftmaxGate(alpha="auto"), "random_state": 0}


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture
def line(rng):
    """Forty rows of a linear function of five columns, two of which matter."""
    X = standardised(rng.standard_normal((40, 5)))
    return X, X[:, 0] - 0.5 * X[:, 1] + 0.7 * rng.standard_normal(40)


# One Gaussian expert ---------------------------------------------------------------------------


def log_marginal(strength, scale, X, y):
    """Log-density of y, a multivariate t, under a nearly flat prior of the intercept.

    The normalising factor of that prior is left out.
    """
    weak = 1e-5
    Z = np.column_stack([X, np.ones(len(y))])
    ridge = np.append(np.full(X.shape[1], strength), weak)
    covariance = np.eye(len(y)) + Z / ridge @ Z.T
    t = stats.multivariate_t(np.zeros(len(y)), scale**2 * covariance, df=1.0)
    return t.logpdf(y) - 0.5 * np.log(weak)


def test_the_evidence_of_one_expert_is_the_marginal_density_of_y(line):
    """It is a multivariate t: the volumes of coefficients and dispersion are exact."""
    X, y = line
    strength, scale = 2.0, 0.4
    Z = np.column_stack([X, np.ones(len(y))])
    precision = Z.T @ Z + np.diag(np.append(np.full(X.shape[1], strength), 0.0))
    coef = np.linalg.solve(precision, Z.T @ y)
    squares = np.square(y - Z @ coef).sum() + strength * np.square(coef[:-1]).sum()
    dispersion = np.sqrt((squares + scale**2) / (len(y) + 1.0))
    parts = gaussian_evidence(
        coef[None, None], precision[None], np.array([strength]), np.array([[dispersion]])
    )
    likelihood = stats.norm(Z @ coef, dispersion).logpdf(y).sum()
    penalty = strength * np.square(coef[:-1]).sum() / (2 * dispersion**2)
    prior = np.log(dispersion) + 0.5 * (scale / dispersion) ** 2
    found = likelihood - penalty - prior + parts.volume
    found += dispersion_volume(1.0, scale, np.array([len(y)]))
    # The intercept's prior is stated in units of y, the flat one in units of σ.
    found -= 0.5 * np.log(INTERCEPT_STRENGTH * dispersion**2)
    assert_allclose(found, log_marginal(strength, scale, X, y), rtol=1e-5)


def test_mackays_rule_is_stationary_where_the_evidence_is(line):
    """With σ fixed, (γ + c) / (|w|² + c) = α at the largest evidence, but for the hyperprior."""
    X, y = line
    Z = np.column_stack([X, np.ones(len(y))])

    def solve(strength):
        precision = Z.T @ Z + np.diag(np.append(np.full(X.shape[1], strength), 0.0))
        coef = np.linalg.solve(precision, Z.T @ y)
        found = gaussian_evidence(
            coef[None, None], precision[None], np.array([strength]), np.array([[0.7]])
        )
        squares = np.square(y - Z @ coef).sum() + strength * np.square(coef[:-1]).sum()
        # The weak hyperprior of `gaussian_evidence`: a gamma density of the strength.
        hyper = 0.01 * np.log(strength) - 0.01 * strength
        return found.volume - squares / (2 * 0.7**2) + hyper, found.strengths[0]

    best = minimize(lambda log: -solve(np.exp(log[0]))[0], [0.0], tol=1e-10)
    assert_allclose(solve(np.exp(best.x[0]))[1], np.exp(best.x[0]), rtol=1e-3)


def test_one_expert_is_bayesian_ridge(line):
    """BayesianRidge has Gaussian coefficients of variance 1 / λ; here it is σ² / α."""
    X, y = line
    model = MixtureOfExpertsRegressor(n_experts=1, **LEARNED).fit(X, y)
    other = BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-10).fit(X, y)
    expert = model.experts_[0]
    assert_allclose(expert.alpha, other.lambda_ / other.alpha_, rtol=0.1)
    assert_allclose(expert.coef_, other.coef_, atol=0.01)
    mean, std = other.predict(X, return_std=True)
    found, spread = model.predict(X, return_std=True)
    assert_allclose(found, mean, atol=0.02)
    assert_allclose(spread, std, rtol=0.05)


def test_one_expert_is_the_ridge_of_its_penalty(line):
    X, y = line
    model = MixtureOfExpertsRegressor(n_experts=1, **LEARNED).fit(X, y)
    expert = model.experts_[0]
    assert type(expert) is Ridge
    assert_allclose(expert.coef_, Ridge(alpha=expert.alpha).fit(X, y).coef_, rtol=1e-9)


def test_the_predictive_deviation_includes_that_of_the_coefficients(line):
    X, y = line
    model = MixtureOfExpertsRegressor(n_experts=1, **LEARNED).fit(X, y)
    Z = np.column_stack([X, np.ones(len(y))])
    precision = Z.T @ Z + np.diag(np.append(np.full(5, model.experts_[0].alpha), 0.0))
    factors = 1.0 + np.einsum("ij,jk,ik->i", Z, np.linalg.inv(precision), Z)
    std = model.predict(X, return_std=True)[1]
    assert_allclose(std, model.dispersion_[0] * np.sqrt(factors), rtol=1e-9)
    far = model.predict(X + 100.0, return_std=True)[1]
    assert (far > 3 * std).all()


def test_roots_of_inverses(rng):
    A = rng.standard_normal((3, 4, 4))
    A = A @ A.swapaxes(1, 2) + np.eye(4)
    root = roots_of_inverses(A)
    assert_allclose(root @ root.swapaxes(1, 2), np.linalg.inv(A), rtol=1e-8)


# Softmax functions -----------------------------------------------------------------------------


def logistic_problem(rng, n_classes):
    n, p = 30, 3
    Z = np.column_stack([standardised(rng.standard_normal((n, p - 1))), np.ones(n)])
    codes = rng.integers(n_classes, size=n)
    return Z, codes


@pytest.mark.parametrize("n_classes", [2, 3])
def test_laplaces_approximation_of_softmax_functions(rng, n_classes):
    """The volume is that of the Hessian by finite differences, on coefficients that sum to zero."""
    Z, codes = logistic_problem(rng, n_classes)
    ridge = np.array([1.5, 1.5, INTERCEPT_STRENGTH])
    basis = np.linalg.svd(np.ones((1, n_classes)))[2][1:]  # orthonormal, orthogonal to ones

    def loss(free):
        coef = basis.T @ free.reshape(n_classes - 1, 3)
        fit = log_softmax(Z @ coef.T, axis=1)[np.arange(len(codes)), codes].sum()
        return 0.5 * (ridge * coef**2).sum() - fit

    best = minimize(loss, np.zeros(3 * (n_classes - 1)), tol=1e-12).x
    h, eye = 1e-3, np.eye(len(best))
    hessian = np.array(
        [
            [
                (
                    loss(best + h * (a + b))
                    - loss(best + h * (a - b))
                    - loss(best - h * (a - b))
                    + loss(best - h * (a + b))
                )
                / (4 * h * h)
                for a in eye
            ]
            for b in eye
        ]
    )
    volume = 0.5 * ((n_classes - 1) * np.log(ridge).sum() - np.linalg.slogdet(hessian)[1])
    coef = basis.T @ best.reshape(n_classes - 1, 3)
    proba = np.exp(log_softmax(Z @ coef.T, axis=1))
    pairs = [
        (Z * (proba[:, a] * proba[:, b])[:, None]).T @ Z
        for a, b in zip(*np.triu_indices(n_classes, 1), strict=True)
    ]
    mass = np.array([len(Z)])
    ours = assemble_hessian(np.array(pairs)[None], mass, ridge)
    found = softmax_evidence(coef[None], ours, ridge[None], mass)
    assert_allclose(found.volume, volume, rtol=1e-5)
    slopes = np.linalg.inv(hessian).reshape(n_classes - 1, 3, n_classes - 1, 3)
    determined = 2 * (n_classes - 1) - 1.5 * np.einsum("cjcj->j", slopes)[:2].sum()
    norm = np.square(coef[:, :2]).sum()
    assert_allclose(found.strengths, (determined + 0.02) / (norm + 0.02), rtol=1e-4)


def test_the_evidence_of_a_logistic_expert_by_quadrature(rng):
    """Two classes and one column: the integral over both coefficients on a grid."""
    x = standardised(rng.standard_normal((25, 1)))
    codes = (x[:, 0] + rng.standard_normal(25) > 0).astype(int)
    model = MixtureOfExpertsClassifier(n_experts=1, **LEARNED).fit(x, codes)
    expert = model.experts_[0]
    strength = 1.0 / expert.C  # of the difference of two classes with opposite signs
    slopes, intercepts = np.meshgrid(np.linspace(-8, 8, 801), np.linspace(-8, 8, 801))
    logits = slopes[..., None] * x[:, 0] + intercepts[..., None]
    fit = -np.logaddexp(0.0, -np.where(codes, logits, -logits)).sum(axis=-1)
    variances = 1.0 / strength, 2.0 / INTERCEPT_STRENGTH
    prior = stats.norm(0, np.sqrt(variances[0])).logpdf(slopes)
    prior += stats.norm(0, np.sqrt(variances[1])).logpdf(intercepts)
    whole = np.log(np.exp(fit + prior).sum() * (16 / 800) ** 2)
    found = MixtureOfExpertsClassifier(n_experts="auto", **LEARNED).fit(x, codes)
    assert found.path_[0]["n_experts"] == 1
    assert_allclose(found.path_[0]["log_evidence"], whole, atol=0.1)


def test_a_gate_alone_learns_its_penalty(rng):
    """Noise is penalised more than a signal, and the result does not depend on units of X."""
    X = rng.standard_normal((200, 4))
    logits = 3.0 * X[:, 0]
    signal = np.column_stack([logits, -logits])
    targets = np.exp(log_softmax(signal, axis=1))
    noise = np.full((200, 2), 0.5) + rng.uniform(-0.4, 0.4, 200)[:, None] * [1.0, -1.0]
    gate = SoftmaxGate(alpha="auto").fit(X, targets)
    assert gate.alpha_ < 1.0 < SoftmaxGate(alpha="auto").fit(X, noise).alpha_
    other = SoftmaxGate(alpha="auto").fit(X * [1e-6, 1.0, 1e3, 7.0] + 5.0, targets)
    assert_allclose(other.alpha_, gate.alpha_, rtol=1e-6)


# Mixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regression():
    return make_moe_regression(n_samples=300, n_features=3, n_experts=2, random_state=3)


@pytest.fixture(scope="module")
def classification():
    return make_moe_classification(n_samples=300, n_features=3, n_experts=2, random_state=3)


@pytest.fixture(scope="module")
def fitted(regression):
    return MixtureOfExpertsRegressor(n_experts=2, **LEARNED).fit(*regression)


def test_learned_values_are_public(fitted):
    assert fitted.gate_.alpha == "auto"
    assert fitted.gate_.alpha_ > 0
    assert all(type(expert) is Ridge and expert.alpha > 0 for expert in fitted.experts_)
    assert fitted.response_.prior_scale != 0.1
    assert fitted.widening_ == 1.0
    assert fitted.posterior_root_.shape == (2, 4, 4)


def test_the_gradient_of_the_objective_is_zero(fitted, regression):
    """Of experts and gate, by differences: EM has converged under the learned penalties."""
    X, y = regression
    mean, scale = X.mean(axis=0), X.std(axis=0)
    spread = y.std()

    def objective(shift):
        coefs = [e.coef_ * scale / spread + s for e, s in zip(fitted.experts_, shift, strict=True)]
        plain = [(e.intercept_ + e.coef_ @ mean - y.mean()) / spread for e in fitted.experts_]
        Z, t = (X - mean) / scale, (y - y.mean()) / spread
        sigma = fitted.dispersion_ / spread
        log_gate = fitted.gate_.predict_log_proba(X)
        log_density = np.column_stack(
            [
                stats.norm(Z @ c + b, s).logpdf(t)
                for c, b, s in zip(coefs, plain, sigma, strict=True)
            ]
        )
        penalty = sum(
            e.alpha * c @ c / (2 * s * s)
            for e, c, s in zip(fitted.experts_, coefs, sigma, strict=True)
        )
        return np.logaddexp.reduce(log_gate + log_density, axis=1).sum() - penalty

    h = 1e-5
    for k in range(2):
        for j in range(3):
            shift = np.zeros((2, 3))
            shift[k, j] = h
            slope = (objective(shift) - objective(-shift)) / (2 * h)
            assert abs(slope) < 1e-2 * len(y)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_do_not_matter(regression, fitted, scale):
    X, y = regression
    other = MixtureOfExpertsRegressor(n_experts=2, **LEARNED).fit(X * scale + scale, 5.0 * y - 3.0)
    found = other.predict(X * scale + scale)
    assert_allclose(found, 5.0 * fitted.predict(X) - 3.0, rtol=1e-4, atol=1e-3)
    assert_allclose(other.gate_.alpha_, fitted.gate_.alpha_, rtol=1e-2)


def test_weights_are_repeated_rows(regression):
    X, y = (each[:120] for each in regression)
    weights = np.resize([1, 2, 3], 120)
    weighted = MixtureOfExpertsRegressor(n_experts=2, **LEARNED).fit(X, y, weights)
    repeated = MixtureOfExpertsRegressor(n_experts=2, **LEARNED).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights)
    )
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-5, atol=1e-6)
    assert_allclose(weighted.gate_.alpha_, repeated.gate_.alpha_, rtol=1e-4)


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_sums_and_rows_learn_the_same(request, kind, monkeypatch):
    X, y = request.getfixturevalue(kind)
    cls = MixtureOfExpertsRegressor if kind == "regression" else MixtureOfExpertsClassifier
    by_sums = cls(n_experts=2, **LEARNED).fit(X, y)
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    by_rows = cls(n_experts=2, **LEARNED).fit(X, y)
    assert_allclose(by_rows.score_samples(X, y), by_sums.score_samples(X, y), atol=2e-2)
    assert_allclose(by_rows.gate_.alpha_, by_sums.gate_.alpha_, rtol=0.05)


def test_groups_and_sparse_columns_learn(regression, classification):
    from scipy import sparse

    X, y = regression
    groups = np.arange(len(y)) // 3
    model = MixtureOfExpertsRegressor(n_experts=2, **LEARNED).fit(X, y, groups=groups)
    assert model.gate_.alpha_ != 1.0
    X, y = classification
    wide = sparse.random(len(y), 80, density=0.02, format="csr", random_state=0)
    wide = sparse.hstack([sparse.csr_matrix(X), wide]).tocsr()
    model = MixtureOfExpertsClassifier(n_experts=2, n_init=1, max_iter=20, **LEARNED).fit(wide, y)
    assert all(type(expert) is LogisticRegression for expert in model.experts_)
    assert model.experts_[0].C != 1.0


def test_noise_columns_cost_little(rng):
    """Thirty columns without any effect: learned penalties predict as if they were not there."""
    X, y = make_moe_regression(n_samples=400, n_features=2, n_experts=2, random_state=0)
    wide = np.column_stack([X, rng.standard_normal((400, 30))])
    train, test = np.arange(200), np.arange(200, 400)

    def score(columns, gate):
        model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0)
        return model.fit(columns[train], y[train]).score_samples(columns[test], y[test]).mean()

    assert score(wide, SoftmaxGate(alpha="auto")) > score(wide, SoftmaxGate(alpha=0.1)) + 0.2


def test_the_number_of_experts_is_chosen_by_evidence():
    X, y = make_moe_regression(n_samples=400, n_features=2, n_experts=3, noise=0.1, random_state=1)
    model = MixtureOfExpertsRegressor(n_experts="auto", **LEARNED).fit(X, y)
    best = max(model.path_, key=lambda entry: entry["log_evidence"])
    assert best["chosen"]
    assert model.n_experts_ == best["n_experts"] == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_line_has_one_expert(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((100, 6))
    y = X @ rng.standard_normal(6) + rng.standard_normal(100)
    model = MixtureOfExpertsRegressor(n_experts="auto", **LEARNED).fit(X, y)
    assert model.n_experts_ == 1


@pytest.mark.slow
def test_lines_have_one_expert_in_thirty_of_32_tables():
    chosen = []
    for seed in range(32):
        rng = np.random.default_rng(seed)
        n, d = ((60, 10), (150, 10), (400, 10), (60, 40))[seed % 4]
        X = rng.standard_normal((n, d))
        y = X @ rng.standard_normal(d) + rng.standard_normal(n)
        model = MixtureOfExpertsRegressor(n_experts="auto", **LEARNED).fit(X, y)
        chosen.append(model.n_experts_)
    assert np.count_nonzero(np.array(chosen) == 1) >= 30


# What is not learned ---------------------------------------------------------------------------


def test_given_penalties_stay(regression):
    """Experts that are given are what they say; the gate alone is learned."""
    from sklearn.linear_model import LinearRegression

    model = MixtureOfExpertsRegressor(LinearRegression(), n_experts=2, **LEARNED).fit(*regression)
    assert all(type(expert) is LinearRegression for expert in model.experts_)
    assert model.gate_.alpha_ != 1.0
    assert model.response_.prior_scale == 0.1
    assert model.posterior_root_ is None


def test_a_node_and_a_balanced_gate_keep_the_fixed_penalty(regression):
    X, y = regression
    tree = HierarchicalGate((2, 2), SoftmaxGate(alpha="auto"))
    model = MixtureOfExpertsRegressor(n_experts=4, gate=tree, n_init=1, random_state=0).fit(X, y)
    same = HierarchicalGate((2, 2), SoftmaxGate(alpha=0.1))
    other = MixtureOfExpertsRegressor(n_experts=4, gate=same, n_init=1, random_state=0).fit(X, y)
    assert_allclose(model.predict(X), other.predict(X))
    balanced = SoftmaxGate(alpha="auto", balance=1.0)
    model = MixtureOfExpertsRegressor(n_experts=2, gate=balanced, random_state=0).fit(X, y)
    assert model.gate_.alpha_ == 0.1


def test_partial_fit_goes_on_with_fixed_penalties(regression):
    X, y = regression
    model = MixtureOfExpertsRegressor(n_experts=2, **LEARNED)
    for rows in np.array_split(np.arange(300), 3):
        model.partial_fit(X[rows], y[rows])
    assert model.gate_.alpha_ == 0.1
    assert model.posterior_root_ is None
    assert np.isfinite(model.predict(X)).all()


def test_a_constant_gate_learns_nothing(regression):
    gate = ConstantGate()
    model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0).fit(*regression)
    assert model.posterior_root_ is None


def test_alpha_is_a_number_or_auto(regression):
    with pytest.raises(ValueError, match="alpha"):
        SoftmaxGate(alpha="automatic").fit([[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]])
