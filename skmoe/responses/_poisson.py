"""The Poisson law of counts and rates around an expert's prediction."""

from typing import Any

import numpy as np
from scipy import special

from ..em._protocols import Floats
from ._response import Random, Response

#: Smaller means are replaced by this one: an expert may predict zero or less where y is positive.
SMALLEST_MEAN = 1e-12

#: Larger means are returned as draws: their relative spread is less than rounding.
_LARGEST_DRAWN = 1e18


class Poisson(Response):
    r"""Counts, or rates with the exposure as sample weight.

    .. math:: p(y \mid \mu) = \frac{\mu^y e^{-\mu}}{\Gamma(y + 1)}

    where the expert predicts the mean :math:`\mu`, above zero. y need not be a whole number: a
    rate is y = count / exposure with ``sample_weight`` = exposure, as in scikit-learn's
    ``PoissonRegressor``. Several outputs are independent given the expert.

    The law has no dispersion: ``dispersion_`` is one, as in a generalised linear model.

    See Also
    --------
    Gamma : Positive amounts, whose spread grows with their mean.

    Notes
    -----
    Without `experts`, and for clones of ``PoissonRegressor(alpha=0)``, all experts are solved at
    once and the objective never falls. Other experts that minimise the Poisson deviance
    (``HistGradientBoostingRegressor(loss="poisson")``) or average y (trees, forests) are fitted
    one by one; so is ``PoissonRegressor(alpha=...)``, whose penalty grows with the weights and so
    is not part of the objective. Experts of least squares (``Ridge``) are accepted, but their fit
    is not an M-step: the best iterate is kept. In the density a prediction below 1e-12 is
    replaced by 1e-12; ``predict`` returns it unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, size=(400, 1))
    >>> y = rng.poisson(np.exp(np.where(X[:, 0] < 0, 2 + X[:, 0], 1 - X[:, 0])))
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response="poisson", random_state=0)
    >>> sorted(float(expert.coef_[0].round()) for expert in model.fit(X, y).experts_)
    [-1.0, 1.0]
    """

    _parameter_constraints: dict[str, Any] = {}

    discrete: bool = True
    support: tuple[float, float] = (0.0, np.inf)
    standardises: bool = False

    #: Experts minimise the Poisson deviance: experts that are solved at once are Poisson
    #: regressions.
    loss: str = "poisson"

    def __init__(self) -> None:
        pass

    def check_target(self, y: Floats) -> None:
        if (y < 0).any():
            raise ValueError(
                f"y must not be negative with response='poisson', got {y.min():g}: it is a count, "
                "or a rate"
            )

    def has_sums(self) -> bool:
        return type(self) is Poisson

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        np.maximum(mean, SMALLEST_MEAN, out=mean)
        # For negative y `log_density` returns -inf, whatever the deviance.
        special.kl_div(np.maximum(y, 0.0)[:, None], mean, out=mean)
        return np.maximum(mean, 0.0, out=mean)

    def fit_dispersion(
        self, deviance: Floats, masses: Floats, quadratic: Floats, old: Floats | None = None
    ) -> Floats:
        return np.ones(quadratic.shape)

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats) -> Floats:
        count = np.maximum(y, 0.0)
        peak = special.xlogy(count, count) - count - special.gammaln(count + 1.0)
        peak[y < 0] = -np.inf
        return peak.sum(axis=1)[:, None] - deviance.sum(axis=2)

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        return 0.0

    def confined(self, parameters: Floats) -> Floats:
        return np.ones_like(parameters)

    def rescaled(self, parameters: Floats, scale: Floats) -> Floats:
        return np.array(parameters, dtype=float)

    def count_parameters(self, parameters: Floats) -> int:
        return 0

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        return np.maximum(mean, SMALLEST_MEAN)

    def mode(self, mean: Floats, parameters: Floats) -> Floats:
        return np.floor(np.maximum(mean, SMALLEST_MEAN))

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        return _cdf(y[:, None], np.maximum(mean, SMALLEST_MEAN))

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        return _smallest_count(q[:, None], np.maximum(mean, SMALLEST_MEAN))

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        mean = np.maximum(mean, SMALLEST_MEAN)
        drawn = rng.poisson(np.minimum(mean, _LARGEST_DRAWN)).astype(float)
        return np.where(mean > _LARGEST_DRAWN, mean, drawn)


def _cdf(count: Floats, mean: Floats) -> Floats:
    """Return the probability of at most `count`, which may be negative."""
    below = special.pdtr(np.maximum(count, 0.0), mean)
    return np.where(count < 0, 0.0, np.where(count == np.inf, 1.0, below))


def _smallest_count(q: Floats, mean: Floats) -> Floats:
    """Return the smallest whole number whose distribution function is at least `q`.

    It is found by bisection.
    """
    q, mean = np.broadcast_arrays(q, mean)
    # The first terms of Cornish and Fisher. From there `low` and `high` move until they bracket.
    normal = special.ndtri(np.clip(q, 1e-300, 1.0 - 1e-16))
    guess = np.floor(mean + normal * np.sqrt(mean) + (normal**2 - 1.0) / 6.0)
    low, high = np.maximum(guess, 0.0) - 1.0, np.maximum(guess, 0.0)
    step = 1.0
    certain = q >= 1.0
    while (short := ~certain & (_cdf(high, mean) < q)).any():
        low, high = np.where(short, high, low), np.where(short, high + step, high)
        step *= 2.0
    step = 1.0
    while (far := (low >= 0) & (_cdf(low, mean) >= q)).any():
        high, low = np.where(far, low, high), np.where(far, np.maximum(low - step, -1.0), low)
        step *= 2.0
    while (high - low > np.maximum(1.0, np.spacing(high))).any():
        middle = np.floor(0.5 * (low + high))
        enough = (middle >= 0) & (_cdf(middle, mean) >= q)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(certain, np.inf, high)
