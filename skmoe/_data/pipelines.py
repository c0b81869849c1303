"""Pipelines: what they end in, and what stands before it."""

import inspect
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .design import View


def last_step(estimator):
    """Return the last step of a pipeline, or the estimator itself."""
    return last_step(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def innermost(estimator):
    """What stands behind pipelines and ``FrozenEstimator``."""
    if isinstance(estimator, FrozenEstimator):
        return innermost(estimator.estimator)
    last = last_step(estimator)
    return last if last is estimator else innermost(last)


def before_last(estimator, X):
    """X as the last step of a fitted pipeline sees it."""
    if isinstance(estimator, FrozenEstimator):
        return before_last(estimator.estimator, X)
    if not isinstance(estimator, Pipeline):
        return X
    X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
    return before_last(estimator.steps[-1][1], X)


@runtime_checkable
class DistributionExpert(Protocol):
    """An expert that predicts a distribution of y, not only a number: a mixture of experts.

    An estimator is one by its members, fitted or not, as a container is one by ``__len__``: no
    class has to derive from this one. `MixtureOfExpertsRegressor` is one; a classifier is none,
    since probabilities of classes are all there is to know of labels.

    Attributes
    ----------
    response : str or response
        The law of its components. It must be that of the mixture that it is an expert of.
    """

    response: Any

    def __skmoe_components__(self, X):
        """Return weights (n, C), predictions (n, C, m) and law parameters, (C, q) or (n, C, q)."""

    def score_samples(self, X, y=None):
        """Return log-densities (n,) of y."""


def is_distribution(estimator):
    """Tell whether an expert is a `DistributionExpert`, frozen or at the end of a pipeline."""
    return isinstance(innermost(estimator), DistributionExpert)


def own_log_density(estimator, X, y):
    """Log-densities (n,) of y under a fitted expert that `is_distribution`, else None."""
    if not is_distribution(estimator):
        return None
    X = before_last(estimator, X)
    return np.asarray(innermost(estimator).score_samples(X, y), dtype=np.float64)


def own_components(estimator, X):
    """Components of a fitted expert that `is_distribution`: weights, predictions, parameters."""
    return innermost(estimator).__skmoe_components__(before_last(estimator, X))


def fit_prefix(estimator, view, y):
    """Fit the transformers of a pipeline, once for the whole of EM.

    Parameters
    ----------
    estimator : estimator
        Anything but a pipeline has no transformers.
    view : View of n rows
    y : ndarray of shape (n,) or (n, m)
        For transformers that look at it.

    Returns
    -------
    prefix : Prefix
    last : estimator
        The last step.
    view : View
        Of what the last step sees.
    """
    prefix = Prefix(estimator, [])
    while isinstance(estimator, Pipeline):
        before = []
        if len(estimator.steps) > 1:
            transformers = clone(estimator[:-1])
            view = View(transformers.fit_transform(view.X, y), view.weights)
            before = transformers.steps
        prefix.fitted.append(before)
        estimator = estimator.steps[-1][1]
    return prefix, estimator, view


@dataclass(frozen=True)
class Prefix:
    """Fitted transformers that stand before a trainer.

    Attributes
    ----------
    estimator : estimator
        As the user gave it.
    fitted : list of list of (str, transformer)
        The fitted steps of the pipeline, and of the pipelines it ends in.
    """

    estimator: BaseEstimator
    fitted: list

    def before(self, trainer):
        """Return `trainer`, its results put back behind the transformers."""
        return Prefixed(self, trainer) if self.fitted else trainer

    def join(self, last):
        """Return the fitted pipeline that ends in the fitted step `last`."""
        return self._join(self.estimator, self.fitted, last)

    def _join(self, estimator, fitted, last):
        if not fitted:
            return last
        name, step = estimator.steps[-1]
        joined = clone(estimator)
        joined.steps = [*fitted[0], (name, self._join(step, fitted[1:], last))]
        return joined


class Prefixed:
    """A gate's trainer, or a bank of experts, behind transformers that are fitted already.

    It is what it wraps, but for `finish`, which returns pipelines.
    """

    def __init__(self, prefix, trainer):
        self._prefix, self._trainer = prefix, trainer

    def __getattr__(self, name):
        return getattr(self._trainer, name)

    def sums_part(self, *args):
        """Return None: sums are over columns of X, and these are what transformers make of it."""
        return None

    def finish(self, state):
        """Return the fitted pipeline of a state, or the list of them."""
        fitted = self._trainer.finish(state)
        if isinstance(fitted, list):
            return [self._prefix.join(last) for last in fitted]
        return self._prefix.join(fitted)


#: Where estimators with few parameters come from, and those that are fitted already.
_RIGID = (
    "sklearn.linear_model",
    "sklearn.discriminant_analysis",
    "sklearn.naive_bayes",
    "sklearn.dummy",
    "sklearn.frozen",
)


#: Where estimators that wrap another one, and hand fit parameters on to it, keep it.
_WRAPPED = ("estimator", "regressor", "classifier")


def weight_parameter(estimator):
    """Name of the fit parameter that takes sample weights, or None.

    Pipelines take them for their last step; estimators that hand fit parameters
    on (``GridSearchCV``, ``TransformedTargetRegressor``) for the one they wrap.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = weight_parameter(last)
        return None if inner is None else f"{name}__{inner}"
    if has_fit_parameter(estimator, "sample_weight"):
        return "sample_weight"
    kinds = [p.kind for p in inspect.signature(estimator.fit).parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        inner = wrapped_by(estimator)
        if inner is not None and weight_parameter(inner) is not None:
            return weight_parameter(inner)
    return None


def takes_no_weights(estimator):
    """Tell whether an estimator is fitted to resampled rows for want of sample weights."""
    return not isinstance(estimator, FrozenEstimator) and weight_parameter(estimator) is None


def is_rigid(estimator):
    """Tell whether an estimator cannot learn its training rows by heart, like a linear model.

    A pipeline, or an estimator that wraps another, is what it ends in or wraps.
    """
    last = last_step(estimator)
    if any(kind.__module__.startswith(_RIGID) for kind in type(last).__mro__):
        return True
    inner = wrapped_by(last)
    return inner is not None and is_rigid(inner)


def wrapped_by(estimator):
    """The estimator that another one hands its fit parameters on to, or None."""
    inner = (getattr(estimator, name, None) for name in _WRAPPED)
    return next((one for one in inner if hasattr(one, "fit")), None)
