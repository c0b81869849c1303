"""E-step and M-step of a mixture on one batch of a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np

from ..._data.design import View
from ..._data.groups import Rows
from ..._data.numerics import Bools, Floats, blocks, log_softmax, weighted_sums
from ..._data.target import Labels, Target
from ...em._loop import State, e_step
from ...em._protocols import State as Iterate
from ...em._protocols import SumsPart
from ...em._row_trainer import MASS_FLOOR, Parameters
from ...em._sums import Statistics, Sums
from ...em._sums_trainer import RowSums, SumsTrainer
from ...experts import OnlineBank, batch_of
from ..problem import Specification
from ._batch import StandardisedView
from ._sums import BatchSums, with_batch

#: The largest change of a logit on the rows of a batch in one step. A parabola approximates the
#: likelihood badly for larger changes.
_LONGEST_STEP = 2.0


class OnlinePart(SumsPart, Protocol):
    """A part whose sums can be those of a stream: `NewtonPart` and `LinearPart` are."""

    def stationary(
        self, iterate: Iterate, sums: Sums, mass: Floats, dispersion: Any, /
    ) -> Sums: ...
    def shifted(
        self, sums: Sums, statistics: Statistics, old: Iterate, new: Iterate, /
    ) -> Sums: ...


def make_trainer(
    parts: Specification,
    solved: bool,
    gate: StandardisedView,
    experts: StandardisedView,
    target: Target | Labels,
    weights: Floats,
) -> OnlineTrainer:
    """Return the trainer of a batch.

    Parameters
    ----------
    parts : Specification
    solved : bool
        Whether experts are solved for from sums; else they learn by their own ``partial_fit``.
    gate, experts : StandardisedView of n rows
    target : Target or Labels
    weights : ndarray of shape (n,)
    """
    n_experts = len(parts.named)
    trainer = parts.gate.with_fixed_penalty().em_trainer(gate, weights, n_experts)
    if solved:
        template = parts.named[0][1]
        kind: Any = batch_of(template, parts.law.loss)
        bank = kind(template, experts, target, n_experts)
        make = OnlineTrainer
    else:
        bank = OnlineBank(parts.named, experts, target)
        make = PartialFitTrainer
    # Sums of a batch are read by the methods of `OnlineTrainer` only, which know their type.
    sums = cast(RowSums, BatchSums(gate, experts, target.columns, weights))
    return make(trainer, bank, parts.law, target, weights, Rows(weights), n_experts, sums)


class OnlineTrainer(SumsTrainer):
    """Stepwise EM (Cappé and Moulines 2009) of gate and experts that are solved for.

    The M-step is that of `SumsTrainer`. Its sums are about the parameters they are stored with:
    after each step they are shifted to the new ones, exactly for linear experts, to second order
    for softmax functions.
    """

    @property
    def _batch_sums(self) -> BatchSums:
        """The sums of the batch, as `make_trainer` makes them."""
        return cast(BatchSums, self.sums)

    @property
    def _online_parts(self) -> tuple[OnlinePart, OnlinePart]:
        """Gate and experts as parts that learn online."""
        # Not all parts of sums over rows can learn online, but those of this trainer can: `refusal`
        # admits no others. The part of experts with their own ``partial_fit`` is never shifted.
        return cast(tuple[OnlinePart, OnlinePart], self.parts)

    def reading(self, model: Any) -> Parameters:
        """Return the parameters of a fitted mixture."""
        experts = self.parts[1].reading(model.experts_, self.bank.view.design, self.target)
        return self._parameters_of(model, experts)

    def _parameters_of(self, model: Any, experts: Any) -> Parameters:
        gate, spread = model.gate_, None
        if self.target.scale is not None:
            spread = model.dispersion_.reshape(len(experts), -1) / self.target.scale
        return Parameters(self.parts[0].reading(gate, self.gate.view.design), experts, spread)

    def responsibilities(self, parameters: Parameters, top_k: int | None) -> tuple[Floats, Floats]:
        """Return responsibilities (n, K) and log-scores (n,) in the units of y: an E-step."""
        log_gate = self.gate.view.design.linear(parameters.gate[0], then=log_softmax)
        resp, scores = e_step(log_gate, self._log_density(parameters), top_k)
        return resp, scores - self.target.log_scale

    def _log_density(self, parameters: Parameters) -> Floats:
        """Return log-densities (n, K), standardised."""
        form = self._forms(parameters)[1]()
        matrix, y = self.bank.view.design.matrix, self.target.columns
        out = np.empty((self.n_experts, len(y)))
        for rows in blocks(len(y)):
            form.make(rows.stop - rows.start)
            form.evaluate_forms(form.coef @ matrix[rows].T, y[rows])
            form.log_density(out[:, rows])
        return out.T

    def statistics(self, parameters: Parameters, resp: Floats) -> Statistics:
        """Return the sums of the batch at responsibilities (n, K)."""
        gate, experts = self._forms(parameters)
        found = self._batch_sums.of_experts(experts, resp)
        return replace(found, gate=self._batch_sums.of_gate(gate, resp).gate)

    def stationary(self, parameters: Parameters, statistics: Statistics) -> Statistics:
        """Return sums of which `parameters` are the optimum: those of the rows of their fit."""
        gate, experts = self._online_parts
        mass, spread = statistics.mass, parameters.dispersion
        return replace(
            statistics,
            gate=gate.stationary(parameters.gate, statistics.gate, mass, None),
            experts=experts.stationary(parameters.experts, statistics.experts, mass, spread),
        )

    def learn(
        self, parameters: Parameters, statistics: Statistics, resp: Floats, most: float
    ) -> tuple[Parameters, Statistics]:
        """Return parameters and statistics after the batch.

        Parameters
        ----------
        parameters : Parameters
        statistics : Statistics
            About these parameters.
        resp : ndarray of shape (n, K)
            Responsibilities in the batch.
        most : float
            The `horizon`.
        """
        statistics = with_batch(statistics, self.statistics(parameters, resp), most)
        self.total = statistics.weight
        expected = self._expected(parameters, statistics)
        full = self.propose(State(parameters, expected, -np.inf), None)
        return self._shifted(parameters, full, statistics)

    def _shifted(
        self, old: Parameters, full: Parameters, statistics: Statistics
    ) -> tuple[Parameters, Statistics]:
        """Return parameters after a step of bounded length, and the statistics about them."""
        gate = self._step(0, self.gate.view, old.gate, full.gate, statistics)
        experts = self._expert_step(old, full, statistics)
        parameters = replace(full, gate=gate[0], experts=experts[0])
        return parameters, replace(statistics, gate=gate[1], experts=experts[1])

    def _step(
        self, side: int, view: View, old: Floats, full: Floats, statistics: Statistics
    ) -> tuple[Floats, Sums]:
        """Return the iterate of one side after its step, and its sums."""
        part, sums = self._online_parts[side], (statistics.gate, statistics.experts)[side]
        change = view.design.linear((full - old).reshape(-1, full.shape[-1]))
        longest = max(np.abs(change).max(), _LONGEST_STEP)
        new = part.between(old, full, _LONGEST_STEP / longest)
        return new, part.shifted(sums, statistics, old, new)

    def _expert_step(
        self, old: Parameters, full: Parameters, statistics: Statistics
    ) -> tuple[Any, Sums]:
        return self._step(1, self.bank.view, old.experts, full.experts, statistics)

    def gate_entropy(self, parameters: Parameters) -> float:
        """Return the mean entropy of the gate's probabilities on the batch, in nats."""
        log_proba = self.gate.view.design.linear(parameters.gate[0], then=log_softmax)
        entropy = -(np.exp(log_proba) * log_proba).sum(axis=1)
        return float(np.average(entropy, weights=self.weights))

    def finish(self, parameters: Parameters) -> tuple[Any, list]:
        """Return the fitted gate and the list of fitted experts."""
        return super().finish(State(parameters, None, -np.inf))


