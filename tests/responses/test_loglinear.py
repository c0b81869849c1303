"""Dispersions that are log-linear in x: against direct maximisation, and on simulated tables."""

import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, sparse, stats
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.metrics import interval_coverage
from skmoe.responses import (
    Gamma,
    Gaussian,
    Laplace,
    LogLinear,
    MultivariateGaussian,
    StudentT,
    row_parameters,
    standardised,
)

LAWS = {
    "gaussian": Gaussian(dispersion="linear"),
    "student_t": StudentT(dispersion="linear"),
    "laplace": Laplace(dispersion="linear"),
    "gamma": Gamma(dispersion="linear"),
    "multivariate": MultivariateGaussian(dispersion="linear"),
}
EVERY_LAW = pytest.mark.parametrize("name", LAWS)

CUT_SHORT = pytest.mark.filterwarnings("ignore:EM did not converge")


def regressor(response, **params):
    return MixtureOfExpertsRegressor(
        response=response, **{"n_experts": 2, "n_init": 2, "random_state": 0} | params
    )


def draw(name, mean, dispersion, rng):
    """y of a law, (n,)."""
    if name == "gamma":
        return rng.gamma(1 / dispersion, np.exp(0.3 * mean) * dispersion)
    noise = {"student_t": stats.t(5), "laplace": stats.laplace()}.get(name, stats.norm())
    return mean + dispersion * noise.rvs(len(mean), random_state=rng)


def table(name, rng, n=600):
    """Two experts told by the sign of the first column, whose dispersions depend on the second."""
    X = rng.standard_normal((n, 2))
    first = X[:, 0] > 0
    mean = np.where(first, 3 + 2 * X[:, 1], -3 - X[:, 1])
    return X, draw(name, mean, np.where(first, 0.3, 0.2) * np.exp(0.6 * X[:, 1]), rng)


def components(name, rng, n=200, k=3):
    """Targets (n, 1), means (n, K, 1) and parameters (n, K, q) of a law by row."""
    y, mean = rng.uniform(0.5, 2, (n, 1)), rng.uniform(0.5, 2, (n, k, 1))
    parameters = rng.uniform(0.3, 1.5, (n, k, 1))
    if name == "student_t":
        parameters = np.concatenate([parameters, rng.uniform(3, 9, (n, k, 1))], axis=2)
    return y, mean, parameters


# The laws ----------------------------------------------------------------------------------


@EVERY_LAW
def test_parameters_by_row_are_those_of_each_row(name, rng):
    law, (y, mean, parameters) = LAWS[name], components(name, rng)
    found = law.logpdf(y, mean, parameters)
    for i in range(0, len(y), 20):
        row = slice(i, i + 1)
        assert_allclose(found[row], law.logpdf(y[row], mean[row], parameters[i]), rtol=1e-12)


def test_gaussian_of_several_outputs_takes_parameters_by_row(rng):
    y, mean = rng.standard_normal((30, 2)), rng.standard_normal((30, 3, 2))
    parameters = rng.uniform(0.3, 2, (30, 3, 2))
    expected = stats.norm(mean, parameters).logpdf(y[:, None]).sum(axis=2)
    assert_allclose(Gaussian().logpdf(y, mean, parameters), expected, rtol=1e-12)


