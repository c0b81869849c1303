"""The Laplace law of y around an expert's prediction."""

import numpy as np

from .._data.numerics import weighted_sums
from ..em._protocols import Floats
from ._response import Random
from ._scale import ScaleFamily, pooled

#: Smallest error, relative to the scale, in working weights: they stay finite.
_SMALLEST_ERROR = 1e-6


class Laplace(ScaleFamily):
    r"""Double exponential errors; experts predict conditional medians.

    .. math:: p(y \mid f, b) = \frac{1}{2 b} \exp \left( -\frac{|y - f|}{b} \right)

    Experts are fitted by least squares with the working weights b / \|y - f\|, where f is the
    last prediction. This replaces the absolute error by a parabola that is tangent to it from
    above, so that the objective never falls by more than rounding (Hunter and Lange 2004). The
    scale of expert k, with its own penalty q and the prior, solves

    .. math:: b^2 (M + \nu) - b \, (S + \nu s) - q = 0

    where M is the sum of responsibilities × sample weights, S is the sum of their products with
    absolute errors, :math:`\nu` is `prior` and s is `prior_scale` × the standard deviation of y.

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
        With "linear" the logarithm of an expert's scale is linear in x, in columns that are
        standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.

    See Also
    --------
    StudentT : Heavy tails, and a density that is smooth at its mode.

    Notes
    -----
    y has one output. Several outputs would need a weight each, and an expert takes one weight
    per row.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response="laplace", random_state=0)
    >>> model.fit(X, y).dispersion_.shape
    (2,)
    """

    reweights: bool = True
    deviance_power: int = 1
    multi_output: bool = False

    def __init__(
        self,
        prior: float = 1.0,
        *,
        prior_scale: float = 0.1,
        floor: float = 1e-3,
        shared: bool = False,
        dispersion: str = "constant",
        dispersion_alpha: float = 10.0,
    ) -> None:
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.dispersion = dispersion
        self.dispersion_alpha = dispersion_alpha

    def check_target(self, y: Floats) -> None:
        if y.shape[1] > 1:
            raise ValueError(
                f"y must have one output with response='laplace', got {y.shape[1]}: an expert "
                "takes one weight for all outputs; 'gaussian' and 'student_t' take several"
            )

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        mean -= y[:, None]
        return np.abs(mean, out=mean)

    def working_weights(self, deviance: Floats, parameters: Floats) -> Floats:
        scale = parameters[..., 0]
        return scale / np.maximum(deviance[:, :, 0], _SMALLEST_ERROR * scale)

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        sums = weighted_sums(self.unscaled(deviance, scaling), masses)
        sums, mass = pooled(sums, masses.sum(axis=0), self.shared)
        quadratic, _ = pooled(quadratic, masses.sum(axis=0), self.shared)
        half = 0.5 * (sums + self.prior * self.prior_scale)
        mass = np.maximum(mass + self.prior, np.finfo(float).tiny)
        return self.confined((half + np.sqrt(half**2 + mass * quadratic)) / mass)

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats | None = None) -> Floats:
        scale = parameters[..., 0]
        return -deviance[:, :, 0] / scale - np.log(2.0 * scale)

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        free = self._free(parameters)
        prior = np.log(free) + self.prior_scale / free
        return float(0.5 * (quadratic / parameters**2).sum() + self.prior * prior.sum())

    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        return deviance[:, :, 0] / parameters[..., 0] - 1.0, 1.0

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        return 2.0 * np.square(parameters)

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        error = (y[:, None] - mean) / parameters
        tail = 0.5 * np.exp(-np.abs(error))
        return np.where(error < 0, tail, 1.0 - tail)

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            below = np.log(2.0 * np.minimum(q, 1.0 - q))
        return mean + parameters * np.where(q < 0.5, below, -below)[:, None]

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        return rng.laplace(mean, parameters)
