"""Refits under every law of y: standard errors of theory, draws of the law, one more expert."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate
from skmoe.inspection import bootstrap, likelihood_ratio_test, summary
from skmoe.inspection._bootstrap import simulate
from skmoe.responses import Gamma, Laplace, StudentT
from tests.inspection.test_summary_glm import draw, laws, mixture

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")

LAWS = ["gaussian", "student_t", "laplace", "poisson", "gamma"]


def one(law, X, y, **params):
    """A single expert."""
    return MixtureOfExpertsRegressor(n_experts=1, response=law, tol=1e-6, **params).fit(X, y)


# Standard errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "kind"),
    [
        ("poisson", "parametric"),
        ("gamma", "ordinary"),
        pytest.param("poisson", "ordinary", marks=pytest.mark.slow),
        pytest.param("gamma", "parametric", marks=pytest.mark.slow),
    ],
)
def test_standard_errors_are_those_of_the_information(law, kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 1))
    second = rng.random(800) < 1 / (1 + np.exp(-0.3 - 1.2 * X[:, 0]))
    mean = np.exp(np.where(second, 0.8 + 0.6 * X[:, 0], 3.0 - 0.3 * X[:, 0]))
    y = rng.poisson(mean).astype(float) if law == "poisson" else rng.gamma(6.0, mean / 6.0)
    init = np.column_stack([~second, second]) * 1.0
    model = mixture(init, law).set_params(tol=1e-6).fit(X, y)
    table = bootstrap(model, X, y, n_resamples=100, kind=kind, random_state=0)
    other = summary(model, X, y)
    assert table.labels == other.labels
    assert_allclose(table.std_err, other.std_err, rtol=0.25)
    assert_allclose([table.low, table.high], [other.low, other.high], atol=other.std_err.max())


@pytest.mark.parametrize("kind", ["parametric", pytest.param("ordinary", marks=pytest.mark.slow)])
def test_student_errors_are_those_of_theory(kind):
    """Information of a location is (df + 1) / (df + 3), that of log sigma 2 df / (df + 3)."""
    rng = np.random.default_rng(1)
    X, df = rng.standard_normal((500, 1)), 4.0
    y = 1.0 + 2.0 * X[:, 0] + 0.5 * rng.standard_t(df, 500)
    model = one(StudentT(df=df, prior=0), X, y)
    table = bootstrap(model, X, y, n_resamples=100, kind=kind, random_state=0)
    assert [label[2] for label in table.labels] == ["intercept", "x0", "sigma"]
    Z, sigma = np.column_stack([np.ones(500), X]), model.dispersion_[0]
    location = sigma * np.sqrt((df + 3) / (df + 1) * np.diag(np.linalg.inv(Z.T @ Z)))
    expected = np.append(location, sigma * np.sqrt((df + 3) / (2 * df) / 500))
    assert_allclose(table.std_err, expected, rtol=0.25)


@pytest.mark.slow
def test_laplace_errors_are_those_of_theory():
    """The information of location and of scale is 1 / b ** 2 each."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((500, 1))
    y = 1.0 + 2.0 * X[:, 0] + rng.laplace(scale=0.5, size=500)
    model = one(Laplace(prior=0), X, y)
    table = bootstrap(model, X, y, n_resamples=100, kind="parametric", random_state=0)
    Z, b = np.column_stack([np.ones(500), X]), model.dispersion_[0]
    expected = b * np.sqrt(np.append(np.diag(np.linalg.inv(Z.T @ Z)), 1 / 500))
    assert_allclose(table.std_err, expected, rtol=0.25)


def test_laws_list_the_dispersions_that_they_estimate(rng):
    X, y, init = draw(rng, "gamma", 200)
    names = {
        "laplace": ["sigma"] * 2,
        "student_t": ["sigma"] * 2,
        "poisson": [],
        Gamma(): ["phi"] * 2,
    }
    for law, expected in names.items():
        target = np.round(y) if law == "poisson" else y
        model = mixture(init, "poisson", response=law).set_params(tol=1e-3, max_iter=30)
        table = bootstrap(model.fit(X, target), X, target, n_resamples=2, random_state=0)
        assert [name for part, _, name in table.labels if part == "dispersion"] == expected
        assert np.isfinite(table.samples).all()
        assert table.samples.shape == (2, len(table.labels)) == (2, 9 + len(expected))
    shared = mixture(init, "gamma", response=Gamma(shared=True)).set_params(tol=1e-3)
    table = bootstrap(shared.fit(X, y), X, y, n_resamples=2, random_state=0)
    assert table.labels[-1] == ("dispersion", "all", "phi")