@EVERY_LAW
def test_slopes_are_those_of_the_density(name, rng):
    law, (y, mean, parameters) = LAWS[name], components(name, rng)

    def log_density(step):
        moved = parameters.copy()
        moved[:, :, :1] *= np.exp(step)
        return law.logpdf(y, mean, moved)

    slope, _ = law.dispersion_scores(law.deviance(y, mean.copy()), parameters)
    assert_allclose(slope, (log_density(1e-5) - log_density(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-8)


@EVERY_LAW
def test_information_is_the_mean_square_of_the_slope(name, rng):
    law, n = LAWS[name], 200_000
    own = [0.4, 5.0] if name == "student_t" else [0.4]
    mean, parameters = np.full((n, 1), 1.3), np.tile(own, (n, 1))
    y = law.sample(mean, parameters, rng)
    deviance = law.deviance(y, mean[:, None].copy())
    slope, information = law.dispersion_scores(deviance, parameters[:, None])
    assert abs(slope.mean()) < 5 * slope.std() / np.sqrt(n)
    assert_allclose(np.square(slope).mean(), np.mean(information), rtol=0.05)


@EVERY_LAW
@pytest.mark.parametrize("shared", [False, True])
def test_dispersions_given_the_stretches_maximise_the_objective(name, shared, rng):
    law = clone(LAWS[name]).set_params(shared=shared, prior=2.0)
    if name == "student_t":
        law.set_params(df=4.0)
    y, mean, parameters = components(name, rng)
    deviance, masses = law.deviance(y, mean.copy()), rng.uniform(0, 1, (200, 3))
    stretches = rng.uniform(0.5, 2.0, (200, 3))
    quadratic = np.zeros((3, 1, 1) if law.correlated else (3, 1))
    old = parameters[0]
    for _ in range(200 if name == "student_t" else 1):
        old = law.fit_dispersion(deviance, masses, quadratic, old, stretches)

    def value(own):
        by_row = np.repeat(own[None], 200, axis=0)
        by_row[:, :, 0] *= stretches
        log_density = law.log_density(deviance.copy(), by_row, np.ones((200, 1)))
        return (masses * log_density).sum() - law.penalty(own, quadratic)

    for factor in (0.999, 1.001):
        moved = old.copy()
        moved[:, 0] *= factor
        assert value(moved) < value(old)


# One expert: the heteroscedastic regression of Harvey (1976) ----------------------------------


def test_one_expert_is_a_heteroscedastic_regression(rng):
    X = rng.uniform(-1, 1, (300, 2))
    y = 1 + X @ [2.0, -1.0] + np.exp(-1 + X @ [0.8, 0.0]) * rng.standard_normal(300)
    law = Gaussian(dispersion="linear", dispersion_alpha=4.0, prior=0)
    model = regressor(law, n_experts=1, tol=1e-12, max_iter=500, cv=None).fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)

    def loss(v):
        log_sigma = v[3] + Z @ v[4:]
        log_density = stats.norm.logpdf(y, v[0] + X @ v[1:3], np.exp(log_sigma))
        return -log_density.sum() + 2.0 * (v[4:] @ v[4:])

    best = optimize.minimize(loss, [1, 2, -1, -1, 0, 0], method="BFGS", options={"gtol": 1e-8})
    assert_allclose(-300 * model.lower_bound_, best.fun, rtol=1e-8)
    assert_allclose(model.experts_[0].coef_, best.x[1:3], atol=1e-4)
    assert_allclose(np.log(model.dispersion_), best.x[3], atol=1e-4)
    assert_allclose(model.dispersion_coef_[0], best.x[4:], atol=1e-4)


# Mixtures ----------------------------------------------------------------------------------


@CUT_SHORT
@EVERY_LAW
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("accelerate", [False, True])
def test_the_objective_never_falls(name, shared, accelerate, rng):
    X, y = table(name, rng)
    law = clone(LAWS[name]).set_params(shared=shared)
    experts = None if name == "gamma" else Ridge()
    model = regressor(law, experts=experts, accelerate=accelerate, tol=1e-9, max_iter=60)
    steps = np.diff(model.fit(X, y).lower_bounds_)
    assert len(steps) > 3
    assert steps.min() > -1e-9
    if shared:
        assert np.ptp(model.dispersion_coef_, axis=0).max() == 0


@EVERY_LAW
def test_what_was_drawn_is_recovered(name, rng):
    X, y = table(name, rng, n=20_000)
    model = regressor(LAWS[name]).fit(X, y)
    first = model.apply([[2.0, 0.0]])[0]
    assert_allclose(model.dispersion_[[first, 1 - first]], [0.3, 0.2], rtol=0.05)
    assert_allclose(model.dispersion_coef_, [[0, 0.6], [0, 0.6]], atol=0.03)


@EVERY_LAW
def test_it_predicts_better_where_dispersions_vary_and_as_well_where_not(name, rng):
    X, y = table(name, rng, n=1500)
    flat = draw(name, X[:, 1], np.full(1500, 0.3), rng)
    for target, gain in [(y, 0.05), (flat, -0.02)]:
        fits = [
            regressor(clone(LAWS[name]).set_params(dispersion=dispersion))
            .fit(X[:1000], target[:1000])
            .score_samples(X[1000:], target[1000:])
            .mean()
            for dispersion in ("constant", "linear")
        ]
        assert fits[1] - fits[0] > gain


def test_intervals_hold_y_where_errors_are_small_and_where_they_are_large(rng):
    X, y = table("gaussian", rng, n=6000)
    model = regressor(LAWS["gaussian"]).fit(X[:3000], y[:3000])
    constant = regressor("gaussian").fit(X[:3000], y[:3000])
    for rows in (X[3000:, 1] < -1, X[3000:, 1] > 1):
        new, target = X[3000:][rows], y[3000:][rows]
        assert abs(interval_coverage(target, model.predict_interval(new)) - 0.9) < 0.04
        assert abs(interval_coverage(target, constant.predict_interval(new)) - 0.9) > 0.05


@CUT_SHORT
@pytest.mark.parametrize(
    "expert",
    [
        DecisionTreeRegressor(max_depth=3),
        pytest.param(HistGradientBoostingRegressor(max_iter=20), marks=pytest.mark.slow),
    ],
    ids=lambda expert: type(expert).__name__,
)
def test_any_expert_may_have_them(expert, rng):
    X, y = table("gaussian", rng, n=1000)
    model = regressor(LAWS["gaussian"], experts=expert, max_iter=10).fit(X, y)
    assert (model.dispersion_coef_[:, 1] > 0.1).all()
    assert np.isfinite(model.predict_interval(X)).all()


def test_several_outputs_share_the_coefficients_of_an_expert(rng):
    X, y = table("gaussian", rng, n=4000)
    other = -2 * y + 0.8 * np.exp(0.6 * X[:, 1]) * rng.standard_normal(4000)
    model = regressor(LAWS["gaussian"], tol=1e-9).fit(X, np.column_stack([y, other]))
    assert model.dispersion_.shape == (2, 2)
    assert model.dispersion_coef_.shape == (2, 2)
    assert_allclose(model.dispersion_coef_[:, 1], 0.6, atol=0.05)
    assert np.diff(model.lower_bounds_).min() > -1e-9


def test_correlated_outputs_keep_their_correlation_where_errors_grow(rng):
    X = rng.standard_normal((4000, 2))
    noise = rng.multivariate_normal([0, 0], [[1, -0.7], [-0.7, 1]], 4000)
    Y = np.where(X[:, :1] > 0, X @ [[2, 1], [0, 1]], -3 + 0 * X)
    Y += np.exp(0.5 * X[:, 1:]) * noise * [0.3, 1.0]
    model = regressor(LAWS["multivariate"], tol=1e-9).fit(X, Y)
    assert np.diff(model.lower_bounds_).min() > -1e-9
    assert_allclose(model.dispersion_coef_, [[0, 0.5], [0, 0.5]], atol=0.05)
    assert_allclose(
        model.response_.covariance_[:, 0, 1] / model.dispersion_.prod(1), -0.7, atol=0.05
    )
    diagonal = regressor(LAWS["gaussian"]).fit(X, Y)
    assert model.score_samples(X, Y).mean() > diagonal.score_samples(X, Y).mean() + 0.2
    drawn = model.predict_dist(X[:1].repeat(20_000, 0)).sample(1, 0)[:, :, 0]
    assert_allclose(np.cov(drawn.T).diagonal(), model.predict_dist(X[:1]).var()[0], rtol=0.05)


def test_units_of_x_and_y_do_not_matter(rng):
    X, y = table("gaussian", rng)
    model = regressor(LAWS["gaussian"]).fit(X, y)
    other = regressor(LAWS["gaussian"]).fit(100 + 10 * X, 50 - 3 * y)
    moved = other.score_samples(100 + 10 * X, 50 - 3 * y) + np.log(3)
    assert_allclose(moved, model.score_samples(X, y), atol=1e-3)
    assert_allclose(np.sort(other.dispersion_), np.sort(3 * model.dispersion_), rtol=1e-3)


def test_weights_are_repetition(rng):
    X, y = table("gaussian", rng, n=150)
    times = rng.integers(0, 3, 150)
    settings = {"accelerate": False, "tol": 1e-10}
    weighted = regressor(LAWS["gaussian"], **settings).fit(X, y, sample_weight=times)
    repeated = regressor(LAWS["gaussian"], **settings).fit(X.repeat(times, 0), y.repeat(times))
    assert_allclose(weighted.dispersion_coef_, repeated.dispersion_coef_, atol=1e-6)
    assert_allclose(weighted.score_samples(X, y), repeated.score_samples(X, y), atol=1e-6)


def test_groups_and_hard_mixtures_and_averages_have_them(rng):
    X, y = table("gaussian", rng, n=400)
    for params, fit in [
        ({}, {"groups": np.arange(400) // 2}),
        ({"top_k": 1}, {}),
        ({"average": 2}, {}),
        ({"specialize": False, "experts": LinearRegression()}, {}),
    ]:
        if fit:
            X = X.repeat(2, axis=0)[: len(X)]
        model = regressor(LAWS["gaussian"], **params).fit(X, y, **fit)
        dist = model.predict_dist(X)
        assert_allclose(dist.logpdf(y), model.score_samples(X, y), atol=1e-10)
        assert np.ptp(dist.parameters[:, :, 0], axis=0).max() > 0.01


@CUT_SHORT
def test_a_mixture_may_be_an_expert(rng):
    X, y = table("gaussian", rng, n=300)
    few = {"n_init": 1, "cv": None}
    for inner, outer in product(["constant", "linear"], repeat=2):
        expert = regressor(Gaussian(dispersion=inner), max_iter=5, **few)
        model = regressor(Gaussian(dispersion=outer), max_iter=3, experts=expert, **few)
        model.fit(X, y)
        assert_allclose(model.predict_dist(X).logpdf(y), model.score_samples(X, y), atol=1e-9)


def test_parameters_are_counted(rng):
    X, y = table("gaussian", rng)
    for shared, extra in [(False, 4), (True, 2)]:
        criteria = []
        for dispersion in ("constant", "linear"):
            law = Gaussian(shared=shared, dispersion=dispersion)
            model = regressor(law).fit(X, y)
            criteria.append(model.bic(X, y) + 2 * model.score_samples(X, y).sum())
        assert_allclose(np.diff(criteria), extra * np.log(len(y)))


def test_features_end_at_three_standard_deviations(rng):
    X, y = table("gaussian", rng)
    model = regressor(LAWS["gaussian"]).fit(X, y)
    features = standardised(np.array([[0.0, 1e9], [0.0, -1e9]]), model.dispersion_units_)
    assert_array_equal(features[:, 1], [3, -3])
    far = model.predict_dist(np.array([[0.0, 1e3], [0.0, 1e6]])).parameters
    assert_allclose(far[0], far[1])


def test_rows_have_their_own_parameters():
    parameters = np.array([[2.0, 7.0, np.e], [3.0, 8.0, 1.0]])
    found = row_parameters(parameters, np.array([[0.0], [2.0]]), 1)
    assert_allclose(found, [[[2, 7], [3, 8]], [[2 * np.e**2, 7], [3, 8]]])


def test_a_step_that_would_lower_the_objective_is_halved(rng):
    # Slopes of a law that promises far too much.
    class Rash(Gaussian):
        def dispersion_scores(self, deviance, parameters):
            slope, information = super().dispersion_scores(deviance, parameters)
            return slope, information / 20.0

    X, y = table("gaussian", rng)
    model = regressor(Rash(dispersion="linear", dispersion_alpha=0.1), accelerate=False)
    assert np.diff(model.fit(X, y).lower_bounds_).min() > -1e-9


def test_fitted_models_can_be_kept_and_searched(rng):
    X, y = table("gaussian", rng, n=300)
    search = GridSearchCV(regressor(Gaussian()), {"response__dispersion": ["constant", "linear"]})
    model = pickle.loads(pickle.dumps(search.fit(X, y).best_estimator_))
    assert_array_equal(model.predict_interval(X), search.best_estimator_.predict_interval(X))
    constant = regressor("gaussian").fit(X, y)
    assert constant.dispersion_coef_ is None
    assert constant.dispersion_units_ is None


def test_the_columns_are_those_of_the_experts(rng):
    X, y = table("gaussian", rng)
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(c=rng.choice(["x", "y"], len(X)))
    model = regressor(LAWS["gaussian"], expert_features=["b"], gate_features=["a", "b"])
    assert model.fit(frame, y).dispersion_coef_.shape == (2, 1)
    assert np.ptp(model.predict_dist(frame).parameters[:, 0, 0]) > 0.1


def test_what_cannot_be_a_feature_is_refused_by_name(rng):
    X, y = table("gaussian", rng)
    trees = regressor(LAWS["gaussian"], experts=HistGradientBoostingRegressor(max_iter=5))
    holes = X.copy()
    holes[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"response with dispersion='linear'.*NaN"):
        trees.set_params(gate="constant").fit(holes, y)
    wide = sparse.random(600, 600, density=0.01, format="csr", random_state=0)
    with pytest.raises(ValueError, match="at most 512 columns where it is sparse, got 600"):
        regressor(LAWS["gaussian"], experts=Ridge()).fit(wide, y)
    with pytest.raises(ValueError, match="'dispersion' parameter of Gaussian"):
        regressor(Gaussian(dispersion="lineal")).fit(X, y)
    with pytest.raises(ValueError, match="'dispersion_alpha' parameter of Gamma"):
        regressor(Gamma(dispersion_alpha=0)).fit(X, np.abs(y) + 1)


def test_narrow_sparse_columns_are_features(rng):
    X, y = table("gaussian", rng)
    dense = regressor(LAWS["gaussian"], experts=Ridge()).fit(X, y)
    thin = regressor(LAWS["gaussian"], experts=Ridge()).fit(sparse.csr_matrix(X), y)
    assert_allclose(thin.dispersion_coef_, dense.dispersion_coef_, atol=1e-6)


def test_an_m_step_without_rows_changes_nothing_to_nan(rng):
    X = rng.standard_normal((50, 2))
    for name, law in LAWS.items():
        bound = LogLinear(clone(law).set_params(prior=0), X, np.ones(50), 1)
        y, mean, _ = components(name, rng, n=50, k=2)
        shape = (2, 1, 1) if law.correlated else (2, 1)
        deviance, quadratic = law.deviance(y, mean.copy()), np.zeros(shape)
        masses = np.column_stack([np.ones(50), np.zeros(50)])
        old = bound.fit_dispersion(deviance, np.ones((50, 2)), quadratic)
        assert np.isfinite(bound.fit_dispersion(deviance, masses, quadratic, old)).all()


@pytest.mark.parametrize("shared", [False, True])
def test_shared_coefficients_are_penalised_and_counted_once(shared, rng):
    law = Gaussian(shared=shared, dispersion="linear", dispersion_alpha=3.0)
    bound = LogLinear(law, rng.standard_normal((20, 2)), np.ones(20), 1)
    own, coef = np.full((2, 1), 0.5), np.tile([0.3, -0.4], (2, 1))
    parameters, quadratic = np.hstack([own, np.exp(coef)]), np.zeros((2, 1))
    times = 1 if shared else 2
    taken = bound.penalty(parameters, quadratic) - law.penalty(own, quadratic)
    assert_allclose(taken, times * 1.5 * 0.25)
    assert bound.count_parameters(parameters) == 3 * times
