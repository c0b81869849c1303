"""Online EM: a stream of batches, and what it goes on from."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..._data.moments import Standardisation
from ..._data.pipelines import is_rigid
from ..._data.tables import select
from ._batch import BatchRows, StandardisedView, standardisation, target_of
from ._drift import Drift
from ._parts import count_online_parameters, solved_at_once
from ._sums import horizon, scaled, with_batch
from ._trainer import make_trainer
from ._unseen import with_unseen

#: Rows a parameter that a fit, or a baseline of log-scores, needs at least.
ROWS_A_PARAMETER = 5

#: Last rows that are kept for fits that are tried in the model's place: a first batch is small,
#: and has optima that many rows have not. The first one is tried after so many times the rows of
#: the first fit, further ones whenever the number of rows has doubled, up to a limit.
RECENT_ROWS = 2**12
REFIT_AFTER = 4
REFIT_UNTIL = 2**14

#: By how many standard errors such a fit has to predict rows better that it has not seen.
_REFIT_GAIN = 2.0

#: A label with at least this share of the rows has to occur where a model begins anew.
_USUAL_LABEL = 0.01


@dataclass(frozen=True)
class OnlineState:
    """What ``partial_fit`` goes on from.

    Attributes
    ----------
    weight : float
        Of all rows behind the model; those that wait are not.
    n_rows : int
        Rows of the stream since the model began.
    drift : Drift
    rows : BatchRows or None
        The last rows, for as long as the model may be fitted to them.
    gate, experts : Standardisation
        Of the columns that each side sees, and, with the experts', of y; None until there are
        rows enough to know.
    parameters : Parameters or None
    statistics : Statistics or None
        Sums over rows, in which old ones fade, about the parameters.
    labels : ndarray of shape (n_classes,) or None
        Weights of the labels, in which old ones fade alike.
    next_refit : float
        Rows after which a fit to the last rows is tried.
    """

    weight: float
    n_rows: int = 0
    drift: Drift = field(default_factory=Drift)
    rows: BatchRows | None = None
    gate: Standardisation | None = None
    experts: Standardisation | None = None
    parameters: Any = None
    statistics: Any = None
    labels: np.ndarray | None = None
    next_refit: float = np.inf

    @property
    def has_begun(self):
        """Whether there have been rows enough to learn from."""
        return self.parameters is not None


@dataclass(frozen=True)
class OnlineFitting:
    """One call of ``partial_fit``.

    Attributes
    ----------
    parts : Specification
    columns : tuple of (list of int or None)
        That gate and experts see.
    classes : ndarray of shape (n_classes,), or None for numbers
    top_k : int or None
    n_outputs : int
        Of numbers.
    n_features : int
    fit : callable
        Returns the mixture that is fitted to X, y and weights.
    """

    parts: Any
    columns: tuple
    classes: np.ndarray | None
    top_k: int | None
    n_outputs: int
    n_features: int
    fit: Callable

    @property
    def solved(self):
        """Whether the experts are solved for from sums."""
        return solved_at_once(self.parts)

    @property
    def n_parameters(self):
        """Parameters of the mixture; experts of any kind count as linear ones."""
        sizes = [self.n_features if each is None else len(each) for each in self.columns]
        return count_online_parameters(len(self.parts.named), *sizes, self.n_outputs, self.classes)

    @property
    def least(self):
        """Rows that a fit, or a baseline of log-scores, needs."""
        return ROWS_A_PARAMETER * self.n_parameters

    @property
    def horizon(self):
        """What the weights of rows add up to once old ones have faded."""
        return horizon(self.n_parameters)

    def trainer(self, state, X, rows):
        """Return the trainer of a batch; X is a table of the same rows."""
        gate, experts = (
            StandardisedView(select(X, columns), rows.weights, known)
            for columns, known in zip(self.columns, (state.gate, state.experts), strict=True)
        )
        target = target_of(rows.y, self.classes, state.experts)
        return make_trainer(self.parts, self.solved, gate, experts, target, rows.weights)

    def begin(self, model, rows, weight=None):
        """Return the state of a fitted mixture.

        Parameters
        ----------
        model : fitted mixture
        rows : BatchRows
            That it was fitted to, or others from which to know how rows lie.
        weight : float, optional
            Of the rows that it was fitted to, if `rows` are others.
        """
        state = self._located(rows)
        trainer = self.trainer(state, rows.X, rows)
        parameters = trainer.reading(model)
        resp, _ = trainer.responsibilities(parameters, self.top_k)
        parameters = self._completed(state, parameters, rows)
        sums = trainer.statistics(parameters, resp)
        behind = min(sums.weight if weight is None else weight, self.horizon)
        known = trainer.stationary(parameters, scaled(sums, behind / sums.weight))
        statistics = known if weight is None else with_batch(known, sums, self.horizon)
        state = replace(
            state,
            weight=sums.weight + (weight or 0.0),
            n_rows=len(rows),
            parameters=parameters,
            statistics=statistics,
            labels=self._label_weights(rows),
            next_refit=max(REFIT_AFTER * max(known.weight, len(rows)), self.least),
        )
        return replace(state, rows=self._kept(state, rows))

    def _located(self, rows):
        """Return a state that knows location and scale of rows."""
        gate, experts = (select(rows.X, columns) for columns in self.columns)
        y = rows.y if self.classes is None else None
        return OnlineState(
            weight=0.0,
            gate=standardisation(gate, None, rows.weights),
            experts=standardisation(experts if self.solved else None, y, rows.weights),
        )

    def _completed(self, state, parameters, rows):
        """Return parameters with experts that know all labels."""
        if self.classes is None or self.solved:
            return parameters
        rows = BatchRows(*with_unseen(rows.X, rows.y, rows.weights, self.classes))
        trainer = self.trainer(state, rows.X, rows)
        resp, _ = trainer.responsibilities(parameters, self.top_k)
        return trainer.completed(parameters, resp)

    def _label_weights(self, rows):
        """Return the weights (n_classes,) of the labels of rows; None for numbers."""
        if self.classes is None:
            return None
        codes = np.searchsorted(self.classes, rows.y)
        return np.bincount(codes, rows.weights, len(self.classes))

    def wait(self, state, model, rows):
        """Return the state of a fitted mixture after rows that it does not learn from yet.

        Parameters
        ----------
        state : OnlineState
        model : fitted mixture
        rows : BatchRows
            With scores.
        """
        rows = rows if state.rows is None else state.rows + rows
        if len(rows) < self.least:
            return replace(state, n_rows=len(rows), rows=rows)
        begun = self.begin(model, rows, state.weight)
        return replace(begun, drift=self._drift(begun, rows))

    def learn(self, state, X, rows):
        """Return the state after a batch, and its rows with their log-scores before.

        Parameters
        ----------
        state : OnlineState
            That has begun.
        X : array, sparse matrix or data frame of shape (n, d)
        rows : BatchRows
            The same rows as numbers.
        """
        trainer = self.trainer(state, X, rows)
        resp, scores = trainer.responsibilities(state.parameters, self.top_k)
        rows = rows.scored(scores)
        kept = rows if state.rows is None else state.rows + rows
        drift = self._drift(state, rows)
        since = kept.last(drift.n_pending)
        if drift.found and len(since) >= self.least and self._has_usual_labels(state, since):
            return self.begin(self._fitted(since), since), rows
        state = replace(self._learned(state, trainer, resp, rows), drift=drift)
        n_new = max(len(rows), self.least)
        if state.n_rows - n_new >= state.next_refit and len(kept) >= self.least + n_new:
            state = self._refit_if_better(state, kept[:-n_new], kept.last(n_new))
        return replace(state, rows=self._kept(state, kept)), rows

    def _drift(self, state, rows):
        return state.drift.with_scores(rows.scores, self.least, self.horizon)

    def _has_usual_labels(self, state, rows):
        """Tell whether rows hold all labels that earlier rows had, but for rare ones."""
        if self.classes is None:
            return True
        usual = state.labels > _USUAL_LABEL * state.labels.sum()
        return bool(np.isin(self.classes[usual], rows.y).all())

    def _learned(self, state, trainer, resp, rows):
        """Return the state after a batch of the same law."""
        parameters, statistics = trainer.learn(
            state.parameters, state.statistics, resp, self.horizon
        )
        labels = self._label_weights(rows)
        if labels is not None:
            labels += np.exp(-labels.sum() / self.horizon) * state.labels
        return replace(
            state,
            weight=state.weight + rows.weights.sum(),
            n_rows=state.n_rows + len(rows),
            parameters=parameters,
            statistics=statistics,
            labels=labels,
        )

    def _fitted(self, rows):
        """Return the mixture that is fitted to rows, which may lack labels."""
        given = rows.X, rows.y, rows.weights
        return self.fit(*(given if self.classes is None else with_unseen(*given, self.classes)))

    def _refit_if_better(self, state, rows, new):
        """Return the state, or that of a fit to the last rows if it predicts new ones better."""
        weight, n_rows, next_refit = state.weight, state.n_rows, state.next_refit
        while next_refit <= n_rows:
            next_refit *= 2.0
        model = self._fitted(rows)
        gain = model.score_samples(new.X, new.y) - new.scores
        mean = np.average(gain, weights=new.weights)
        error = np.sqrt(np.average((gain - mean) ** 2, weights=new.weights) / len(gain))
        if mean > _REFIT_GAIN * error:
            begun = self.begin(model, rows)
            trainer = self.trainer(begun, new.X, new)
            resp, _ = trainer.responsibilities(begun.parameters, self.top_k)
            state = replace(self._learned(begun, trainer, resp, new), drift=state.drift)
        return replace(state, weight=weight, n_rows=n_rows, next_refit=next_refit)

    def _kept(self, state, rows):
        """Return the last rows that the model may yet be fitted to; None if there are none."""
        most = max(RECENT_ROWS, 2 * self.least)
        refits = state.next_refit <= REFIT_UNTIL and self.is_cheap
        n = most if refits else min(state.drift.n_pending, most)
        return rows.last(n) if n else None

    @property
    def is_cheap(self):
        """Whether a fit to the last rows costs little."""
        return self.solved or all(is_rigid(estimator) for _, estimator in self.parts.named)
