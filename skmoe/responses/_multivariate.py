"""The Gaussian law of several outputs whose errors are correlated."""

from typing import Any, Self

import numpy as np
from scipy.special import ndtr, ndtri

from ..em._protocols import Floats
from ._correlation import decode, encode, triangle
from ._response import Random
from ._scale import ScaleFamily, pooled

_LOG_2PI = float(np.log(2 * np.pi))

#: Residuals are cut off here: sums of their squares stay finite.
_FARTHEST = 1e145

#: Parameters stay between this number and its inverse: their products neither overflow nor vanish.
_LEAST = 1e-50


class MultivariateGaussian(ScaleFamily):
    r"""Normal errors with one covariance matrix of the outputs per expert.

    .. math:: p(y \mid f) = (2 \pi)^{-m / 2} \, |\Sigma|^{-1 / 2}
              \exp \left( -\tfrac{1}{2} (y - f)^\top \Sigma^{-1} (y - f) \right)

    for m outputs. The covariance of expert k maximises its term of the objective in closed form,

    .. math:: \Sigma_k = \frac{\sum_i r_{ik} \, e_{ik} e_{ik}^\top + Q_k + \nu S}
                              {\sum_i r_{ik} + \nu}, \qquad e_{ik} = y_i - f_k(x_i)

    where r are responsibilities × sample weights, :math:`\nu` is `prior`, and S is diagonal with
    the squares of `prior_scale` × the standard deviation of each output. The prior, an inverse
    Wishart with its mode at S, bounds the likelihood. Q is the expert's own penalty: for
    ``Ridge`` alpha times the products of the coefficients of all pairs of outputs.

    Parameters
    ----------
    prior : float, default=1.0
        Strength of the prior of the covariance in rows; 0 for plain maximum likelihood.
    prior_scale : float, default=0.1
        Standard deviation that the prior suggests, relative to that of y.
    floor : float, default=1e-3
        Smallest standard deviation in any direction, where each output is relative to the
        standard deviation of y. Eigenvalues of a covariance below its square are raised to the
        square; this maximises the objective under the bound.
    shared : bool, default=False
        One covariance for all experts.
    dispersion : {"constant", "linear"}, default="constant"
        With "linear" the logarithm of all standard deviations of an expert is linear in x, in
        columns that are standardised and cut off at three standard deviations.
    dispersion_alpha : float, default=10.0
        Strength of the L2 penalty on the coefficients of "linear", in rows.

    Attributes
    ----------
    covariance_ : ndarray of shape (n_experts, n_outputs, n_outputs)
        Covariance of each expert, in the units of y; only in the `response_` of a fitted mixture.

    See Also
    --------
    Gaussian : Outputs that are independent given the expert.

    Notes
    -----
    ``dispersion_`` holds the standard deviation of each output. In ``law_parameters_`` it is
    followed by a positive number for each pair of outputs j < i: the square root of
    (1 + z) / (1 - z), where z is the correlation of both given the outputs before j. Any positive
    numbers are valid (Joe 2006; Lewandowski, Kurowicka and Joe 2009).

    Where all outputs have the same columns, least squares for each output alone maximises the
    joint likelihood. Therefore the objective never falls for ``LinearRegression``, nor for
    ``Ridge`` with one `alpha`; a ``Ridge`` with an `alpha` for each output is an error.

    With one output the law is `Gaussian`.

    References
    ----------
    Joe (2006). Generating random correlation matrices based on partial correlations. Journal of
    Multivariate Analysis 97, 2177-2189.

    Lewandowski, Kurowicka and Joe (2009). Generating random correlation matrices based on vines
    and extended onion method. Journal of Multivariate Analysis 100, 1989-2001.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.responses import MultivariateGaussian
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 1))
    >>> noise = rng.multivariate_normal([0, 0], [[4, -2], [-2, 3]], 2000)
    >>> law = MultivariateGaussian(shared=True)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, response=law, random_state=0)
    >>> model.fit(X, 9 * np.abs(X) + noise).response_.covariance_[0].round()
    array([[ 4., -2.],
           [-2.,  3.]])
    """

    correlated: bool = True
    deviance_power: int = 1

    covariance_: Floats

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

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        with np.errstate(over="ignore"):
            np.subtract(y[:, None], mean, out=mean)
        return np.clip(mean, -_FARTHEST, _FARTHEST, out=mean)

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        deviance = self.unscaled(deviance, scaling)
        pairs = zip(deviance.swapaxes(0, 1), masses.T, strict=True)
        squares = np.stack([_products(*each) for each in pairs])
        squares, mass = pooled(squares + quadratic, masses.sum(axis=0), self.shared)
        suggested = self.prior_scale**2 * np.eye(squares.shape[2])
        # The smallest number avoids 0 / 0 for an expert without rows if there is no prior.
        total = np.maximum(mass + self.prior, np.finfo(float).tiny)[:, :, None]
        values, vectors = np.linalg.eigh((squares + self.prior * suggested) / total)
        return encode(self._raised(np.sqrt(np.maximum(values, 0.0)), vectors))

    def _raised(self, spreads: Floats, axes: Floats) -> Floats:
        """Return factors of covariances (K, m, m) with these spreads (K, m) along axes.

        Spreads below the floor are raised to it.
        """
        spreads = np.maximum(spreads, self.floor)
        return triangle(spreads[:, :, None] * axes.swapaxes(1, 2))

    def confined(self, parameters: Floats) -> Floats:
        limited = np.clip(parameters, _LEAST, 1.0 / _LEAST)
        axes, spreads, _ = np.linalg.svd(_factors(limited))
        low: Any = (spreads < self.floor).any(axis=1)
        return np.where(low[:, None], encode(self._raised(spreads, axes)), limited)

    def remember(self, parameters: Floats) -> Self:
        factors = _factors(parameters)
        self.covariance_ = factors @ factors.swapaxes(1, 2)
        return self

    def log_density(self, deviance: Floats, parameters: Floats, y: Floats | None = None) -> Floats:
        m = deviance.shape[2]
        distance, log_volume = _whitened(deviance, parameters)
        return -0.5 * (distance + m * _LOG_2PI) - log_volume

    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        m = deviance.shape[2]
        return _whitened(deviance.copy(), parameters)[0] - m, 2.0 * m

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        inverse = np.linalg.inv(_factors(parameters))
        experts = 0.5 * (inverse @ quadratic * inverse).sum()
        free = self._free(inverse)
        heights = -np.log(np.einsum("kii->ki", free)).sum()
        prior = heights + 0.5 * self.prior_scale**2 * np.square(free).sum()
        return float(experts + self.prior * prior)

    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        return np.square(_scales(mean, parameters))

    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        return ndtr((y[:, None] - mean) / _scales(mean, parameters))

    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        return mean + ndtri(q)[:, None] * _scales(mean, parameters)

    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        scales, factor = decode(parameters)
        drawn = rng.standard_normal(mean.shape)
        return mean + scales * (factor @ drawn[:, :, None])[:, :, 0]


def _scales(mean: Floats, parameters: Floats) -> Floats:
    """Return the standard deviations of the outputs."""
    return parameters[..., : mean.shape[-1]]


def _factors(parameters: Floats) -> Floats:
    """Return the Cholesky factors (K, m, m) of the covariances."""
    scales, factor = decode(parameters)
    return scales[..., None] * factor


def _products(error: Floats, mass: Floats) -> Floats:
    """Return the sum (m, m) over rows of masses (n,) times products of errors (n, m)."""
    return (error * mass[:, None]).T @ error


def _whitened(deviance: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Return squared Mahalanobis distances (n, K), and half the log-determinants of covariances.

    The errors, `deviance` (n, K, m), are overwritten.
    """
    scales, factor = decode(parameters)
    distance = np.zeros(deviance.shape[:2])
    with np.errstate(over="ignore"):
        for j in range(deviance.shape[2]):
            # Forward substitution, in place, makes the errors independent.
            error = deviance[:, :, j]
            error /= scales[..., j]
            for i in range(j):
                error -= factor[..., j, i] * deviance[:, :, i]
            error /= factor[..., j, j]
            distance += np.square(error)
    return distance, np.log(scales * np.einsum("...ii->...i", factor)).sum(axis=-1)
