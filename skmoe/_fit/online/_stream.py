"""Online EM: a stream of batches, and the state from which the next batch continues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..._data.numerics import Floats
from ..._data.pipelines import is_rigid
from ..._data.tables import select
from ...em._row_trainer import Parameters
from ..problem import Specification
from ._batch import BatchRows, StandardisedView, standardisation, target_of
from ._drift import Drift
from ._parts import count_online_parameters, solved_at_once
from ._sums import horizon, scaled, with_batch
from ._trainer import OnlineTrainer, PartialFitTrainer, make_trainer
from ._unseen import with_unseen

#: Rows a parameter that a fit, or a baseline of log-scores, needs at least.
ROWS_A_PARAMETER = 5

#: Number of last rows that are kept for refits. A first batch is small, and has optima that many
#: rows have not, so a refit may replace the model. The first one is tried after `REFIT_AFTER` times
#: the rows of the first fit, further ones whenever the number of rows has doubled, up to
#: `REFIT_UNTIL` rows.
RECENT_ROWS = 2**12
REFIT_AFTER = 4
REFIT_UNTIL = 2**14

#: The number of standard errors by which a refit has to predict rows better that it has not seen.
_REFIT_GAIN = 2.0

#: A label with more than this share of the rows must occur in the rows that a model is refitted to
#: after drift.
_COMMON_LABEL = 0.01


@dataclass(frozen=True)
class OnlineState:
    """The state from which ``partial_fit`` continues.

    Attributes
    ----------
    weight : float
        Of all rows that the model has learned, and so not of rows that wait.
    n_rows : int
        Rows of the stream since the model began.
    drift : Drift
    rows : BatchRows or None
        The last rows, as long as the model may be fitted to them.
    gate, experts : Standardisation or None
        Of the columns that each side sees; that of the experts has also location and scale of y.
        None until there are enough rows to compute them.
    parameters : Parameters or None
    statistics : Statistics or None
        Sums over rows, in which old ones fade, about the parameters.
    labels : ndarray of shape (n_classes,) or None
        Weights of the labels, in which old rows fade too.
    next_refit : float
        Rows after which a fit to the last rows is tried.
    """

    weight: float
    n_rows: int = 0
    drift: Drift = field(default_factory=Drift)
    rows: BatchRows | None = None
    gate: Any = None
    experts: Any = None
    parameters: Any = None
    statistics: Any = None
    labels: Any = None
    next_refit: float = np.inf

    @property
    def has_begun(self) -> bool:
        """Whether there have been enough rows to learn from."""
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

    parts: Specification
    columns: tuple[list[int] | None, list[int] | None]
    classes: NDArray | None
    top_k: int | None
    n_outputs: int
    n_features: int
    fit: Callable[[Any, NDArray, Floats], Any]

    @property
    def solved(self) -> bool:
        """Whether the experts are solved for from sums."""
        return solved_at_once(self.parts)

    @property
    def n_parameters(self) -> int:
        """Parameters of the mixture; experts of any kind count as linear ones."""
        n_gate, n_columns = (
            self.n_features if each is None else len(each) for each in self.columns
        )
        return count_online_parameters(
            len(self.parts.named), n_gate, n_columns, self.n_outputs, self.classes
        )

    @property
    def least(self) -> int:
        """Rows that a fit, or a baseline of log-scores, needs."""
        return ROWS_A_PARAMETER * self.n_parameters

    @property
    def horizon(self) -> float:
        """The sum of the weights of rows once old ones have faded."""
        return horizon(self.n_parameters)

    def trainer(self, state: OnlineState, X: Any, rows: BatchRows) -> OnlineTrainer:
        """Return the trainer of a batch; X is a table of the same rows."""
        gate, experts = (
            StandardisedView(select(X, columns), rows.weights, known)
            for columns, known in zip(self.columns, (state.gate, state.experts), strict=True)
        )
        target = target_of(rows.y, self.classes, state.experts)
        return make_trainer(self.parts, self.solved, gate, experts, target, rows.weights)

    def begin(self, model: Any, rows: BatchRows, weight: float | None = None) -> OnlineState:
        """Return the state of a fitted mixture.

        Parameters
        ----------
        model : fitted mixture
        rows : BatchRows
            That it was fitted to, or others from which location and scale are computed.
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

    def _located(self, rows: BatchRows) -> OnlineState:
        """Return a state with location and scale of rows."""
        gate, experts = (select(rows.X, columns) for columns in self.columns)
        y = rows.y if self.classes is None else None
        return OnlineState(
            weight=0.0,
            gate=standardisation(gate, None, rows.weights),
            experts=standardisation(experts if self.solved else None, y, rows.weights),
        )

    def _completed(self, state: OnlineState, parameters: Parameters, rows: BatchRows) -> Parameters:
        """Return parameters with experts that have all labels."""
        if self.classes is None or self.solved:
            return parameters
        rows = BatchRows(*with_unseen(rows.X, rows.y, rows.weights, self.classes))
        # The experts are not solved for, and so the trainer is one of their own ``partial_fit``.
        trainer = cast(PartialFitTrainer, self.trainer(state, rows.X, rows))
        resp, _ = trainer.responsibilities(parameters, self.top_k)
        return trainer.completed(parameters, resp)

    def _label_weights(self, rows: BatchRows) -> Floats | None:
        """Return the weights (n_classes,) of the labels of rows; None for numbers."""
        if self.classes is None:
            return None
        codes = np.searchsorted(self.classes, rows.y)
        sums: Any = np.bincount(codes, rows.weights, len(self.classes))
        return sums

    def wait(self, state: OnlineState, model: Any, rows: BatchRows) -> OnlineState:
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

    def learn(self, state: OnlineState, X: Any, rows: BatchRows) -> tuple[OnlineState, BatchRows]:
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
        if drift.found and len(since) >= self.least and self._has_common_labels(state, since):
            return self.begin(self._fitted(since), since), rows
        state = replace(self._learned(state, trainer, resp, rows), drift=drift)
        n_new = max(len(rows), self.least)
        if state.n_rows - n_new >= state.next_refit and len(kept) >= self.least + n_new:
            state = self._refit_if_better(state, kept[:-n_new], kept.last(n_new))
        return replace(state, rows=self._kept(state, kept)), rows

    def _drift(self, state: OnlineState, rows: BatchRows) -> Drift:
        return state.drift.with_scores(rows.scores, self.least, self.horizon)

    def _has_common_labels(self, state: OnlineState, rows: BatchRows) -> bool:
        """Tell whether rows have all labels that are common in earlier rows."""
        if self.classes is None:
            return True
        common = state.labels > _COMMON_LABEL * state.labels.sum()
        return bool(np.isin(self.classes[common], rows.y).all())

    def _learned(
        self, state: OnlineState, trainer: OnlineTrainer, resp: Floats, rows: BatchRows
    ) -> OnlineState:
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

    def _fitted(self, rows: BatchRows) -> Any:
        """Return the mixture that is fitted to rows, which may lack labels."""
        given = rows.X, rows.y, rows.weights
        return self.fit(*(given if self.classes is None else with_unseen(*given, self.classes)))

    def _refit_if_better(self, state: OnlineState, rows: BatchRows, new: BatchRows) -> OnlineState:
        """Return the state, or that of a refit to the last rows if it predicts new ones better."""
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

    def _kept(self, state: OnlineState, rows: BatchRows) -> BatchRows | None:
        """Return the last rows that the model may still be refitted to; None if there are none."""
        most = max(RECENT_ROWS, 2 * self.least)
        refits = state.next_refit <= REFIT_UNTIL and self.is_cheap
        n = most if refits else min(state.drift.n_pending, most)
        return rows.last(n) if n else None

    @property
    def is_cheap(self) -> bool:
        """Whether a fit to the last rows costs little."""
        return self.solved or all(is_rigid(estimator) for _, estimator in self.parts.named)
