"""Fits of scikit-learn estimators to weighted rows, with sample weights or by resampling."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .._sklearn import routing_enabled, take
from .numerics import Floats, Ints
from .pipelines import last_step, weight_parameter, wrapped_by
from .tables import read_only

#: Rows whose weight is at most this share of the largest are left out of a fit.
NEGLIGIBLE = 1e-12


def weighted_rows(weights: Floats, offset: float) -> Ints:
    """Draw rows by systematic resampling, for estimators without sample weights.

    The number of rows drawn is the sum of the weights. With weights of zero and
    one each row of weight one is drawn once. The points are fixed by `offset`,
    so that a small change of the weights changes few rows.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        How often each row is to be drawn, on average.
    offset : float in [0, 1)

    Returns
    -------
    ndarray of int
        Sorted row numbers, repeated where a row is drawn more than once.
    """
    cumulative = np.cumsum(weights)
    size = max(1, round(cumulative[-1]))
    points = (np.arange(size) + offset) * (cumulative[-1] / size)
    return np.minimum(np.searchsorted(cumulative, points, side="right"), len(weights) - 1)


def fitted_rows(estimator: Any, weights: Floats, offset: float) -> Ints:
    """Return the numbers of the rows that `fit_weighted` hands to an estimator."""
    rows = np.flatnonzero(weights > NEGLIGIBLE * weights.max())
    if weight_parameter(estimator) is None:
        rows = rows[weighted_rows(weights[rows], offset)]
    return rows


def resumable(estimator: Any) -> bool:
    """Tell whether an estimator is fitted iteratively and has a ``warm_start``."""
    return {"warm_start", "max_iter"} <= set(last_step(estimator).get_params(deep=False))


def resume(estimator: Any, previous: Any, y: NDArray) -> Any:
    """Return the estimator to fit: a clone, or a copy of `previous` with ``warm_start=True``.

    Only an estimator with coefficients is resumed: the ``warm_start`` of ensembles adds members and
    refits none. A classifier whose classes have changed is cloned.
    """
    if previous is None or not resumable(estimator):
        return clone(estimator)
    last = last_step(previous)
    # Users' estimators: which fitted attributes they have depends on their kind.
    same = hasattr(last, "classes_") and np.array_equal(last.classes_, np.unique(y))
    if not same or not (hasattr(last, "coef_") or hasattr(last, "coefs_")):
        return clone(estimator)
    copied = copy.deepcopy(previous)
    last_step(copied).set_params(warm_start=True)
    return copied


def fit_weighted(
    estimator: Any,
    X: Any,
    y: NDArray,
    weights: Floats | None,
    *,
    offset: float = 0.5,
    params: Mapping[str, Any] | None = None,
    previous: Any = None,
) -> Any:
    """Fit a clone of `estimator` to weighted rows.

    Parameters
    ----------
    estimator : estimator
    X : array-like, sparse matrix or data frame of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,) or None
        Rows of negligible weight are left out. With None, or ones throughout,
        the estimator is fitted without weights.
    offset : float
        Where the resampling of an estimator without sample weights begins.
    params : dict, optional
        Further parameters of ``fit``; of arrays with one entry per row the same rows are taken.
    previous : estimator, optional
        What an earlier call returned. The fit begins at its coefficients where that is possible.

    Returns
    -------
    estimator
        Fitted.
    """
    params = dict(params or {})
    seen = y
    if previous is not None and weights is not None:
        seen = y[fitted_rows(estimator, weights, offset)]
    given, estimator = estimator, resume(estimator, previous, seen)
    fitted = _fit(estimator, X, y, weights, offset, params)
    if resumable(given):
        last_step(fitted).set_params(warm_start=last_step(given).warm_start)
    return fitted


def fit_further(
    estimator: Any,
    X: Any,
    y: NDArray,
    weights: Floats | None,
    *,
    offset: float = 0.5,
    params: Mapping[str, Any] | None = None,
) -> Any:
    """Fit an estimator itself, not a clone, to weighted rows; parameters are as of `fit_weighted`.

    An estimator with ``warm_start=True`` continues its fit.
    """
    return _fit(estimator, X, y, weights, offset, dict(params or {}))


def _fit(
    estimator: Any,
    X: Any,
    y: NDArray,
    weights: Floats | None,
    offset: float,
    params: dict[str, Any],
) -> Any:
    _seed_hidden(last_step(estimator))
    if weights is None or np.all(weights == 1.0):
        return estimator.fit(read_only(X), read_only(y), **params)
    name = weight_parameter(estimator)
    rows = fitted_rows(estimator, weights, offset)
    if name is not None and routing_enabled():
        params["sample_weight"] = weights
        _request_weights(estimator)
    elif name is not None:
        params[name] = weights
    if len(rows) < len(weights) or name is None:
        params = {key: rows_of(value, rows, len(weights)) for key, value in params.items()}
        X, y = take(X, rows), y[rows]
    params = {key: read_only(value) for key, value in params.items()}
    return estimator.fit(read_only(X), read_only(y), **params)


def _seed_hidden(estimator: Any) -> None:
    """Seed an estimator whose ``random_state`` is no parameter, such as ``SVR``.

    Nobody else can seed it.
    """
    if "random_state" in vars(estimator) and "random_state" not in estimator.get_params(deep=False):
        estimator.random_state = 0


def has_weighted_partial_fit(estimator: Any) -> bool:
    """Tell whether an estimator has a ``partial_fit`` that takes sample weights."""
    method = getattr(estimator, "partial_fit", None)
    return method is not None and "sample_weight" in inspect.signature(method).parameters


def partial_fit_weighted(
    estimator: Any, X: Any, y: NDArray, weights: Floats, classes: NDArray | None = None
) -> Any:
    """Call the ``partial_fit`` of an estimator on weighted rows.

    Parameters
    ----------
    estimator : estimator for which `has_weighted_partial_fit` holds
        Changed.
    X : array or sparse matrix of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,)
        Rows of negligible weight are left out.
    classes : ndarray of shape (n_classes,), optional
        All labels, for a classifier.

    Returns
    -------
    estimator
        Itself.
    """
    rows = np.flatnonzero(weights > NEGLIGIBLE * weights.max())
    params = {"sample_weight": weights[rows]} | ({} if classes is None else {"classes": classes})
    return estimator.partial_fit(read_only(take(X, rows)), read_only(y[rows]), **params)


def rows_of(value: Any, rows: Ints, n: int) -> Any:
    """Return the given rows of a fit parameter that has one entry for each of n rows.

    Any other value is returned unchanged.
    """
    # Fit parameters are the user's: anything with a length may have one entry per row.
    if hasattr(value, "__len__") and not isinstance(value, (str, dict)) and len(value) == n:
        return take(value, rows)
    return value


def _request_weights(estimator: Any) -> None:
    """Request weights, under metadata routing, for the part that takes them and for no other."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            _set_request(step, False)
        _set_request(estimator, True)
        _request_weights(estimator.steps[-1][1])
    elif has_fit_parameter(estimator, "sample_weight"):
        _set_request(estimator, True)
    else:
        _request_weights(wrapped_by(estimator))


def _set_request(step: Any, value: bool) -> None:
    # Steps are users' estimators: only scikit-learn's own base classes have these methods.
    if hasattr(step, "set_fit_request") and has_fit_parameter(step, "sample_weight"):
        step.set_fit_request(sample_weight=value)
    # A search passes its sample weights to the scores too.
    score = getattr(step, "score", None) if hasattr(step, "set_score_request") else None
    if score is not None and "sample_weight" in inspect.signature(score).parameters:
        step.set_score_request(sample_weight=value)
