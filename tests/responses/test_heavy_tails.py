"""Laws with heavy tails: against scipy, against direct maximisation, and under gross errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.linear_model import LinearRegression, QuantileRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.responses import Gaussian, Laplace, StudentT

BARE = {"prior": 0, "floor": 1e-9}


def regressor(response, **params):
    return MixtureOfExpertsRegressor(
        response=response, **{"n_experts": 2, "n_init": 2, "random_state": 0} | params
    )


@pytest.fixture
def student(rng):
    """Targets, means and parameters of three experts with two outputs."""
    parameters = np.column_stack([rng.uniform(0.3, 2.0, (3, 2)), [2.5, 4.0, 30.0]])
    return rng.standard_normal((40, 2)), rng.standard_normal((40, 3, 2)), parameters


@pytest.fixture
def laplace(rng):
    return (
        rng.standard_normal((40, 1)),
        rng.standard_normal((40, 3, 1)),
        rng.uniform(0.3, 2.0, (3, 1)),
    )


@pytest.fixture
def two_lines(rng):
    """Two lines, the expert told by the sign of the first column, with noise of Student's law."""
    X = rng.standard_normal((300, 2))
    mean = np.where(X[:, 0] > 0, X @ [2.0, -1.0], X @ [-1.0, 2.0])
    return X, mean + 0.3 * stats.t(4).rvs(300, random_state=rng)


# The laws ----------------------------------------------------------------------------------


def test_student_is_that_of_scipy(student):
    y, mean, parameters = student
    law, q = StudentT(), np.full((40, 2), 0.83)
    for k, (first, second, df) in enumerate(parameters):
        joint = [
            stats.multivariate_t(row[k], np.diag([first**2, second**2]), df=df).logpdf(point)
            for row, point in zip(mean, y, strict=True)
        ]
        assert_allclose(law.logpdf(y, mean, parameters)[:, k], joint, rtol=1e-10)
        one = stats.t(df, mean[:, k], [first, second])
        assert_allclose(law.cdf(y, mean, parameters)[:, k], one.cdf(y), rtol=1e-10)
        assert_allclose(law.ppf(q, mean, parameters)[:, k], one.ppf(q), rtol=1e-9, atol=1e-9)
        assert_allclose(law.variance(mean, parameters)[k], one.var()[0], rtol=1e-12)


def test_laplace_is_that_of_scipy(laplace):
    y, mean, parameters = laplace
    law, one = Laplace(), stats.laplace(mean, parameters)
    assert_allclose(law.logpdf(y, mean, parameters), one.logpdf(y[:, None])[:, :, 0], rtol=1e-10)
    assert_allclose(law.cdf(y, mean, parameters), one.cdf(y[:, None]), rtol=1e-10)
    for level in (0.2, 0.5, 0.83):
        found = law.ppf(np.full((40, 1), level), mean, parameters)
        assert_allclose(found, one.ppf(level), rtol=1e-10, atol=1e-12)
    assert_allclose(law.variance(mean, parameters), stats.laplace.var(scale=parameters))


@pytest.mark.parametrize("law", [Gaussian(), StudentT(), Laplace()])
def test_the_ends_of_the_support_are_infinite(law):
    mean, parameters = np.zeros((2, 1, 1)), np.array([[2.0, 5.0]])[:, : 1 + hasattr(law, "df")]
    found = law.ppf(np.array([[0.0], [1.0]]), mean, parameters)
    assert_array_equal(found[:, 0, 0], law.support)


def test_draws_follow_the_law(rng):
    n = 20_000
    mean, parameters = np.full((n, 1), 3.0), np.tile([0.5, 4.0], (n, 1))
    drawn = StudentT().sample(mean, parameters, rng)[:, 0]
    assert stats.kstest(drawn, stats.t(4, 3.0, 0.5).cdf).pvalue > 1e-3
    drawn = Laplace().sample(mean, parameters[:, :1], rng)[:, 0]
    assert stats.kstest(drawn, stats.laplace(3.0, 0.5).cdf).pvalue > 1e-3
    pair = StudentT().sample(np.zeros((n, 2)), np.tile([1.0, 1.0, 3.0], (n, 1)), rng)
    # Outputs share a stretch: large errors come together.
    assert np.corrcoef(np.abs(pair).T)[0, 1] > 0.2


