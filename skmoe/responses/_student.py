"""Student's law of y around an expert's prediction."""

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import optimize, special

from .._data.numerics import weighted_sums
from .._sklearn import Interval
from ..em._protocols import Floats
from ._response import Random
from ._scale import SCALE_CONSTRAINTS, ScaleFamily, pooled, squared_residuals

#: Bounds of estimated degrees of freedom: below the first the variance becomes very large, above
#: the second no sample distinguishes the law from a Gaussian one.
FEWEST, MOST = 2.05, 200.0


class StudentT(ScaleFamily):
    r"""Errors with heavy tails: a few gross outliers hardly change the experts.

    .. math:: p(y \mid f, \sigma) \propto \prod_j \sigma_j^{-1}
              \left( 1 + \frac{\delta}{\nu} \right)^{-(\nu + m) / 2}, \qquad
              \delta = \sum_j \frac{(y_j - f_j)^2}{\sigma_j^2}

    for m outputs. Experts and scales are fitted with the working weights
    :math:`(\nu + m) / (\nu + \delta)`, so that a row far from its expert has little weight. Given
    the scales, the degrees of freedom :math:`\nu` maximise the likelihood itself (Peel and
    McLachlan 2000; Liu and Rubin 1995). The prior of the scale is that of `Gaussian`.

    Parameters
    ----------
    df : float, default=None
        Degrees of freedom, above 2, so that y has a variance; None to estimate them.
    shared_df : bool, default=False
        One number of estimated degrees of freedom for all experts.
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

    Attributes
    ----------
    df_ : ndarray of shape (n_experts,)
        Degrees of freedom of each expert; only in the `response_` of a fitted mixture.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.responses import StudentT
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response=StudentT(df=4), random_state=0)
    >>> model.fit(X, y).response_.df_
    array([4., 4.])
    """

    _parameter_constraints: dict[str, Any] = {
        **SCALE_CONSTRAINTS,
        "df": [Interval(Real, 2, None, closed="neither"), None],
        "shared_df": ["boolean"],
    }

    reweights: bool = True

    df: float | None
    shared_df: bool
    df_: Floats

    def __init__(
        self,
        df: float | None = None,
        *,
        shared_df: bool = False,
        prior: float = 1.0,
        prior_scale: float = 0.1,
        floor: float = 1e-3,
        shared: bool = False,
        dispersion: str = "constant",
        dispersion_alpha: float = 10.0,
    ) -> None:
        self.df = df
        self.shared_df = shared_df
        self.prior = prior
        self.prior_scale = prior_scale
        self.floor = floor
        self.shared = shared
        self.dispersion = dispersion
        self.dispersion_alpha = dispersion_alpha

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        return squared_residuals(y, mean)

    def working_weights(self, deviance: Floats, parameters: Floats) -> Floats:
        df = parameters[..., -1]
        return (df + deviance.shape[2]) / (df + _distance(deviance, parameters))

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        n_experts, m = quadratic.shape
        deviance = self.unscaled(deviance, scaling)
        if old is None:
            df = np.full((n_experts, 1), 10.0 if self.df is None else self.df)
            old = np.hstack([self._scales(deviance, masses, quadratic), df])
        weighted = masses * self.working_weights(deviance, old)
        new = np.hstack([self._scales(deviance, weighted, quadratic, masses), old[:, m:]])
        if self.df is None:
            new[:, m] = self._degrees(_distance(deviance, new), masses, new[:, m], m)
        return new

    def _scales(
        self, deviance: Floats, weighted: Floats, quadratic: Floats, masses: Floats | None = None
    ) -> Floats:
        """Return scales (K, m) from the weighted squares of all rows."""
        mass = (weighted if masses is None else masses).sum(axis=0)
        squares, mass = pooled(weighted_sums(deviance, weighted) + quadratic, mass, self.shared)
        total = np.maximum(mass + self.prior, np.finfo(float).tiny)
        return np.maximum(np.sqrt((squares + self.prior * self.prior_scale**2) / total), self.floor)

    def _degrees(self, distance: Floats, masses: Floats, old: Floats, m: int) -> Floats:
        """Return the degrees of freedom (K,) that maximise the likelihood given the scales."""
        if self.shared_df:
            best = _best_df(distance.ravel(), masses.ravel(), old[0], m)
            return np.full(len(old), best)
        columns = zip(distance.T, masses.T, old, strict=True)
        return np.array([_best_df(*column, m) for column in columns])

    def remember(self, parameters: Floats) -> Self:
        self.df_ = parameters[:, -1].copy()
        return self

    def confined(self, parameters: Floats) -> Floats:
        out = np.maximum(parameters, self.floor)
        out[:, -1] = self.df if self.df is not None else np.clip(out[:, -1], FEWEST, MOST)
        return out

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats | None = None) -> Floats:
        m = deviance.shape[2]
        df = parameters[..., m]
        peak = _log_height(df, m) - np.log(parameters[..., :m]).sum(axis=-1)
        return peak - 0.5 * (df + m) * np.log1p(_distance(deviance, parameters) / df)

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        scale = parameters[:, : quadratic.shape[1]]
        free = self._free(scale)
        prior = np.log(free) + 0.5 * (self.prior_scale / free) ** 2
        return float(0.5 * (quadratic / scale**2).sum() + self.prior * prior.sum())

    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        m, df = deviance.shape[2], parameters[..., -1]
        distance = _distance(deviance, parameters)
        return (df + m) * distance / (df + distance) - m, 2.0 * m * df / (df + m + 2.0)

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        df = parameters[..., -1:]
        return np.square(parameters[..., :-1]) * df / (df - 2.0)

    def count_parameters(self, parameters: Floats) -> int:
        n_experts, width = parameters.shape
        free_df = 0 if self.df is not None else (1 if self.shared_df else n_experts)
        return (1 if self.shared else n_experts) * (width - 1) + free_df

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        return special.stdtr(parameters[..., -1:], (y[:, None] - mean) / parameters[..., :-1])

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        unit = special.stdtrit(parameters[..., -1:], q[:, None])
        # Some releases of scipy return NaN for the ends of the support.
        unit = np.where(q[:, None] == 0, -np.inf, np.where(q[:, None] == 1, np.inf, unit))
        return mean + parameters[..., :-1] * unit

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        df = parameters[:, -1:]
        factor = np.sqrt(df / rng.chisquare(df))
        return mean + parameters[:, :-1] * factor * rng.standard_normal(mean.shape)


