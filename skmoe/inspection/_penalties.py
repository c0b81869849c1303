"""Slope and curvature of what the parts subtract from the log-likelihood, in full coordinates.

Strengths are public parameters of the fitted parts; each function returns a gradient (q,) and a
Hessian (q, q) of a penalty at the coordinates of its part.
"""

import numpy as np
from scipy.linalg import block_diag
from sklearn.linear_model import LogisticRegression, Ridge

from ..gates import SoftmaxGate


def ridge_penalty(estimator, part):
    """``alpha * ||coef||^2 / (2 sigma^2)`` of a ``Ridge``, where sigma varies too."""
    alpha = float(estimator.alpha) if isinstance(estimator, Ridge) else 0.0
    strength = alpha * part.columns.per_raw**2
    slope = strength * part.coef
    square = slope @ part.coef
    hessian = np.diag(np.append(strength, 2.0 * square))
    hessian[:-1, -1] = hessian[-1, :-1] = -2.0 * slope
    return np.append(slope, -square), hessian


def dispersion_penalty(response, sigma, y_scale, n_experts):
    """The dispersion prior: slope and curvature for log sigma, of one of the experts."""
    ratio = (response.prior_scale * y_scale / sigma) ** 2
    # A shared dispersion has one prior, whose parts add up to it.
    strength = response.prior / n_experts if response.shared else response.prior
    return strength * (1.0 - ratio), 2.0 * strength * ratio


def logistic_penalty(estimator, part):
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
