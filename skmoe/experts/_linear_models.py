"""Parameters, penalties and default settings of scikit-learn's own linear models.

`EvidenceRidge` and `EvidenceLogistic` stand for experts whose penalties are learned, until the
mixture is fitted. The fitted experts are a ``Ridge`` or a ``LogisticRegression`` with the penalty
that was learned, on standardised columns.
"""

from collections.abc import Collection
from numbers import Real
from typing import Any, cast

import numpy as np
from scipy import sparse
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.pipeline import Pipeline

from .._data.design import MOST_RANKED, View
from .._data.numerics import rank_of_products
from .._data.pipelines import before_last, is_distribution, last_step
from .._sklearn import as_numeric
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

    It is ``n_parameters_`` of the expert, or of the last step of a pipeline. A linear model
    without this attribute was fitted elsewhere: its coefficients and intercepts are counted.
    """
    last = last_step(estimator)
    if is_distribution(last):
        return float("nan")
    known = getattr(last, "n_parameters_", None)
    if known is not None:
        return known
    functions = _free_functions(last)
    return float("nan") if functions is None else functions * _n_coefficients(last)


def counted(estimator: Any, view: View) -> Any:
    """Return a fitted expert with ``n_parameters_``, where it is or ends in a linear model.

    A linear model has as many free parameters as free linear functions, times the rank of the
    columns that it has been fitted to: coefficients of further columns change no prediction. A
    penalty changes nothing. An estimator that counts its parameters itself stays as it is, and so
    does any other.

    Parameters
    ----------
    estimator : fitted expert
    view : View of n rows
        To which it was fitted.
    """
    last = last_step(estimator)
    functions = _free_functions(last)
    if functions is None or getattr(last, "n_parameters_", None) is not None:
        return estimator
    if last is not estimator:
        view = View(before_last(estimator, view.X), view.weights)
    rank = view.rank if last.fit_intercept else _rank_without_ones(view)
    last.n_parameters_ = functions * rank
    return estimator


def _free_functions(estimator: Any) -> int | None:
    """Return the number of free linear functions of a fitted linear model; None for any other.

    One class of a multinomial logistic regression is the reference of the others.
    """
    if isinstance(estimator, (LinearRegression, Ridge, PoissonRegressor, GammaRegressor)):
        return 1 if estimator.coef_.ndim == 1 else len(estimator.coef_)
    if isinstance(estimator, LogisticRegression):
        return len(estimator.classes_) - 1
    return None


def _rank_without_ones(view: View) -> int:
    """Return the rank of the columns of X alone, for functions without an intercept."""
    X: Any = as_numeric(view.X)
    largest = abs(X).max(axis=0)
    largest = np.ravel(largest.toarray() if sparse.issparse(largest) else largest)
    if min(X.shape) > MOST_RANKED:
        return min(X.shape[0], int((largest > 0).sum()))
    scaled = X @ sparse.diags(1.0 / np.where(largest > 0, largest, 1.0))
    left = scaled if X.shape[0] >= X.shape[1] else scaled.T
    products = left.T @ left
    return rank_of_products(products.toarray() if sparse.issparse(products) else products)


def _n_coefficients(estimator: Any) -> int:
    return estimator.coef_.shape[-1] + bool(estimator.fit_intercept)


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
