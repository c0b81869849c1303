"""Slope and curvature of what the parts subtract from the log-likelihood, in full coordinates.

Strengths are public parameters of the fitted parts; each function returns a gradient (q,) and a
Hessian (q, q) of a penalty at the coordinates of its part.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.special import digamma
from sklearn.linear_model import LogisticRegression, Ridge

from ..gates import SoftmaxGate
from ._information import GaussianExpert, LogisticExpert
from ._loglinear import (
    GammaExpert,
    PoissonExpert,
    dispersion_curvature,
    dispersion_slope,
)


@dataclass(frozen=True)
class Prior:
    """What a law believes of the dispersion of one expert.

    Attributes
    ----------
    strength : float
        Rows that it counts as.
    place : float
        Dispersion, or for the gamma law its square root, that it suggests.
    """

    strength: float
    place: float

    @classmethod
    def of(cls, law, y_scale, n_experts):
        """Read the prior of a law; `y_scale` is the standard deviation of y."""
        # A shared dispersion has one prior, whose parts add up to it.
        strength = law.prior / n_experts if law.shared else law.prior
        return cls(strength, law.prior_scale * (y_scale if law.standardises else 1.0))


def expert_penalty(estimator, part, prior):
    """What is subtracted for an expert: its own penalty, and the `Prior` of its dispersion."""
    return _PENALTIES[type(part)](estimator, part, prior)


def _gaussian_penalty(estimator, part, prior):
    slope, hessian = ridge_penalty(estimator, part)
    of_log, curvature = _normal_prior(prior, part.dispersion)
    slope[-1] += of_log
    hessian[-1, -1] += curvature
    return slope, hessian


def _gamma_penalty(estimator, part, prior):
    slope, hessian = _nothing(estimator, part, prior)
    shape = prior.place**-2.0
    suggested = np.log(shape) - digamma(shape)
    slope[-1] = -prior.strength * dispersion_slope(part.dispersion, suggested)
    hessian[-1, -1] = prior.strength * dispersion_curvature(part.dispersion, suggested)
    return slope, hessian


def _nothing(estimator, part, prior):
    return np.zeros(part.size), np.zeros((part.size, part.size))


def ridge_penalty(estimator, part):
    """``alpha * ||coef||^2 / (2 sigma^2)`` of a ``Ridge``, where sigma varies too."""
    alpha = float(estimator.alpha) if isinstance(estimator, Ridge) else 0.0
    strength = alpha * part.columns.per_raw**2
    slope = strength * part.coef
    square = slope @ part.coef
    hessian = np.diag(np.append(strength, 2.0 * square))
    hessian[:-1, -1] = hessian[-1, :-1] = -2.0 * slope
    return np.append(slope, -square), hessian


def _normal_prior(prior, sigma):
    """Slope and curvature of an inverse gamma prior for log sigma."""
    ratio = (prior.place / sigma) ** 2
    return prior.strength * (1.0 - ratio), 2.0 * prior.strength * ratio


def logistic_penalty(estimator, part, prior=None):
    """``||coef||^2 / (2 C)`` of a ``LogisticRegression`` with an L2 penalty."""
    strength = _l2_strength(estimator) * (2.0 if len(part.coef) == 2 else 1.0)
    return _quadratic(strength * part.columns.per_raw**2, part.coef)


def _l2_strength(estimator):
    if not isinstance(estimator, LogisticRegression) or not np.isfinite(estimator.C):
        return 0.0
    # scikit-learn 1.8 replaces `penalty` by `C` and `l1_ratio`.
    penalty = getattr(estimator, "penalty", "deprecated")
    mixed = getattr(estimator, "l1_ratio", None) not in (0, None)
    plain = penalty == "l2" or (penalty == "deprecated" and not mixed)
    return 1.0 / estimator.C if plain else 0.0


_PENALTIES = {
    GaussianExpert: _gaussian_penalty,
    GammaExpert: _gamma_penalty,
    PoissonExpert: _nothing,
    LogisticExpert: logistic_penalty,
}


def gate_penalty(gate, part):
    """``alpha / 2 * ||standardised coef||^2`` of a softmax gate, the prior of a constant one."""
    if isinstance(gate, SoftmaxGate):
        return _quadratic(gate.alpha * (part.columns.per_raw > 0), part.coef)
    proba, prior = np.exp(part.log_proba[0]), float(gate.prior)
    total = prior * len(proba)
    return total * proba - prior, total * (np.diag(proba) - np.outer(proba, proba))


def _quadratic(strengths, coef):
    hessian = block_diag(*[np.diag(strengths)] * len(coef))
    return (strengths * coef).ravel(), hessian
