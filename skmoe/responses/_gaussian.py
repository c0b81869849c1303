"""The Gaussian law of y around an expert's prediction."""

from numbers import Integral

import numpy as np
from scipy.special import ndtr, ndtri

from .._data.numerics import blocks, weighted_sums
from .._sklearn import Interval
from ._response import pooled
from ._scale import SCALE_CONSTRAINTS, ScaleFamily, squared_residuals

_LOG_2PI = float(np.log(2 * np.pi))


class Gaussian(ScaleFamily):
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
    dispersion : {"constant", "linear"}, default="constant"
        "linear": the logarithm of an expert's dispersion is linear in x too, in columns that are
        standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.
    n_scales : int, default=1
        Dispersions that each expert carries, with ``specialize=False``: it then counts as
        so many experts that share one fit, each with gate weights of its own, and errors may
        depend on x.

    See Also
    --------
    MultivariateGaussian : Several outputs whose errors are correlated.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.responses import Gaussian
    >>> model = MixtureOfExpertsRegressor(response=Gaussian(shared=True))
    """

    _parameter_constraints = {
        **SCALE_CONSTRAINTS,
        "n_scales": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        prior=1.0,
        *,
        prior_scale=0.1,
        floor=1e-3,
        shared=False,
        dispersion="constant",
        dispersion_alpha=10.0,
        n_scales=1,
    ):
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.dispersion = dispersion
        self.dispersion_alpha = dispersion_alpha
        self.n_scales = n_scales

    def has_sums(self):
        return type(self) is Gaussian and self.dispersion == "constant"

    def deviance(self, y, mean):
        return squared_residuals(y, mean)

    def fit_dispersion(self, deviance, masses, quadratic, old=None, stretches=None):
        squares = weighted_sums(self.unstretched(deviance, stretches), masses)
        return self.dispersion_of_sums(squares, masses.sum(axis=0), quadratic)

    def dispersion_of_sums(self, squares, mass, quadratic):
        """Return what `fit_dispersion` does, from sums over rows.

        Parameters
        ----------
        squares : ndarray of shape (K, m)
            Sums of masses × deviances.
        mass : ndarray of shape (K,)
            Sums of masses.
        quadratic : ndarray of shape (K, m)

        Returns
        -------
        ndarray of shape (K, m)
        """
        squares, mass = pooled(squares + quadratic, mass, self.shared)
        # The smallest number keeps an expert without rows, and no prior, from 0 / 0.
        variance = (squares + self.prior * self.prior_scale**2) / np.maximum(
            mass + self.prior, np.finfo(float).tiny
        )
        return np.maximum(np.sqrt(variance), self.floor)

    def log_density(self, deviance, parameters, y=None):
        n_outputs = deviance.shape[2]
        constant = np.log(parameters).sum(axis=-1) + 0.5 * n_outputs * _LOG_2PI
        by_row = parameters.ndim == 3
        total = deviance[:, :, 0]
        with np.errstate(over="ignore"):
            half_precision = -0.5 / parameters / parameters
            for rows in blocks(len(deviance)):
                block, its = total[rows], rows if by_row else ...
                block *= half_precision[its][..., 0]
                for j in range(1, n_outputs):
                    block += deviance[rows, :, j] * half_precision[its][..., j]
                block -= constant[its]
        return total

    def penalty(self, parameters, quadratic):
        experts = 0.5 * (quadratic / parameters**2).sum()
        one = self._kept(parameters)
        prior = np.log(one) + 0.5 * (self.prior_scale / one) ** 2
        return float(experts + self.prior * prior.sum())

    def dispersion_scores(self, deviance, parameters):
        m = deviance.shape[2]
        return (deviance / parameters / parameters).sum(axis=2) - m, 2.0 * m

    def variance(self, mean, parameters):
        return np.square(parameters)

    def cdf(self, y, mean, parameters):
        return ndtr((y[:, None] - mean) / parameters)

    def ppf(self, q, mean, parameters):
        return mean + ndtri(q)[:, None] * parameters

    def sample(self, mean, parameters, rng):
        return mean + parameters * rng.standard_normal(mean.shape)
