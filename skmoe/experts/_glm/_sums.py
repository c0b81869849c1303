"""Poisson and gamma experts as a part of sums over rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..._data.numerics import weighted_sums
from ...em._parts import BaseForm, NewtonPart
from ...em._protocols import Floats, Law, Target
from ...em._sums import Statistics, Sums
from ._losses import LARGEST_ETA, GlmState, LogLinkLoss, damped

#: Logarithms of means, in units of the mean of y, are cut off here in derivatives: nothing
#: overflows where a step goes too far.
_FARTHEST = 300.0


class GlmForm(BaseForm):
    """Form of coefficients (K, p) of regressions with a log link.

    Its rows, whose products with the design are summed, are r × slope of the log-likelihood;
    further sums are those of r × deviance (K, 1). Products of columns have the weights
    r × curvature.

    Parameters
    ----------
    coef : ndarray of shape (K, p)
    dispersion : ndarray of shape (K, 1)
    law : Law
    loss : PoissonLoss or GammaLoss
    unit : float
        Unit of the means.
    """

    def __init__(
        self, coef: Floats, dispersion: Floats, law: Law, loss: LogLinkLoss, unit: float
    ) -> None:
        self.coef, self.dispersion, self.law, self.loss = coef, dispersion, law, loss
        self._log_unit = np.log(unit)
        self.n_first = self.n_pairs = len(coef)

    def zero_further(self) -> list[Floats]:
        """Return zeros for the sums of r × deviance."""
        return [np.zeros((self.n_first, 1))]

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None:
        """Compute deviances of y (b, 1); logarithms of means (K, b) are overwritten."""
        # An iterate in which an expert diverges in any row gets the log-likelihood -inf.
        self._lost = (np.abs(predictions) > LARGEST_ETA).any(axis=0)
        self._eta = np.clip(predictions, -_FARTHEST, _FARTHEST, out=predictions)
        self._eta += self._log_unit
        mean = np.exp(self._eta).T[:, :, None]
        self._y, self._deviance = y, self.law.deviance(y, mean)

    def log_density(self, out: Floats) -> None:
        """Write log-densities (K, b) into `out`."""
        out[:] = self.law.log_density(self._deviance, self.dispersion, self._y).T
        out[:, self._lost] = -np.inf

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write r × slope, and add r × deviance."""
        self._resp = resp
        np.multiply(resp, self._by_dispersion(self.loss.slope), out=first)
        further[0] += weighted_sums(self._deviance, resp.T)

    def shares(self) -> Floats:
        """Return the weights of the products of columns in the Hessians."""
        return self._resp * self._by_dispersion(self.loss.curvature)

    def _by_dispersion(self, derivative: Callable[[Any, Any], Any]) -> Floats:
        """Return a derivative (K, b) of the log-density."""
        return derivative(self._y.T, self._eta) / self.dispersion


class GlmPart(NewtonPart):
    """M-step of regressions with a log link from sums over rows; an iterate is coef (K, 1, p).

    Parameters
    ----------
    shape : tuple of int
        (K, p).
    law : Poisson or Gamma
    loss : PoissonLoss or GammaLoss
    unit : float
        Unit of the means.
    """

    n_outputs: int | None = 1

    def __init__(self, shape: tuple[int, int], law: Law, loss: LogLinkLoss, unit: float) -> None:
        n_experts, p = shape
        super().__init__((n_experts, 1, p), np.zeros(p))
        self.law, self.loss, self.unit = law, loss, unit

    def form(self, iterate: Floats, dispersion: Any = None) -> Callable[[], GlmForm]:
        """Return a callable that makes a `GlmForm`."""
        return partial(GlmForm, iterate[:, 0], dispersion, self.law, self.loss, self.unit)

    def state(self, iterate: Floats) -> GlmState:
        """Return the bank's state of coefficients, without rows."""
        return GlmState(iterate[:, 0], None)

    def reading(self, experts: list[Any], design: Any, target: Target) -> Floats:
        """Return the iterate of fitted experts."""
        coef = np.stack([expert.coef_ for expert in experts])
        intercept = np.array([expert.intercept_ for expert in experts]) - np.log(self.unit)
        return design.from_raw(coef, intercept)[:, None]

    def inverse(self, sums: Sums, statistics: Statistics, dispersion: Any) -> Floats:
        """Return inverse Hessians (K, p, p) of the negative log-likelihood."""
        # Damping is proportional to the curvature of a row of average y.
        typical = self.loss.curvature(self.unit, np.log(self.unit)) / dispersion[:, 0]
        hessian = sums.pairs * statistics.whole
        return np.linalg.inv(damped(hessian, statistics.mass * typical))

    def deviances(self, old: Floats, new: Floats, sums: Sums, statistics: Statistics) -> Floats:
        """Return the sums (K, 1) of r × deviance at the old iterate; the step lowers them."""
        return sums.further[0]
