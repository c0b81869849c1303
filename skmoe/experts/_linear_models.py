"""Parameters, penalties and default settings of scikit-learn's own linear models.

`EvidenceRidge` and `EvidenceLogistic` stand for experts whose penalties are learned, until the
mixture is fitted. The fitted experts are a ``Ridge`` or a ``LogisticRegression`` with the penalty
that was learned, on standardised columns.
"""

from collections.abc import Collection
from numbers import Real
from typing import Any, cast

import numpy as np
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.pipeline import Pipeline

from .._data.pipelines import last_step
from ..em._protocols import Floats


class EvidenceRidge(Ridge):
    """A linear expert whose penalty is learned."""

    def learned(self, strength: float, scale: Floats) -> Ridge:
        """Return an unfitted ``Ridge`` of a penalty on the columns divided by `scale` (d,)."""
        return _with_scale(Ridge(alpha=float(strength)), scale)


class EvidenceLogistic(LogisticRegression):
    """A logistic expert whose penalty is learned."""

    def learned(self, strength: float, scale: Floats) -> LogisticRegression:
        """Return an unfitted ``LogisticRegression`` of a penalty, as `EvidenceRidge`."""
        return _with_scale(LogisticRegression(C=1.0 / float(strength)), scale)


def _with_scale(expert: Any, scale: Floats) -> Any:
    """Note what the columns are divided by before the penalty applies; zero for constant ones."""
    expert.column_scale_ = scale
    return expert


def count_parameters(estimator: Any) -> float:
    """Return the number of free parameters of a fitted expert, or NaN where it is not known.

    The free parameters of a linear model are its coefficients and intercepts, whatever its
    penalty; one class of a multinomial logistic regression is the reference of the others. Any
    other expert may have the attribute ``n_parameters_``.
    """
    estimator = last_step(estimator)
    if isinstance(estimator, (LinearRegression, Ridge, PoissonRegressor, GammaRegressor)):
        outputs = 1 if estimator.coef_.ndim == 1 else len(estimator.coef_)
        return estimator.coef_.size + (outputs if estimator.fit_intercept else 0)
    if isinstance(estimator, LogisticRegression):
        n_classes, n_features = len(estimator.classes_), estimator.coef_.shape[1]
        return (n_classes - 1) * (n_features + bool(estimator.fit_intercept))
    return getattr(estimator, "n_parameters_", float("nan"))


def fitted_penalty(estimator: Any) -> float | Floats:
    """Return the penalty of a fitted estimator, where its objective is known.

    Parameters
    ----------
    estimator : fitted estimator, or pipeline that ends in one

    Returns
    -------
    float or ndarray of shape (m,)
        For ``Ridge``: alpha times the squared norm of the coefficients of each
        output, in the squared units of y. For ``LogisticRegression`` with an L2
        penalty: in nats. Zero for all other estimators.
    """
    if isinstance(estimator, Pipeline):
        return fitted_penalty(estimator.steps[-1][1])
    if isinstance(estimator, Ridge) and hasattr(estimator, "coef_"):
        coef = np.atleast_2d(estimator.coef_) * column_scale(estimator)
        return np.asarray(estimator.alpha) * np.square(coef).sum(axis=1)
    if isinstance(estimator, LogisticRegression) and hasattr(estimator, "coef_"):
        coef = estimator.coef_ * column_scale(estimator)
        return l2_strength(estimator) * 0.5 * float(np.square(coef).sum())
    return 0.0


def column_scale(estimator: Any) -> Floats | float:
    """Return what a fitted expert's columns are divided by before its penalty applies.

    It is one, but for experts whose penalty was learned: for these it is ``column_scale_``, (d,).
    """
    return getattr(estimator, "column_scale_", 1.0)


def fitted_products(estimator: Any) -> float | Floats:
    """Return the penalties of all pairs of outputs, for outputs whose errors are correlated.

    Parameters
    ----------
    estimator : fitted regressor, or pipeline that ends in one

    Returns
    -------
    float or ndarray of shape (m, m)
        For ``Ridge``: alpha times the products of the coefficients of two outputs. Zero for
        all other estimators.

    Raises
    ------
    ValueError
        If outputs have penalties of different strength: ``Ridge`` then minimises no common
        objective of all outputs.
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


def l2_strength(estimator: Any) -> float:
    """Return ``1 / C`` of a logistic regression with an L2 penalty, else zero."""
    # scikit-learn 1.8 replaces `penalty` by `C` and `l1_ratio`.
    penalty = getattr(estimator, "penalty", "deprecated")
    if penalty is None or not np.isfinite(estimator.C):
        return 0.0
    if penalty == "deprecated" and getattr(estimator, "l1_ratio", 0.0) not in (0, None):
        return 0.0
    return 1.0 / estimator.C if penalty in ("l2", "deprecated") else 0.0


def differs_only_in(estimator: Any, names: Collection[str]) -> bool:
    """Tell whether all parameters but those named have their default values."""
    defaults = type(estimator)().get_params(deep=False)
    given = estimator.get_params(deep=False)
    return all(
        name in names or value is default or (type(value) is type(default) and value == default)
        for (name, value), default in zip(given.items(), defaults.values(), strict=True)
    )


_LINEAR_FREE = ("alpha", "copy_X", "n_jobs", "tol", "max_iter", "solver", "random_state")


def is_linear(estimator: Any) -> bool:
    """Tell whether an estimator is one whose fit this bank reproduces."""
    if type(estimator) not in (LinearRegression, Ridge, EvidenceRidge) or not differs_only_in(
        estimator, _LINEAR_FREE
    ):
        return False
    alpha = getattr(estimator, "alpha", 0.0)
    return isinstance(alpha, Real) and 0 <= cast("float", alpha) < np.inf
