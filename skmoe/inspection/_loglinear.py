"""Experts with a log link as parts of a likelihood: Poisson and gamma regressions.

What they offer is what `GaussianExpert` offers: log-densities, scores, and minus the second
derivatives, in standardised columns.
"""

import numpy as np
from scipy.special import digamma, gammaln, polygamma


class PoissonExpert:
    """Counts or rates around the exponential of a linear function.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (p,)
    dispersion : float
        One: the law has none that is free.
    y : ndarray of shape (n,)
    """

    dispersion = None
    unit = 1.0

    def __init__(self, columns, raw, dispersion, y):
        self.columns, self._y = columns, y
        self.coef = columns.standardised(raw)
        self.size = len(raw)
        self._eta = columns.matrix @ self.coef
        self._mean = np.exp(self._eta)

    def answers(self):
        """Predictions (n,)."""
        return self._mean

    def log_density(self, rows):
        """Log-probabilities (b,) of y."""
        y = self._y[rows]
        return y * self._eta[rows] - self._mean[rows] - gammaln(y + 1.0)

    def scores(self, rows):
        """Derivatives (b, size) of the log-probabilities."""
        return (self._y[rows] - self._mean[rows])[:, None] * self.columns.matrix[rows]

    def information(self, rows, weights):
        """Weighted sum over rows of minus the second derivatives, (size, size)."""
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

    def __init__(self, columns, raw, dispersion, y):
        self.columns, self.dispersion, self._y = columns, dispersion, y
        self.unit = np.sqrt(dispersion)
        self.coef = columns.standardised(raw) / self.unit
        self.size = len(raw) + 1
        self._eta = columns.matrix @ self.coef * self.unit
        self._excess = np.expm1(np.log(y) - self._eta)
        self._deviance = self._excess - np.log(y) + self._eta

    def answers(self):
        """Predictions (n,)."""
        return np.exp(self._eta)

    def log_density(self, rows):
        """Log-densities (b,) of y."""
        shape = 1.0 / self.dispersion
        peak = shape * np.log(shape) - shape - gammaln(shape)
        return peak - np.log(self._y[rows]) - shape * self._deviance[rows]

    def scores(self, rows):
        """Derivatives (b, size) of the log-densities."""
        errors = self._excess[rows, None] / self.unit
        spread = dispersion_slope(self.dispersion, self._deviance[rows, None])
        return np.hstack([errors * self.columns.matrix[rows], spread])

    def information(self, rows, weights):
        """Weighted sum over rows of minus the second derivatives, (size, size)."""
        matrix, excess = self.columns.matrix[rows], self._excess[rows]
        inner = (matrix * (weights * (1.0 + excess))[:, None]).T @ matrix
        cross = (weights * excess) @ matrix / self.unit
        corner = weights @ dispersion_curvature(self.dispersion, self._deviance[rows])
        return np.block([[inner, cross[:, None]], [cross[None], np.full((1, 1), corner)]])


def dispersion_slope(dispersion, deviance):
    """Derivative of a gamma log-density by the logarithm of its dispersion."""
    shape = 1.0 / dispersion
    return shape * (deviance - (np.log(shape) - digamma(shape)))


def dispersion_curvature(dispersion, deviance):
    """Minus the second derivative of a gamma log-density by the logarithm of its dispersion."""
    shape = 1.0 / dispersion
    slope = dispersion_slope(dispersion, deviance)
    return slope - shape**2 * (1.0 / shape - polygamma(1, shape))
