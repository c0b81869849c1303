"""The laws Poisson and Gamma, and generalised linear experts under them."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, sparse, special, stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import GammaRegressor, LinearRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe._data.design import View
from skmoe._data.target import Target
from skmoe._fit import fitting
from skmoe.experts import batch_of
from skmoe.experts._glm._bank import GlmBank
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gamma, Poisson
from tests.golden.make_glm import GOLDEN_FILE, simulated
from tests.golden.problems import TABLES, read_table
from tests.oracles.likelihood import gradient

pytestmark = pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")

LAWS = {"poisson": Poisson, "gamma": Gamma}
PLAIN = {"poisson": PoissonRegressor, "gamma": GammaRegressor}
LAW_NAMES = pytest.mark.parametrize("law", LAWS)

#: The plain likelihood of a mixture of regressions: nothing in the objective but the data.
PLAIN_MIXTURE = {"gate": ConstantGate(prior=0), "tol": 1e-10, "max_iter": 3000, "random_state": 0}


def regressor(law, **params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 2, "n_init": 2, "response": law, "random_state": 0, **params}
    )


def draw(law, mean, rng):
    return rng.poisson(mean).astype(float) if law == "poisson" else rng.gamma(4.0, mean / 4.0)


def two_regimes(law, rng, n=400):
    """X (n, 2) and y whose slope changes its sign with that of the first column."""
    X = rng.normal(size=(n, 2))
    left = X[:, 0] < 0
    return X, draw(law, np.exp(np.where(left, 1.5 + X[:, 1], 0.5 - X[:, 1])), rng)


# The laws themselves -----------------------------------------------------------------------


@pytest.fixture
def answers(rng):
    """Means (n, K, m) over five decades, and dispersions (K, m)."""
    return 10.0 ** rng.uniform(-2, 3, (60, 3, 2)), rng.uniform(0.02, 3.0, (3, 2))


def reference(law, mean, dispersion):
    if law == "poisson":
        return stats.poisson(mean)
    return stats.gamma(1 / dispersion, scale=mean * dispersion)


@LAW_NAMES
def test_density_and_distribution_function_are_those_of_scipy(law, answers, rng):
    mean, dispersion = answers
    y = draw(law, mean[:, 0], rng)
    known = reference(law, mean, dispersion)
    expected = (known.logpmf if law == "poisson" else known.logpdf)(y[:, None]).sum(axis=2)
    response = LAWS[law]()
    assert_allclose(response.logpdf(y, mean, dispersion), expected, rtol=1e-9, atol=1e-9)
    assert_allclose(response.cdf(y, mean, dispersion), known.cdf(y[:, None]), rtol=1e-9)
    assert_array_equal(response.cdf(y - 1e9, mean, dispersion), 0.0)
    assert_array_equal(response.logpdf(y - 1e9, mean, dispersion), -np.inf)
    assert_allclose(response.cdf(np.full_like(y, np.inf), mean, dispersion), 1.0)
    spread = np.broadcast_to(response.variance(mean, dispersion), mean.shape)
    assert_allclose(spread, known.var(), rtol=1e-12)


@LAW_NAMES
def test_densities_are_highest_at_the_mode(law, answers):
    mean, dispersion = answers
    response = LAWS[law]()
    mode = response.mode(mean, dispersion)
    for k in range(3):
        one, own = mean[:, k : k + 1], dispersion[k : k + 1]
        inside = (mode[:, k] > 0).all(axis=1)
        best = response.logpdf(mode[:, k], one, own)
        for other in (mode[:, k] + 1, np.maximum(mode[:, k] - 1, 0.5 * (law == "gamma"))):
            assert (best >= response.logpdf(other, one, own) - 1e-9)[inside].all()


@LAW_NAMES
def test_draws_have_the_mean_and_the_variance_of_the_law(law):
    mean, dispersion = np.full((200_000, 1), 7.0), np.full((200_000, 1), 0.3)
    response = LAWS[law]()
    drawn = response.sample(mean, dispersion, np.random.default_rng(0))
    assert drawn.dtype == float
    assert_allclose(drawn.mean(), 7.0, rtol=0.01)
    assert_allclose(drawn.var(), response.variance(mean[0], dispersion[0])[0], rtol=0.02)


def test_quantiles_of_amounts_invert_their_distribution_function(answers, rng):
    mean, dispersion = answers
    q = rng.uniform(size=(60, 2))
    found = Gamma().ppf(q, mean, dispersion)
    assert_allclose(found, reference("gamma", mean, dispersion).ppf(q[:, None]), rtol=1e-8)


def test_quantiles_of_counts_are_the_smallest_that_reach_their_probability(rng):
    mean = np.concatenate([10.0 ** rng.uniform(-6, 8, 300), [1e-12, 1e12]])[:, None, None]
    law, ones = Poisson(), np.ones((1, 1))
    at_steps = stats.poisson(mean[:, 0]).cdf(np.floor(mean[:, 0]))
    for q in (rng.uniform(size=(302, 1)), np.full((302, 1), 1e-9), 1 - 1e-9 * at_steps, at_steps):
        k = law.ppf(q, mean, ones)[:, 0]
        assert_array_equal(k, np.floor(k))
        assert (law.cdf(k, mean, ones)[:, 0] >= q).all()
        assert ((law.cdf(k - 1, mean, ones)[:, 0] < q) | (k == 0)).all()
    assert_array_equal(law.ppf(np.zeros((302, 1)), mean, ones), 0.0)
    assert_array_equal(law.ppf(np.ones((302, 1)), mean, ones), np.inf)


def test_counts_need_not_be_whole():
    y, mean = np.array([[0.3], [2.5]]), np.array([[[0.7]], [[2.0]]])
    expected = y * np.log(mean[:, 0]) - mean[:, 0] - special.gammaln(y + 1)
    assert_allclose(Poisson().logpdf(y, mean, np.ones((1, 1))), expected, rtol=1e-12)


@LAW_NAMES
@pytest.mark.parametrize("mean", [0.0, -3.0])
def test_experts_may_predict_what_the_law_cannot(law, mean):
    y, mean, one = np.array([[2.0]]), np.full((1, 1, 1), mean), np.ones((1, 1))
    response = LAWS[law]()
    assert np.isfinite(response.logpdf(y, mean, one)).all()
    assert response.logpdf(y, mean, one) < -10
    assert_allclose(response.cdf(y, mean, one), 1.0)
    assert response.sample(mean[0], one, np.random.default_rng(0)) < 1e-9
    assert (response.variance(mean, one) >= 0).all()


# Dispersion --------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_the_dispersion_maximises_its_objective(answers, shared, prior, rng):
    mean, dispersion = answers
    y = rng.gamma(1 / dispersion[0], mean[:, 0] * dispersion[0])
    law, weights, none = (
        Gamma(prior, shared=shared),
        rng.dirichlet(np.ones(3), 60),
        np.zeros((3, 2)),
    )
    deviance = law.deviance(y, mean.copy())
    found = law.fit_dispersion(deviance, weights, none)

    def objective(dispersion):
        value = (weights * law.log_density(deviance.copy(), dispersion, y)).sum()
        return value - law.penalty(dispersion, none)

    for factor in (0.999, 1.001):
        assert objective(found) > objective(found * factor)
    assert not shared or np.ptp(found, axis=0).max() == 0


def test_the_dispersion_solves_its_equation():
    goal = np.geomspace(1e-5, 50, 40)[None, None, :]
    found = Gamma(prior=0).fit_dispersion(goal, np.ones((1, 1)), np.zeros((1, 40)))

    def shape(mean_deviance):
        def gap(log_shape):
            return np.log(log_shape_gap(np.exp(log_shape))) - np.log(mean_deviance)

        return np.exp(optimize.brentq(gap, -12, 14, xtol=1e-13))

    # Rounding of the difference is all that separates the two where the shape is large.
    assert_allclose(1 / found[0], [shape(one) for one in goal.ravel()], rtol=2e-9)


def log_shape_gap(shape):
    return np.log(shape) - special.digamma(shape)


def test_prior_and_floor_are_coefficients_of_variation():
    nothing, none = np.zeros((1, 1)), np.zeros((1, 1))
    only_prior = Gamma(prior=2.0, prior_scale=0.3).fit_dispersion(none[None], nothing, none)
    assert_allclose(only_prior, 0.3**2, rtol=1e-9)
    for deviance, expected in ((0.0, 0.02**2), (1e300, 1e6)):
        law = Gamma(prior=0, floor=0.02)
        found = law.fit_dispersion(np.full((1, 1, 1), deviance), np.ones((1, 1)), none)
        assert_allclose(found, expected, rtol=1e-9)


def test_counts_have_no_dispersion(rng):
    X, y = two_regimes("poisson", rng)
    model = regressor("poisson").fit(X, y)
    assert_array_equal(model.dispersion_, 1.0)
    value = model.score_samples(X, y).sum()
    # Two regressions with three coefficients, and a gate with three.
    assert_allclose(model.aic(X, y), 2 * 9 - 2 * value, rtol=1e-9)
    amounts = regressor("gamma").fit(X, y + 1.0)
    value = amounts.score_samples(X, y + 1.0).sum()
    assert_allclose(amounts.aic(X, y + 1.0), 2 * 11 - 2 * value, rtol=1e-9)


# Newton's steps ----------------------------------------------------------------------------


@pytest.fixture
def bank_of(rng):
    """Makes a bank of three experts with its weights, for a law and a form of X."""

    def make(law, form=np.asarray):
        X, y = two_regimes(law, rng, 150)
        view = View(form(X * [1e3, 1e-3] + [5.0, 0.0]), np.ones(150))
        return GlmBank(PLAIN[law](alpha=0), view, Target.of(y, np.ones(150), False), 3), X, y

    weights = np.asfortranarray(rng.dirichlet(np.ones(3), 150) * rng.uniform(0.5, 2, (150, 1)))
    return make, weights


@LAW_NAMES
def test_slopes_and_curvatures_are_derivatives(law, bank_of, rng):
    bank, *_ = bank_of[0](law)
    coef, weights = rng.normal(0, 0.3, bank.shape), bank_of[1]
    base = bank.view.design.linear(coef)

    def value(vector):
        change = bank.view.design.linear(vector.reshape(bank.shape)) - base
        return (weights * bank.loss.gain(bank.y, base, change)).sum()

    slope = bank.view.design.cross(weights * bank.loss.slope(bank.y, base))
    assert_allclose(slope.ravel(), gradient(value, coef.ravel()), rtol=1e-6, atol=1e-6)
    change = rng.normal(size=base.shape)
    own = (bank.y * base - np.exp(base), bank.y * (base + change) - np.exp(base + change))
    if law == "gamma":
        own = (-base - bank.y / np.exp(base), -base - change - bank.y / np.exp(base + change))
    assert_allclose(bank.loss.gain(bank.y, base, change), own[1] - own[0], rtol=1e-7, atol=1e-9)
    curvature, step = bank.loss.curvature(bank.y, base), 1e-5
    moved = bank.loss.slope(bank.y, base - step) - bank.loss.slope(bank.y, base + step)
    assert_allclose(curvature, moved / (2 * step), rtol=1e-6, atol=1e-9)


@LAW_NAMES
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_a_batch_of_steps_is_three_plain_regressions(law, form, bank_of):
    make, weights = bank_of
    bank, X, y = make(law, form)
    state, alive = None, np.ones(3, dtype=bool)
    for _ in range(12):
        state = bank.update(weights, state, alive)
    for expert, weight in zip(bank.finish(state), weights.T, strict=True):
        tight = PLAIN[law](alpha=0, solver="newton-cholesky", tol=1e-12)
        plain = tight.fit(X, y, sample_weight=weight)
        assert_allclose(expert.predict(bank.view.X), plain.predict(X), rtol=1e-6)


@LAW_NAMES
def test_the_predictions_of_a_batch_are_those_of_its_estimators(law, bank_of):
    make, weights = bank_of
    names = ["a", "b"]
    bank, *_ = make(law, lambda X: pd.DataFrame(X, columns=names))
    state = bank.update(weights, None, np.ones(3, dtype=bool))
    experts = bank.finish(state)
    expected = np.stack([expert.predict(bank.view.X) for expert in experts], axis=1)
    assert_allclose(bank.predictions(state)[:, :, 0], expected, rtol=1e-10)
    assert {type(expert) for expert in experts} == {PLAIN[law]}
    assert experts[0].feature_names_in_.tolist() == names
    assert (experts[0].n_features_in_, experts[0].n_iter_) == (2, 3)
    small = bank.restore(bank.strip(state))
    assert_array_equal(small.coef, state.coef)
    assert_array_equal(bank.unpack(bank.pack(state), state).coef, state.coef)


def test_experts_without_rows_keep_their_coefficients(bank_of):
    make, weights = bank_of
    bank, *_ = make("poisson")
    old = bank.update(weights, None, np.ones(3, dtype=bool))
    new = bank.update(weights[::-1], old, np.array([True, False, True]))
    assert_array_equal(new.coef[1], old.coef[1])
    assert_array_equal(new.eta[:, 1], old.eta[:, 1])
    assert (new.coef[0] != old.coef[0]).any()


@LAW_NAMES
def test_many_sparse_columns_are_solved_without_a_hessian(law, rng):
    X = sparse.random(150, 600, density=0.02, random_state=0, format="csr")
    y = draw(law, np.exp(1 + X[:, 0].toarray().ravel()), rng)
    model = regressor(law, max_iter=10, tol=0.1).fit(X, y)
    assert (np.diff(model.lower_bounds_) >= 0).all()
    assert np.isfinite(model.predict(X)).all()


# The mixture -------------------------------------------------------------------------------


def random_problem(law, seed):
    """A table of one of many shapes, with weights and a start."""
    rng = np.random.default_rng(seed)
    n, d, n_experts = rng.integers(20, 200), rng.integers(1, 5), rng.integers(2, 5)
    Z = rng.standard_normal((n, d))
    mean = np.exp(rng.normal(0, 2) + Z @ rng.normal(0, 0.7, d))
    y = draw(law, np.minimum(mean, 1e9), rng)
    if law == "poisson" and seed % 4 == 0:
        y[rng.random(n) < 0.6] = 0.0
    weights = rng.uniform(0.1, 3.0, n) if seed % 3 == 0 else None
    X = Z * 10 ** rng.uniform(-3, 3, d) + rng.standard_normal(d)
    return X, y, weights, rng.dirichlet(np.ones(n_experts), n)


@LAW_NAMES
@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize(("top_k", "seeds"), [(None, range(6)), (1, range(6, 12))])
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_the_objective_never_falls(law, accelerate, top_k, seeds):
    worst = np.inf
    for seed in seeds:
        X, y, weights, init = random_problem(law, seed)
        model = regressor(law, n_experts=init.shape[1], init=init, accelerate=accelerate)
        model.set_params(tol=1e-7, max_iter=100, top_k=top_k).fit(X, y, sample_weight=weights)
        scale = 1.0 + np.abs(model.lower_bounds_[1:])
        worst = min(worst, (np.diff(model.lower_bounds_) / scale).min(initial=np.inf))
        assert model.lower_bound_ == model.lower_bounds_.max()
    assert worst >= -1e-9


@LAW_NAMES
def test_the_objective_is_the_likelihood_less_the_priors(law, rng):
    X, y = two_regimes(law, rng)
    response = Gamma(prior=5.0, prior_scale=0.4) if law == "gamma" else Poisson()
    model = regressor(response).fit(X, y)
    penalty = model.gate_.penalty_
    if law == "gamma":
        # Five rows of the deviance that the prior suggests, in units of their log-density.
        a, suggested = 1 / model.dispersion_, log_shape_gap(0.4**-2)
        row = a * np.log(a) - a - special.gammaln(a) - a * suggested
        penalty -= 5.0 * row.sum()
    expected = model.score_samples(X, y).sum() - penalty
    assert_allclose(model.lower_bound_ * len(y), expected, rtol=1e-9)


@LAW_NAMES
@pytest.mark.parametrize("weighted", [False, True])
def test_one_expert_is_the_plain_regression(law, weighted, rng):
    X, y = two_regimes(law, rng)
    weights = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    tight = PLAIN[law](alpha=0, solver="newton-cholesky", tol=1e-10)
    plain = clone(tight).fit(X, y, sample_weight=weights)
    model = regressor(law, n_experts=1).fit(X, y, sample_weight=weights)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-6)
    assert type(model.experts_[0]) is PLAIN[law]


@LAW_NAMES
def test_batched_and_wrapped_experts_agree(law, rng):
    X, y = two_regimes(law, rng)
    resp = np.eye(2)[(X[:, 0] > 0).astype(int)] * 0.6 + 0.2
    expert = PLAIN[law](alpha=0, solver="newton-cholesky", tol=1e-10)
    params = {"init": resp, "tol": 1e-12, "max_iter": 1000}
    batched = regressor(law, experts=expert, **params).fit(X, y)
    wrapped = regressor(law, experts=[("a", expert), ("b", clone(expert))], **params).fit(X, y)
    assert_allclose(batched.lower_bound_, wrapped.lower_bound_, atol=1e-8)
    assert_allclose(batched.expert_predict(X), wrapped.expert_predict(X), rtol=1e-4)
    behind = make_pipeline(StandardScaler(), expert)
    piped = regressor(law, experts=behind, **params).fit(X, y)
    assert_allclose(piped.lower_bound_, batched.lower_bound_, atol=1e-8)


@LAW_NAMES
def test_weights_are_repeated_rows_and_units_of_x_do_not_matter(law, rng):
    X, y = two_regimes(law, rng, 150)
    weights = rng.integers(1, 4, 150)
    plain = regressor(law).fit(X, y, sample_weight=weights)
    repeated = regressor(law).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    scaled = regressor(law).fit(X * [1e-6, 1e6] + [3.0, 0.0], y, sample_weight=weights)
    assert_allclose(repeated.predict(X), plain.predict(X), rtol=1e-5)
    assert_allclose(scaled.predict(X * [1e-6, 1e6] + [3.0, 0.0]), plain.predict(X), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_of_amounts_do_not_matter(scale, rng):
    X, y = two_regimes("gamma", rng)
    model = regressor("gamma", tol=1e-10)
    plain, model = clone(model).fit(X, y), model.fit(X, scale * y)
    assert_allclose(model.predict(X) / scale, plain.predict(X), rtol=1e-4)
    assert_allclose(model.dispersion_, plain.dispersion_, rtol=1e-4)
    assert_allclose(model.lower_bound_ + np.log(scale), plain.lower_bound_, atol=1e-6)


@LAW_NAMES
def test_the_standard_deviation_is_within_plus_between(law, rng):
    X, y = two_regimes(law, rng)
    model = regressor(law).fit(X, y)
    g, mean = model.gate_proba(X), model.expert_predict(X)
    within = mean if law == "poisson" else model.dispersion_ * mean**2
    center = (g * mean).sum(axis=1)
    variance = (g * (within + mean**2)).sum(axis=1) - center**2
    assert_allclose(model.predict(X, return_std=True)[1] ** 2, variance, rtol=1e-9)


@LAW_NAMES
def test_the_law_decides_who_is_solved_in_a_batch(law):
    glm, other = PLAIN[law], PLAIN["gamma" if law == "poisson" else "poisson"]
    assert batch_of(glm(alpha=0, solver="newton-cholesky", tol=1e-9), law) is not None
    assert batch_of(glm(alpha=0), "squares") is None
    assert batch_of(glm(), law) is None
    assert batch_of(glm(alpha=0, fit_intercept=False), law) is None
    assert batch_of(other(alpha=0), law) is None
    for linear in (LinearRegression(), Ridge()):
        assert batch_of(linear, law) is None
        assert batch_of(linear, "squares") is not None


@LAW_NAMES
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_experts_of_another_loss_are_fitted_one_by_one(law, rng, monkeypatch):
    X, y = two_regimes(law, rng, 60)
    original, made = fitting.WrappedBank, []

    def one_by_one(*args):
        made.append(args)
        return original(*args)

    monkeypatch.setattr("skmoe._fit.fitting.WrappedBank", one_by_one)
    for response, expert in ((law, PLAIN[law](alpha=0)), ("student_t", Ridge())):
        regressor(response, experts=expert, max_iter=2).fit(X, y)
        assert not made
    for response, expert in ((law, Ridge()), ("gaussian", PLAIN[law](alpha=0))):
        regressor(response, experts=expert, max_iter=2).fit(X, y)
        assert made.pop()


def test_starts_separate_rows_on_a_scale_like_the_logarithm(rng):
    y = rng.poisson(5.0, 50).astype(float)
    y[0] = 1e6
    weights = rng.integers(1, 4, 50)
    target = Target.of(y, weights.astype(float), False)
    scores = target.scores
    assert scores.shape == (50, 1)
    assert_array_equal(np.argsort(scores[:, 0], kind="stable"), np.argsort(y, kind="stable"))
    assert scores.max() < 20
    repeated = Target.of(np.repeat(y, weights), np.ones(weights.sum()), False)
    assert_allclose(repeated.scores, np.repeat(scores, weights, axis=0), rtol=1e-12)
    assert_allclose(Target.of(y * 1e6, weights.astype(float), False).scores, scores, rtol=1e-9)
    assert_allclose(weights @ target.surrogate(weights).values, 0, atol=1e-9)


@LAW_NAMES
@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("kind", ["boosting", "forest", "penalised", "linear"])
def test_other_experts_beat_one_regression_on_two_regimes(law, kind, rng):
    X, y = two_regimes(law, rng, 300)
    expert = {
        "boosting": HistGradientBoostingRegressor(loss=law, max_iter=10),
        "forest": RandomForestRegressor(10, min_samples_leaf=5),
        "penalised": PLAIN[law](alpha=0.01),
        # Falls below zero, where the gamma law has no use for it at all.
        "linear": Ridge() if law == "poisson" else None,
    }[kind]
    model = regressor(law, experts=expert, n_init=1, max_iter=10).fit(X, y)
    one = regressor(law, n_experts=1).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    new, target = two_regimes(law, np.random.default_rng(7), 300)
    assert model.score_samples(new, target).mean() > one.score_samples(new, target).mean()


# What is refused, and what is endured ------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "worst", "message"),
    [
        ("poisson", -1.0, "y must not be negative with response='poisson', got -1"),
        ("gamma", 0.0, "y must be positive with response='gamma', got 0"),
        ("gamma", -2.0, "y must be positive with response='gamma', got -2"),
    ],
)
def test_y_outside_the_domain_is_refused_by_name(law, worst, message, rng):
    X, y = two_regimes(law, rng, 50)
    model = regressor(law).fit(X, y)
    y[3] = worst
    for call in (regressor(law).fit, model.score_samples, model.responsibilities):
        with pytest.raises(ValueError, match=message):
            call(X, y)


@LAW_NAMES
def test_a_batch_has_one_output(law, rng):
    X, y = two_regimes(law, rng, 50)
    with pytest.raises(ValueError, match="y must have one output, got 2"):
        regressor(law).fit(X, np.column_stack([y, y]))


@LAW_NAMES
def test_experts_with_several_outputs_have_independent_ones(law, rng):
    X, y = two_regimes(law, rng, 200)
    Y = np.column_stack([y, y[::-1]])
    model = regressor(law, experts=RandomForestRegressor(10, random_state=0), max_iter=3, cv=None)
    model.set_params(experts__min_samples_leaf=10, n_experts=1).fit(X, Y)
    assert model.dispersion_.shape == (1, 2)
    mean = model.experts_[0].predict(X)
    known = reference(law, mean, model.dispersion_[0])
    expected = (known.logpmf if law == "poisson" else known.logpdf)(Y).sum(axis=1)
    assert_allclose(model.score_samples(X, Y), expected, rtol=1e-9)


@pytest.mark.parametrize("accelerate", [False, True])
def test_coefficients_of_zeros_stay_finite(accelerate, rng):
    X, y = two_regimes("poisson", rng)
    for zeros in (np.zeros(400), np.where(X[:, 0] < 0, 0.0, y)):
        model = regressor("poisson", accelerate=accelerate, max_iter=1000).fit(X, zeros)
        assert np.isfinite(model.predict(X)).all()
        assert np.isfinite(model.score_samples(X, zeros)).all()
        for expert in model.experts_:
            assert np.isfinite([*expert.coef_, expert.intercept_]).all()
            # Means stay within what the limit allows, a hundred powers of e.
            assert np.abs(np.log(expert.predict(X))).max() < 102


def test_constant_amounts_end_at_the_prior_or_above_the_floor(rng):
    model = regressor("gamma").fit(rng.normal(size=(60, 2)), np.full(60, 3.0))
    assert_allclose(model.predict(rng.normal(size=(5, 2))), 3.0, rtol=1e-6)
    assert ((model.dispersion_ >= 1e-6) & (model.dispersion_ <= 0.011)).all()


def test_tags_require_positive_y():
    for law, expected in (("poisson", True), ("gamma", True), ("gaussian", False)):
        assert regressor(law).__sklearn_tags__().target_tags.positive_only is expected


# flexmix -----------------------------------------------------------------------------------


class PerExposure(RegressorMixin, BaseEstimator):
    """A regression of counts whose last column is their exposure."""

    def __init__(self, estimator=None):
        self.estimator = estimator

    def fit(self, X, y, sample_weight=None):
        exposure = X[:, -1]
        weight = exposure if sample_weight is None else sample_weight * exposure
        self.rate_ = clone(self.estimator).fit(X[:, :-1], y / exposure, sample_weight=weight)
        return self

    def predict(self, X):
        return X[:, -1] * self.rate_.predict(X[:, :-1])


EXPOSED = PerExposure(PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-9))


def entries(exposed):
    found = json.loads(GOLDEN_FILE.read_text("utf8"))
    return [entry for entry in found if entry["exposed"] == exposed]


@pytest.mark.parametrize("entry", entries(False), ids=lambda entry: entry["law"])
def test_mixtures_of_regressions_reach_the_likelihood_of_flexmix(entry):
    X, y, _ = simulated(entry["law"])
    assert_allclose([X.sum(), y.sum()], [entry["sum_X"], entry["sum_y"]], rtol=1e-9)
    law = Gamma(prior=0) if entry["law"] == "gamma" else Poisson()
    model = regressor(law, **PLAIN_MIXTURE).fit(X, y)
    reached = model.score_samples(X, y).sum()
    assert_allclose(reached, entry["log_likelihood"], atol=1e-3, rtol=0)
    # Of counts flexmix finds the maximum itself, of amounts a point below it.
    assert reached > entry["log_likelihood"] - 1e-6
    assert_allclose(np.sort(model.gate_.weights_), np.sort(entry["prior"]), atol=1e-3)


@pytest.mark.parametrize("entry", entries(False), ids=lambda entry: entry["law"])
def test_the_densities_of_the_laws_are_those_of_flexmix(entry):
    X, y, _ = simulated(entry["law"])
    beta = np.reshape(entry["beta"], (2, -1))
    mean = beta[:, 0] + X @ beta[:, 1:].T
    mean = np.exp(mean) if entry["law"] == "poisson" else 1 / mean
    spread = 1 / np.reshape(entry.get("shape", [1, 1]), (2, 1))
    log_density = LAWS[entry["law"]]().logpdf(y[:, None], mean[:, :, None], spread)
    value = special.logsumexp(np.log(entry["prior"]) + log_density, axis=1).sum()
    assert_allclose(value, entry["log_likelihood"], atol=1e-8, rtol=0)


@pytest.mark.parametrize("way", ["groups", "expert"])
def test_exposures_are_the_offsets_of_flexmix(way):
    (entry,) = entries(True)
    X, counts, exposure = simulated("poisson", exposed=True)
    reached = likelihood_of_counts(way, X, counts, exposure)
    assert_allclose(reached, entry["log_likelihood"], atol=1e-3, rtol=0)


def likelihood_of_counts(way, X, counts, exposure):
    """Largest log-likelihood of counts with exposures, two experts and a constant gate."""
    if way == "expert":
        Z = np.column_stack([X, exposure])
        model = regressor("poisson", experts=EXPOSED, n_init=10, **PLAIN_MIXTURE)
        return model.fit(Z, counts).score_samples(Z, counts).sum()
    unit = np.repeat(np.arange(len(counts)), exposure.astype(int))
    rate = counts / exposure
    model = regressor("poisson", n_init="auto", **PLAIN_MIXTURE)
    model.fit(X[unit], rate[unit], groups=unit)
    value = model.score_samples(X[unit], rate[unit], groups=unit).sum()
    moved = special.xlogy(counts, exposure) + exposure * special.gammaln(rate + 1)
    return value + (moved - special.gammaln(counts + 1)).sum()


@pytest.mark.skipif(not TABLES.exists(), reason="the classic tables are not here")
@pytest.mark.parametrize("way", ["groups", "expert"])
def test_seizures(way):
    table = read_table("seizure.csv")
    treated, day = table["Treatment"] == "Yes", np.log(table["Day"].astype(float))
    X = np.column_stack([treated, day, treated * day]).astype(float)
    hours = table["Hours"].astype(float)
    reached = likelihood_of_counts(way, X, table["Seizures"].astype(float), hours)
    assert_allclose(reached, -376.1762, atol=1e-3, rtol=0)


@pytest.mark.skipif(not TABLES.exists(), reason="the classic tables are not here")
def test_counts_of_npreg():
    table = read_table("NPreg.csv")
    X, y = table["x"][:, None], table["yp"].astype(float)
    model = regressor("poisson", **PLAIN_MIXTURE).fit(X, y)
    assert_allclose(model.score_samples(X, y).sum(), -440.6403, atol=1e-3, rtol=0)
    softmax = regressor("poisson", gate=SoftmaxGate(alpha=0), tol=1e-10, max_iter=3000).fit(X, y)
    assert_allclose(softmax.score_samples(X, y).sum(), -440.5513, atol=1e-3, rtol=0)


@LAW_NAMES
def test_the_median_halves_the_mixture(law, rng):
    X, y = two_regimes(law, rng, 200)
    model = regressor(law, combine="median").fit(X, y)
    median, g, mean = model.predict(X), model.gate_proba(X), model.expert_predict(X)

    def below(y):
        return (g * reference(law, mean, model.dispersion_).cdf(y[:, None])).sum(axis=1)

    if law == "gamma":
        assert_allclose(below(median), 0.5, atol=1e-6)
    else:
        assert_array_equal(median, np.round(median))
        assert ((below(median) >= 0.5) & (below(median - 1) < 0.5)).all()
