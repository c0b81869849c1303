"""The Laplace law of y around an expert's prediction."""

import numpy as np

from .._data.numerics import weighted_sums
from ._response import pooled
from ._scale import ScaleFamily

#: Errors smaller than this, relative to the scale, are weighted as if they were as large:
#: working weights stay finite.
_SMALLEST_ERROR = 1e-6


class Laplace(ScaleFamily):
    r"""Double exponential errors: experts predict conditional medians.

    .. math:: p(y \mid f, b) = \frac{1}{2 b} \exp \left( -\frac{|y - f|}{b} \right)

    Experts are fitted by least squares with the working weights b / \|y - f\|, f being the last
    prediction: a tangent parabola to the absolute error, so that the objective never falls by
    more than rounding (Hunter and Lange 2004). The scale of expert k, with its own penalty q
    and the prior, solves

    .. math:: b^2 (M + \nu) - b \, (S + \nu s) - q = 0

    for the sums M of responsibilities × sample weights and S of those times absolute errors,
    where :math:`\nu` is `prior` and s is `prior_scale` × the standard deviation of y.

    Parameters
    ----------
    prior : float, default=1.0
        Strength of the prior of the scale in rows; 0 for plain maximum likelihood.
    prior_scale : float, default=0.1
        Scale that the prior suggests, relative to the standard deviation of y.
    floor : float, default=1e-3
        Smallest scale, relative to the standard deviation of y.
    shared : bool, default=False
        One scale for all experts.
    dispersion : {"constant", "linear"}, default="constant"
        "linear": the logarithm of an expert's scale is linear in x too, in columns that are
        standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.

    See Also
    --------
    StudentT : Heavy tails, and a smooth centre.

    Notes
    -----
    One output only: several would need a weight for each, and an expert takes one for all.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response="laplace", random_state=0)
    >>> model.fit(X, y).dispersion_.shape
    (2,)
    """

    reweights = True
    deviance_power = 1
    multi_output = False

    def __init__(
        self,
        prior=1.0,
        *,
        prior_scale=0.1,
        floor=1e-3,
        shared=False,
        dispersion="constant",
        dispersion_alpha=10.0,
    ):
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.dispersion = dispersion
        self.dispersion_alpha = dispersion_alpha

    def check_target(self, y):
        if y.shape[1] > 1:
            raise ValueError(
                f"y must have one output with response='laplace', got {y.shape[1]}: an expert "
                "takes one weight for all outputs; 'gaussian' and 'student_t' take several"
            )

    def deviance(self, y, mean):
        mean -= y[:, None]
        return np.abs(mean, out=mean)

    def working_weights(self, deviance, parameters):
        scale = parameters[..., 0]
        return scale / np.maximum(deviance[:, :, 0], _SMALLEST_ERROR * scale)

    def fit_dispersion(self, deviance, masses, quadratic, old=None, stretches=None):
        sums = weighted_sums(self.unstretched(deviance, stretches), masses)
        sums, mass = pooled(sums, masses.sum(axis=0), self.shared)
        quadratic, _ = pooled(quadratic, masses.sum(axis=0), self.shared)
        half = 0.5 * (sums + self.prior * self.prior_scale)
        mass = np.maximum(mass + self.prior, np.finfo(float).tiny)
        return self.confined((half + np.sqrt(half**2 + mass * quadratic)) / mass)

    def log_density(self, deviance, parameters, y=None):
        scale = parameters[..., 0]
        return -deviance[:, :, 0] / scale - np.log(2.0 * scale)

    def penalty(self, parameters, quadratic):
        one = self._kept(parameters)
        prior = np.log(one) + self.prior_scale / one
        return float(0.5 * (quadratic / parameters**2).sum() + self.prior * prior.sum())

    def dispersion_scores(self, deviance, parameters):
        return deviance[:, :, 0] / parameters[..., 0] - 1.0, 1.0

    def variance(self, mean, parameters):
        return 2.0 * np.square(parameters)

    def cdf(self, y, mean, parameters):
        error = (y[:, None] - mean) / parameters
        tail = 0.5 * np.exp(-np.abs(error))
        return np.where(error < 0, tail, 1.0 - tail)

    def ppf(self, q, mean, parameters):
        with np.errstate(divide="ignore"):
            below = np.log(2.0 * np.minimum(q, 1.0 - q))
        return mean + parameters * np.where(q < 0.5, below, -below)[:, None]

    def sample(self, mean, parameters, rng):
        return rng.laplace(mean, parameters)
