"""Responses, predictive mixtures and routing against scipy and brute force."""

import numpy as np
import pytest
from scipy import optimize, stats

from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian
from skmoe.routing import keep_top, largest, route, weighted_mean, weighted_vote


@pytest.fixture
def answers(rng):
    """Targets (n, m), means (n, K, m), dispersions (K, m) and weights (n, K)."""
    y, mean = rng.standard_normal((50, 2)), rng.standard_normal((50, 3, 2))
    return y, mean, rng.uniform(0.2, 2.0, (3, 2)), rng.dirichlet(np.ones(3), 50)


def test_gaussian_density_and_cdf_are_those_of_scipy(answers):
    y, mean, dispersion, _ = answers
    law, reference = Gaussian(), stats.norm(mean, dispersion)
    expected = reference.logpdf(y[:, None]).sum(axis=2)
    found = law.log_density(law.deviance(y, mean.copy()), dispersion)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(law.cdf(y, mean, dispersion), reference.cdf(y[:, None]), rtol=1e-10)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_gaussian_dispersion_maximises_its_objective(answers, shared, prior):
    y, mean, _, weights = answers
    law, quadratic = Gaussian(prior, shared=shared), np.full((3, 2), 0.7)
    deviance = law.deviance(y, mean.copy())
    found = law.fit_dispersion(deviance, weights, quadratic)

    def objective(dispersion):
        value = (weights * law.log_density(deviance.copy(), dispersion)).sum()
        return value - law.penalty(dispersion, quadratic)

    for factor in (0.99, 1.01):
        assert objective(found) > objective(found * factor)
    assert not shared or np.ptp(found, axis=0).max() == 0


def test_gaussian_floor():
    law = Gaussian(prior=0, floor=0.25)
    found = law.fit_dispersion(np.zeros((1, 2, 1)), np.ones((1, 2)), np.zeros((2, 1)))
    np.testing.assert_array_equal(found, 0.25)


def test_standard_deviation_is_within_plus_between(answers, rng):
    _, mean, dispersion, weights = answers
    center = weighted_mean(weights, mean)
    found = MixtureDistribution(Gaussian(), weights, mean, dispersion, False).std()
    second = np.einsum("nk,nkm->nm", weights, dispersion**2 + mean**2)
    np.testing.assert_allclose(found**2, second - center**2, rtol=1e-10)


def test_median_halves_the_mixture(answers):
    _, mean, dispersion, weights = answers
    weights[0] = [0.0, 1.0, 0.0]
    found = MixtureDistribution(Gaussian(), weights, mean, dispersion, False).ppf(0.5)
    np.testing.assert_allclose(found[0], mean[0, 1], rtol=1e-12)
    for i, j in [(1, 0), (2, 1), (3, 0)]:

        def excess(value, i=i, j=j):
            return weights[i] @ stats.norm.cdf(value, mean[i, :, j], dispersion[:, j]) - 0.5

        np.testing.assert_allclose(found[i, j], optimize.brentq(excess, -20, 20), atol=1e-10)


@pytest.mark.parametrize("top_k", [None, 1, 2, 3, 5])
def test_routes_keep_the_most_probable_and_sum_to_one(rng, top_k):
    gate = rng.dirichlet(np.ones(4), 500)
    weights = route(np.log(gate), top_k)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    k = min(top_k or 4, 4)
    assert ((weights > 0).sum(axis=1) == k).all()
    kept = np.where(weights > 0, gate, 0.0)
    np.testing.assert_allclose(weights, kept / kept.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(kept.sum(axis=1), np.sort(gate, axis=1)[:, -k:].sum(axis=1))


def test_ties_are_broken_by_order():
    np.testing.assert_array_equal(largest(np.zeros((2, 3)), 2), [[True, True, False]] * 2)
    np.testing.assert_array_equal(keep_top(np.full((1, 3), 1 / 3)), [[1.0, 0.0, 0.0]])


def test_votes_are_shares_of_weight():
    answers = np.array([[[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]])
    found = weighted_vote(np.array([[0.5, 0.3, 0.2]]), answers)
    np.testing.assert_allclose(found, [[0.5, 0.5]])
