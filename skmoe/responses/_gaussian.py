"""The Gaussian law of y around an expert's prediction."""

from numbers import Real

import numpy as np
from scipy.special import ndtr
from sklearn.base import BaseEstimator

from .._numerics import blocks, weighted_sum_of_squares
from .._sklearn import Interval

_LOG_2PI = float(np.log(2 * np.pi))

#: Standardised residuals beyond this have a square that overflows.
_LARGEST_RESIDUAL = 1e150


class Gaussian(BaseEstimator):
    r"""Normal errors with one standard deviation per expert and output.

    The dispersion of expert k maximises its term of the objective in closed form,

    .. math:: \sigma_k^2 = \frac{\sum_i r_{ik} (y_i - f_k(x_i))^2 + q_k + \nu s^2}
                                {\sum_i r_{ik} + \nu}

    where r are responsibilities × sample weights, q is the expert's own penalty
    (alpha × squared norm for ``Ridge``), :math:`\nu` is `prior` and s is
    `prior_scale` × the standard deviation of y. The prior, an inverse gamma with
    its mode at s², bounds the likelihood: no single row can buy infinite density.

    Parameters
    ----------
    prior : float, default=1.0
        Strength of the dispersion prior in rows; 0 for plain maximum likelihood.
    prior_scale : float, default=0.1
        Standard deviation that the prior suggests, relative to that of y.
    floor : float, default=1e-3
        Smallest standard deviation, relative to that of y.
    shared : bool, default=False
        One dispersion for all experts.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.responses import Gaussian
    >>> model = MixtureOfExpertsRegressor(response=Gaussian(shared=True))
    """

    _parameter_constraints = {
        "prior": [Interval(Real, 0, None, closed="left")],
        "prior_scale": [Interval(Real, 0, None, closed="neither")],
        "floor": [Interval(Real, 0, None, closed="neither")],
        "shared": ["boolean"],
    }

    def __init__(self, prior=1.0, *, prior_scale=0.1, floor=1e-3, shared=False):
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared

    def fit_dispersion(self, y, mean, weights, quadratic):
        """Return the standard deviations that maximise the objective given the means.

        Parameters
        ----------
        y : ndarray of shape (n, m)
            In units of its standard deviation.
        mean : ndarray of shape (n, K, m)
            Predictions, in the same units.
        weights : ndarray of shape (n, K)
            Responsibilities × sample weights.
        quadratic : ndarray of shape (K, m)
            Penalties of the experts, in squared units.

        Returns
        -------
        ndarray of shape (K, m)
        """
        mass = weights.sum(axis=0)[:, None]
        squares = quadratic + np.stack(
            [
                weighted_sum_of_squares(column[:, None] - mean[:, :, j], weights)
                for j, column in enumerate(y.T)
            ],
            axis=1,
        )
        if self.shared:
            squares = squares.sum(axis=0, keepdims=True).repeat(len(mass), axis=0)
            mass = mass.sum(axis=0, keepdims=True)
        # The smallest weight keeps an expert without rows, and no prior, from 0 / 0.
        variance = (squares + self.prior * self.prior_scale**2) / np.maximum(
            mass + self.prior, np.finfo(float).tiny
        )
        return np.maximum(np.sqrt(variance), self.floor)

    def log_density(self, y, mean, dispersion):
        """Log-densities (n, K) of the rows under each expert.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (n, K)
            Nats, for y in the units given.
        """
        n, n_experts, n_outputs = mean.shape
        total = np.zeros((n_experts, n)).T
        for rows in blocks(n):
            for j in range(n_outputs):
                z = y[rows, j, None] - mean[rows, :, j]
                z /= dispersion[:, j]
                np.clip(z, -_LARGEST_RESIDUAL, _LARGEST_RESIDUAL, out=z)
                np.square(z, out=z)
                total[rows] += z
        total += 2.0 * np.log(dispersion).sum(axis=1) + n_outputs * _LOG_2PI
        total *= -0.5
        return total

    def penalty(self, dispersion, quadratic):
        """Return what priors and the experts' own penalties take from the objective.

        Parameters
        ----------
        dispersion, quadratic : ndarray of shape (K, m)

        Returns
        -------
        float
        """
        experts = 0.5 * (quadratic / dispersion**2).sum()
        one = dispersion[:1] if self.shared else dispersion
        prior = np.log(one) + 0.5 * (self.prior_scale / one) ** 2
        return float(experts + self.prior * prior.sum())

    def variance(self, dispersion):
        """Return the variances (K, m) of y around the prediction."""
        return np.square(dispersion)

    def cdf(self, y, mean, dispersion):
        """Distribution functions of the experts.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        return ndtr((y[:, None] - mean) / dispersion)