def _distance(deviance: Floats, parameters: Floats) -> Floats:
    """Return squared errors in units of the scales, summed over outputs, (n, K)."""
    total = deviance[:, :, 0] / parameters[..., 0] / parameters[..., 0]
    for j in range(1, deviance.shape[2]):
        total += deviance[:, :, j] / parameters[..., j] / parameters[..., j]
    return total


def _log_height(df: Floats, m: int) -> Any:
    """Return the logarithm of the largest density of m outputs, for scales of one."""
    half = special.gammaln(0.5 * (df + m)) - special.gammaln(0.5 * df)
    return half - 0.5 * m * np.log(np.pi * df)


def _best_df(distance: Floats, masses: Floats, old: float, m: int) -> float:
    """Return degrees of freedom that maximise the likelihood of distances (n,).

    The `old` ones are returned where they have a larger likelihood.
    """
    total = masses.sum()

    def value(df):
        tails = masses @ np.log1p(distance / df)
        return total * _log_height(df, m) - 0.5 * (df + m) * tails

    def slope(log_df):
        df = np.exp(log_df)
        gap = special.digamma(0.5 * (df + m)) - special.digamma(0.5 * df) - m / df
        ratio = distance / df
        moved = masses @ ((df + m) * ratio / (df * (1.0 + ratio)) - np.log1p(ratio))
        return total * gap + moved

    low, high = np.log(FEWEST), np.log(MOST)
    if slope(high) > 0:
        best = MOST
    elif slope(low) < 0:
        best = FEWEST
    else:
        best = np.exp(optimize.brentq(slope, low, high, xtol=1e-4))
    return best if value(best) >= value(old) else old
