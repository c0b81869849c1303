"""``partial_fit``: mixtures that learn batch by batch."""

import copy
import warnings
from dataclasses import dataclass, replace
from functools import cached_property

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
from .validation import check_weights, check_X, keep_rows

#: Rows that are kept, and the numbers of batches at which a fit to them is tried in the model's
#: place: a first batch is small, and has optima that many rows have not.
RECENT_ROWS = 2**12
REFIT_AT = (4, 8, 16, 32, 64)

#: By how many standard errors such a fit has to predict the next batch better.
_REFIT_GAIN = 2.0


@dataclass(frozen=True)
class Learned:
    """What ``partial_fit`` goes on from.

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
        """After a batch: its stream, and the last rows."""
        y, recent = _stacked(self.y, y)[-RECENT_ROWS:], None
        if self.recent is not None and stream.n_batches <= REFIT_AT[-1]:
            pairs = zip(self.recent, (X, weights), strict=True)
            recent = tuple(_stacked(*pair)[-RECENT_ROWS:] for pair in pairs)
        return replace(self, stream=stream, y=y, recent=recent)


def _learns_by_batches(estimator):
    """Whether an estimator has ``partial_fit``; the error says why it has not."""
    try:
        estimator._validate_params()
        parts = estimator._resolve_parts(np.random.RandomState(0))
    except (ValueError, TypeError):
        return True  # the method itself says what is wrong
    refused = refusal(parts, estimator._has_labels)
    if estimator.average != 1:
        refused = f"average must be 1; got {estimator.average}"
    if refused is not None:
        raise AttributeError(f"partial_fit cannot learn so: {refused}")
    return True


class PartialFitMixin:
    """Adds ``partial_fit`` to both estimators."""

    @available_if(_learns_by_batches)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Learn from one more batch of rows, by stepwise EM.

        The first batch is fitted as ``fit`` would; a model that ``fit`` has fitted goes on from
        what it is, and the first batch tells how rows lie around it. Each further batch gets an
        E-step; the M-step solves for decayed sums, in which the newest batch has a share of t to
        the power -0.6 after t batches, and never less than 0.02 (Cappé and Moulines 2009). A
        batch that the model predicts far worse than those before, by six standard errors, is of
        another regime: the model begins anew with it. After 4, 8, 16, 32 and 64 batches a fit to
        the last 4096 rows takes its place if it predicts the next batch clearly better.

        An expert that is not solved for gets one call of its own ``partial_fit`` a batch, with
        responsibilities × weights: it forgets as it does alone, which naive Bayes never does.
        Dispersions and gate learn from decayed sums, and from its errors before the call, so
        that an expert that learns its rows by heart cannot fool them. Such experts, neural
        networks, get no fits to the last rows, which would cost more than all else.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Numbers.
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
        classes : array-like of shape (n_classes,), optional
            Of a classifier: all labels; by default those of the first batch. One that the first
            batch lacks begins with a probability near 0.001, the same everywhere: each row
            stands for it with so much of its weight.

        Returns
        -------
        estimator
            Itself. ``lower_bounds_`` holds the mean log-score of each batch before it was
            learned, of the first one after, ``lower_bound_`` the last of them, and ``n_iter_``
            counts batches.

        Raises
        ------
        AttributeError
            If a part cannot learn so: it takes two or more clones of ``LinearRegression`` or
            ``Ridge`` under a Gaussian response with constant dispersion, or of
            ``LogisticRegression``, or any estimators whose ``partial_fit`` takes
            `sample_weight`, a ``SoftmaxGate`` and ``average=1``.
        ValueError
            If y has a label that is not in `classes`, `classes` are not those of the first
            batch, or rows are no numbers.
        """
        self._validate_params()
        if classes is not None:
            self._check_classes(classes)
        draft = copy.copy(self)
        if not self.__sklearn_is_fitted__():
            draft._fit_first(X, y, sample_weight, classes)
        elif not hasattr(self, "learned_"):
            draft._initialise(X, y, sample_weight)
        else:
            draft._update(X, y, sample_weight)
        self.__dict__ = vars(draft)
        return self

    def _fit_first(self, X, y, sample_weight, classes):
        """Fit to the first batch."""
        if classes is None:
            self.fit(X, y, sample_weight)
        else:
            self._fit_first_with_classes(X, y, sample_weight, np.unique(classes))
        self._initialise(X, y, sample_weight)

    def _fit_first_with_classes(self, X, y, sample_weight, classes):
        """Fit to a first batch that may lack labels."""
        y = self._check_y(y)
        check_consistent_length(X, y)
        weights = check_weights(sample_weight, X)
        X, y, weights = keep_rows(np.flatnonzero(weights > 0), len(y), X, y, weights)
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(
                f"y must hold labels in classes, {classes.tolist()}; got also {unknown.tolist()}"
            )
        weights = self._class_weights(y, weights)
        # They are in the weights now; "balanced" would raise those of labels that are missing.
        class_weight, self.class_weight = self.class_weight, None
        self.fit(*with_unseen(X, y, weights, classes))
        self.class_weight = class_weight

    def _initialise(self, X, y, sample_weight):
        """Sum up a batch under the fitted model."""
        X, y, weights = self._batch_of(X, y, sample_weight)
        self._keep(self._learned_from(self, X, y, weights))
        score = float(np.average(self.score_samples(X, y), weights=weights))
        self._record(np.array([score]))

    def _learned_from(self, model, X, y, weights):
        """What to go on from after a fit of `model` to these rows."""
        last, recent = y, (_numbers(X), weights)
        if self._has_labels:
            X, y, weights = with_unseen(X, y, weights, self.classes_)
        named = self._resolve_parts(np.random.RandomState(0)).named
        solved = solved_at_once(named[0][1], self._has_labels)
        seen = select(X, self.expert_columns_) if solved else None
        experts = _units(seen, y, weights, self._has_labels)
        gate = _units(select(X, self.gate_columns_), y, weights, True)
        stream = Stream.of(model, named, self._batch(gate, experts, X, y, weights))
        return Learned(gate, experts, stream, last, recent if stream.experts.cheap else None)

    def _update(self, X, y, sample_weight):
        """Learn a further batch."""
        known, given = self._known(), (X, y, sample_weight)
        X, y, weights = self._batch_of(X, y, sample_weight)
        if not len(y):
            return
        batch = self._batch(known.gate, known.experts, X, y, weights)
        resp, scores = known.stream.expect(batch, self.top_k)
        history = self.lower_bounds_
        if known.stream.has_drifted(batch, scores) and self._may_begin_with(y, known.y):
            self._fit_first(*given, getattr(self, "classes_", None))
        else:
            if known.stream.n_batches in REFIT_AT and known.recent is not None:
                known, batch, resp, scores = self._refit_if_better(known, X, y, batch, resp, scores)
            stream = known.stream.learned(batch, resp, scores)
            self._keep(known.with_batch(stream, _numbers(X), y, weights))
            self._store_stream(stream, batch)
        self._record(np.append(history, np.average(scores, weights=weights)))

    def _refit_if_better(self, known, X, y, batch, resp, scores):
        """What to go on from: as before, or a fit to the last rows if it predicts the batch."""
        weights, (recent_X, recent_weights) = batch.weights, known.recent
        params = {"gate_features": self.gate_columns_, "expert_features": self.expert_columns_}
        if self._has_labels:
            params["class_weight"] = None  # it is part of the weights that were kept
        other = clone(self).set_params(**params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit(recent_X, known.y, recent_weights)
        if self._has_labels and not np.array_equal(other.classes_, self.classes_):
            return known, batch, resp, scores
        gain = other.score_samples(_numbers(X), y) - scores
        mean = np.average(gain, weights=weights)
        error = np.sqrt(np.average((gain - mean) ** 2, weights=weights) / len(gain))
        if mean <= _REFIT_GAIN * error:
            return known, batch, resp, scores
        learned = self._learned_from(other, recent_X, known.y, recent_weights)
        stream = replace(learned.stream, n_batches=known.stream.n_batches)
        learned = replace(learned, stream=stream)
        batch = self._batch(learned.gate, learned.experts, X, y, weights)
        return learned, batch, *stream.expect(batch, self.top_k)

    def _batch_of(self, X, y, sample_weight):
        """Rows of positive weight: X as numbers, known y, and weights."""
        X = check_X(self, X, reset=False)
        check_consistent_length(X, y)
        y, n = self._check_y(y), len(y)
        weights = self._class_weights(y, check_weights(sample_weight, X))
        X, y, weights = keep_rows(np.flatnonzero(weights > 0), n, X, y, weights)
        self._known_y(X, y)
        return X, y, weights

    def _batch(self, gate, experts, X, y, weights):
        """The batch in the units of the first."""
        views = [
            _Seen(select(X, columns), weights, units)
            for units, columns in [(gate, self.gate_columns_), (experts, self.expert_columns_)]
        ]
        if self._has_labels:
            target = Labels(y, self._known_y(X, y), self.classes_)
        else:
            columns = experts.targets(y.reshape(len(y), -1))
            target = Target(y, columns, experts.y_mean, experts.y_scale)
        return Batch(*views, target, weights)

    def _known(self):
        """What to go on from."""
        return Learned(**from_plain(self.learned_))

    def _keep(self, learned):
        self.learned_ = as_plain(learned)

    def _store_stream(self, stream, batch):
        """Write the fitted attributes that a batch changes."""
        self.gate_ = stream.gate.finish(batch.gate)
        self.experts_ = stream.experts.finish(batch.experts, batch.target)
        self.named_experts_ = Bunch(**dict(zip(self.named_experts_, self.experts_, strict=True)))
        self.expert_usage_ = stream.usage
        self.starved_experts_ = []
        proba = np.exp(stream.gate.log_proba(batch.gate.design))
        entropy = -(proba * np.log(np.maximum(proba, np.finfo(float).tiny))).sum(axis=1)
        self.gate_entropy_ = float(np.average(entropy, weights=batch.weights))
        found = stream.experts.law_parameters(batch.target)
        if found is not None:
            self.law_parameters_, self.widening_ = found, 1.0
            self.dispersion_ = found[:, 0] if batch.target.single else found

    def _record(self, scores):
        self.lower_bounds_, self.lower_bound_ = scores, float(scores[-1])
        self.n_iter_, self.converged_ = len(scores), False
        self.stop_reason_ = "partial_fit goes on with the next batch"


class _Seen(View):
    """Rows of a batch, in the units of the first."""

    def __init__(self, X, weights, units):
        super().__init__(X, weights)
        self.units = units

    @cached_property
    def design(self):
        """The standardised design, made when first asked for."""
        return self.units.design(_dense(self.X))


def _units(X, y, weights, labels):
    """Units of the columns of X, unless it is None, and of y, unless it holds labels."""
    of_X = (None,) * 3 if X is None else weighted_location_scale(_dense(X), weights)
    if labels:
        return Standardisation(*of_X, None, None)
    target = Target.of(y, weights)
    return Standardisation(*of_X, target.mean, target.scale)


def _dense(X):
    X = as_numeric(X)
    return X.toarray() if hasattr(X, "toarray") else X


def _numbers(X):
    """X as numbers of its own precision, dense or sparse."""
    return as_numeric(X, (np.float64, np.float32))


def _stacked(first, second):
    """Rows of both."""
    if sparse.issparse(first):
        return sparse.vstack([first, second], format="csr")
    return np.concatenate([first, second])