class PartialFitTrainer(OnlineTrainer):
    """Online EM of experts that learn by one call of their own ``partial_fit`` a batch.

    Gate and dispersions are learned from sums; errors are those before the call, so that experts
    that overfit do not seem exact.
    """

    bank: OnlineBank

    def reading(self, model: Any) -> Parameters:
        """Return the parameters of a fitted mixture."""
        return self._parameters_of(model, self.bank.reading(model.experts_))

    def _deviance(self, parameters: Parameters) -> Floats:
        predictions = self.bank.predictions(parameters.experts)
        return self.law.deviance(self.target.values, predictions)

    def _log_density(self, parameters: Parameters) -> Floats:
        deviance = self._deviance(parameters)
        found = self.law.log_density(deviance, parameters.dispersion, self.target.values)
        return np.asfortranarray(found)

    def statistics(self, parameters: Parameters, resp: Floats) -> Statistics:
        """Return the sums of the batch at responsibilities (n, K)."""
        found = self._batch_sums.of_gate(self._forms(parameters)[0], resp)
        masses, further = resp * self.weights[:, None], []
        if parameters.dispersion is not None:
            further = [weighted_sums(self._deviance(parameters), masses)]
        mass = masses.sum(axis=0)[:, None]
        return replace(found, experts=Sums(np.zeros((0, 1)), None, further), masses=mass)

    def learn(
        self, parameters: Parameters, statistics: Statistics, resp: Floats, most: float
    ) -> tuple[Parameters, Statistics]:
        """Return parameters and statistics after the batch."""
        new, statistics = super().learn(parameters, statistics, resp, most)
        masses = resp * self.weights[:, None]
        alive = masses.sum(axis=0) > MASS_FLOOR * self.weights.sum()
        return replace(new, experts=self.bank.update(masses, new.experts, alive)), statistics

    def completed(self, parameters: Parameters, resp: Floats) -> Parameters:
        """Return parameters with experts that have all labels."""
        experts = self.bank.completed(parameters.experts, resp, self.weights)
        return replace(parameters, experts=experts)

    def _kept(self, old: Any, new: Any, alive: Bools) -> Any:
        return old

    def _expert_step(
        self, old: Parameters, full: Parameters, statistics: Statistics
    ) -> tuple[Any, Sums]:
        return old.experts, statistics.experts
