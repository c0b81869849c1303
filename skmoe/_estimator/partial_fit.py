"""``partial_fit``: mixtures that learn batch by batch."""

import copy
import warnings
from functools import partial

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
from .validation import check_weights, check_X, keep_rows


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
        """Learn from one more batch of rows, by online EM (Cappé and Moulines 2009).

        The first batch is fitted as ``fit`` would. Each further batch gets an E-step, and its
        sums are added to those of earlier rows; the M-step is that of ``fit``. Rows weigh, not
        batches: w rows of earlier batches and b new ones count by w and b, and the weight of a
        row falls by half with each 3000 rows of weight 1 that come later (with 100 for each
        parameter of the model, if that is more). A batch and its rows one by one lead to about
        the same model.

        A model that ``fit`` has fitted goes on from what it is, with the weight of the rows of
        that fit, `weight_seen_`. It learns once there are five rows for each parameter, which
        tell how rows lie around it.

        If the log-scores of new rows stay more than half a standard deviation below those of
        earlier rows, the rows are of another law (a cumulative sum, Page 1954), and the model
        begins anew with them, once they are five for each parameter. After four times the
        rows of the first batch, and whenever their number has doubled up to 16384, a fit to the
        last 4096 rows takes the model's place if it predicts newer ones clearly better.

        An expert that is not solved for gets one call of its own ``partial_fit`` a batch, with
        responsibilities × weights: it forgets as it does alone, which naive Bayes never does.
        Dispersions and gate learn from sums, and from its errors before the call, so that an
        expert that overfits does not seem exact. Such experts, neural networks, get no fits to
        the last rows, which would cost more than all else. Experts of any kind count as many
        parameters as linear ones.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Numbers.
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
        classes : array-like of shape (n_classes,), optional
            Of a classifier: all labels; by default those of the first batch. A label that the
            first batch lacks begins with a probability near 0.001, the same everywhere: each row
            counts as one of it with that share of its weight.

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
        if self.__sklearn_is_fitted__():
            draft._learn_batch(X, y, sample_weight)
        else:
            draft._fit_first(X, y, sample_weight, classes)
        self.__dict__ = vars(draft)
        return self

    def _fit_first(self, X, y, sample_weight, classes):
        """Fit to the first batch."""
        if classes is None:
            self.fit(X, y, sample_weight)
        else:
            self._fit_first_with_classes(X, y, sample_weight, np.unique(classes))
        X, rows = self._batch_of(X, y, sample_weight)
        rows = rows.scored(self.score_samples(X, rows.y))
        self._keep(self._online_fitting().begin(self, rows), rows, np.zeros(0))

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

    def _learn_batch(self, X, y, sample_weight):
        """Learn a further batch, or a first one after ``fit``."""
        X, rows = self._batch_of(X, y, sample_weight)
        if not len(rows):
            return
        fitting, history = self._online_fitting(), self.lower_bounds_
        state = stored_state(getattr(self, "learned_", {}))
        if state is None:
            state, history = (
                OnlineState(getattr(self, "weight_seen_", fitting.horizon)),
                history[:0],
            )
        if state.has_begun:
            state, rows = fitting.learn(state, X, rows)
            self._store_online(state, fitting.trainer(state, X, rows))
        else:
            rows = rows.scored(self.score_samples(X, rows.y))
            state = fitting.wait(state, self, rows)
        self._keep(state, rows, history)

    def _batch_of(self, X, y, sample_weight):
        """Return X and rows of positive weight, with those of the classes in their weights."""
        X = check_X(self, X, reset=False)
        check_consistent_length(X, y)
        y, n = self._check_y(y), len(y)
        weights = self._class_weights(y, check_weights(sample_weight, X))
        X, y, weights = keep_rows(np.flatnonzero(weights > 0), n, X, y, weights)
        self._known_y(X, y)
        return X, BatchRows.of(X, y, weights)

    def _online_fitting(self):
        """Return what learns from a batch."""
        labels = self._has_labels
        return OnlineFitting(
            parts=self._resolve_parts(np.random.RandomState(0)),
            columns=(self.gate_columns_, self.expert_columns_),
            classes=self.classes_ if labels else None,
            top_k=self.top_k,
            n_outputs=1 if labels else self._n_outputs,
            n_features=self.n_features_in_,
            fit=partial(_fitted_to, self),
        )

    def _store_online(self, state, trainer):
        """Write the fitted attributes that a batch changes."""
        parameters, statistics = state.parameters, state.statistics
        self.gate_, self.experts_ = trainer.finish(parameters)
        self.named_experts_ = Bunch(**dict(zip(self.named_experts_, self.experts_, strict=True)))
        self.expert_usage_ = statistics.mass / statistics.weight
        self.starved_experts_ = []
        self.gate_entropy_ = trainer.gate_entropy(parameters)
        if parameters.dispersion is not None:
            found = parameters.dispersion * trainer.target.scale
            self.law_parameters_, self.widening_ = found, 1.0
            self.dispersion_ = found[:, 0] if trainer.target.single else found

    def _keep(self, state, rows, history):
        """Write what the next batch goes on from, and the log-scores of batches."""
        self.learned_, self.weight_seen_ = as_plain(state), float(state.weight)
        self.lower_bound_ = float(np.average(rows.scores, weights=rows.weights))
        self.lower_bounds_ = np.append(history, self.lower_bound_)
        self.n_iter_, self.converged_ = len(self.lower_bounds_), False
        self.stop_reason_ = "partial_fit goes on with the next batch"


def _fitted_to(model, X, y, weights):
    """Return a mixture with the parameters of `model`, fitted to rows that are numbers."""
    params = {"gate_features": model.gate_columns_, "expert_features": model.expert_columns_}
    params["warm_start"] = False
    if model._has_labels:
        params["class_weight"] = None  # it is in the weights of the rows
    other = clone(model).set_params(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return other.fit(X, y, weights)
