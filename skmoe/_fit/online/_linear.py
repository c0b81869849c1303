"""Linear experts on a stream."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..._data.numerics import solve_normal_equations
from ...em._row_trainer import MASS_FLOOR
from ...experts import LinearBank, LinearState
from ._decay import Decayed


@dataclass(frozen=True)
class LinearStream:
    """Linear experts with Gaussian errors that learn batch by batch: decayed least squares.

    Attributes
    ----------
    template : LinearRegression or Ridge
    law : Gaussian
    coef : ndarray of shape (K, m, p)
    dispersion : ndarray of shape (K, m)
        Standardised.
    moments : Decayed or None
        Of r z z' (K, p, p), r z y' (K, p, m), r y² (K, m) and r (K,).
    """

    template: Any
    law: Any
    coef: np.ndarray
    dispersion: np.ndarray
    moments: Any = None

    #: Whether a fit to the last rows costs little.
    cheap = True

    @classmethod
    def of(cls, model, design, target):
        """Those of a fitted mixture."""
        experts = model.experts_
        coef = np.stack([np.atleast_2d(expert.coef_) for expert in experts])
        intercept = np.stack([np.atleast_1d(expert.intercept_) for expert in experts])
        scale = target.scale
        coef = design.from_raw(coef / scale[:, None], (intercept - target.mean) / scale)
        dispersion = model.dispersion_.reshape(len(experts), -1) / scale
        return cls(experts[0], model.response_, coef, dispersion)

    @staticmethod
    def seen(view):
        """What of a batch they look at."""
        return view.design

    def log_density(self, design, target):
        """Log-densities (n, K) of a batch, standardised."""
        n_experts, m, p = self.coef.shape
        flat = design.linear(self.coef.reshape(-1, p)).reshape(-1, n_experts, m)
        deviance = self.law.deviance(target.values, np.array(flat))
        return self.law.log_density(deviance, self.dispersion, target.values)

    def learned(self, design, target, resp, weights, rate):
        """Return the experts after a batch."""
        masses = np.asfortranarray(resp * weights[:, None])
        grams, right = design.normal_equations(masses, target.values)
        sums = grams, right, masses.T @ np.square(target.values), masses.sum(axis=0)
        if rate is None:
            return replace(self, moments=Decayed.of(sums, weights.sum()))
        moments = self.moments.with_batch(sums, weights.sum(), rate)
        return replace(self._solved(design, moments), moments=moments)

    def _solved(self, design, moments):
        grams, right, squares, mass = moments.sums
        ridge = design.raw_ridge(getattr(self.template, "alpha", 0.0))
        coef = solve_normal_equations(grams + np.diag(ridge), right).transpose(0, 2, 1)
        left = squares - 2.0 * (coef * right.transpose(0, 2, 1)).sum(axis=2)
        left += (np.matmul(coef, grams) * coef).sum(axis=2)
        penalty = (ridge * coef * coef).sum(axis=2)
        dispersion = self.law.dispersion_of_sums(np.maximum(left, 0.0), mass, penalty)
        alive = mass > MASS_FLOOR * moments.weight
        return replace(
            self,
            coef=np.where(alive[:, None, None], coef, self.coef),
            dispersion=np.where(alive[:, None], dispersion, self.dispersion),
        )

    def finish(self, view, target):
        """The fitted experts."""
        bank = LinearBank(self.template, view, target, len(self.coef))
        return bank.finish(LinearState(self.coef))

    def law_parameters(self, target):
        """Dispersions (K, m) in the units of y."""
        return self.dispersion * target.scale
