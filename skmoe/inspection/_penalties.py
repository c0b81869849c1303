"""Gradients and Hessians of the penalties of all parts, in full coordinates.

Strengths are public parameters of the fitted parts; each function returns the gradient (q,) and the
Hessian (q, q) of a penalty at the coordinates of its part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag
from scipy.special import digamma
from sklearn.linear_model import LogisticRegression, Ridge

from ..gates import SoftmaxGate
from ._information import ExpertPart, GaussianExpert, LogisticExpert, SoftmaxPart
from ._loglinear import (
    GammaExpert,
    PoissonExpert,
    dispersion_curvature,
    dispersion_slope,
)
from ._types import Floats

#: Gradient (q,) and Hessian (q, q) of a penalty.
Penalty = tuple[Floats, Floats]


@dataclass(frozen=True)
class Prior:
    """The prior of a law for the dispersion of one expert.

    Attributes
    ----------
    strength : float
        Number of rows that it is equivalent to.
    place : float
        Its mode: a dispersion, or for the gamma law the square root of one.
    """

    strength: float
    place: float

    @classmethod
    def of(cls, law: Any, y_scale: float, n_experts: int) -> "Prior":
        """Return the prior of a law; `y_scale` is the standard deviation of y."""
        # A shared dispersion has one prior, which is divided among the experts.
        strength = law.prior / n_experts if law.shared else law.prior
        return cls(strength, law.prior_scale * (y_scale if law.standardises else 1.0))


def expert_penalty(estimator: Any, part: ExpertPart, prior: Prior | None) -> Penalty:
    """Return the penalty of an expert: that of its estimator, and the prior of its dispersion."""
    return _PENALTIES[type(part)](estimator, part, prior)


def _gaussian_penalty(estimator: Any, part: Any, prior: Prior) -> Penalty:
    slope, hessian = ridge_penalty(estimator, part)
    of_log, curvature = _normal_prior(prior, part.dispersion)
    slope[-1] += of_log
    hessian[-1, -1] += curvature
    return slope, hessian


def _gamma_penalty(estimator: Any, part: Any, prior: Prior) -> Penalty:
    slope, hessian = _nothing(estimator, part, prior)
    shape = prior.place**-2.0
    suggested = np.log(shape) - digamma(shape)
    slope[-1] = -prior.strength * dispersion_slope(part.dispersion, suggested)
    hessian[-1, -1] = prior.strength * dispersion_curvature(part.dispersion, suggested)
    return slope, hessian


def _nothing(estimator: Any, part: Any, prior: Prior | None) -> Penalty:
    return np.zeros(part.size), np.zeros((part.size, part.size))


def ridge_penalty(estimator: Any, part: Any) -> Penalty:
    """Return ``alpha * ||coef||^2 / (2 sigma^2)`` of a ``Ridge``; sigma is a coordinate too."""
    alpha = float(estimator.alpha) if isinstance(estimator, Ridge) else 0.0
    strength = alpha * _per_penalised(estimator, part) ** 2
    slope = strength * part.coef
    square = slope @ part.coef
    hessian = np.diag(np.append(strength, 2.0 * square))
    hessian[:-1, -1] = hessian[-1, :-1] = -2.0 * slope
    return np.append(slope, -square), hessian


def _normal_prior(prior: Prior, sigma: float) -> tuple[float, float]:
    """Return slope and curvature of an inverse gamma prior for log sigma."""
    ratio = (prior.place / sigma) ** 2
    return prior.strength * (1.0 - ratio), 2.0 * prior.strength * ratio


def logistic_penalty(estimator: Any, part: Any, prior: Prior | None = None) -> Penalty:
    """Return ``||coef||^2 / (2 C)`` of a ``LogisticRegression`` with an L2 penalty."""
    strength = _l2_strength(estimator) * (2.0 if len(part.coef) == 2 else 1.0)
    return _quadratic(strength * _per_penalised(estimator, part) ** 2, part.coef)


def _per_penalised(estimator: Any, part: Any) -> Floats:
    """Return penalised coefficients per coordinate of a part; those of raw columns by default."""
    scale = getattr(estimator, "column_scale_", None)
    per_raw = part.columns.per_raw
    return per_raw if scale is None else per_raw * np.append(scale, 1.0)[: len(per_raw)]


def _l2_strength(estimator: Any) -> float:
    if not isinstance(estimator, LogisticRegression) or not np.isfinite(estimator.C):
        return 0.0
    # scikit-learn 1.8 replaces `penalty` by `C` and `l1_ratio`.
    penalty = getattr(estimator, "penalty", "deprecated")
    mixed = getattr(estimator, "l1_ratio", None) not in (0, None)
    plain = penalty == "l2" or (penalty == "deprecated" and not mixed)
    return 1.0 / estimator.C if plain else 0.0


_PENALTIES: dict[type, Callable[..., Penalty]] = {
    GaussianExpert: _gaussian_penalty,
    GammaExpert: _gamma_penalty,
    PoissonExpert: _nothing,
    LogisticExpert: logistic_penalty,
}


def gate_penalty(gate: Any, part: SoftmaxPart) -> Penalty:
    """Return ``alpha / 2 * ||standardised coef||^2`` of a softmax gate, or a constant gate's."""
    if isinstance(gate, SoftmaxGate):
        return _quadratic(gate.alpha_ * (part.columns.per_raw > 0), part.coef)
    proba, prior = np.exp(part.log_proba[0]), float(gate.prior)
    total = prior * len(proba)
    return total * proba - prior, total * (np.diag(proba) - np.outer(proba, proba))


def _quadratic(strengths: Floats, coef: Floats) -> Penalty:
    hessian = block_diag(*[np.diag(strengths)] * len(coef))
    return (strengths * coef).ravel(), hessian