# M-steps -----------------------------------------------------------------------------------


def law_objective(law, y, mean, masses, parameters, quadratic):
    value = (masses * law.logpdf(y, mean, parameters)).sum()
    return value - law.penalty(parameters, quadratic)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 5.0])
def test_laplace_scale_maximises_its_objective(laplace, rng, shared, prior):
    y, mean, _ = laplace
    law, masses, quadratic = (
        Laplace(prior, shared=shared),
        rng.random((40, 3)),
        np.full((3, 1), 0.7),
    )
    found = law.fit_dispersion(law.deviance(y, mean.copy()), masses, quadratic)
    best = law_objective(law, y, mean, masses, found, quadratic)
    for factor in (0.99, 1.01):
        assert best > law_objective(law, y, mean, masses, found * factor, quadratic)
    assert not shared or np.ptp(found) == 0


@pytest.mark.parametrize(
    "law", [StudentT(), StudentT(df=3.0), StudentT(shared_df=True, shared=True, prior=5.0)]
)
def test_student_parameters_climb_to_the_maximum(student, rng, law):
    y, mean, _ = student
    masses, quadratic, values = rng.random((40, 3)), np.full((3, 2), 0.3), []
    deviance, found = law.deviance(y, mean.copy()), None
    for _ in range(200):
        found = law.fit_dispersion(deviance, masses, quadratic, found)
        values.append(law_objective(law, y, mean, masses, found, quadratic))
    assert np.diff(values).min() > -1e-9
    free = np.ones_like(found, dtype=bool)
    free[:, -1] = law.df is None
    for factor in (0.98, 1.02):
        moved = np.where(free, found * factor, found)
        assert law_objective(law, y, mean, masses, law.confined(moved), quadratic) < values[-1]
    assert law.df is None or (found[:, -1] == law.df).all()
    assert not law.shared_df or np.ptp(found, axis=0).max() == 0


@pytest.mark.parametrize("name", ["student", "laplace"])
def test_working_weights_improve_the_likelihood(name, rng):
    X, y = rng.standard_normal((200, 3)), rng.standard_t(2.5, 200)[:, None]
    law = StudentT(df=2.5) if name == "student" else Laplace()
    parameters = np.array([[0.8, 2.5]])[:, : 2 if name == "student" else 1]
    masses, values = rng.random(200), []
    line = LinearRegression().fit(X, y[:, 0], masses)
    for _ in range(30):
        mean = line.predict(X)[:, None, None]
        values.append(masses @ law.logpdf(y, mean, parameters)[:, 0])
        factors = law.working_weights(law.deviance(y, mean.copy()), parameters)[:, 0]
        line = LinearRegression().fit(X, y[:, 0], masses * factors)
    assert np.diff(values).min() > -1e-6
    assert values[-1] > values[0] + 1


# Fits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", ["student_t", "laplace"])
@pytest.mark.parametrize("experts", [None, Ridge(2.0)])
@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_the_objective_never_falls(response, experts, accelerate, two_lines):
    model = regressor(response, experts=experts, accelerate=accelerate, tol=1e-9)
    bounds = model.fit(*two_lines).lower_bounds_
    assert (np.diff(bounds) / (1 + np.abs(bounds[1:]))).min() > -1e-8


def test_one_expert_is_the_robust_line(two_lines):
    X, y = two_lines
    model = regressor(StudentT(**BARE), n_experts=1, tol=1e-12, max_iter=1000).fit(X, y)

    def loss(parameters):
        error = y - X @ parameters[:2] - parameters[2]
        return -stats.t(np.exp(parameters[4]), 0, np.exp(parameters[3])).logpdf(error).sum()

    best = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-6})
    assert_allclose(model.score_samples(X, y).sum(), -best.fun, atol=1e-4)
    assert_allclose(model.experts_[0].coef_, best.x[:2], atol=1e-3)
    assert_allclose(model.dispersion_, np.exp(best.x[3]), rtol=1e-3)
    assert_allclose(model.response_.df_, np.exp(best.x[4]), rtol=5e-3)


