"""The Gaussian law of y around an expert's prediction."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.base import clone

from .._data.numerics import blocks, weighted_sums
from .._sklearn import Interval
from ..em._evidence import dispersion_volume
from ..em._protocols import Floats
from ._response import Random
from ._scale import SCALE_CONSTRAINTS, ScaleFamily, pooled, squared_residuals

_LOG_2PI = float(np.log(2 * np.pi))


class Gaussian(ScaleFamily):
    r"""Normal errors with one standard deviation per expert and output.

    The dispersion of expert k maximises its term of the objective in closed form,

    .. math:: \sigma_k^2 = \frac{\sum_i r_{ik} (y_i - f_k(x_i))^2 + q_k + \nu s^2}
                                {\sum_i r_{ik} + \nu}

    where r are responsibilities × sample weights, q is the expert's own penalty
    (alpha × squared norm for ``Ridge``), :math:`\nu` is `prior` and s is
    `prior_scale` × the standard deviation of y. The prior, an inverse gamma with
    its mode at s², bounds the likelihood: a single row cannot make the density infinite.

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
        With "linear" the logarithm of an expert's dispersion is linear in x, in columns that are
        standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.
    n_scales : int, default=1
        Number of dispersions of each expert, with ``specialize=False``. Each expert then counts
        as so many experts that share one fit; each of them has gate weights of its own, so that
        errors may depend on x.

    See Also
    --------
    MultivariateGaussian : Several outputs whose errors are correlated.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.responses import Gaussian
    >>> model = MixtureOfExpertsRegressor(response=Gaussian(shared=True))
    """

    _parameter_constraints: dict[str, Any] = {
        **SCALE_CONSTRAINTS,
        "n_scales": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        prior: float = 1.0,
        *,
        prior_scale: float = 0.1,
        floor: float = 1e-3,
        shared: bool = False,
        dispersion: str = "constant",
        dispersion_alpha: float = 10.0,
        n_scales: int = 1,
    ) -> None:
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.dispersion = dispersion
        self.dispersion_alpha = dispersion_alpha
        self.n_scales = n_scales

    def has_sums(self) -> bool:
        return type(self) is Gaussian and self.dispersion == "constant"

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        return squared_residuals(y, mean)

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        squares = weighted_sums(self.unscaled(deviance, scaling), masses)
        return self.dispersion_of_sums(squares, masses.sum(axis=0), quadratic)

    def dispersion_of_sums(self, squares: Floats, mass: Floats, quadratic: Floats) -> Floats:
        """Return the result of `fit_dispersion`, computed from sums over rows.

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
        # The smallest number avoids 0 / 0 for an expert without rows if there is no prior.
        variance = (squares + self.prior * self.prior_scale**2) / np.maximum(
            mass + self.prior, np.finfo(float).tiny
        )
        return np.maximum(np.sqrt(variance), self.floor)

    def learned(self, parameters: Floats, masses: Floats) -> tuple[Self, float]:
        if not (self.has_sums() and self.prior):
            return self, 0.0
        free = self._free(parameters)
        masses = np.repeat(pooled(masses, masses, self.shared)[1][: len(free)], free.shape[1], 1)
        volume = dispersion_volume(self.prior, self.prior_scale, masses)
        # One further dispersion, as large as that of y, keeps the scale from vanishing.
        precisions = self.prior * (free**-2.0).sum() + 1.0
        law = clone(self)
        law.prior_scale = float(np.sqrt((self.prior * free.size + 1.0) / precisions))
        return law, volume

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats | None = None) -> Floats:
        n_outputs = deviance.shape[2]
        constant = np.log(parameters).sum(axis=-1) + 0.5 * n_outputs * _LOG_2PI
        by_row = parameters.ndim == 3
        total = deviance[:, :, 0]
        with np.errstate(over="ignore"):
            half_precision = -0.5 / parameters / parameters
            for rows in blocks(len(deviance)):
                block, taken = total[rows], rows if by_row else ...
                block *= half_precision[taken][..., 0]
                for j in range(1, n_outputs):
                    block += deviance[rows, :, j] * half_precision[taken][..., j]
                block -= constant[taken]
        return total

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        experts = 0.5 * (quadratic / parameters**2).sum()
        free = self._free(parameters)
        prior = np.log(free) + 0.5 * (self.prior_scale / free) ** 2
        return float(experts + self.prior * prior.sum())

    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        m = deviance.shape[2]
        return (deviance / parameters / parameters).sum(axis=2) - m, 2.0 * m

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        return np.square(parameters)

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        return ndtr((y[:, None] - mean) / parameters)

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        return mean + ndtri(q)[:, None] * parameters

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        return mean + parameters * rng.standard_normal(mean.shape)
