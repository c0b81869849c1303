"""Correlated outputs: against scipy, closed forms, direct maximisation and known solutions."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.distributions import MixtureDistribution
from skmoe.gates import HierarchicalGate
from skmoe.inspection import bootstrap, likelihood_ratio_test, summary
from skmoe.metrics import crps, log_score
from skmoe.responses import Gaussian, MultivariateGaussian
from skmoe.responses._correlation import decode, encode, triangle

BARE = {"prior": 0, "floor": 1e-9}
TRUE = np.array([[[1.0, 0.8], [0.8, 1.0]], [[0.25, -0.3], [-0.3, 1.0]]])


def regressor(response, **params):
    return MixtureOfExpertsRegressor(
        response=response, **{"n_experts": 2, "n_init": 2, "random_state": 0} | params
    )


def covariances(rng, n_experts, m):
    """Covariance matrices (K, m, m) with scales far from one."""
    root = rng.standard_normal((n_experts, m, m)) * 10.0 ** rng.uniform(-1, 1, (m, 1))
    return root @ root.swapaxes(1, 2) + 0.01 * np.eye(m)


def parameters_of(covariance):
    return encode(np.linalg.cholesky(covariance))


def covariance_of(parameters):
    scales, factor = decode(parameters)
    root = scales[..., None] * factor
    return root @ root.swapaxes(-1, -2)


def draw(rng, n, covariance=TRUE, width=3):
    """Two planes, the expert told by the sign of the first column, with correlated noise."""
    X, coef = rng.standard_normal((n, width)), rng.standard_normal((2, width, 2))
    expert = (X[:, 0] > 0).astype(int)
    noise = np.linalg.cholesky(covariance)[expert] @ rng.standard_normal((n, 2, 1))
    return X, np.einsum("nd,ndm->nm", X, coef[expert]) + noise[:, :, 0]


@pytest.fixture
def planes(rng):
    return draw(rng, 400)


# The encoding ------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_covariances_come_back_from_their_numbers(m, rng):
    known = covariances(rng, 5, m)
    parameters = parameters_of(known)
    assert parameters.shape == (5, m * (m + 1) // 2)
    assert (parameters > 0).all()
    assert_allclose(parameters[:, :m], np.sqrt(np.einsum("kii->ki", known)), rtol=1e-12)
    assert_allclose(covariance_of(parameters), known, rtol=1e-9)
    each = np.stack([parameters, 2 * parameters])
    assert_allclose(decode(each)[1][1], decode(2 * parameters)[1])


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_any_positive_numbers_are_a_covariance(m, rng):
    parameters = np.exp(rng.normal(scale=3.0, size=(200, m * (m + 1) // 2)))
    scales, factor = decode(parameters)
    assert_array_equal(scales, parameters[:, :m])
    assert_allclose(np.square(factor).sum(axis=2), 1.0, rtol=1e-12)
    assert (np.einsum("kii->ki", factor) > 0).all()
    assert_array_equal(np.triu(factor, 1), 0.0)
    assert_allclose(encode(scales[:, :, None] * factor), parameters, rtol=1e-9)


def test_numbers_behind_the_scales_are_partial_correlations(rng):
    (covariance,) = covariances(rng, 1, 3)
    squares = np.square(parameters_of(covariance)[3:])
    found = (squares - 1) / (squares + 1)
    inverse = np.linalg.inv(covariance)
    given_first = -inverse[2, 1] / np.sqrt(inverse[1, 1] * inverse[2, 2])
    scales = np.sqrt(covariance.diagonal())
    one = covariance / np.outer(scales, scales)
    assert_allclose(found, [one[1, 0], one[2, 0], given_first], rtol=1e-9)


@pytest.mark.parametrize("gap", [1e-4, 1e-9, 1e-14])
def test_correlations_near_one_keep_their_digits(gap):
    factor = np.array([[1.0, 0.0], [-np.sqrt(1.0 - gap**2), gap]])
    assert_allclose(decode(encode(factor))[1], factor, rtol=1e-12)


def test_triangles_are_cholesky_factors(rng):
    root = rng.standard_normal((4, 3, 3))
    known = np.linalg.cholesky(root.swapaxes(1, 2) @ root)
    assert_allclose(triangle(root), known, rtol=1e-9, atol=1e-12)


# The law -----------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 3])
def test_density_is_that_of_scipy(m, rng):
    law, known = MultivariateGaussian(), covariances(rng, 4, m)
    y, mean, parameters = (
        rng.normal(size=(30, m)),
        rng.normal(size=(30, 4, m)),
        parameters_of(known),
    )
    found = law.logpdf(y, mean, parameters)
    for k, covariance in enumerate(known):
        expected = stats.multivariate_normal(np.zeros(m), covariance).logpdf(y - mean[:, k])
        assert_allclose(found[:, k], expected, rtol=1e-10)
    # Other parameters in each row.
    each = parameters * rng.uniform(0.5, 2.0, (30, 1, 1))
    rows = [law.logpdf(y[[i]], mean[[i]], each[i])[0] for i in range(30)]
    assert_allclose(law.logpdf(y, mean, each), rows, rtol=1e-12)
    peak = stats.multivariate_normal(np.zeros(m), known[1]).logpdf(np.zeros(m))
    assert_allclose(law.log_peak(parameters, y)[:, 1], peak, rtol=1e-10)


def test_density_integrates_to_one_and_to_its_margins(rng):
    parameters = parameters_of(TRUE)
    means = np.array([[[0.0, 1.0], [2.0, -1.0]]])
    dist = MixtureDistribution(
        MultivariateGaussian(), np.array([[0.3, 0.7]]), means, parameters, False
    )
    edge, step = np.linspace(-9, 11, 401, retstep=True)
    grid = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1)
    density = dist.pdf(grid.reshape(-1, 1, 2)).reshape(401, 401)
    assert density.sum() * step**2 == pytest.approx(1.0, abs=1e-9)
    assert_allclose(density.sum(axis=1) @ edge * step**2, dist.mean()[0, 0], atol=1e-9)
    # At the middle of a cell, half of it counts.
    below = density.sum(axis=0).cumsum() * step**2 - density.sum(axis=0) * step**2 / 2
    at = 250
    assert dist.cdf(edge[at])[0, 1] == pytest.approx(below[at], abs=1e-3)


def test_margins_are_normal(rng):
    law, known = MultivariateGaussian(), covariances(rng, 3, 2)
    scales = np.sqrt(np.einsum("kii->ki", known))
    y, q, mean = rng.normal(size=(20, 2)), rng.random((20, 2)), rng.normal(size=(20, 3, 2))
    one = stats.norm(mean, scales)
    for parameters in (parameters_of(known), np.repeat(parameters_of(known)[None], 20, axis=0)):
        assert_allclose(law.cdf(y, mean, parameters), one.cdf(y[:, None]), rtol=1e-10)
        assert_allclose(law.ppf(q, mean, parameters), one.ppf(q[:, None]), rtol=1e-9, atol=1e-12)
        deviations = np.broadcast_to(law.variance(mean, parameters), mean.shape)
        assert_allclose(deviations, one.var(), rtol=1e-12)
        assert_array_equal(law.mode(mean, parameters), mean)
    ends = law.ppf(np.array([[0.0, 1.0]]), mean[:1], parameters[0])
    assert_array_equal(ends[0, 0], law.support)


def test_draws_are_joint(rng):
    law, n = MultivariateGaussian(), 40_000
    known = covariances(rng, 2, 3)
    expert = np.arange(n) % 2
    drawn = law.sample(np.ones((n, 3)), parameters_of(known)[expert], rng) - 1.0
    for k, covariance in enumerate(known):
        some = drawn[expert == k]
        independent = np.linalg.solve(np.linalg.cholesky(covariance), some.T)
        assert_allclose(independent @ independent.T / len(some), np.eye(3), atol=0.04)
        for column in independent:
            assert stats.kstest(column, stats.norm.cdf).pvalue > 1e-3


def test_crps_of_correlated_outputs_is_that_of_their_margins(rng):
    known = covariances(rng, 3, 2)
    parts = rng.dirichlet(np.ones(3), 10), rng.normal(size=(10, 3, 2))
    y = rng.normal(size=(10, 2))
    joint = MixtureDistribution(MultivariateGaussian(), *parts, parameters_of(known), False)
    scales = np.sqrt(np.einsum("kii->ki", known))
    alone = MixtureDistribution(Gaussian(), *parts, scales, False)
    assert crps(y, joint) == pytest.approx(crps(y, alone), rel=1e-12)


@pytest.mark.parametrize("correlation", [0.5, 0.99])
def test_modes_lie_where_a_search_ends(correlation, rng):
    for _ in range(6):
        scales = rng.uniform(0.5, 2.0, (2, 2))
        signs = np.array([1.0, -0.5])[:, None, None] * correlation * (1 - np.eye(2)) + np.eye(2)
        parameters = parameters_of(signs * scales[:, :, None] * scales[:, None])
        means = rng.normal(scale=1.5, size=(1, 2, 2))
        weights = np.array([[0.5, 0.5]])
        dist = MixtureDistribution(MultivariateGaussian(), weights, means, parameters, False)
        found = dist.logpdf(dist.mode())[0]
        ends = [optimize.minimize(lambda x, d=dist: -d.logpdf(x)[0], m).fun for m in means[0]]
        assert found >= -min(ends) - 1e-6


def test_far_errors_have_no_density_and_no_warning():
    law, parameters = MultivariateGaussian(), parameters_of(np.array([[[1.0, 0.9], [0.9, 1.0]]]))
    y = np.array([[1e200, -1e200], [1e306, 1e306], [0.0, 0.0]])
    found = law.logpdf(
        y, np.full((3, 1, 2), [-1e200, 1e200]) * [[[1.0]], [[1e106]], [[0.0]]], parameters
    )
    assert (found[:2] < -1e280).all()
    assert np.isfinite(found[2]).all()
    far = law.deviance(y, np.zeros((3, 1, 2)))
    assert np.isfinite(law.fit_dispersion(far, np.ones((3, 1)), np.zeros((1, 2, 2)))).all()


# M-step ------------------------------------------------------------------------------------


def penalties(rng, n_experts, m):
    root = rng.standard_normal((n_experts, m, 4))
    return 0.7 * root @ root.swapaxes(1, 2)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 3.0])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_covariances_maximise_their_objective(m, prior, shared, rng):
    law = MultivariateGaussian(prior, prior_scale=0.5, shared=shared)
    y, mean, masses = rng.normal(size=(60, m)), rng.normal(size=(60, 3, m)), rng.random((60, 3))
    quadratic = penalties(rng, 3, m)
    found = law.fit_dispersion(law.deviance(y, mean.copy()), masses, quadratic)
    assert not shared or np.ptp(found, axis=0).max() == 0

    def objective(steps):
        parameters = found * np.exp(np.reshape(steps, (-1, found.shape[1])))
        value = (masses * law.logpdf(y, mean, parameters)).sum()
        return value - law.penalty(parameters, quadratic)

    free = found.shape[1] if shared else found.size
    assert np.abs(optimize.approx_fprime(np.zeros(free), objective, 1e-6)).max() < 1e-3
    best = objective(np.zeros(free))
    for direction in rng.normal(scale=0.03, size=(30, free)):
        assert objective(direction) < best


def test_the_prior_has_its_mode_where_it_says():
    law = MultivariateGaussian(prior=2.0, prior_scale=0.3)
    none = np.zeros((5, 1, 2)), np.zeros((5, 1)), np.zeros((1, 2, 2))
    assert_allclose(covariance_of(law.fit_dispersion(*none))[0], 0.09 * np.eye(2), atol=1e-15)


@pytest.mark.parametrize("m", [2, 3])
def test_the_floor_allows_the_best_there_is(m, rng):
    law, direction = MultivariateGaussian(prior=0, floor=0.3), rng.normal(size=m)
    # Errors along one line, and a little beside it.
    y = rng.normal(size=(80, 1)) * direction + 0.01 * rng.normal(size=(80, m))
    mean, masses, none = np.zeros((80, 1, m)), rng.random((80, 1)), np.zeros((1, m, m))
    found = law.fit_dispersion(law.deviance(y, mean.copy()), masses, none)
    values, vectors = np.linalg.eigh(covariance_of(found)[0])
    assert_allclose(values[:-1], 0.09, rtol=1e-9)

    def objective(parameters):
        return (masses * law.logpdf(y, mean, parameters)).sum()

    best = objective(found)
    for _ in range(200):
        root = vectors * np.sqrt(values) + rng.normal(scale=0.02, size=(m, m))
        axes, spreads, _ = np.linalg.svd(root)
        other = triangle((np.maximum(spreads, 0.3) * axes).T[None])
        assert objective(encode(other)) < best + 1e-9


def test_what_is_within_the_bounds_stays_and_the_rest_is_raised(rng):
    law = MultivariateGaussian(floor=0.1)
    inside = parameters_of(np.array([np.eye(3), np.diag([1.0, 4.0, 0.02])]))
    assert_array_equal(law.confined(inside), inside)
    narrow = parameters_of(np.array([[[1.0, 0.999999], [0.999999, 1.0]]]))
    raised = np.linalg.eigh(covariance_of(law.confined(narrow))[0])
    assert_allclose(raised[0], [0.01, 1.999999], rtol=1e-6)
    assert_allclose(np.abs(raised[1]), np.sqrt(0.5), rtol=1e-6)
    wild = law.confined(np.array([[0.0, np.inf, 1e200], [1e-300, 1e300, 0.0]]))
    assert np.isfinite(np.log(wild)).all()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_one_output_is_the_gaussian_law(prior, shared, rng):
    laws = [kind(prior, shared=shared) for kind in (Gaussian, MultivariateGaussian)]
    y, mean, masses = rng.normal(size=(50, 1)), rng.normal(size=(50, 3, 1)), rng.random((50, 3))
    quadratic = rng.random((3, 1))
    parts = zip(laws, (quadratic, quadratic[:, :, None]), strict=True)
    known, found = (
        (
            parameters := law.fit_dispersion(law.deviance(y, mean.copy()), masses, penalty),
            law.logpdf(y, mean, parameters),
            law.penalty(parameters, penalty),
            law.count_parameters(parameters),
        )
        for law, penalty in parts
    )
    for one, other in zip(known, found, strict=True):
        assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("params", [{}, {"cv": 3}, {"specialize": False}], ids=str)
@pytest.mark.parametrize("clones", [False, True])
def test_one_output_is_the_gaussian_fit(clones, params, rng):
    X, Y = draw(rng, 200)
    experts = Ridge(5.0) if clones else [("line", LinearRegression()), ("ridge", Ridge(5.0))]
    params = {"experts": experts, "gate": "constant", "init": rng_start(len(X)), **params}
    laws = Gaussian(), MultivariateGaussian()
    fits = [regressor(law, **params).fit(X, Y[:, 0]) for law in laws]
    assert_allclose(fits[0].lower_bounds_, fits[1].lower_bounds_, rtol=1e-9)
    assert_allclose(fits[0].dispersion_, fits[1].dispersion_, rtol=1e-9)
    assert fits[1].dispersion_.shape == (2,)
    assert_allclose(fits[1].response_.covariance_[:, 0, 0], fits[1].dispersion_ ** 2)


def rng_start(n):
    """Starting responsibilities that differ from row to row."""
    first = np.random.default_rng(7).random(n)
    return np.column_stack([first, 1.0 - first])


# Fits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize(
    "experts",
    [
        None,
        Ridge(20.0),
        make_pipeline(StandardScaler(), Ridge(20.0)),
        [("line", LinearRegression()), ("ridge", Ridge(20.0))],
    ],
    ids=["lines", "ridges", "pipelines", "both"],
)
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_the_objective_never_falls(experts, accelerate, shared, rng):
    X, Y = draw(rng, 300)
    law = MultivariateGaussian(shared=shared)
    params = {"accelerate": accelerate, "tol": 1e-10, "n_init": 1}
    bounds = regressor(law, experts=experts, **params).fit(X, Y * [1.0, 1e3]).lower_bounds_
    assert (np.diff(bounds) / (1 + np.abs(bounds[1:]))).min() > -1e-9


class Normal(MultivariateGaussian):
    """The law, and how far the experts are from the normal equations of a table."""

    X, slopes = None, []

    def fit_dispersion(self, deviance, masses, quadratic, old=None):
        errors = masses[:, :, None] * deviance
        self.slopes.append(np.abs(np.tensordot(self.X, errors, (0, 0))).max() / len(self.X))
        return super().fit_dispersion(deviance, masses, quadratic, old)


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_experts_of_many_columns_are_solved_to_the_end(rng):
    # What improves either output may worsen both, where they are correlated.
    X, Y = draw(rng, 400, width=30)
    Normal.X, params = X, {"accelerate": False, "tol": 1e-10, "n_init": 1, "max_iter": 20}
    params["cv"] = None  # rows left out would be seen by another design
    bounds = regressor(Normal(), **params).fit(X, Y).lower_bounds_
    assert len(Normal.slopes) >= 10
    assert max(Normal.slopes) < 1e-10
    assert (np.diff(bounds) / (1 + np.abs(bounds[1:]))).min() > -1e-9


def test_the_objective_of_a_ridge_is_the_penalised_likelihood(planes):
    X, Y = planes
    law = MultivariateGaussian(**BARE)
    for experts in (Ridge(30.0), [("ridge", Ridge(30.0))]):
        model = regressor(law, n_experts=1, experts=experts).fit(X, Y)
        coef, covariance = model.experts_[0].coef_, model.response_.covariance_[0]
        errors = stats.multivariate_normal(np.zeros(2), covariance).logpdf(Y - model.predict(X))
        penalty = 0.5 * 30.0 * np.trace(np.linalg.solve(covariance, coef @ coef.T))
        assert model.lower_bound_ == pytest.approx((errors.sum() - penalty) / len(X), rel=1e-9)

    def objective(numbers):
        weights, intercept, parameters = numbers[:6], numbers[6:8], np.exp(numbers[8:])
        error = Y - X @ weights.reshape(2, 3).T - intercept
        covariance = covariance_of(parameters)
        value = stats.multivariate_normal(np.zeros(2), covariance).logpdf(error).sum()
        products = weights.reshape(2, 3) @ weights.reshape(2, 3).T
        return value - 15.0 * np.trace(np.linalg.solve(covariance, products))

    fitted = [coef.ravel(), model.experts_[0].intercept_, np.log(model.law_parameters_[0])]
    slopes = optimize.approx_fprime(np.concatenate(fitted), objective, 1e-6)
    assert np.abs(slopes).max() < 1e-2


def test_batched_and_wrapped_ridges_are_one_model(planes):
    X, Y = planes
    law, start = MultivariateGaussian(), rng_start(len(planes[0]))
    params = {"init": start, "accelerate": False, "max_iter": 20, "tol": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batched = regressor(law, experts=Ridge(20.0), **params).fit(X, Y)
        named = [("a", Ridge(20.0)), ("b", Ridge(np.array([20.0, 20.0])))]
        wrapped = regressor(law, experts=named, **params).fit(X, Y)
    assert_allclose(batched.lower_bounds_, wrapped.lower_bounds_, rtol=1e-6)
    assert_allclose(batched.predict(X), wrapped.predict(X), rtol=1e-4, atol=1e-6)


def test_a_penalty_for_each_output_is_refused_by_name(planes):
    named = [("line", LinearRegression()), ("ridge", Ridge(np.array([1.0, 2.0])))]
    with pytest.raises(
        ValueError, match="expert 'ridge' failed in fit: alpha of Ridge must be one"
    ):
        regressor(MultivariateGaussian(), experts=named).fit(*planes)
    assert regressor("gaussian", experts=named).fit(*planes).converged_


def test_one_expert_is_the_closed_form(planes):
    X, Y = planes
    model = regressor(MultivariateGaussian(**BARE), n_experts=1).fit(X, Y)
    error = Y - LinearRegression().fit(X, Y).predict(X)
    assert_allclose(model.response_.covariance_[0], error.T @ error / len(X), rtol=1e-10)
    assert_allclose(model.dispersion_[0], error.std(axis=0), rtol=1e-10)
    known = stats.multivariate_normal(np.zeros(2), error.T @ error / len(X)).logpdf(error)
    assert_allclose(model.score_samples(X, Y), known, rtol=1e-9)


@pytest.mark.parametrize("shared", [False, True])
def test_covariances_are_recovered(shared, rng):
    known = TRUE[[1, 1]] if shared else TRUE
    X, Y = draw(rng, 5000, known)
    model = regressor(MultivariateGaussian(shared=shared)).fit(X, Y)
    order = [int(model.gate_proba(np.eye(1, 3) * sign)[0].argmax()) for sign in (-5, 5)]
    assert_allclose(model.response_.covariance_[order], known, atol=0.08)
    assert not shared or np.ptp(model.law_parameters_, axis=0).max() == 0


def test_it_beats_independent_outputs_on_new_rows(rng):
    X, Y = draw(rng, 2000)
    scores = [
        log_score(Y[1000:], regressor(law).fit(X[:1000], Y[:1000]).predict_dist(X[1000:]))
        for law in (Gaussian(), MultivariateGaussian())
    ]
    # Mean of half the information that outputs hold of each other.
    known = -0.25 * np.log1p(-np.array([0.64, 0.36])).sum()
    assert scores[1] - scores[0] == pytest.approx(known, abs=0.1)


def test_units_of_outputs_are_free(planes):
    X, Y = planes
    scale = np.array([1e6, 1e-5])
    other, params = Y * scale - 7 * scale, {"tol": 1e-9, "max_iter": 1000}
    small, large = (regressor(MultivariateGaussian(), **params).fit(X, y) for y in (Y, other))
    assert_allclose(large.predict(X) / scale, small.predict(X) - 7, atol=1e-3)
    known = small.response_.covariance_ * np.outer(scale, scale)
    assert_allclose(large.response_.covariance_, known, rtol=1e-3)
    gain = small.score_samples(X, Y) - large.score_samples(X, other)
    assert_allclose(gain, np.log(scale).sum(), atol=1e-3)
    assert large.lower_bound_ == pytest.approx(small.lower_bound_ - np.log(scale).sum(), abs=1e-6)


def test_weights_are_rows(planes, rng):
    X, Y = planes
    weights = rng.integers(0, 3, len(X))
    params = {"gate": "constant", "tol": 1e-8, "max_iter": 1000}
    law = MultivariateGaussian()
    weighted = regressor(law, **params).fit(X, Y, sample_weight=weights)
    repeated = regressor(law, **params).fit(*(np.repeat(part, weights, axis=0) for part in (X, Y)))
    assert_allclose(weighted.lower_bound_, repeated.lower_bound_, atol=1e-6)
    assert_allclose(weighted.response_.covariance_, repeated.response_.covariance_, atol=1e-3)


@pytest.mark.parametrize(
    "params",
    [{}, {"top_k": 1}, {"average": 2}, {"gate": "gaussian"}, {"gate": "constant"}],
    ids=str,
)
def test_the_log_score_is_that_of_the_mixture(params, planes):
    X, Y = planes
    model = regressor(MultivariateGaussian(), **params).fit(X, Y)
    starts = [(model.gate_, model.experts_, model.law_parameters_)]
    starts += [(m["gate"], m["experts"], m["law_parameters"]) for m in model.averaged_]
    density = 0.0
    for gate, experts, parameters in starts:
        proba = gate.predict_proba(X)
        if model.top_k:
            proba = np.eye(2)[proba.argmax(axis=1)]
        for share, expert, law in zip(proba.T, experts, parameters, strict=True):
            one = stats.multivariate_normal(np.zeros(2), covariance_of(law))
            density = density + share * one.pdf(Y - expert.predict(X)) / len(starts)
    assert_allclose(model.score_samples(X, Y), np.log(density), rtol=1e-8)
    assert_allclose(model.predict_dist(X).logpdf(Y), np.log(density), rtol=1e-8)
    assert (np.diff(model.lower_bounds_) > -1e-9).all()


def test_draws_of_a_fit_have_its_covariance(planes):
    X, Y = planes
    model = regressor(MultivariateGaussian(), n_experts=1).fit(X, Y)
    drawn = model.predict_dist(X[:1]).sample(40_000, 0)[0]
    known = model.response_.covariance_[0]
    assert_allclose(np.cov(drawn), known, atol=0.04 * known.max())


@pytest.mark.parametrize(
    "params",
    [
        {"experts": DecisionTreeRegressor(max_depth=2)},
        {"experts": DecisionTreeRegressor(max_depth=4), "cv": 3},
        {"experts": Ridge(), "cv": 3},
        {"experts": [("line", Ridge()), ("tree", DecisionTreeRegressor())], "specialize": False},
        {"experts": LinearRegression(), "specialize": False},
        {"experts": Ridge(np.array([1.0, 2.0])), "specialize": False},
        {"n_experts": "auto"},
        {"gate": HierarchicalGate(), "n_experts": 4},
    ],
    ids=str,
)
def test_any_part_meets_the_law(params, planes):
    X, Y = planes
    model = regressor(MultivariateGaussian(), **params).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(model.score_samples(X, Y)).all()
    assert (np.linalg.eigvalsh(model.response_.covariance_) > 0).all()


class Recording(MultivariateGaussian):
    """The law, and the parameters that it has been asked with."""

    seen = []

    def log_density(self, deviance, parameters, y=None):
        self.seen.append(parameters.copy())
        return super().log_density(deviance, parameters, y)


def test_components_that_share_a_fit_begin_with_one_correlation(planes):
    regressor(Recording(), experts=LinearRegression(), specialize=False).fit(*planes)
    first = Recording.seen[0]
    assert_allclose(first[1, :2], 4.0 * first[0, :2])
    assert first[1, 2] == pytest.approx(first[0, 2], rel=1e-12)


def test_groups_share_an_expert(planes):
    X, Y = planes
    groups = np.arange(len(X)) // 4
    model = regressor(MultivariateGaussian(), gate="constant").fit(X, Y, groups=groups)
    assert model.responsibilities(X, Y, groups=groups)[:4].std(axis=0).max() < 1e-12
    assert (np.diff(model.lower_bounds_) > -1e-9).all()


def test_a_mixture_of_the_same_law_is_an_expert(rng):
    X, Y = draw(rng, 100)
    law, few = MultivariateGaussian(), {"n_init": 1, "cv": None}
    inner = regressor(law, **few)
    model = regressor(law, experts=[("inner", inner), ("line", LinearRegression())], **few)
    model.fit(X, Y)
    assert_allclose(model.predict_dist(X).logpdf(Y), model.score_samples(X, Y), rtol=1e-9)
    assert np.isnan(model.law_parameters_[0]).all()
    assert np.isfinite(model.response_.covariance_[1]).all()
    with pytest.raises(
        ValueError, match="must be a mixture with the response MultivariateGaussian"
    ):
        regressor(law, experts=[("inner", regressor("gaussian")), ("b", Ridge())]).fit(X, Y)


def test_overfitted_experts_are_distinguished_from_those_right_on_average(rng):
    X, Y = draw(rng, 200)
    law = MultivariateGaussian()
    # In sample the errors of a tree have the mean zero.
    for y in (Y, Y[:, 0]):
        shallow, deep = DecisionTreeRegressor(max_depth=2), DecisionTreeRegressor()
        regressor(law, experts=shallow, n_experts=1, cv=None).fit(X, y)
        with pytest.warns(UserWarning, match="repeat"):
            regressor(law, experts=deep, n_experts=1, cv=None).fit(X, y)


@pytest.mark.parametrize("twin", ["same", "constant"])
def test_outputs_without_a_spread_of_their_own_do_no_harm(twin, planes):
    X, Y = planes
    Y = np.column_stack([Y, Y[:, 0] if twin == "same" else np.full(len(X), 3.0)])
    model = regressor(MultivariateGaussian()).fit(X, Y)
    assert np.isfinite(model.score_samples(X, Y)).all()
    assert (np.diff(model.lower_bounds_) > -1e-9).all()


def test_parameters_are_counted(planes):
    X, Y = planes
    for law, known in [
        (Gaussian(), 4),
        (MultivariateGaussian(), 6),
        (MultivariateGaussian(shared=True), 3),
    ]:
        model = regressor(law).fit(X, Y)
        score = -2 * model.score_samples(X, Y).sum()
        # Besides: two experts of two outputs, and a gate.
        assert round((model.aic(X, Y) - score) / 2) == known + 16 + 4


def test_copies_are_equal(planes):
    X, Y = planes
    law = MultivariateGaussian(2.0, prior_scale=0.2, floor=0.01, shared=True)
    assert clone(law).get_params() == law.get_params()
    model = regressor(law).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.score_samples(X, Y), model.score_samples(X, Y))
    assert_array_equal(again.response_.covariance_, model.response_.covariance_)
    assert_array_equal(clone(model).fit(X, Y).predict(X), model.predict(X))


def test_parameters_are_tuned_by_name(planes):
    grid = {"response__shared": [True, False]}
    search = GridSearchCV(regressor(MultivariateGaussian(), n_init=1), grid, cv=2).fit(*planes)
    assert search.best_params_["response__shared"] in (True, False)


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [{"prior": -1}, {"prior_scale": 0}, {"floor": 0}, {"shared": "yes"}], ids=str
)
def test_what_is_no_parameter_is_refused_by_name(params, planes):
    (name,) = params
    with pytest.raises(ValueError, match=f"{name!r} parameter of MultivariateGaussian"):
        regressor(MultivariateGaussian(**params)).fit(*planes)


def test_inference_refuses_several_outputs_and_the_law_by_name(planes):
    X, Y = planes
    model = regressor(MultivariateGaussian()).fit(X, Y)
    for ask in (summary, bootstrap):
        with pytest.raises(ValueError, match="y must have one output; got 2"):
            ask(model, X, Y)
    with pytest.raises(TypeError, match="MultivariateGaussian"):
        summary(model.fit(X, Y[:, 0]), X, Y[:, 0])


def test_one_more_expert_is_tested_under_the_law(planes):
    X, Y = planes
    one = regressor(MultivariateGaussian(), n_experts=1).fit(X, Y)
    assert likelihood_ratio_test(one, X, Y, n_resamples=4, random_state=0).p_value == 0.2
