"""The gamma law of positive amounts around an expert's prediction."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from .._data.numerics import weighted_sums
from ..em._protocols import Floats
from ._response import Random
from ._scale import ScaleFamily, pooled

#: Smaller means are replaced by this one: ratios of y to them stay finite.
SMALLEST_MEAN = 1e-150

#: Largest dispersion: with a larger one the density is nearly flat.
_LARGEST = 1e6

#: For shapes above this, differences of special functions are computed by their series.
_SERIES = 100.0

_NEWTON_STEPS = 8

#: Relative error at which Newton's method ends.
_ENOUGH = 1e-13


class Gamma(ScaleFamily):
    r"""Positive amounts whose standard deviation is proportional to their mean.

    .. math:: p(y \mid \mu, \varphi) = \frac{(a / \mu)^a}{\Gamma(a)} \, y^{a - 1} e^{-a y / \mu},
              \qquad a = 1 / \varphi, \qquad \operatorname{var}(y) = \varphi \mu^2

    where the expert predicts the mean :math:`\mu`, above zero. The dispersion
    :math:`\varphi`, which is ``dispersion_``, is the square of the coefficient of variation. It
    has no units, and does not change if y is multiplied by a constant. Several outputs are
    independent given the expert.

    The dispersion of an expert maximises the objective: its shape a solves

    .. math:: \log a - \psi(a) = \frac{\sum_i r_i d_i + \nu d_0}{\sum_i r_i + \nu}, \qquad
              d_i = \log \frac{\mu_i}{y_i} + \frac{y_i}{\mu_i} - 1

    for responsibilities × sample weights r. The prior counts as :math:`\nu` = `prior` further
    rows, whose :math:`d_0 = -\log s^2 - \psi(s^{-2})` puts its mode at the dispersion
    :math:`s^2`, where s is `prior_scale`.

    Parameters
    ----------
    prior : float, default=1.0
        Strength of the prior of the dispersion in rows; 0 for plain maximum likelihood.
    prior_scale : float, default=0.1
        Coefficient of variation that the prior suggests.
    floor : float, default=1e-3
        Smallest coefficient of variation: ``dispersion_`` is at least its square.
    shared : bool, default=False
        One dispersion for all experts.
    dispersion : {"constant", "linear"}, default="constant"
        With "linear" the logarithm of an expert's dispersion is linear in x, in columns that are
        standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.

    See Also
    --------
    Poisson : Counts and rates, which may be zero.

    Notes
    -----
    Without `experts`, and for clones of ``GammaRegressor(alpha=0)``, all experts are solved at
    once and the objective never falls. All other experts are fitted one by one: those that
    minimise the gamma deviance or average y; ``GammaRegressor(alpha=...)``, whose penalty grows
    with the weights and so is not part of the objective; and experts of least squares
    (``Ridge``), whose fit is not an M-step, so that the best iterate is kept. The density at a
    prediction of zero or less is nearly zero; ``predict`` returns such a prediction unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, size=(400, 1))
    >>> y = rng.gamma(4, np.exp(np.abs(X[:, 0])) / 4)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response="gamma", random_state=0)
    >>> model.fit(X, y).dispersion_.round(1)
    array([0.2, 0.3])
    """

    support: tuple[float, float] = (0.0, np.inf)
    standardises: bool = False
    precision_power: int = 1
    deviance_power: int = 1

    #: Experts minimise the gamma deviance: experts that are solved at once are gamma regressions.
    loss: str = "gamma"

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
        if (y <= 0).any():
            raise ValueError(f"y must be positive with response='gamma', got {y.min():g}")

    def has_sums(self) -> bool:
        return type(self) is Gamma and self.dispersion == "constant"

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        np.maximum(mean, SMALLEST_MEAN, out=mean)
        with np.errstate(over="ignore", under="ignore"):
            # For y of zero or less `log_density` returns -inf, whatever the deviance.
            ratio = np.divide(np.where(y > 0, y, 1.0)[:, None], mean, out=mean)
            excess = ratio - 1.0
        # Where y and mean are close, the logarithm of their ratio would lose digits.
        np.log(ratio, out=ratio)
        close = np.abs(excess) < 0.1
        ratio[close] = np.log1p(excess[close])
        excess -= ratio
        return np.maximum(excess, 0.0, out=excess)

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        mass = masses.sum(axis=0)
        # The smallest number avoids 0 / 0 for an expert without rows if there is no prior.
        prior = max(self.prior, np.finfo(float).tiny)

        def mean(values, of_prior):
            sums, total = pooled(weighted_sums(values, masses), mass, self.shared)
            return (sums + prior * of_prior) / (total + prior)

        gap, slope = _gap, _gap_slope
        if scaling is not None:
            factors = scaling[:, :, None]

            def gap(shape: Any) -> Any:
                return mean(_gap(shape / factors) / factors, _gap(shape))

            def slope(shape: Any) -> Any:
                return mean(_gap_slope(shape / factors) / factors**2, _gap_slope(shape))

        goal = mean(self.unscaled(deviance, scaling), self._suggested)
        return self.confined(1.0 / _shape_of(goal, gap, slope, 1.0 / _LARGEST, self.floor**-2.0))

    @property
    def _suggested(self) -> float:
        """Deviance of the further rows that the prior stands for."""
        return _gap(self.prior_scale**-2.0)

    def confined(self, parameters: Floats) -> Floats:
        return np.clip(parameters, self.floor**2, _LARGEST)

    def rescaled(self, parameters: Floats, scale: Floats) -> Floats:
        return np.array(parameters, dtype=float)

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats) -> Floats:
        shape, inside = 1.0 / parameters, y > 0
        log_y = np.log(y, out=np.full(y.shape, np.inf), where=inside)
        peak = _height(shape).sum(axis=-1) - log_y.sum(axis=1)[:, None]
        return peak - (deviance * shape).sum(axis=2)

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        shape = 1.0 / self._free(parameters)
        return float(self.prior * (shape * self._suggested - _height(shape)).sum())

    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        shape = 1.0 / parameters
        slope = shape * (deviance - _gap(shape))
        return slope.sum(axis=2), -(shape * shape * _gap_slope(shape)).sum(axis=2)

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        return parameters * np.square(mean)

    def std(self, mean: Floats, parameters: Floats) -> Floats:
        # The square of a large mean would overflow.
        return np.sqrt(parameters) * np.abs(mean)

    def mode(self, mean: Floats, parameters: Floats) -> Floats:
        return np.maximum(1.0 - parameters, 0.0) * mean

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        shape, scale = _shape_and_scale(mean, parameters)
        return special.gammainc(shape, np.maximum(y[:, None], 0.0) / scale)

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        shape, scale = _shape_and_scale(mean, parameters)
        return special.gammaincinv(shape, q[:, None]) * scale

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        return rng.gamma(*_shape_and_scale(mean, parameters))


def _shape_and_scale(mean: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    return 1.0 / parameters, np.maximum(mean, SMALLEST_MEAN) * parameters


def _height(shape: Floats) -> Floats:
    """``a log a - a - log gamma(a)``: the log-density of log y at its peak."""
    direct = special.xlogy(shape, shape) - shape - special.gammaln(shape)
    inverse = 1.0 / np.maximum(shape, _SERIES)
    rest = inverse * (1 / 12 - inverse**2 * (1 / 360 - inverse**2 / 1260))
    series = -0.5 * np.log(2.0 * np.pi * inverse) - rest
    return np.where(shape > _SERIES, series, direct)


def _gap(shape: Any) -> Any:
    """``log a - digamma(a)``: the slope of `_height`, which falls from infinity to zero."""
    inverse = 1.0 / np.maximum(shape, _SERIES)
    series = inverse * (0.5 + inverse * (1 / 12 - inverse**2 * (1 / 120 - inverse**2 / 252)))
    return np.where(shape > _SERIES, series, np.log(shape) - special.digamma(shape))


def _gap_slope(shape: Floats) -> Floats:
    """Derivative of `_gap`, negative."""
    inverse = 1.0 / np.maximum(shape, _SERIES)
    series = -(inverse**2) * (0.5 + inverse * (1 / 6 - inverse**2 / 30))
    return np.where(shape > _SERIES, series, 1.0 / shape - special.polygamma(1, shape))


def _shape_of(
    goal: Floats,
    gap_of: Callable[[Floats], Floats],
    slope_of: Callable[[Floats], Floats],
    least: float,
    most: float,
) -> Floats:
    """Return the shapes between two bounds whose gaps are nearest to the goal, elementwise."""
    goal = np.clip(goal, gap_of(np.full_like(goal, most)), gap_of(np.full_like(goal, least)))
    shape = (1.0 + np.sqrt(1.0 + 4.0 / 3.0 * goal)) / (4.0 * goal)
    for _ in range(_NEWTON_STEPS):
        # The logarithm of the gap is nearly linear in the logarithm of the shape.
        gap = gap_of(shape)
        error = np.log(goal / gap)
        if np.abs(error).max() < _ENOUGH:
            break
        shape = shape * np.exp(gap * error / (shape * slope_of(shape)))
    return np.clip(shape, least, most)
