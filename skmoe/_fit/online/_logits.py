"""Softmax functions that learn from a stream: the gate, and logistic experts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...em import _multinomial
from ._decay import Decayed, best_of

#: The largest change of a score in one batch: a parabola says little farther off.
_LONGEST_STEP = 2.0


@dataclass(frozen=True)
class Softmax:
    """G softmax functions of C classes, and parabolas that touch their likelihoods.

    Each batch adds the parabola that its log-likelihood is like where the coefficients were; the
    new coefficients maximise the decayed sum of all, an online Newton step.

    Attributes
    ----------
    coef : ndarray of shape (G, C, p)
    ridge : ndarray of shape (p,)
    parabolas : Decayed or None
        Of curvatures (G, C p, C p) and tangents (G, C p) at zero.
    """

    coef: np.ndarray
    ridge: np.ndarray
    parabolas: Any = None

    def learned(self, problem, weight, rate):
        """Return the functions after a batch.

        Parameters
        ----------
        problem : SoftTargets or Labels
            Of the batch, without penalty, and with its weights bound.
        weight : float
            Of the batch.
        rate : float or None
            Share of the batch; None to keep the coefficients, which know of it already.
        """
        n_functions, _, p = self.coef.shape
        flat = self.coef.reshape(n_functions, -1)
        iterate = _multinomial.start(problem, self.coef)
        curvature = _multinomial.negative_hessian(problem, iterate)
        slope = problem.gradient(iterate).reshape(flat.shape)
        sums = curvature, slope + np.einsum("gij,gj->gi", curvature, flat)
        if rate is None:
            return replace(self, parabolas=Decayed.of(sums, weight))
        parabolas = self.parabolas.with_batch(sums, weight, rate)
        ridge = np.tile(self.ridge, self.coef.shape[1])
        step = best_of(*parabolas.sums, ridge, flat).reshape(self.coef.shape) - self.coef
        change = np.abs(problem.design.linear(step.reshape(-1, p))).max()
        step *= min(1.0, _LONGEST_STEP / max(change, _LONGEST_STEP))
        coef = self.coef + step
        return replace(self, coef=coef - coef.mean(axis=1, keepdims=True), parabolas=parabolas)
