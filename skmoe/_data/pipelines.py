"""Pipelines and other estimators that wrap one: their last step, and the steps before it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .design import View
from .numerics import Floats


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return last_step(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def innermost(estimator: Any) -> Any:
    """Return the estimator inside pipelines and ``FrozenEstimator``."""
    if isinstance(estimator, FrozenEstimator):
        return innermost(estimator.estimator)
    last = last_step(estimator)
    return last if last is estimator else innermost(last)


def before_last(estimator: Any, X: Any) -> Any:
    """Return X as the steps before the last of a fitted pipeline transform it."""
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


def own_log_density(estimator: Any, X: Any, y: NDArray) -> Floats | None:
    """Return log-densities (n,) of y under a fitted expert that `is_distribution`, else None."""
    if not is_distribution(estimator):
        return None
    X = before_last(estimator, X)
    return np.asarray(innermost(estimator).score_samples(X, y), dtype=np.float64)


def own_components(estimator, X):
    """Components of a fitted expert that `is_distribution`: weights, predictions, parameters."""
    return innermost(estimator).__skmoe_components__(before_last(estimator, X))


def fit_prefix(estimator: Any, view: View, y: NDArray[Any] | None) -> tuple[Prefix, Any, View]:
    """Fit the transformers of a pipeline, once for the whole of EM.

    Parameters
    ----------
    estimator : estimator
        An estimator that is no pipeline has no transformers.
    view : View of n rows
    y : ndarray of shape (n,) or (n, m)
        Passed to the ``fit_transform`` of the transformers.

    Returns
    -------
    prefix : Prefix
    last : estimator
        The last step.
    view : View
        Of the transformed X, to which the last step is fitted.
    """
    prefix = Prefix(estimator, [])
    while isinstance(estimator, Pipeline):
        before = []
        if len(estimator.steps) > 1:
            transformers: Any = clone(estimator[:-1])
            view = View(transformers.fit_transform(view.X, y), view.weights)
            before = transformers.steps
        prefix.fitted.append(before)
        estimator = estimator.steps[-1][1]
    return prefix, estimator, view


@dataclass(frozen=True)
class Prefix:
    """Fitted transformers of a pipeline whose last step EM trains.

    Attributes
    ----------
    estimator : estimator
        Unfitted, as the user gave it.
    fitted : list of list of (str, transformer)
        The fitted steps of the pipeline, and of the pipelines that are its last step.
    """

    estimator: Any
    fitted: list[list[tuple[str, Any]]]

    def before(self, trainer: Any) -> Any:
        """Return `trainer`, changed so that its results are pipelines with the transformers."""
        return Prefixed(self, trainer) if self.fitted else trainer

    def join(self, last: Any) -> Any:
        """Return the fitted pipeline whose last step is the fitted `last`."""
        return self._join(self.estimator, self.fitted, last)

    def _join(self, estimator: Any, fitted: list[list[tuple[str, Any]]], last: Any) -> Any:
        if not fitted:
            return last
        name, step = estimator.steps[-1]
        joined: Any = clone(estimator)
        joined.steps = [*fitted[0], (name, self._join(step, fitted[1:], last))]
        return joined


class Prefixed:
    """A gate's trainer, or a bank of experts, on columns that fitted transformers computed.

    All members are those of the wrapped trainer or bank, except `finish`, which returns pipelines,
    `with_strengths` and `sums_part`.
    """

    def __init__(self, prefix: Prefix, trainer: Any):
        self._prefix, self._trainer = prefix, trainer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    def sums_part(self, *args: Any) -> None:
        """Return None: sums over rows need the columns of X, not transformed ones."""
        return None

    def with_strengths(self, strengths: Floats) -> Any:
        """Return the same part with other strengths of its penalties."""
        return Prefixed(self._prefix, self._trainer.with_strengths(strengths))

    def finish(self, state: Any) -> Any:
        """Return the fitted pipeline of a state, or the list of them."""
        fitted = self._trainer.finish(state)
        if isinstance(fitted, list):
            return [self._prefix.join(last) for last in fitted]
        return self._prefix.join(fitted)


#: Modules of estimators that have few parameters, or are fitted already.
_RIGID = (
    "sklearn.linear_model",
    "sklearn.discriminant_analysis",
    "sklearn.naive_bayes",
    "sklearn.dummy",
    "sklearn.frozen",
)


#: Attributes in which estimators keep another one to which they pass their fit parameters.
_WRAPPED = ("estimator", "regressor", "classifier")


def weight_parameter(estimator: Any) -> str | None:
    """Return the name of the fit parameter that takes sample weights, or None.

    For a pipeline it is that of its last step; for an estimator that passes on its fit
    parameters (``GridSearchCV``, ``TransformedTargetRegressor``), that of the one it wraps.
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


def takes_no_weights(estimator: Any) -> bool:
    """Tell whether an estimator is fitted to resampled rows, since it takes no sample weights."""
    return not isinstance(estimator, FrozenEstimator) and weight_parameter(estimator) is None


def is_rigid(estimator: Any) -> bool:
    """Tell whether an estimator cannot overfit its training rows completely, as linear models.

    A pipeline is rigid if its last step is, and an estimator that wraps another if that one is.
    """
    last = last_step(estimator)
    if any(kind.__module__.startswith(_RIGID) for kind in type(last).__mro__):
        return True
    inner = wrapped_by(last)
    return inner is not None and is_rigid(inner)


def wrapped_by(estimator: Any) -> Any:
    """Return the estimator to which another one passes its fit parameters, or None."""
    # Any estimator of a user may wrap another one.
    inner = (getattr(estimator, name, None) for name in _WRAPPED)
    return next((one for one in inner if hasattr(one, "fit")), None)
