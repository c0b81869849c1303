"""Poisson and gamma losses on the log scale, and iterates of their coefficients."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor

from ...em._protocols import Floats

#: Largest logarithm, in absolute value, of means in the training rows relative to the mean of y:
#: nothing overflows where an expert diverges, in rows of others or where all its y are zero.
LARGEST_ETA = 100.0

#: Levenberg damping, relative to the curvature of a row of average y, and of an expert without
#: rows.
DAMPING = 1e-10
_LEAST_CURVATURE = 1e-250


class LogLinkLoss(ABC):
    """Log-likelihood of y as a function of the logarithm `eta` of the mean, without constants."""

    name: str

    @abstractmethod
    def gain(self, y: Floats, eta: Floats, change: Floats) -> Floats:
        """Return the gain of the log-likelihood where `eta` changes by `change`, (n, K)."""

    @abstractmethod
    def slope(self, y: Floats, eta: Floats) -> Floats:
        """Return the derivative (n, K) by eta."""

    @abstractmethod
    def curvature(self, y: Any, eta: Any) -> Any:
        """Return minus the second derivative, (n, K)."""


class PoissonLoss(LogLinkLoss):
    """Poisson regression: ``y eta - exp(eta)``."""

    name: str = "poisson"

    def gain(self, y: Floats, eta: Floats, change: Floats) -> Floats:
        return y * change - np.exp(eta) * np.expm1(change)

    def slope(self, y: Floats, eta: Floats) -> Floats:
        return y - np.exp(eta)

    def curvature(self, y: Any, eta: Any) -> Any:
        return np.exp(eta)


class GammaLoss(LogLinkLoss):
    """Gamma regression: ``-eta - y exp(-eta)``."""

    name: str = "gamma"

    def gain(self, y: Floats, eta: Floats, change: Floats) -> Floats:
        return -change - y * np.exp(-eta) * np.expm1(-change)

    def slope(self, y: Floats, eta: Floats) -> Floats:
        return y * np.exp(-eta) - 1.0

    def curvature(self, y: Any, eta: Any) -> Any:
        return y * np.exp(-eta)


#: Losses by the estimators that minimise them.
LOSSES: dict[type, LogLinkLoss] = {PoissonRegressor: PoissonLoss(), GammaRegressor: GammaLoss()}


@dataclass(frozen=True)
class GlmState:
    """Coefficients, and the logarithms of the means that they predict.

    Attributes
    ----------
    coef : ndarray of shape (K, p)
    eta : ndarray of shape (n, K)
        Logarithms of means of y in units of its mean; None without rows.
    n_iter : int
        Newton steps taken.
    """

    coef: Floats
    eta: Any
    n_iter: int = 0


def damping(mass: Floats) -> Floats:
    """Return the Levenberg damping (K, 1) of experts that have these sums (K,) of weights."""
    return np.maximum(DAMPING * mass, _LEAST_CURVATURE)[:, None]


def damped(hessian: Floats, mass: Floats) -> Floats:
    """Return Hessians (K, p, p), damped in place, of experts with these sums (K,) of weights."""
    columns = np.arange(hessian.shape[1])
    # Where means are very large, so is the curvature: the damping is relative to it, too.
    diagonal = hessian[:, columns, columns]
    hessian[:, columns, columns] += damping(mass) + DAMPING * diagonal
    return hessian
