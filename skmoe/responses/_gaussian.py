"""The Gaussian law of y around an expert's prediction."""

from numbers import Integral, Real

import numpy as np
from scipy.special import ndtr
from sklearn.base import BaseEstimator

from .._numerics import blocks
from .._sklearn import Interval

_LOG_2PI = float(np.log(2 * np.pi))


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
    n_scales : int, default=1
        Dispersions that each expert carries, with ``specialize=False``: it then counts as
        so many experts that share one fit, each with gate weights of its own, and errors may
        depend on x.

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
        "n_scales": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, prior=1.0, *, prior_scale=0.1, floor=1e-3, shared=False, n_scales=1):
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.n_scales = n_scales

    def deviance(self, y, mean):
        """Return the squared residuals, what dispersion and density are made of.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
            Predictions, in the same units; overwritten.

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        with np.errstate(over="ignore"):
            for rows in blocks(len(y)):
                for j in range(y.shape[1]):
                    block = mean[rows, :, j]
                    block -= y[rows, j, None]
                    block *= block
        return mean

    def fit_dispersion(self, deviances, mass, quadratic):
        """Return the standard deviations that maximise the objective given the means.

        Parameters
        ----------
        deviances : ndarray of shape (K, m)
            Sums over rows of responsibility × sample weight × deviance, for y in
            units of its standard deviation.
        mass : ndarray of shape (K,)
            Sums of responsibility × sample weight.
        quadratic : ndarray of shape (K, m)
            Penalties of the experts, in the units of `deviances`.

        Returns
        -------
        ndarray of shape (K, m)
            In units of the standard deviation of y.
        """
        mass, squares = mass[:, None], deviances + quadratic
        if self.shared:
            squares = squares.sum(axis=0, keepdims=True).repeat(len(mass), axis=0)
            mass = mass.sum(axis=0, keepdims=True)
        # The smallest number keeps an expert without rows, and no prior, from 0 / 0.
        variance = (squares + self.prior * self.prior_scale**2) / np.maximum(
            mass + self.prior, np.finfo(float).tiny
        )
        return np.maximum(np.sqrt(variance), self.floor)

    def log_density(self, deviance, dispersion):
        """Log-densities (n, K) of the rows under each expert.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
            Overwritten.
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (n, K)
            Nats, for y in the units of `dispersion`.
        """
        n_outputs = deviance.shape[2]
        constant = np.log(dispersion).sum(axis=1) + 0.5 * n_outputs * _LOG_2PI
        total = deviance[:, :, 0]
        with np.errstate(over="ignore"):
            half_precision = -0.5 / dispersion / dispersion
            for rows in blocks(len(deviance)):
                block = total[rows]
                block *= half_precision[:, 0]
                for j in range(1, n_outputs):
                    block += deviance[rows, :, j] * half_precision[:, j]
                block -= constant
        return total

    def log_peak(self, dispersion):
        """Return the largest log-densities that a row can have.

        Parameters
        ----------
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (K,)
        """
        return self.log_density(np.zeros((1, *dispersion.shape)), dispersion)[0]

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
        """Return the variances of y around the prediction.

        Parameters
        ----------
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (K, m)
        """
        return np.square(dispersion)

    def count_parameters(self, dispersion):
        """Return the number of free parameters of dispersions.

        Parameters
        ----------
        dispersion : ndarray of shape (K, m)

        Returns
        -------
        int
        """
        return dispersion.shape[1] if self.shared else dispersion.size

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
