"""E-step and M-step of a mixture on one batch of a stream."""

from dataclasses import replace

import numpy as np

from ..._data.numerics import blocks, log_softmax, weighted_sums
from ...em._loop import State, e_step
from ...em._row_trainer import MASS_FLOOR, Parameters
from ...em._sums import Sums
from ...em._sums_trainer import SumsTrainer
from ...experts import OnlineBank, batch_of
from ._sums import BatchSums, with_batch

#: The largest change of a logit on the rows of a batch in one step: a parabola describes the
#: likelihood badly farther off.
_LONGEST_STEP = 2.0


def make_trainer(parts, solved, gate, experts, target, weights):
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
    trainer = parts.gate.em_trainer(gate, weights, n_experts)
    if solved:
        template = parts.named[0][1]
        bank = batch_of(template, parts.law.loss)(template, experts, target, n_experts)
    else:
        bank = OnlineBank(parts.named, experts, target)
    sums = BatchSums(gate, experts, target.columns, weights)
    kind = OnlineTrainer if solved else PartialFitTrainer
    return kind(trainer, bank, parts.law, target, weights, None, n_experts, sums)


class OnlineTrainer(SumsTrainer):
    """Stepwise EM (Cappé and Moulines 2009) of gate and experts that are solved for.

    The M-step is that of `SumsTrainer`. Its sums are about the parameters they are stored with:
    after each step they are shifted to the new ones, exactly for linear experts, to second order
    for softmax functions.
    """

    def reading(self, model):
        """Return the parameters of a fitted mixture."""
        experts = self.parts[1].reading(model.experts_, self.bank.view.design, self.target)
        return self._parameters_of(model, experts)

    def _parameters_of(self, model, experts):
        gate, spread = model.gate_, None
        if self.target.scale is not None:
            spread = model.dispersion_.reshape(len(experts), -1) / self.target.scale
        return Parameters(self.parts[0].reading(gate, self.gate.view.design), experts, spread)

    def responsibilities(self, parameters, top_k):
        """Return responsibilities (n, K) and log-scores (n,) in the units of y: an E-step."""
        log_gate = self.gate.view.design.linear(parameters.gate[0], then=log_softmax)
        resp, scores = e_step(log_gate, self._log_density(parameters), top_k)
        return resp, scores - self.target.log_scale

    def _log_density(self, parameters):
        """Return log-densities (n, K), standardised."""
        form = self._forms(parameters)[1]()
        matrix, y = self.bank.view.design.matrix, self.target.columns
        out = np.empty((self.n_experts, len(y)))
        for rows in blocks(len(y)):
            form.make(rows.stop - rows.start)
            form.evaluate_forms(form.coef @ matrix[rows].T, y[rows])
            form.log_density(out[:, rows])
        return out.T

    def statistics(self, parameters, resp):
        """Return the sums of the batch at responsibilities (n, K)."""
        gate, experts = self._forms(parameters)
        found = self.sums.of_experts(experts, resp)
        return replace(found, gate=self.sums.of_gate(gate, resp).gate)

    def stationary(self, parameters, statistics):
        """Return sums of which `parameters` are the optimum: those of the rows of their fit."""
        gate, experts = self.parts
        mass, spread = statistics.mass, parameters.dispersion
        return replace(
            statistics,
            gate=gate.stationary(parameters.gate, statistics.gate, mass),
            experts=experts.stationary(parameters.experts, statistics.experts, mass, spread),
        )

    def learn(self, parameters, statistics, resp, most):
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

    def _shifted(self, old, full, statistics):
        """Return parameters after a step of bounded length, and the statistics about them."""
        gate = self._step(0, self.gate.view, old.gate, full.gate, statistics)
        experts = self._expert_step(old, full, statistics)
        parameters = replace(full, gate=gate[0], experts=experts[0])
        return parameters, replace(statistics, gate=gate[1], experts=experts[1])

    def _step(self, side, view, old, full, statistics):
        """Return the iterate of one side after its step, and its sums."""
        part, sums = self.parts[side], (statistics.gate, statistics.experts)[side]
        change = view.design.linear((full - old).reshape(-1, full.shape[-1]))
        longest = max(np.abs(change).max(), _LONGEST_STEP)
        new = part.between(old, full, _LONGEST_STEP / longest)
        return new, part.shifted(sums, statistics, old, new)

    def _expert_step(self, old, full, statistics):
        return self._step(1, self.bank.view, old.experts, full.experts, statistics)

    def gate_entropy(self, parameters):
        """Return the mean entropy of the gate's probabilities on the batch, in nats."""
        log_proba = self.gate.view.design.linear(parameters.gate[0], then=log_softmax)
        entropy = -(np.exp(log_proba) * log_proba).sum(axis=1)
        return float(np.average(entropy, weights=self.weights))

    def finish(self, parameters):
        """Return the fitted gate and the list of fitted experts."""
        return super().finish(State(parameters, None, -np.inf))


class PartialFitTrainer(OnlineTrainer):
    """The same of experts that learn by one call of their own ``partial_fit`` a batch.

    Gate and dispersions are learned from sums; errors are those before the call, so that experts
    that overfit do not seem exact.
    """

    def reading(self, model):
        """Return the parameters of a fitted mixture."""
        return self._parameters_of(model, self.bank.reading(model.experts_))

    def _deviance(self, parameters):
        predictions = self.bank.predictions(parameters.experts)
        return self.law.deviance(self.target.values, predictions)

    def _log_density(self, parameters):
        deviance = self._deviance(parameters)
        found = self.law.log_density(deviance, parameters.dispersion, self.target.values)
        return np.asfortranarray(found)

    def statistics(self, parameters, resp):
        """Return the sums of the batch at responsibilities (n, K)."""
        found = self.sums.of_gate(self._forms(parameters)[0], resp)
        masses, further = resp * self.weights[:, None], []
        if parameters.dispersion is not None:
            further = [weighted_sums(self._deviance(parameters), masses)]
        mass = masses.sum(axis=0)[:, None]
        return replace(found, experts=Sums(np.zeros((0, 1)), None, further), masses=mass)

    def learn(self, parameters, statistics, resp, most):
        """Return parameters and statistics after the batch."""
        new, statistics = super().learn(parameters, statistics, resp, most)
        masses = resp * self.weights[:, None]
        alive = masses.sum(axis=0) > MASS_FLOOR * self.weights.sum()
        return replace(new, experts=self.bank.update(masses, new.experts, alive)), statistics

    def completed(self, parameters, resp):
        """Return parameters with experts that know all labels."""
        experts = self.bank.completed(parameters.experts, resp, self.weights)
        return replace(parameters, experts=experts)

    def _kept(self, old, new, alive):
        return old

    def _expert_step(self, old, full, statistics):
        return old.experts, statistics.experts
