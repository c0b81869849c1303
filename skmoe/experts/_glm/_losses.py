"""Poisson and gamma losses on the log scale, and iterates of their coefficients."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor

#: Means on the training rows stay within this many powers of e of that of y: nothing overflows
#: where an expert runs off on rows of others, or on zeros alone.
LARGEST_ETA = 100.0

#: Levenberg damping, relative to the curvature of a row of average y; and that of no row at all.
DAMPING = 1e-10
_LEAST_CURVATURE = 1e-250


class PoissonLoss:
    """Poisson regression: ``y eta - exp(eta)``."""

    name = "poisson"

    def gain(self, y, eta, change):
        """What the log-likelihood gains where `eta` changes by `change`, (n, K)."""
        return y * change - np.exp(eta) * np.expm1(change)

    def slope(self, y, eta):
        """Derivative (n, K) by eta."""
        return y - np.exp(eta)

    def curvature(self, y, eta):
        """Minus the second derivative, (n, K)."""
        return np.exp(eta)


class GammaLoss:
    """Gamma regression: ``-eta - y exp(-eta)``."""

    name = "gamma"

    def gain(self, y, eta, change):
        """What the log-likelihood gains where `eta` changes by `change`, (n, K)."""
        return -change - y * np.exp(-eta) * np.expm1(-change)

    def slope(self, y, eta):
        """Derivative (n, K) by eta."""
        return y * np.exp(-eta) - 1.0

    def curvature(self, y, eta):
        """Minus the second derivative, (n, K)."""
        return y * np.exp(-eta)


LOSSES = {PoissonRegressor: PoissonLoss(), GammaRegressor: GammaLoss()}


@dataclass(frozen=True)
class GlmState:
    """Coefficients, and the logarithms of the means that they stand for.

    Attributes
    ----------
    coef : ndarray of shape (K, p)
    eta : ndarray of shape (n, K)
        Of y in units of its mean.
    n_iter : int
        Newton steps taken.
    """

    coef: np.ndarray
    eta: np.ndarray
    n_iter: int = 0


def damping(mass):
    """Levenberg damping (K, 1) of experts that have these sums of weights."""
    return np.maximum(DAMPING * mass, _LEAST_CURVATURE)[:, None]


def damped(hessian, mass):
    """Damp Hessians (K, p, p), in place, of experts that have these sums (K,) of weights."""
    columns = np.arange(hessian.shape[1])
    # Where means are huge, so is the curvature: dependent columns are told apart by their own.
    diagonal = hessian[:, columns, columns]
    hessian[:, columns, columns] += damping(mass) + DAMPING * diagonal
    return hessian
