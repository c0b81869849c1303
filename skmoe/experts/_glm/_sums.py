"""Poisson and gamma experts, folded."""

from functools import partial

import numpy as np

from ..._data.numerics import weighted_sums
from ...em._newton import NewtonPart
from ._losses import LARGEST_ETA, GlmState, damped

#: Derivatives are those at logarithms of means, in units of that of y, of this size at most:
#: nothing overflows where a step goes too far.
_FARTHEST = 300.0


class GlmForm:
    """Form of coefficients (K, p) of regressions with a log link.

    What is summed are r times the slope of the log-likelihood and, further, r × deviance (K, 1);
    pairs have the weights r × curvature.

    Parameters
    ----------
    coef : ndarray of shape (K, p)
    dispersion : ndarray of shape (K, 1)
    law : response
    loss : PoissonLoss or GammaLoss
    unit : float
        Unit of the means.
    """

    needs_grams = False

    def __init__(self, coef, dispersion, law, loss, unit):
        self.coef, self.dispersion, self.law, self.loss = coef, dispersion, law, loss
        self._log_unit = np.log(unit)
        self.n_first = self.n_pairs = len(coef)

    def make(self, size):
        """Nothing is needed."""

    def zero_further(self):
        """Sums of r × deviance."""
        return [np.zeros((self.n_first, 1))]

    def evaluate_forms(self, eta, y):
        """Take logarithms of means."""
        # No iterate is taken in which an expert runs off, on any row.
        self._lost = (np.abs(eta) > LARGEST_ETA).any(axis=0)
        self._eta = np.clip(eta, -_FARTHEST, _FARTHEST, out=eta)
        self._eta += self._log_unit
        mean = np.exp(self._eta).T[:, :, None]
        self._y, self._deviance = y, self.law.deviance(y, mean)

    def log_density(self, out):
        """Fill in log-densities (K, b)."""
        out[:] = self.law.log_density(self._deviance, self.dispersion, self._y).T
        out[:, self._lost] = -np.inf

    def add(self, resp, weights, first, further):
        """Write r × slope, and add r × deviance."""
        self._resp = resp
        np.multiply(resp, self._by_dispersion(self.loss.slope), out=first)
        further[0] += weighted_sums(self._deviance, resp.T)

    def shares(self):
        """Weights of the products of columns in the Hessians."""
        return self._resp * self._by_dispersion(self.loss.curvature)

    def _by_dispersion(self, derivative):
        """A derivative (K, b) of the log-density."""
        return derivative(self._y.T, self._eta) / self.dispersion


class GlmPart(NewtonPart):
    """M-step of regressions with a log link.

    Parameters
    ----------
    bank : GlmBank
    law : Poisson or Gamma
    """

    n_outputs = 1

    def __init__(self, bank, law):
        n_experts, p = bank.shape
        super().__init__((n_experts, 1, p), np.zeros(p))
        self.law, self.loss, self.unit = law, bank.loss, bank.unit

    def form(self, coef, dispersion):
        """Return what makes a `GlmForm`."""
        return partial(GlmForm, coef[:, 0], dispersion, self.law, self.loss, self.unit)

    def state(self, coef):
        """As the bank has it, without rows."""
        return GlmState(coef[:, 0], None)

    def reading(self, experts, design, target):
        """The iterate of fitted experts."""
        coef = np.stack([expert.coef_ for expert in experts])
        intercept = np.array([expert.intercept_ for expert in experts]) - np.log(self.unit)
        return design.from_raw(coef, intercept)[:, None]

    def inverse(self, sums, statistics, dispersion):
        """Inverse Hessians (K, p, p) of what is minimised."""
        # Damping is in proportion to the curvature of a row of average y.
        typical = self.loss.curvature(self.unit, np.log(self.unit)) / dispersion[:, 0]
        hessian = sums.pairs * statistics.whole
        return np.linalg.inv(damped(hessian, statistics.mass * typical))

    def deviances(self, old, new, sums, statistics):
        """Sums (K, 1) of r × deviance: at the last iterate, which the step can but lower."""
        return sums.further[0]
