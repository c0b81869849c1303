"""What is known of the objective of scikit-learn's own linear estimators."""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline


def fitted_penalty(estimator):
    """What an estimator's own penalty takes from its objective.

    Parameters
    ----------
    estimator : fitted estimator, or pipeline that ends in one

    Returns
    -------
    float or ndarray of shape (m,)
        For ``Ridge``: alpha times the squared norm of the coefficients of each
        output, in the squared units of y. For ``LogisticRegression`` with an L2
        penalty: nats. Zero for everything else.
    """
    if isinstance(estimator, Pipeline):
        return fitted_penalty(estimator.steps[-1][1])
    if isinstance(estimator, Ridge) and hasattr(estimator, "coef_"):
        return np.asarray(estimator.alpha) * np.square(np.atleast_2d(estimator.coef_)).sum(axis=1)
    if isinstance(estimator, LogisticRegression) and hasattr(estimator, "coef_"):
        return l2_strength(estimator) * 0.5 * float(np.square(estimator.coef_).sum())
    return 0.0


def fitted_products(estimator):
    """What `fitted_penalty` says of all pairs of outputs, whose errors are correlated.

    Parameters
    ----------
    estimator : fitted regressor, or pipeline that ends in one

    Returns
    -------
    float or ndarray of shape (m, m)
        For ``Ridge``: alpha times the products of the coefficients of two outputs. Zero for
        everything else.

    Raises
    ------
    ValueError
        If outputs have penalties of different strength: what ``Ridge`` then minimises, output
        by output, is the term of no objective that all outputs share.
    """
    if isinstance(estimator, Pipeline):
        return fitted_products(estimator.steps[-1][1])
    if not (isinstance(estimator, Ridge) and hasattr(estimator, "coef_")):
        return 0.0
    alpha = np.unique(estimator.alpha)
    if len(alpha) > 1:
        raise ValueError(
            "alpha of Ridge must be one number for all outputs under a law whose outputs are "
            f"correlated; got {estimator.alpha!r}"
        )
    coef = np.atleast_2d(estimator.coef_)
    return alpha * (coef @ coef.T)


def l2_strength(estimator):
    """``1 / C`` of a logistic regression with an L2 penalty, else zero."""
    # scikit-learn 1.8 replaces `penalty` by `C` and `l1_ratio`.
    penalty = getattr(estimator, "penalty", "deprecated")
    if penalty is None or not np.isfinite(estimator.C):
        return 0.0
    if penalty == "deprecated" and getattr(estimator, "l1_ratio", 0.0) not in (0, None):
        return 0.0
    return 1.0 / estimator.C if penalty in ("l2", "deprecated") else 0.0
