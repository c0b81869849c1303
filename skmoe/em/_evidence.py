r"""Evidence of a mixture, and the penalties that increase it.

The penalty of a part is a normal prior of its weights, and its strength is the precision of that
prior. The evidence is the likelihood of y after gate, experts and dispersions have been integrated
out. It is approximated around the optimum of EM, with the responsibilities held fixed (Waterhouse,
MacKay and Robinson 1996): exactly for linear experts and their dispersions, by Laplace's
approximation for softmax functions. Its logarithm is

    L = penalised log-likelihood + volumes of the parts + log K!

where the volume of a part is the logarithm of the share of the prior's volume that its posterior
occupies, and K! counts the orders of the experts. A strength is set by MacKay's (1992) rule

    alpha = (gamma + c) / (squared norm of the weights + c),

where gamma is the number of weights that the rows determine, and c a weak hyperprior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import gammaln

from .._data.numerics import Floats

#: Strength of a penalty before it is learned.
FIRST_STRENGTH = 1.0

#: Strength of the prior of intercepts: a standard deviation of about three units.
INTERCEPT_STRENGTH = 0.1

#: Weak gamma hyperprior of the strengths, and their bounds.
_HYPERPRIOR = 0.02
_BOUNDS = 1e-4, 1e6

#: Penalties of parts with more coefficients in one system stay at `FIRST_STRENGTH`: the inverse
#: of their curvature takes too long.
MOST_COEFFICIENTS = 1024


@dataclass(frozen=True)
class Evidence:
    """What the evidence says of one part.

    Attributes
    ----------
    volume : float
        Logarithm of the posterior's volume divided by that of the prior, in nats.
    strengths : ndarray of shape (G,)
        Strengths of the penalties under which the evidence is larger.
    """

    volume: float
    strengths: Floats


class Learnable:
    """A gate's trainer, or a bank of experts, whose penalties the evidence may set.

    Attributes
    ----------
    strengths : ndarray of shape (G,) or None
        Strength of the penalty of each of G problems; None where they are given.
    """

    strengths: Floats | None = None

    def curvature(self, state: Any, masses: Floats) -> Floats:
        """Return negative Hessians of the penalised term at a state, given masses of the rows."""
        raise TypeError(f"{type(self).__name__} has no penalties to be learned")

    def evidence(self, state: Any, curvature: Floats, masses: Floats, dispersion: Any) -> Evidence:
        """Return the evidence of a state of these curvatures, masses (K,) and dispersions."""
        raise TypeError(f"{type(self).__name__} has no penalties to be learned")

    def with_strengths(self, strengths: Floats) -> Self:
        """Return the same part with other strengths."""
        raise TypeError(f"{type(self).__name__} has no penalties to be learned")

    def spreads(self, curvature: Floats) -> Floats | None:
        """Return roots (K, p, p) of the experts' posterior covariances; None if they are not used.

        The variance of a prediction is σ² |root' z|² for a row z of the design.
        """
        return None


def softmax_evidence(coef: Floats, hessian: Floats, ridge: Floats, mass: Floats) -> Evidence:
    """Return the evidence of multinomial problems, by Laplace's approximation.

    Parameters
    ----------
    coef : ndarray of shape (G, C, p)
    hessian : ndarray of shape (G, C p, C p)
        Negative Hessians as `assemble_hessian` returns them: along the null directions of the
        softmax, which add one vector to all classes, the curvature is `mass` + `ridge`.
    ridge : ndarray of shape (G, p)
        The penalty; that of the last column, the intercept, is not learned.
    mass : ndarray of shape (G,)
    """
    n_problems, n_classes, p = coef.shape
    free = n_classes - 1
    null = mass[:, None] + ridge
    inverse = np.linalg.inv(hessian).reshape(n_problems, n_classes, p, n_classes, p)
    variances = np.einsum("gcjcj->gj", inverse) - 1.0 / null
    log_det = np.linalg.slogdet(hessian)[1] - np.log(null).sum(axis=1)
    volume = 0.5 * (free * np.log(ridge).sum(axis=1) - log_det).sum()
    centred = coef - coef.mean(axis=1, keepdims=True)
    norms = np.square(centred[:, :, :-1]).sum(axis=(1, 2))
    strengths = ridge[:, :-1].mean(axis=1) if p > 1 else np.ones(n_problems)
    determined = free * (p - 1) - strengths * variances[:, :-1].sum(axis=1)
    return Evidence(float(volume), _strengths(determined, norms))


def gaussian_evidence(
    coef: Floats, precision: Floats, strengths: Floats, dispersion: Floats
) -> Evidence:
    """Return the evidence of linear experts, whose prior is relative to their dispersion.

    Weights have variance σ² / strength, and intercepts 1 / `INTERCEPT_STRENGTH`.

    Parameters
    ----------
    coef : ndarray of shape (K, m, p)
    precision : ndarray of shape (K, p, p)
        Products of the columns plus penalty.
    strengths : ndarray of shape (K,)
    dispersion : ndarray of shape (K, m)
    """
    n_outputs, p = coef.shape[1:]
    inverse, log_det = np.linalg.inv(precision), np.linalg.slogdet(precision)[1]
    by_output = 0.5 * ((p - 1) * np.log(strengths) - log_det)
    intercepts = 0.5 * np.log(INTERCEPT_STRENGTH * dispersion**2)
    volume = n_outputs * by_output.sum() + intercepts.sum()
    variances = np.einsum("kjj->kj", inverse)[:, :-1].sum(axis=1)
    determined = n_outputs * (p - 1 - strengths * variances)
    norms = (np.square(coef[:, :, :-1]).sum(axis=2) / dispersion**2).sum(axis=1)
    return Evidence(float(volume), _strengths(determined, norms))


def softmax_ridge(strengths: Floats, p: int) -> Floats:
    """Return the penalties (G, p) of softmax functions of a design, strengths (G,) of slopes."""
    ridge = np.repeat(strengths[:, None], p, axis=1)
    ridge[:, -1] = INTERCEPT_STRENGTH
    return ridge


def _strengths(determined: Floats, norms: Floats) -> Floats:
    """Return strengths by MacKay's rule."""
    found = (np.maximum(determined, 0.0) + _HYPERPRIOR) / (norms + _HYPERPRIOR)
    return np.clip(found, *_BOUNDS)


def dispersion_volume(prior: float, prior_scale: float, masses: Floats) -> float:
    """Return the volume of Gaussian dispersions, exactly.

    Parameters
    ----------
    prior : float
        Rows that the inverse gamma prior is equivalent to.
    prior_scale : float
    masses : ndarray
        Sums of responsibilities × weights, one for each dispersion.
    """
    if not prior:
        return 0.0
    half = 0.5 * (masses + prior)
    posterior = gammaln(half) - half * np.log(half) + half
    before = 0.5 * prior * np.log(0.5 * prior * prior_scale**2) - gammaln(0.5 * prior)
    return float((posterior + before).sum())


def log_orders(n_experts: int) -> float:
    """Return log K!, the logarithm of the number of orders of K experts."""
    return float(gammaln(n_experts + 1.0))


def roots_of_inverses(matrices: Floats) -> Floats:
    """Return R (K, p, p) with R R' = inverse, for positive definite matrices (K, p, p)."""
    return np.linalg.inv(np.linalg.cholesky(matrices)).swapaxes(1, 2)
