"""One batched expert is the same model as K: the same solver, whatever the scale of columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data import design
from skmoe._fit import out_of_core
from skmoe.inspection import likelihood_ratio_test
from skmoe.responses import Gaussian, StudentT

N = 100

#: Ratios of the scales of two columns.
SCALES = pytest.mark.parametrize(
    "scale", [1e-8, 1e8, *(pytest.param(s, marks=pytest.mark.slow) for s in (1e-4, 1.0, 1e4))]
)

#: How X is stored, and limits of the designs of a sparse X: cells of a dense one, columns whose
#: products are formed.
STORED = {
    "dense": (np.asarray, None),
    "few": (sparse.csr_matrix, None),
    "grams": (sparse.csr_matrix, (0, 512)),
    "wide": (sparse.csr_matrix, (0, 0)),
}


def labels(eta, rng, n_classes):
    return np.digitize(eta + rng.logistic(size=N), np.linspace(-0.7, 0.7, n_classes - 1))


#: Without priors, which are those of each expert: two experts have two.
STUDENT = StudentT(df=4, prior=0)

#: Laws: an estimator, the law of y, draws of y given a linear predictor.
PLAIN = {
    "linear": (LinearRegression(), "gaussian", lambda eta, rng: eta + rng.normal(size=N)),
    "ridge": (Ridge(2.0), "gaussian", lambda eta, rng: eta + rng.normal(size=N)),
    "student": (
        LinearRegression(),
        STUDENT,
        lambda eta, rng: eta + rng.standard_t(3, size=N),
    ),
    "laplace": (LinearRegression(), "laplace", lambda eta, rng: eta + rng.laplace(size=N)),
    "poisson": (PoissonRegressor(alpha=0), "poisson", lambda eta, rng: rng.poisson(np.exp(eta))),
    "gamma": (GammaRegressor(alpha=0), "gamma", lambda eta, rng: rng.gamma(3, np.exp(eta))),
    "binary": (LogisticRegression(C=np.inf), None, lambda eta, rng: labels(eta, rng, 2)),
    "classes": (LogisticRegression(C=np.inf), None, lambda eta, rng: labels(eta, rng, 3)),
    "penalised": (LogisticRegression(C=0.5), None, lambda eta, rng: labels(eta, rng, 3)),
}
#: Reference fits: to standardised columns, to the last digits.
REFERENCE = {
    "linear": LinearRegression(),
    "poisson": PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-12),
    "gamma": GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-12),
    "binary": LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=1000),
    "classes": LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=1000),
}


@pytest.fixture(
    params=["dense", "wide", *(pytest.param(s, marks=pytest.mark.slow) for s in ("few", "grams"))]
)
def stored(request, monkeypatch):
    """How X is stored: a function of an array."""
    store, limits = STORED[request.param]
    if limits is not None:
        monkeypatch.setattr(design, "_DENSE_ENTRIES", limits[0])
        monkeypatch.setattr(design, "_GRAM_COLUMNS", limits[1])
    return store


def table(name, rng):
    """X (n, 3) of many zeros, and y."""
    X = rng.normal(size=(N, 3)) * (rng.uniform(size=(N, 3)) < 0.7)
    return X, PLAIN[name][2](X @ [0.6, -0.4, 0.2], rng)


def mixture(name, **params):
    """The mixture of a law."""
    expert, response, _ = PLAIN[name]
    params = {"experts": expert, "n_experts": 1, "random_state": 0} | params
    if response is None:
        return MixtureOfExpertsClassifier(**params)
    return MixtureOfExpertsRegressor(response=response, **params)


def answers(model, X):
    """Probabilities of a classifier; predictions of a regressor."""
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


def equal_experts(name, n_experts, **params):
    """A mixture whose experts have the same responsibilities for all rows."""
    init = np.full((N, n_experts), 1.0 / n_experts)
    return mixture(
        name, n_experts=n_experts, gate="constant", init=init, tol=1e-13, max_iter=1000, **params
    )


# The scale of columns ----------------------------------------------------------------------


@SCALES
@pytest.mark.parametrize("name", REFERENCE)
def test_the_scale_of_columns_does_not_matter(name, scale, stored, rng):
    X, y = table(name, rng)
    scaled = stored(X * [1.0, scale, np.sqrt(scale)])
    reference = clone(REFERENCE[name]).fit(X, y)
    model = mixture(name).fit(scaled, y)
    assert_allclose(answers(model, scaled), answers(reference, X), rtol=1e-8, atol=1e-8)
    assert_allclose(answers(model.experts_[0], scaled), answers(model, scaled), rtol=1e-12)


@pytest.mark.parametrize("shift", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("name", REFERENCE)
def test_the_origin_of_columns_does_not_matter(name, shift, rng):
    X, y = table(name, rng)
    shifted = X + np.array([0.0, shift, -shift])
    reference = clone(REFERENCE[name]).fit(X, y)
    model = mixture(name).fit(shifted, y)
    assert_allclose(answers(model, shifted), answers(reference, X), rtol=1e-7, atol=1e-7)


@SCALES
def test_a_penalty_is_that_of_raw_coefficients(scale, stored, rng):
    X, y = table("ridge", rng)
    factors = np.array([1.0, scale, np.sqrt(scale)])
    model = mixture("ridge").fit(stored(X * factors), y)
    # Least squares with one further row a column, in coefficients of the unscaled columns.
    centred, strength = X - X.mean(axis=0), np.sqrt(2.0) / factors
    rows = np.concatenate([centred, np.diag(np.minimum(strength, 1e7))])
    coef = np.linalg.lstsq(rows, np.append(y - y.mean(), np.zeros(3)), rcond=None)[0]
    expected = y.mean() + centred @ coef
    assert_allclose(model.predict(stored(X * factors)), expected, rtol=1e-7, atol=1e-7)


@SCALES
def test_a_penalised_classifier_is_at_its_optimum(scale, stored, rng):
    X, y = table("penalised", rng)
    factors = np.array([1.0, scale, np.sqrt(scale)])
    expert = mixture("penalised").fit(stored(X * factors), y).experts_[0]
    residual = np.eye(3)[y] - expert.predict_proba(stored(X * factors))
    # In units of unscaled columns and their coefficients.
    slope = residual.T @ X - expert.coef_ / 0.5 / factors
    assert np.abs(residual.sum(axis=0)).max() < 1e-6
    assert np.abs(slope / (1.0 + 2.0 / factors**2)).max() < 1e-7


# One expert and several --------------------------------------------------------------------


@SCALES
@pytest.mark.parametrize("name", PLAIN)
def test_equal_experts_are_one_expert(name, scale, stored, rng):
    X, y = table(name, rng)
    X = stored(X * [1.0, scale, np.sqrt(scale)])
    # Under a penalty two experts with half the rows each are penalised twice: it is halved.
    halves = {"ridge": Ridge(1.0), "penalised": LogisticRegression(C=1.0)}
    one = equal_experts(name, 1).fit(X, y)
    two = equal_experts(name, 2, experts=halves.get(name, PLAIN[name][0])).fit(X, y)
    assert_allclose(answers(two, X), answers(one, X), rtol=1e-6, atol=1e-6)


def test_two_experts_are_not_preferred_for_one_line(rng):
    X = rng.normal(size=(300, 2)) * [1.0, 1e7]
    y = X @ [1.0, 3e-7] + 0.1 * rng.normal(size=300)
    model = MixtureOfExpertsRegressor(LinearRegression(), n_experts="auto", random_state=0)
    assert model.fit(X, y).n_experts_ == 1
    assert model.score(X, y) > 0.99
    one = MixtureOfExpertsRegressor(LinearRegression(), n_experts=1, random_state=0).fit(X, y)
    # Where one expert is not solved for, a second one gains several nats a row.
    test = likelihood_ratio_test(one, X, y, n_resamples=1, random_state=0)
    assert test.statistic < 30


# Wherever experts are batched --------------------------------------------------------------


def scaled_line(rng, n=N):
    """X (n, 2) with columns of scales 1 and 1e8, and y (n,) that is nearly linear in them."""
    X = rng.normal(size=(n, 2)) * [1.0, 1e8]
    return X, X @ [1.0, 3e-8] + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize(
    "params",
    [
        {"experts": [("only", LinearRegression())]},
        {"cv": 3},
        {"gate": "gaussian"},
        {"top_k": 1},
        {"dispersion": "linear"},
        {"expert_features": [0, 1], "gate_features": [0]},
    ],
    ids=str,
)
def test_one_expert_is_solved_for_in_any_mixture(params, rng):
    X, y = scaled_line(rng)
    if "dispersion" in params:
        params = {"response": Gaussian(dispersion="linear")}
    model = MixtureOfExpertsRegressor(**{"experts": LinearRegression(), "n_experts": 1} | params)
    expected = LinearRegression().fit(X / [1.0, 1e8], y).predict(X / [1.0, 1e8])
    tolerance = 0.1 if "response" in params else 1e-8
    assert_allclose(model.fit(X, y).predict(X), expected, atol=tolerance)


@pytest.mark.parametrize("name", REFERENCE)
def test_one_expert_reads_rows_in_blocks(name, rng, monkeypatch):
    X, y = table(name, rng)
    X = X * [1.0, 1e8, 1e-8]
    monkeypatch.setattr(out_of_core, "SOME_ROWS", 60)
    blocks = [(X[rows], y[rows]) for rows in (slice(0, 40), slice(40, N))]
    model = mixture(name).fit(blocks)
    assert model.starts_[-1]["kind"] == "all rows"
    assert_allclose(answers(model, X), answers(mixture(name).fit(X, y), X), rtol=1e-6, atol=1e-6)


def test_several_outputs_are_solved_for(rng, stored):
    X, y = table("linear", rng)
    y = np.column_stack([y, 1e6 * X[:, 1] ** 2])
    scaled = stored(X * [1.0, 1e8, 1e-8])
    model = MixtureOfExpertsRegressor(LinearRegression(), n_experts=1).fit(scaled, y)
    assert_allclose(model.predict(scaled), LinearRegression().fit(X, y).predict(X), rtol=1e-7)