# Simulation --------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_simulated_y_follow_the_mixture(rng, law):
    X, y, init = draw(rng, "poisson" if law == "poisson" else "gamma", 200)
    model = mixture(init, "poisson", response=law).set_params(tol=1e-4, max_iter=50).fit(X, y)
    drawn = simulate(model, np.repeat(X[:3], 20_000, axis=0), np.random.RandomState(0))
    for row, values in zip(X[:3], drawn.reshape(3, -1), strict=True):
        dist = model.predict_dist(row[None])
        cuts = dist.ppf(np.array([0.1, 0.3, 0.5, 0.7, 0.9])[:, None])[:, 0]
        share = (values[:, None] <= cuts).mean(axis=0)
        assert_allclose(share, dist.cdf(cuts[:, None])[:, 0], atol=0.015)
    assert_allclose(drawn.reshape(3, -1).mean(axis=1), model.predict(X[:3]), rtol=0.05)


@pytest.mark.parametrize("law", LAWS)
def test_each_expert_has_the_parameters_of_its_own(rng, law):
    """Two experts whose spread differs by far, and a gate that leaves no doubt who is asked."""
    X = np.repeat([[-1.0], [1.0]], 400, axis=0)
    spread = np.repeat([0.05, 0.5], 400)
    y = np.maximum(5.0 + spread * rng.standard_normal(800), 0.1)
    y = rng.poisson(np.where(X[:, 0] < 0, 1.0, 30.0)).astype(float) if law == "poisson" else y
    init = np.column_stack([X[:, 0] < 0, X[:, 0] > 0]) * 1.0
    settings = {"response": law, "init": init, "n_experts": 2, "max_iter": 30, "tol": 1e-4}
    model = MixtureOfExpertsRegressor(**settings).fit(X, y)
    drawn = simulate(model, X, np.random.RandomState(1))
    for rows in (slice(400), slice(400, None)):
        scale = stats.iqr(drawn[rows]) / stats.iqr(y[rows])
        assert 0.8 < scale < 1.25


def test_seeded_draws_of_several_outputs(rng):
    X, y, init = draw(rng, "gamma", 200)
    both = np.column_stack([y, 10 + y])
    model = mixture(init, "poisson", response="gaussian").set_params(max_iter=5).fit(X, both)
    first, again, other = (simulate(model, X, np.random.RandomState(s)) for s in (0, 0, 1))
    assert first.shape == (200, 2)
    assert (first == again).all()
    assert (first != other).any()


# One more expert ---------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["poisson", pytest.param("gamma", marks=pytest.mark.slow)])
def test_one_expert_is_rejected_and_two_are_not(law):
    X, y, init = draw(np.random.default_rng(1), law, 200)
    settings = {"gate": ConstantGate(), "response": law}
    model = mixture(np.ones((200, 1)), law, **settings).set_params(tol=1e-4).fit(X, y)
    found = likelihood_ratio_test(model, X, y, n_resamples=9, random_state=0)
    assert found.p_value == 0.1
    assert found.statistic > 3 * found.simulated.max()
    two = mixture(init, law, **settings).set_params(tol=1e-4).fit(X, y)
    assert likelihood_ratio_test(two, X, y, n_resamples=9, random_state=0).p_value > 0.1


@pytest.mark.slow
def test_heavy_tails_are_one_expert_to_their_own_law():
    """A Gaussian mixture needs a second expert for outliers, which Student's law has in one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 1))
    y = X[:, 0] + rng.standard_t(2.5, 150)
    p_values = {}
    for law in ("gaussian", StudentT(df=2.5)):
        model = one(law, X, y, gate=ConstantGate())
        found = likelihood_ratio_test(model, X, y, n_resamples=9, random_state=0)
        p_values[str(law)] = found.p_value
    assert p_values.pop("gaussian") == 0.1
    assert next(iter(p_values.values())) > 0.1


@pytest.mark.slow
@laws
def test_p_values_are_uniform_under_the_hypothesis(law):
    """Thirty tables of one regression: p values up to 0.2 are rare, and there are some."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(30):
        X = rng.standard_normal((80, 1))
        mean = np.exp(1.0 + 0.5 * X[:, 0])
        y = rng.poisson(mean).astype(float) if law == "poisson" else rng.gamma(5.0, mean / 5.0)
        model = one(law, X, y, gate=ConstantGate()).set_params(tol=1e-4)
        found.append(likelihood_ratio_test(model, X, y, n_resamples=9, random_state=seed).p_value)
    assert 1 <= np.count_nonzero(np.array(found) <= 0.2) <= 14
    assert 0.37 < np.mean(found) < 0.75


# Refusals ----------------------------------------------------------------------------------


def test_rates_cannot_be_drawn(rng):
    X, y, init = draw(rng, "poisson", 200)
    model = mixture(init, "poisson").set_params(tol=1e-3).fit(X, y / 2)
    for refused in (
        lambda: bootstrap(model, X, y / 2, kind="parametric"),
        lambda: likelihood_ratio_test(model, X, y / 2),
    ):
        with pytest.raises(ValueError, match="y must be whole numbers to be drawn from Poisson"):
            refused()
    assert len(bootstrap(model, X, y / 2, n_resamples=2).samples) == 2
    assert clone(model).fit(X, y).score_samples(X, y).shape == (200,)
