"""The Gaussian law: density, dispersion and floor against scipy and brute force."""

import numpy as np
import pytest
from scipy import stats

from skmoe.responses import Gaussian


@pytest.fixture
def predictions(rng):
    """Targets (n, m), means (n, K, m), dispersions (K, m) and weights (n, K)."""
    y, mean = rng.standard_normal((50, 2)), rng.standard_normal((50, 3, 2))
    return y, mean, rng.uniform(0.2, 2.0, (3, 2)), rng.dirichlet(np.ones(3), 50)


def test_gaussian_density_and_cdf_are_those_of_scipy(predictions):
    y, mean, dispersion, _ = predictions
    law, reference = Gaussian(), stats.norm(mean, dispersion)
    expected = reference.logpdf(y[:, None]).sum(axis=2)
    found = law.log_density(law.deviance(y, mean.copy()), dispersion)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(law.cdf(y, mean, dispersion), reference.cdf(y[:, None]), rtol=1e-10)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_gaussian_dispersion_maximises_its_objective(predictions, shared, prior):
    y, mean, _, weights = predictions
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
