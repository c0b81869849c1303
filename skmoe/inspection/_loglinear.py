"""Experts with a log link as parts of a likelihood: Poisson and gamma regressions.

Like `GaussianExpert` they have log-densities, scores, and minus the second derivatives, in
standardised columns.
"""

from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from ._information import Columns
from ._types import Floats


class PoissonExpert:
    """Counts or rates around the exponential of a linear function.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (p,)
    dispersion : float
        One, as the law has no free dispersion.
    y : ndarray of shape (n,)
    """

    dispersion: float | None = None
    unit: float = 1.0

    def __init__(self, columns: Columns, raw: Floats, dispersion: float, y: Floats) -> None:
        self.columns: Columns = columns
        self._y = y
        self.coef: Floats = columns.standardised(raw)
        self.size: int = len(raw)
        self._eta = columns.matrix @ self.coef
        self._mean = np.exp(self._eta)

    def predictions(self) -> Floats:
        """Return predictions (n,)."""
        return self._mean

    def log_density(self, rows: slice) -> Floats:
        """Return log-probabilities (b,) of y."""
        y = self._y[rows]
        return y * self._eta[rows] - self._mean[rows] - gammaln(y + 1.0)

    def scores(self, rows: slice) -> Floats:
        """Return derivatives (b, size) of the log-probabilities."""
        return (self._y[rows] - self._mean[rows])[:, None] * self.columns.matrix[rows]

    def information(self, rows: slice, weights: Floats) -> Floats:
        """Return minus the weighted sum of second derivatives over rows, (size, size)."""
        matrix = self.columns.matrix[rows]
        return (matrix * (weights * self._mean[rows])[:, None]).T @ matrix


class GammaExpert:
    """Positive amounts around the exponential of a linear function.

    Coordinates are the coefficients per coefficient of variation, then the logarithm of the
    dispersion, its square.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (p,)
    dispersion : float
    y : ndarray of shape (n,)
    """

    def __init__(self, columns: Columns, raw: Floats, dispersion: float, y: Floats) -> None:
        self.columns: Columns = columns
        self.dispersion: float | None = dispersion
        self._dispersion, self._y = dispersion, y
        self.unit: float = np.sqrt(dispersion)
        self.coef: Floats = columns.standardised(raw) / self.unit
        self.size: int = len(raw) + 1
        self._eta = columns.matrix @ self.coef * self.unit
        self._excess = np.expm1(np.log(y) - self._eta)
        self._deviance = self._excess - np.log(y) + self._eta

    def predictions(self) -> Floats:
        """Return predictions (n,)."""
        return np.exp(self._eta)

    def log_density(self, rows: slice) -> Floats:
        """Return log-densities (b,) of y."""
        shape = 1.0 / self._dispersion
        peak = shape * np.log(shape) - shape - gammaln(shape)
        return peak - np.log(self._y[rows]) - shape * self._deviance[rows]

    def scores(self, rows: slice) -> Floats:
        """Return derivatives (b, size) of the log-densities."""
        errors = self._excess[rows, None] / self.unit
        spread = dispersion_slope(self._dispersion, self._deviance[rows, None])
        return np.hstack([errors * self.columns.matrix[rows], spread])

    def information(self, rows: slice, weights: Floats) -> Floats:
        """Return minus the weighted sum of second derivatives over rows, (size, size)."""
        matrix, excess = self.columns.matrix[rows], self._excess[rows]
        inner = (matrix * (weights * (1.0 + excess))[:, None]).T @ matrix
        cross = (weights * excess) @ matrix / self.unit
        corner = weights @ dispersion_curvature(self._dispersion, self._deviance[rows])
        return np.block([[inner, cross[:, None]], [cross[None], np.full((1, 1), corner)]])


def dispersion_slope(dispersion: float, deviance: Any) -> Any:
    """Return the derivative of a gamma log-density by the logarithm of its dispersion."""
    shape = 1.0 / dispersion
    return shape * (deviance - (np.log(shape) - digamma(shape)))


def dispersion_curvature(dispersion: float, deviance: Any) -> Any:
    """Return minus the second derivative of a gamma log-density by the log of its dispersion."""
    shape = 1.0 / dispersion
    slope = dispersion_slope(dispersion, deviance)
    return slope - shape**2 * (1.0 / shape - polygamma(1, shape))
