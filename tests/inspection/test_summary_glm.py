"""Standard errors of Poisson and gamma experts: closed forms, differences, identities, flexmix."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats
from sklearn.linear_model import GammaRegressor, LinearRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.inspection import summary
from skmoe.inspection._information import Columns, observed
from skmoe.inspection._likelihood import build_likelihood
from skmoe.inspection._loglinear import GammaExpert, PoissonExpert
from skmoe.responses import Gamma, Poisson, StudentT
from tests.golden.make_refit import COUNTS, counts, golden
from tests.inspection.test_summary import agree
from tests.oracles.inference import Amounts, Counts, covariance, row_scores

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")

#: Plain maximum likelihood.
FREE = {"prior": 0.0, "floor": 1e-6}


def means(rng, n, K):
    """Table, means and experts of overlapping regressions with a log link."""
    X = rng.standard_normal((n, 2))
    slopes = np.linspace(-0.5, 0.5, K)[:, None] * [1.0, 0.5] + 0.1 * rng.standard_normal((K, 2))
    logits = X @ np.linspace(-0.8, 0.8, 2 * K).reshape(K, 2).T
    expert = (logits + rng.gumbel(size=(n, K))).argmax(axis=1)
    mean = np.exp((X * slopes[expert]).sum(axis=1) + 1.2 * expert + 0.5)
    return X, mean, np.eye(K)[expert]


def draw(rng, law, n=600, K=2):
    """X, y, and who each row belongs to."""
    X, mean, resp = means(rng, n, K)
    shape = resp @ np.linspace(4.0, 9.0, K)
    y = rng.poisson(mean).astype(float) if law == "poisson" else rng.gamma(shape, mean / shape)
    return X, y, resp


def mixture(init, law, **params):
    """A mixture that climbs to the maximum of its likelihood."""
    response = Poisson() if law == "poisson" else Gamma(**FREE)
    settings = {"gate": SoftmaxGate(alpha=0), "response": response, **params}
    return MixtureOfExpertsRegressor(
        n_experts=init.shape[1], init=init, tol=1e-13, max_iter=5000, **settings
    )


def oracle(law, X, y, K, shared=False):
    return Counts(X, X, y, K) if law == "poisson" else Amounts(X, X, y, K, shared)


laws = pytest.mark.parametrize("law", ["poisson", "gamma"])


# Closed forms ------------------------------------------------------------------------------


def test_one_poisson_expert_has_the_errors_of_the_regression(rng):
    X, y, _ = draw(rng, "poisson")
    model = mixture(np.ones((600, 1)), "poisson").fit(X, y)
    Z, mean = np.column_stack([np.ones(600), X]), model.predict(X)
    table, robust = (summary(model, X, y, covariance=kind) for kind in ("observed", "sandwich"))
    expected = np.linalg.inv((Z.T * mean) @ Z)
    assert_allclose(table.covariance, expected, rtol=1e-6, atol=1e-12)
    meat = (Z.T * (y - mean) ** 2) @ Z
    assert_allclose(robust.covariance, expected @ meat @ expected, rtol=1e-6, atol=1e-12)
    assert {part for part, *_ in table.labels} == {"expert"}


def test_rates_with_exposures_are_counts_with_an_offset(rng):
    X, mean, _ = means(rng, 600, 1)
    exposure = rng.uniform(0.5, 4.0, 600)
    y = rng.poisson(exposure * mean) / exposure
    model = mixture(np.ones((600, 1)), "poisson").fit(X, y, sample_weight=exposure)
    Z = np.column_stack([np.ones(600), X])
    expected = np.linalg.inv((Z.T * exposure * model.predict(X)) @ Z)
    assert_allclose(summary(model, X, y, exposure).covariance, expected, rtol=1e-6, atol=1e-12)


def test_one_gamma_expert_has_the_errors_of_the_regression(rng):
    X, y, _ = draw(rng, "gamma")
    model = mixture(np.ones((600, 1)), "gamma").fit(X, y)
    Z, ratio = np.column_stack([np.ones(600), X]), y / model.predict(X)
    phi = model.dispersion_[0]
    table = summary(model, X, y)
    expected = phi * np.linalg.inv((Z.T * ratio) @ Z)
    assert_allclose(table.covariance[:3, :3], expected, rtol=1e-5, atol=1e-12)
    # The Fisher information of a gamma shape a is trigamma(a) - 1 / a; a = 1 / phi.
    of_shape = 600 * (special.polygamma(1, 1 / phi) - phi)
    assert_allclose(table.std_err[3], phi**2 / np.sqrt(of_shape), rtol=1e-5)
    assert np.abs(table.covariance[3, :3]).max() < 1e-4 * table.std_err.min() ** 2
    assert table.labels[3] == ("dispersion", "expert_0", "phi")


def test_gamma_dispersions_of_all_sizes(rng):
    """Amounts that hardly scatter are normal ones, relative to their mean."""
    X, mean, _ = means(rng, 600, 1)
    shape = 1e6
    y = mean * rng.gamma(shape, 1 / shape, 600)
    table = summary(mixture(np.ones((600, 1)), "gamma").fit(X, y), X, y)
    Z, cv = np.column_stack([np.ones(600), X]), np.sqrt(table.coef[3])
    expected = cv * np.sqrt(np.diag(np.linalg.inv(Z.T @ Z)))
    assert_allclose(table.std_err[:3], expected, rtol=1e-3)
    # phi = cv ** 2, and a standard deviation has the relative error 1 / sqrt(2 n).
    assert_allclose(table.std_err[3], 2 * cv**2 / np.sqrt(1200), rtol=1e-3)


# Differences -------------------------------------------------------------------------------


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize(("law", "shared"), [("poisson", False), ("gamma", False), ("gamma", True)])
def test_observed_information_is_minus_the_hessian(rng, law, shared, K):
    X, y, init = draw(rng, law, 800, K)
    response = {"response": Gamma(**FREE, shared=shared)} if law == "gamma" else {}
    model = mixture(init, law, **response).fit(X, y)
    table, problem = summary(model, X, y), oracle(law, X, y, K, shared)
    rows = problem.rows(problem.read(table)[0])
    assert_allclose(rows, model.score_samples(X, y), rtol=1e-9)
    agree(table, covariance(problem, table))
    if shared:
        assert table.labels[-1] == ("dispersion", "all", "phi")


@pytest.mark.parametrize("kind", [PoissonExpert, GammaExpert])
def test_derivatives_hold_away_from_the_maximum(rng, kind):
    X, y, _ = draw(rng, "poisson" if kind is PoissonExpert else "gamma", 50)
    columns, weights = Columns(X, np.ones(50)), rng.uniform(size=30)
    here = np.array([0.4, -0.3, 0.2, np.log(0.3)])[: 3 + (kind is GammaExpert)]
    rows, step = slice(10, 40), 1e-5

    def part(theta):
        return kind(columns, columns.to_raw @ theta[:3], np.exp(theta[3:]).prod(), y)

    def units(one):
        return np.append(np.full(3, one.unit), 1.0)[: len(here)]

    def slopes(one):
        return one.scores(rows) / units(one)

    there = part(here)
    curvature = there.information(rows, weights) / np.outer(units(there), units(there))
    for j, e in enumerate(step * np.eye(len(here))):
        up, down = part(here + e), part(here - e)
        slope = (up.log_density(rows) - down.log_density(rows)) / (2 * step)
        assert_allclose(slopes(there)[:, j], slope, rtol=1e-6, atol=1e-7)
        bent = weights @ (slopes(down) - slopes(up)) / (2 * step)
        assert_allclose(curvature[j], bent, rtol=1e-6, atol=1e-6)


@laws
def test_parts_have_the_likelihood_of_the_model(rng, law):
    X, y, init = draw(rng, law, 200)
    model = mixture(init, law).set_params(max_iter=3).fit(X, y)
    weights = rng.uniform(size=200)
    totals = observed(*build_likelihood(model, X, y, weights, None)[:3])
    assert_allclose(totals.log_likelihood, weights @ model.score_samples(X, y))


@laws
def test_constant_gate(rng, law):
    X, y, init = draw(rng, law)
    table = summary(mixture(init, law, gate=ConstantGate()).fit(X, y), X, y)
    kind = Counts if law == "poisson" else Amounts
    agree(table, covariance(kind(X, X[:, :0], y, 2), table))


@laws
def test_sandwich_is_made_of_the_scores_of_rows(rng, law):
    X, y, init = draw(rng, law)
    model = mixture(init, law).fit(X, y)
    table, robust = summary(model, X, y), summary(model, X, y, covariance="sandwich")
    scores = row_scores(oracle(law, X, y, 2), table)
    assert np.abs(scores.sum(axis=0) * table.std_err).max() < 1e-3
    agree(robust, table.covariance @ scores.T @ scores @ table.covariance)


@pytest.mark.parametrize("shared", [False, True])
def test_priors_are_part_of_the_information(rng, shared):
    X, y, init = draw(rng, "gamma", 300)
    response = Gamma(prior=25.0, prior_scale=0.8, shared=shared)
    model = mixture(init, "gamma", gate=SoftmaxGate(alpha=30.0), response=response).fit(X, y)
    table, problem = summary(model, X, y), Amounts(X, X, y, 2, shared)

    def log_prior(shape):
        """Rows whose deviance puts the mode of the shape at 1 / 0.8 ** 2."""
        suggested = 1 / 0.8**2
        deviance = np.log(suggested) - special.digamma(suggested)
        height = shape * np.log(shape) - shape - special.gammaln(shape)
        return 25.0 * (height - shape * deviance)

    def objective(theta):
        gate, *_, log_phi = problem.arrays(theta)
        standardised = (gate - gate.mean(axis=0)) * X.std(axis=0)
        prior = log_prior(np.exp(-log_phi[:1] if shared else -log_phi)).sum()
        return problem.rows(theta).sum() - 15.0 * (standardised**2).sum() + prior

    assert_allclose(objective(problem.read(table)[0]) / 300, model.lower_bound_, atol=1e-9)
    agree(table, covariance(problem, table, objective))


# Identities --------------------------------------------------------------------------------


@laws
@pytest.mark.parametrize("kind", ["observed", "sandwich"])
def test_weights_are_repeated_rows(rng, law, kind):
    X, y, init = draw(rng, law)
    weights = rng.integers(0, 4, len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    model = mixture(init, law).fit(X, y, sample_weight=weights)
    table = summary(model, X, y, weights, covariance=kind)
    expected = summary(model, X[twice], y[twice], covariance=kind)
    assert_allclose(table.covariance, expected.covariance, rtol=1e-7, atol=1e-12)


@laws
def test_blocks_of_rows_do_not_matter(rng, law, monkeypatch):
    X, y, init = draw(rng, law)
    model = mixture(init, law).fit(X, y)
    table = summary(model, X, y)
    monkeypatch.setattr("skmoe.inspection._information._BLOCK_ENTRIES", 500)
    assert_allclose(summary(model, X, y).covariance, table.covariance, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_unit_of_amounts_moves_intercepts_only(rng, unit):
    X, y, init = draw(rng, "gamma")
    table = summary(mixture(init, "gamma").fit(X, y), X, y)
    other = summary(mixture(init, "gamma").fit(X, unit * y), X, unit * y)
    of_expert = [(part, name) == ("expert", "intercept") for part, _, name in table.labels]
    assert_allclose(other.coef - table.coef, np.log(unit) * np.array(of_expert), atol=1e-5)
    assert_allclose(other.std_err, table.std_err, rtol=1e-4)


@laws
def test_units_and_shift_of_x(rng, law):
    X, y, init = draw(rng, law)
    table = summary(mixture(init, law).fit(X, y), X, y)
    other = summary(mixture(init, law).fit(1e3 * X + 10, y), 1e3 * X + 10, y)
    slopes = np.array([name.startswith("x") for *_, name in table.labels])
    assert_allclose(1e3 * other.std_err[slopes], table.std_err[slopes], rtol=1e-4)
    phi = np.array([part == "dispersion" for part, *_ in table.labels])
    assert_allclose(other.std_err[phi], table.std_err[phi], rtol=1e-4)


@laws
def test_groups_share_their_expert(rng, law):
    n, size = 200, 3
    groups = rng.permutation(np.repeat(np.arange(n), size))
    kind = (rng.random(n) < 0.4)[groups]
    X = rng.standard_normal((n * size, 2))
    mean = np.exp(np.where(kind, 1.0 + 0.5 * X[:, 0], 0.2 - 0.5 * X[:, 0]))
    y = rng.poisson(mean).astype(float) if law == "poisson" else rng.gamma(3.0, mean / 3.0)
    model = mixture(np.column_stack([kind, ~kind]) * 1.0, law).fit(X, y, groups=groups)
    table, problem = summary(model, X, y, groups=groups), oracle(law, X, y, 2)
    member = np.equal.outer(np.arange(n), groups).astype(float)

    def value(theta):
        gate, gate0, *experts = problem.arrays(theta)
        logits = (member @ X / size) @ gate.T + gate0
        joint = logits + member @ problem.densities(*experts)
        return (np.logaddexp.reduce(joint, axis=1) - np.logaddexp.reduce(logits, axis=1)).sum()

    agree(table, covariance(problem, table, value))


@laws
def test_pipelines_and_default_settings(rng, law):
    X, y, _ = draw(rng, law)
    expert = PoissonRegressor(alpha=0) if law == "poisson" else GammaRegressor(alpha=0)
    pipeline = make_pipeline(StandardScaler(), expert)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for experts in (None, pipeline):
            settings = {"n_experts": 2, "response": law, "random_state": 0}
            model = MixtureOfExpertsRegressor(experts, **settings).fit(X, y)
            table = summary(model, X, y)
            assert np.isfinite(table.std_err).all()
            sections = 2 if law == "gamma" else 0
            lines = str(table).splitlines()
            assert sum(line.startswith("dispersion") for line in lines) == sections


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"experts": PoissonRegressor(alpha=0.1)}, "'expert_0' must have alpha=0.*got 0.1"),
        ({"experts": Ridge(alpha=0)}, "'expert_0' must predict by its coefficients.*got Ridge"),
        ({"experts": LinearRegression()}, "a log link under.*got LinearRegression"),
        ({"response": StudentT(df=5)}, "must be one of Gaussian, Poisson, Gamma; got StudentT"),
        ({"response": "gaussian", "experts": PoissonRegressor(alpha=0)}, "got PoissonRegressor"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_parts_without_standard_errors_are_named(rng, params, part):
    X, y, init = draw(rng, "poisson", 200)
    settings = {"response": "poisson", "n_experts": 2, "init": init, "max_iter": 5, **params}
    model = MixtureOfExpertsRegressor(**settings).fit(X, y)
    with pytest.raises((TypeError, ValueError), match=part):
        summary(model, X, y)


# Flexmix, and simulation -------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTS)
def test_standard_errors_of_flexmix(name):
    X, y, resp, n_gate = counts(name)
    gate = SoftmaxGate(alpha=0) if n_gate else ConstantGate()
    table = summary(mixture(resp, "poisson", gate=gate).fit(X, y), X, y)
    found = golden()[name]
    assert np.abs((table.coef - found["estimate"]) / found["std_err"]).max() < 1e-4
    assert_allclose(table.std_err, found["std_err"], rtol=1e-4)


@pytest.mark.slow
@laws
def test_intervals_cover(law):
    """1000 tables: a coverage of 95 % has a standard error of 0.7 per cent."""
    rng = np.random.default_rng(0)
    truth = np.array([1.8, -0.3, 0.3, 0.6, 0.3, 1.2, 0.25, 0.15])[: 6 if law == "poisson" else 8]
    inside = {"observed": [], "sandwich": []}
    for _ in range(1000):
        X = rng.standard_normal((1000, 1))
        x = X[:, 0]
        second = rng.random(1000) < 1 / (1 + np.exp(-truth[4] - truth[5] * x))
        lines = np.exp(truth[[0, 2]] + np.outer(x, truth[[1, 3]]))
        mean = np.where(second, lines[:, 1], lines[:, 0])
        if law == "poisson":
            y = rng.poisson(mean).astype(float)
        else:
            phi = np.where(second, truth[7], truth[6])
            y = stats.gamma.rvs(1 / phi, scale=mean * phi, random_state=rng)
        init = np.column_stack([~second, second]) * 1.0
        model = mixture(init, law).set_params(tol=1e-9).fit(X, y)
        for kind, hits in inside.items():
            table = summary(model, X, y, covariance=kind)
            hits.append((table.low <= truth) & (truth <= table.high))
    for kind, hits in inside.items():
        covered = np.mean(hits, axis=0)
        assert (covered > 0.925).all(), (kind, covered)
        assert (covered < 0.975).all(), (kind, covered)
        assert 0.935 < covered.mean() < 0.965