def test_one_expert_under_laplace_is_the_median_line(two_lines):
    X, y = two_lines
    model = regressor(Laplace(**BARE), n_experts=1, tol=1e-10, max_iter=2000).fit(X, y)
    line = QuantileRegressor(quantile=0.5, alpha=0.0).fit(X, y)
    least = np.abs(y - line.predict(X)).mean()
    assert_allclose(np.abs(y - model.predict(X)).mean(), least, rtol=1e-4)
    assert_allclose(model.dispersion_, least, rtol=1e-4)


@pytest.mark.parametrize("df", [3.0, pytest.param(5.0, marks=pytest.mark.slow)])
def test_degrees_of_freedom_are_found(df, rng):
    X = rng.standard_normal((20_000, 2))
    mean = np.where(X[:, 0] > 0, X @ [2.0, -1.0], X @ [-1.0, 2.0])
    y = mean + 0.3 * stats.t(df).rvs(len(X), random_state=rng)
    model = regressor("student_t").fit(X, y)
    assert_allclose(model.response_.df_, df, rtol=0.15)
    assert_allclose(model.dispersion_, 0.3, rtol=0.05)


def test_gross_errors_bend_only_the_gaussian(rng):
    X, y = make_moe_regression(2000, 2, n_experts=2, random_state=1)
    train, test = slice(0, 1500), slice(1500, None)
    spoilt = y[train].copy()
    rows = rng.choice(1500, 75, replace=False)
    spoilt[rows] += rng.choice([-1.0, 1.0], 75) * rng.uniform(10, 30, 75) * y.std()
    ratio = {}
    for response in ("gaussian", "student_t"):
        error = []
        for target in (y[train], spoilt):
            model = regressor(response).fit(X[train], target)
            error.append(np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2)))
        ratio[response] = error[1] / error[0]
    assert ratio["student_t"] < 1.03
    assert ratio["gaussian"] > 1.3


@pytest.mark.parametrize("law", [StudentT(**BARE), Laplace(**BARE)])
def test_weights_are_rows_and_units_are_free(law, two_lines, rng):
    X, y = two_lines
    weights = rng.integers(0, 3, len(y))
    params = {"gate": "constant", "tol": 1e-8, "max_iter": 1000}
    weighted = regressor(law, **params).fit(X, y, sample_weight=weights)
    repeated = regressor(law, **params).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)
    assert_allclose(weighted.lower_bound_, repeated.lower_bound_, atol=1e-6)
    large = regressor(law, **params).fit(X, 1e6 * y - 7e6, sample_weight=weights)
    assert_allclose(large.predict(X), 1e6 * weighted.predict(X) - 7e6, rtol=1e-3)
    assert_allclose(large.dispersion_, 1e6 * weighted.dispersion_, rtol=1e-3)
    assert_allclose(large.lower_bound_, weighted.lower_bound_ - np.log(1e6), atol=1e-6)


@pytest.mark.parametrize("params", [{}, {"top_k": 1}, {"average": 2}, {"gate": "gaussian"}])
@pytest.mark.parametrize("response", ["student_t", "laplace"])
def test_the_log_score_is_that_of_the_mixture(response, params, two_lines):
    X, y = two_lines
    model = regressor(response, **params).fit(X, y)
    of = {
        "student_t": lambda p: stats.t(p[1], scale=p[0]),
        "laplace": lambda p: stats.laplace(0, p[0]),
    }
    starts = [(model.gate_, model.experts_, model.law_parameters_)]
    starts += [(m["gate"], m["experts"], m["law_parameters"]) for m in model.averaged_]
    density = 0.0
    for gate, experts, parameters in starts:
        proba = gate.predict_proba(X)
        if model.top_k:
            proba = np.eye(2)[proba.argmax(axis=1)]
        for share, expert, law in zip(proba.T, experts, parameters, strict=True):
            density = density + share * of[response](law).pdf(y - expert.predict(X)) / len(starts)
    assert_allclose(model.score_samples(X, y), np.log(density), rtol=1e-8)
    assert np.isfinite(model.predict(X, return_std=True)[1]).all()


