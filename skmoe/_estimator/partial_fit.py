"""``partial_fit``: mixtures that are updated batch by batch."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from .._data.design import View
from .._data.moments import Standardisation
from .._data.numerics import weighted_location_scale
from .._data.tables import select
from .._data.target import Labels, Target
from .._fit.online import (
    Batch,
    Stream,
    as_plain,
    from_plain,
    refusal,
    solved_at_once,
    with_unseen,
)
from .._sklearn import as_numeric
from .fit import specify
from .validation import check_weights, check_X, keep_rows

Method = TypeVar("Method", bound=Callable[..., Any])

#: Rows that are kept, and the numbers of batches after which a fit to them may replace the model:
#: a first batch is small, and has optima that more rows do not have.
RECENT_ROWS = 2**12
REFIT_AT = (4, 8, 16, 32, 64)

#: Standard errors by which such a fit has to predict the next batch better.
_REFIT_GAIN = 2.0


@dataclass(frozen=True)
class Learned:
    """What ``partial_fit`` continues from.

    Attributes
    ----------
    gate, experts : Standardisation
        Of the columns that each side sees in the first batch; those of y with the experts'.
    stream : Stream
    y : ndarray of shape (n,) or (n, m)
        Of the last rows.
    recent : tuple of ndarray, or None
        X as numbers, dense or sparse, and weights of the same rows, for as long as the model may
        be fitted to them.
    """

    gate: Standardisation
    experts: Standardisation
    stream: Stream
    y: np.ndarray
    recent: tuple | None

    def with_batch(self, stream, X, y, weights):
        """Return the same after a batch: its stream, and the last rows."""
        y, recent = _stacked(self.y, y)[-RECENT_ROWS:], None
        if self.recent is not None and stream.n_batches <= REFIT_AT[-1]:
            pairs = zip(self.recent, (X, weights), strict=True)
            recent = tuple(_stacked(*pair)[-RECENT_ROWS:] for pair in pairs)
        return replace(self, stream=stream, y=y, recent=recent)


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
    if not model.__sklearn_is_fitted__():
        _fit_first(draft, X, y, sample_weight, classes)
    elif not hasattr(model, "learned_"):
        _initialise(draft, X, y, sample_weight)
    else:
        _update(draft, X, y, sample_weight)
    return draft


def _fit_first(model, X, y, sample_weight, classes):
    """Fit to the first batch."""
    if classes is None:
        model.fit(X, y, sample_weight)
    else:
        _fit_first_with_classes(model, X, y, sample_weight, np.unique(classes))
    _initialise(model, X, y, sample_weight)


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


def _initialise(model, X, y, sample_weight):
    """Sum up a batch under the fitted model."""
    X, y, weights = _batch_of(model, X, y, sample_weight)
    model.learned_ = as_plain(_learned_from(model, model, X, y, weights))
    score = float(np.average(model.score_samples(X, y), weights=weights))
    _record(model, np.array([score]))


def _learned_from(model, fitted, X, y, weights):
    """Return what to continue from after a fit of the mixture `fitted` to these rows."""
    last, recent, task = y, (_numbers(X), weights), model._task()
    classes = task.fitted(model).classes
    if classes is not None:
        X, y, weights = with_unseen(X, y, weights, classes)
    named = specify(model, task, np.random.RandomState(0)).named
    solved = solved_at_once(named[0][1], task.law.loss)
    seen = select(X, model.expert_columns_) if solved else None
    experts = _standardisation(seen, weights, y if classes is None else None)
    gate = _standardisation(select(X, model.gate_columns_), weights)
    stream = Stream.of(fitted, named, _batch(model, gate, experts, X, y, weights))
    return Learned(gate, experts, stream, last, recent if stream.experts.cheap else None)


def _update(model, X, y, sample_weight):
    """Update the model by a further batch."""
    known, given = known_of(model), (X, y, sample_weight)
    X, y, weights = _batch_of(model, X, y, sample_weight)
    if not len(y):
        return
    batch = _batch(model, known.gate, known.experts, X, y, weights)
    resp, scores = known.stream.expect(batch, model.top_k)
    history, task = model.lower_bounds_, model._task()
    if known.stream.has_drifted(batch, scores) and task.can_restart_with(y, known.y):
        _fit_first(model, *given, task.fitted(model).classes)
    else:
        if known.stream.n_batches in REFIT_AT and known.recent is not None:
            known, batch, resp, scores = _refit_if_better(model, known, X, y, batch, resp, scores)
        stream = known.stream.learned(batch, resp, scores)
        model.learned_ = as_plain(known.with_batch(stream, _numbers(X), y, weights))
        _store_stream(model, stream, batch)
    _record(model, np.append(history, np.average(scores, weights=weights)))


def _refit_if_better(model, known, X, y, batch, resp, scores):
    """Return what to continue from: as before, or a fit that predicts the batch better."""
    weights, (recent_X, recent_weights) = batch.weights, known.recent
    params = {"gate_features": model.gate_columns_, "expert_features": model.expert_columns_}
    classes = model._task().fitted(model).classes
    if classes is not None:
        params["class_weight"] = None  # it is part of the weights that were kept
    other = clone(model).set_params(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit(recent_X, known.y, recent_weights)
    if classes is not None and not np.array_equal(other.classes_, classes):
        return known, batch, resp, scores
    gain = other.score_samples(_numbers(X), y) - scores
    mean = np.average(gain, weights=weights)
    error = np.sqrt(np.average((gain - mean) ** 2, weights=weights) / len(gain))
    if mean <= _REFIT_GAIN * error:
        return known, batch, resp, scores
    learned = _learned_from(model, other, recent_X, known.y, recent_weights)
    stream = replace(learned.stream, n_batches=known.stream.n_batches)
    learned = replace(learned, stream=stream)
    batch = _batch(model, learned.gate, learned.experts, X, y, weights)
    return learned, batch, *stream.expect(batch, model.top_k)


def _batch_of(model, X, y, sample_weight):
    """Return rows of positive weight: X as numbers, known y, and weights."""
    task = model._task()
    X = check_X(model, X, reset=False)
    check_consistent_length(X, y)
    y, n = task.check_y(y, model), len(y)
    weights = task.row_weights(y, check_weights(sample_weight, X))
    X, y, weights = keep_rows(np.flatnonzero(weights > 0), n, X, y, weights)
    task.known_y(X, y, task.fitted(model))
    return X, y, weights


def _batch(model, gate, experts, X, y, weights):
    """Return the batch, standardised as the first one was."""
    views = [
        _Seen(select(X, columns), weights, units)
        for units, columns in [(gate, model.gate_columns_), (experts, model.expert_columns_)]
    ]
    task = model._task()
    fitted = task.fitted(model)
    if fitted.classes is not None:
        target = Labels(y, task.known_y(X, y, fitted), fitted.classes)
    else:
        columns = experts.targets(y.reshape(len(y), -1))
        target = Target(y, columns, experts.y_mean, experts.y_scale)
    return Batch(*views, target, weights)


def known_of(model):
    """Return what ``partial_fit`` continues from, as ``learned_`` stores it."""
    return Learned(**from_plain(model.learned_))


def _store_stream(model, stream, batch):
    """Write the fitted attributes that a batch changes."""
    model.gate_ = stream.gate.finish(batch.gate)
    model.experts_ = stream.experts.finish(batch.experts, batch.target)
    model.named_experts_ = Bunch(**dict(zip(model.named_experts_, model.experts_, strict=True)))
    model.expert_usage_ = stream.usage
    model.starved_experts_ = []
    proba = np.exp(stream.gate.log_proba(batch.gate.design))
    entropy = -(proba * np.log(np.maximum(proba, np.finfo(float).tiny))).sum(axis=1)
    model.gate_entropy_ = float(np.average(entropy, weights=batch.weights))
    found = stream.experts.law_parameters(batch.target)
    if found is not None:
        model.law_parameters_, model.widening_ = found, 1.0
        model.dispersion_ = found[:, 0] if batch.target.single else found


def _record(model, scores):
    model.lower_bounds_, model.lower_bound_ = scores, float(scores[-1])
    model.n_iter_, model.converged_ = len(scores), False
    model.stop_reason_ = "partial_fit goes on with the next batch"


class _Seen(View):
    """Rows of a batch, standardised as the first one was."""

    def __init__(self, X, weights, units):
        super().__init__(X, weights)
        self.units = units

    @cached_property
    def design(self):
        """The standardised design, made when first used."""
        return self.units.design(_dense(self.X))


def _standardisation(X, weights, y=None):
    """Return location and scale of the columns of X and of y, where they are not None."""
    of_X = (None,) * 3 if X is None else weighted_location_scale(_dense(X), weights)
    if y is None:
        return Standardisation(*of_X, None, None)
    target = Target.of(y, weights)
    return Standardisation(*of_X, target.mean, target.scale)


def _dense(X):
    X = as_numeric(X)
    return X.toarray() if hasattr(X, "toarray") else X


def _numbers(X):
    """Return X as numbers of its own precision, dense or sparse."""
    return as_numeric(X, (np.float64, np.float32))


def _stacked(first, second):
    """Return the rows of both."""
    if sparse.issparse(first):
        return sparse.vstack([first, second], format="csr")
    return np.concatenate([first, second])
