"""How a scikit-learn estimator is trained on weighted rows, whatever it takes."""

import copy
import inspect

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .._sklearn import routing_enabled, take
from .design import read_only
from .pipelines import last_step, weight_parameter, wrapped_by

#: Rows with less than this share of the largest weight teach an expert nothing.
NEGLIGIBLE = 1e-12


def weighted_rows(weights, offset):
    """Draw rows by systematic resampling: the substitute for sample weights.

    As many rows are drawn as the weights sum to. With weights of zero and one
    each row of weight one is drawn once; and since the points are fixed by
    `offset`, a small change of the weights changes few rows.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        In units of rows.
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


def fitted_rows(estimator, weights, offset):
    """Numbers of the rows that `fit_weighted` hands to an estimator."""
    rows = np.flatnonzero(weights > NEGLIGIBLE * weights.max())
    if weight_parameter(estimator) is None:
        rows = rows[weighted_rows(weights[rows], offset)]
    return rows


def resumable(estimator):
    """Tell whether an estimator takes steps to an optimum, and can go on where it stopped."""
    return {"warm_start", "max_iter"} <= set(last_step(estimator).get_params(deep=False))


def resume(estimator, previous, y):
    """Return what to fit: a clone, or a copy of `previous` that goes on from its coefficients.

    Ensembles have a ``warm_start`` too, but theirs adds members and fits none anew: they have
    no coefficients, and are cloned. So is a classifier whose classes have changed.
    """
    if previous is None or not resumable(estimator):
        return clone(estimator)
    last = last_step(previous)
    same = hasattr(last, "classes_") and np.array_equal(last.classes_, np.unique(y))
    if not same or not (hasattr(last, "coef_") or hasattr(last, "coefs_")):
        return clone(estimator)
    copied = copy.deepcopy(previous)
    last_step(copied).set_params(warm_start=True)
    return copied


def fit_weighted(estimator, X, y, weights, *, offset=0.5, params=None, previous=None):
    """Fit a clone of `estimator` to weighted rows.

    Parameters
    ----------
    estimator : estimator
    X : array-like, sparse matrix or data frame of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,) or None
        Rows of negligible weight are left out; None, or ones throughout, means
        that the estimator is fitted as it would be alone.
    offset : float
        Where the resampling of an estimator without sample weights begins.
    params : dict, optional
        Further parameters of ``fit``; arrays with one entry a row are cut alike.
    previous : estimator, optional
        What an earlier call returned, to go on from where that can be.

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


def fit_further(estimator, X, y, weights, *, offset=0.5, params=None):
    """Fit an estimator that goes on from where it stopped to weighted rows, as `fit_weighted`."""
    return _fit(estimator, X, y, weights, offset, dict(params or {}))


def _fit(estimator, X, y, weights, offset, params):
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
        params = {key: _rows_of(value, rows, len(weights)) for key, value in params.items()}
        X, y = take(X, rows), y[rows]
    params = {key: read_only(value) for key, value in params.items()}
    return estimator.fit(read_only(X), read_only(y), **params)


def _seed_hidden(estimator):
    """Seed what has a random state that is no parameter, as ``SVR``: no search could seed it."""
    if "random_state" in vars(estimator) and "random_state" not in estimator.get_params(deep=False):
        estimator.random_state = 0


def has_weighted_partial_fit(estimator):
    """Tell whether an estimator has a ``partial_fit`` that takes sample weights."""
    method = getattr(estimator, "partial_fit", None)
    return method is not None and "sample_weight" in inspect.signature(method).parameters


def partial_fit_weighted(estimator, X, y, weights, classes=None):
    """Let an estimator learn from weighted rows, by its own ``partial_fit``.

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


def _rows_of(value, rows, n):
    if hasattr(value, "__len__") and not isinstance(value, (str, dict)) and len(value) == n:
        return take(value, rows)
    return value


def _request_weights(estimator):
    """Under metadata routing, let the part that is to have the weights ask for them, alone."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            _set_request(step, False)
        _set_request(estimator, True)
        _request_weights(estimator.steps[-1][1])
    elif has_fit_parameter(estimator, "sample_weight"):
        _set_request(estimator, True)
    else:
        _request_weights(wrapped_by(estimator))


def _set_request(step, value):
    if hasattr(step, "set_fit_request") and has_fit_parameter(step, "sample_weight"):
        step.set_fit_request(sample_weight=value)
    # A search hands the weights that it is given to its scores too.
    score = getattr(step, "score", None) if hasattr(step, "set_score_request") else None
    if score is not None and "sample_weight" in inspect.signature(score).parameters:
        step.set_score_request(sample_weight=value)