@pytest.mark.parametrize("response", ["student_t", "laplace"])
@pytest.mark.parametrize(
    "params",
    [
        {"experts": DecisionTreeRegressor(max_depth=2)},
        {"experts": DecisionTreeRegressor(), "cv": 3},
        {"experts": [("line", Ridge()), ("tree", DecisionTreeRegressor())], "specialize": False},
        {"n_experts": "auto"},
    ],
)
def test_any_expert_meets_the_law(response, params, two_lines):
    X, y = two_lines
    model = regressor(response, **params).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert (
        model.score_samples(X, y).mean()
        > regressor(response, n_experts=1).fit(X, y).score_samples(X, y).mean()
    )


def test_groups_share_an_expert_under_any_law(two_lines):
    X, y = two_lines
    groups = np.arange(len(y)) // 3
    for response in ("student_t", "laplace"):
        model = regressor(response, gate="constant").fit(X, y, groups=groups)
        assert model.responsibilities(X, y, groups=groups)[:3].std(axis=0).max() < 1e-12


def test_several_outputs_share_the_degrees_of_freedom(rng):
    X = rng.standard_normal((4000, 1))
    stretch = np.sqrt(4.0 / rng.chisquare(4.0, (4000, 1)))
    Y = np.hstack([X, -X]) + stretch * rng.standard_normal((4000, 2)) * [0.5, 2.0]
    model = regressor(StudentT(**BARE), n_experts=1).fit(X, Y)
    assert model.dispersion_.shape == (1, 2)
    assert_allclose(model.dispersion_, [[0.5, 2.0]], rtol=0.1)
    assert_allclose(model.response_.df_, 4.0, rtol=0.2)
    assert model.predict(X, return_std=True)[1].shape == (4000, 2)


@pytest.mark.parametrize("df", [2.01, 500.0])
def test_degrees_of_freedom_that_are_given_stay(df, two_lines):
    assert_array_equal(regressor(StudentT(df=df)).fit(*two_lines).response_.df_, [df, df])


def test_parameters_are_counted(two_lines):
    X, y = two_lines
    counts = {}
    for law in (Gaussian(), StudentT(), StudentT(shared_df=True), StudentT(df=5.0), Laplace()):
        model = regressor(law).fit(X, y)
        score = -2 * model.score_samples(X, y).sum()
        counts[repr(law)] = round((model.aic(X, y) - score) / 2)
    assert list(counts.values()) == [11, 13, 12, 11, 11]


def test_parameters_are_tuned_by_name(two_lines):
    grid = {"response__df": [3.0, 30.0]}
    search = GridSearchCV(regressor(StudentT(), n_init=1), grid, cv=2).fit(*two_lines)
    assert search.best_params_["response__df"] in (3.0, 30.0)


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (StudentT(df=2), "'df' parameter of StudentT"),
        (StudentT(df="many"), "'df' parameter of StudentT"),
        (StudentT(prior=-1), "'prior' parameter of StudentT"),
        (Laplace(floor=0), "'floor' parameter of Laplace"),
        ("studentt", "'response' parameter of MixtureOfExpertsRegressor"),
        (LinearRegression(), "'response' parameter of MixtureOfExpertsRegressor"),
    ],
)
def test_what_is_no_law_is_refused_by_name(response, message, two_lines):
    with pytest.raises(ValueError, match=message):
        regressor(response).fit(*two_lines)


def test_laplace_takes_one_output(two_lines):
    X, y = two_lines
    with pytest.raises(ValueError, match="y must have one output with response='laplace', got 2"):
        regressor("laplace").fit(X, np.column_stack([y, y]))


def test_a_mixture_of_another_law_is_no_expert(two_lines):
    inner = regressor("laplace", n_init=1, tol=1e-2)
    outer = regressor("gaussian", experts=[("line", Ridge()), ("inner", inner)])
    with pytest.raises(ValueError, match=r"expert 'inner' must .* Gaussian.* got 'laplace'"):
        outer.fit(*two_lines)
    same = regressor("laplace", experts=outer.experts, n_init=1, tol=1e-2, cv=None)
    same.fit(*two_lines)
    assert np.isfinite(same.score_samples(*two_lines)).all()
