"""Standard deviation and median of a mixture, by hand from its parts."""

import numpy as np
import pytest
from scipy import optimize, stats

from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian
from skmoe.routing import weighted_mean


@pytest.fixture
def parts(rng):
    """Means (n, K, m), dispersions (K, m) and weights (n, K)."""
    mean = rng.standard_normal((50, 3, 2))
    return mean, rng.uniform(0.2, 2.0, (3, 2)), rng.dirichlet(np.ones(3), 50)


def test_standard_deviation_is_within_plus_between(parts):
    mean, dispersion, weights = parts
    center = weighted_mean(weights, mean)
    found = MixtureDistribution(Gaussian(), weights, mean, dispersion, False).std()
    second = np.einsum("nk,nkm->nm", weights, dispersion**2 + mean**2)
    np.testing.assert_allclose(found**2, second - center**2, rtol=1e-10)


def test_median_halves_the_mixture(parts):
    mean, dispersion, weights = parts
    weights[0] = [0.0, 1.0, 0.0]
    found = MixtureDistribution(Gaussian(), weights, mean, dispersion, False).ppf(0.5)
    np.testing.assert_allclose(found[0], mean[0, 1], rtol=1e-12)
    for i, j in [(1, 0), (2, 1), (3, 0)]:

        def excess(value, i=i, j=j):
            return weights[i] @ stats.norm.cdf(value, mean[i, :, j], dispersion[:, j]) - 0.5

        np.testing.assert_allclose(found[i, j], optimize.brentq(excess, -20, 20), atol=1e-10)
