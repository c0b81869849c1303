"""``partial_fit`` of the estimators: which have it, checks of a batch, and stored attributes."""

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from .._fit.online import (
    BatchRows,
    OnlineFitting,
    OnlineState,
    as_plain,
    refusal,
    stored_state,
    with_unseen,
)
from .._fit.problem import count_free_parameters
from .options import specify
from .validation import check_weights, check_X, keep_rows

Method = TypeVar("Method", bound=Callable[..., Any])


def if_updated_by_batches(method: Method) -> Method:
    """Decorate ``partial_fit``: a mixture whose parts cannot be updated by batches has none."""
    decorate: Any = available_if(_can_be_updated)
    return decorate(method)


def _can_be_updated(model):
    """Return True if a mixture has ``partial_fit``; the error says why it has not."""
    task = model._task()
    try:
        model._validate_params()
        parts = specify(model, task, np.random.RandomState(0))
    except (ValueError, TypeError):
        return True  # the method itself says what is wrong
    refused = refusal(parts)
    if model.average != 1:
        refused = f"average must be 1; got {model.average}"
    if refused is not None:
        raise AttributeError(f"partial_fit cannot learn so: {refused}")
    return True


def with_batch(model, X, y, sample_weight, classes):
    """Return a copy of a mixture after one more batch; the mixture stays as it is."""
    if classes is not None:
        model._task().check_classes(classes, model)
    draft = copy.copy(model)
    if model.__sklearn_is_fitted__():
        _update(draft, X, y, sample_weight)
    else:
        _fit_first(draft, X, y, sample_weight, classes)
    return draft


def _fit_first(model, X, y, sample_weight, classes):
    """Fit to the first batch."""
    if classes is None:
        model.fit(X, y, sample_weight)
    else:
        _fit_first_with_classes(model, X, y, sample_weight, np.unique(classes))
    X, rows = _batch_of(model, X, y, sample_weight)
    rows = rows.scored(model.score_samples(X, rows.y))
    _store_state(model, _online_fitting(model).begin(model, rows), rows, np.zeros(0))


def _fit_first_with_classes(model, X, y, sample_weight, classes):
    """Fit to a first batch that may lack labels."""
    task = model._task()
    y = task.check_y(y, model)
    check_consistent_length(X, y)
    weights = check_weights(sample_weight, X)
    X, y, weights = keep_rows(np.flatnonzero(weights > 0), len(y), X, y, weights)
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y must hold labels in classes, {classes.tolist()}; got also {unknown.tolist()}"
        )
    weights = task.row_weights(y, weights)
    # They are in the weights now; "balanced" would raise those of labels that are missing.
    class_weight, model.class_weight = model.class_weight, None
    model.fit(*with_unseen(X, y, weights, classes))
    model.class_weight = class_weight


def _update(model, X, y, sample_weight):
    """Update a fitted model by a batch: the first one after ``fit``, or a further one."""
    X, rows = _batch_of(model, X, y, sample_weight)
    if not len(rows):
        return
    fitting, history = _online_fitting(model), model.lower_bounds_
    # Attributes that a model fitted by `fit`, or by an earlier version, does not have.
    state = stored_state(getattr(model, "learned_", {}))
    if state is None:
        weight_seen = getattr(model, "weight_seen_", fitting.horizon)
        state, history = OnlineState(weight_seen), history[:0]
    if state.has_begun:
        state, rows = fitting.learn(state, X, rows)
        _store_parts(model, state, fitting.trainer(state, X, rows))
    else:
        rows = rows.scored(model.score_samples(X, rows.y))
        state = fitting.wait(state, model, rows)
    _store_state(model, state, rows, history)


def _batch_of(model, X, y, sample_weight):
    """Return X and rows of positive weight, with the weights of classes in theirs."""
    task = model._task()
    X = check_X(model, X, reset=False)
    check_consistent_length(X, y)
    y, n = task.check_y(y, model), len(y)
    weights = task.row_weights(y, check_weights(sample_weight, X))
    X, y, weights = keep_rows(np.flatnonzero(weights > 0), n, X, y, weights)
    task.known_y(X, y, task.fitted(model))
    return X, BatchRows.of(X, y, weights)


def _online_fitting(model):
    """Return what updates the model by a batch."""
    task = model._task()
    fitted = task.fitted(model)
    return OnlineFitting(
        parts=specify(model, task, np.random.RandomState(0), learns=False),
        columns=(model.gate_columns_, model.expert_columns_),
        classes=fitted.classes,
        top_k=model.top_k,
        n_outputs=fitted.n_outputs,
        n_features=model.n_features_in_,
        fit=partial(_fitted_to, model, fitted.classes),
    )


def _fitted_to(model, classes, X, y, weights):
    """Return a mixture with the parameters of `model`, fitted to rows that are numbers."""
    params = {"gate_features": model.gate_columns_, "expert_features": model.expert_columns_}
    params["warm_start"] = False
    if classes is not None:
        params["class_weight"] = None  # it is in the weights of the rows
    other = clone(model).set_params(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return other.fit(X, y, weights)


def _store_parts(model, state, trainer):
    """Write the fitted attributes of gate, experts and law that a batch changes."""
    parameters, statistics = state.parameters, state.statistics
    model.gate_, model.experts_ = trainer.finish(parameters)
    model.named_experts_ = Bunch(**dict(zip(model.named_experts_, model.experts_, strict=True)))
    model.n_parameters_ = count_free_parameters(
        model.gate_, model.experts_, trainer.law, parameters.dispersion
    )
    model.expert_usage_ = statistics.mass / statistics.weight
    model.starved_experts_ = []
    model.gate_entropy_ = trainer.gate_entropy(parameters)
    if parameters.dispersion is not None:
        found = parameters.dispersion * trainer.target.scale
        model.law_parameters_, model.widening_ = found, 1.0
        model.posterior_root_ = model.posterior_units_ = None
        model.dispersion_ = found[:, 0] if trainer.target.single else found


def _store_state(model, state, rows, history):
    """Write the state that the next batch continues from, and the log-scores of batches."""
    model.learned_, model.weight_seen_ = as_plain(state), float(state.weight)
    model.lower_bound_ = float(np.average(rows.scores, weights=rows.weights))
    model.lower_bounds_ = np.append(history, model.lower_bound_)
    model.n_iter_, model.converged_ = len(model.lower_bounds_), False
    model.stop_reason_ = "partial_fit goes on with the next batch"
