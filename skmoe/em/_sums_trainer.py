"""Training of batched experts with a gate on the same columns, by a fold over blocks of rows.

The same mixture as `RowTrainer` would fit: one pass an iteration, and nothing kept per row.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._data.groups import Rows
from .._data.numerics import pack_arrays, unpack_arrays
from . import _multinomial
from ._loop import ROUNDING, State
from ._row_trainer import MASS_FLOOR, Parameters, separated_experts
from ._sums import BlockSums

#: Hessians are summed anew once Newton's steps promise to have gained this much per unit of
#: weight since they were last; until then the old ones serve.
_REFRESH_GAIN = 0.02

#: Iterations after which they are summed anew in any case.
_REFRESH_AGE = 8

_MAX_HALVINGS = 30


@dataclass(frozen=True)
class Expected:
    """What the M-step needs: sums over rows, and curvatures.

    Attributes
    ----------
    statistics : Statistics
    inverses : tuple
        Inverse Hessians of the terms of gate and experts, at these or earlier parameters; None
        for a part whose step is exact.
    gained : float
        What Newton's steps have promised since `inverses` were formed.
    age : int
        Iterations since then.
    """

    statistics: Any
    inverses: tuple
    gained: float = 0.0
    age: int = 0


def sums_parts(gate, bank, law, n_experts):
    """Return a gate and experts as parts of sums over rows; None where one needs all rows at once.

    Parameters
    ----------
    gate : GateTrainer
    bank : ExpertBank
    law : Law
    n_experts : int
    """
    parts = gate.sums_part(n_experts), bank.sums_part(law)
    return None if None in parts else parts


def can_sum(gate, bank, law, units, n_experts):
    """Tell whether a mixture in memory is trained by the fold."""
    if type(units) is not Rows or (parts := sums_parts(gate, bank, law, n_experts)) is None:
        return False
    design = bank.view.design
    small = all(part.size <= _multinomial.EXPLICIT_SIZE for part in parts)
    return gate.view is bank.view and isinstance(design.matrix, np.ndarray) and small


class SumsTrainer:
    """M-step and E-step on sums over rows.

    Parameters
    ----------
    gate : gate trainer
    bank : bank of experts
    law : response
    target : Target or Labels
    weights : ndarray of shape (n,)
    units : Rows
    n_experts : int
    fold : BlockSums or ChunkSums, optional
        Folds all rows where `target`, `weights` and `units` are those of some.
    """

    cheap = True

    def __init__(self, gate, bank, law, target, weights, units, n_experts, fold=None):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.n_experts = target, weights, n_experts
        self.units = units
        self.parts = sums_parts(gate, bank, law, n_experts)
        self.fold = fold or BlockSums(bank.view.design.matrix, target.columns, weights)
        self.total = self.fold.total

    def _forms(self, parameters):
        """What makes the forms of gate and experts."""
        gate, experts = self.parts
        return gate.form(parameters.gate), experts.form(parameters.experts, parameters.dispersion)

    def begin(self, resp):
        """Return the state that starting responsibilities (n, K) stand for."""
        gate, experts = self.parts
        n_outputs = experts.n_outputs
        ones = None if n_outputs is None else np.ones((self.n_experts, n_outputs))
        state = self._state(Parameters(gate.zero(), experts.zero(), ones), None, resp=resp)
        if experts.first_steps == 1:
            return replace(state, objective=-np.inf)
        for _ in range(experts.first_steps):
            state = self._climb(state, self.propose(state, None), None, resp)
        # From here on a step that goes too far is seen by what it does to the objective.
        return self.expect(state.parameters, None)

    def propose(self, state, top_k):
        """Return what the M-step makes of a state's parameters, in full Newton steps."""
        old, statistics = state.parameters, state.expected.statistics
        alive = statistics.mass > MASS_FLOOR * self.total
        gate, experts = (
            part.propose(last, sums, statistics, inverse)
            for part, last, sums, inverse in self._terms(state)
        )
        experts = self._kept(old.experts, experts, alive)
        dispersion = self._dispersion(old, experts, statistics, alive)
        return Parameters(gate, experts, dispersion, tuple(np.flatnonzero(~alive).tolist()))

    def _terms(self, state):
        """Each part, its iterate, sums and inverse Hessian."""
        old, expected = state.parameters, state.expected
        sums = expected.statistics.gate, expected.statistics.experts
        return zip(self.parts, (old.gate, old.experts), sums, expected.inverses, strict=True)

    def _kept(self, old, new, alive):
        """Starved experts as they were."""
        return np.where(alive.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    def _dispersion(self, old, experts, statistics, alive):
        """Dispersions around new experts; starved ones stay."""
        if old.dispersion is None:
            return None
        part, mass = self.parts[1], statistics.mass
        sums = part.deviances(old.experts, experts, statistics.experts, statistics)
        # One row of each expert that stands for all of them.
        mean = sums / np.maximum(mass, np.finfo(float).tiny)[:, None]
        found = self.law.fit_dispersion(
            mean[None], mass[None], self.bank.penalties(part.state(experts)), old.dispersion
        )
        return np.where(alive[:, None], found, old.dispersion)

    def advance(self, state, top_k, proposed=None):
        """Return the next state: M-step, where it has not been `proposed` yet, then E-step.

        Newton steps are halved until the objective does not fall.
        """
        full = self.propose(state, top_k) if proposed is None else proposed
        return self._climb(state, full, top_k)

    def _climb(self, state, full, top_k, resp=None):
        """Return the state of full steps, or of shorter ones that do not lower the objective."""
        step, least = 1.0, state.objective - ROUNDING * (1.0 + abs(state.objective)) * 1e-3
        for halving in range(_MAX_HALVINGS + 1):
            if step == 1.0:
                reached = self.reach(state, full, top_k, resp)
            else:
                shorter = self._between(state.parameters, full, step)
                reached = self._state(shorter, top_k, resp=resp)
            if reached.objective >= least:
                break
            step = 0.5 * step if halving < _MAX_HALVINGS - 1 else 0.0
        return reached

    def _between(self, old, full, step):
        """Parameters that a share of Newton's steps leads to."""
        gate, experts = self.parts
        return replace(
            full,
            gate=gate.between(old.gate, full.gate, step),
            experts=experts.between(old.experts, full.experts, step),
        )

    def reach(self, state, parameters, top_k, resp=None):
        """Return the state of parameters that a step from `state` leads to.

        Curvatures stay those of `state` until they are out of date.
        """
        expected = state.expected
        predicted_gain = sum(
            part.predicted_gain(last, sums, inverse)
            for part, last, sums, inverse in self._terms(state)
        )
        older = replace(
            expected, gained=expected.gained + predicted_gain / self.total, age=expected.age + 1
        )
        stale = older.gained > _REFRESH_GAIN or older.age > _REFRESH_AGE
        return self._state(parameters, top_k, None if stale else older, resp)

    def pack(self, parameters):
        """Parameters as one vector; None where a part has no such form, or starves."""
        packed = self._packed(parameters)
        if parameters.starved or packed[0] is None:
            return None
        return pack_arrays(*packed)

    def _packed(self, parameters):
        """Arrays of gate, experts and the logarithms of dispersions."""
        gate, experts = self.parts
        spread = np.ones(0) if parameters.dispersion is None else parameters.dispersion
        return gate.pack(parameters.gate), experts.pack(parameters.experts), np.log(spread)

    def unpack(self, vector, like):
        """The parameters of a vector, in the form of others."""
        shapes = [array.shape for array in self._packed(like)]
        gate, experts, log_dispersion = unpack_arrays(vector, shapes)
        spread = like.dispersion
        if spread is not None:
            with np.errstate(over="ignore", under="ignore"):
                spread = self.law.confined(np.exp(log_dispersion))
        return Parameters(self.parts[0].unpack(gate), self.parts[1].unpack(experts), spread)

    def _state(self, parameters, top_k, older=None, resp=None):
        """Return the state of parameters, with the curvatures of `older` or ones formed anew.

        Given responsibilities take the place of those under the parameters.
        """
        given = {} if resp is None else {"resp": resp}
        statistics = self.fold.statistics(
            *self._forms(parameters), top_k=top_k, curvature=older is None, **given
        )
        gate, experts = self._states(parameters)
        value = statistics.log_likelihood - self.total * self.target.log_scale
        value -= self.law.penalty(parameters.dispersion, self.bank.penalties(experts))
        value -= self.gate.penalty(gate)
        if older is None:
            expected = self._expected(parameters, statistics)
        else:
            expected = replace(older, statistics=statistics)
        return State(parameters, expected, float(value / self.total))

    def _expected(self, parameters, statistics):
        """Sums with the curvatures that are among them."""
        sums = statistics.gate, statistics.experts
        inverses = tuple(
            part.inverse(each, statistics, parameters.dispersion)
            for part, each in zip(self.parts, sums, strict=True)
        )
        return Expected(statistics.without_pairs(), inverses)

    def _states(self, parameters):
        """Gate and experts in the forms that trainer and bank have for them."""
        gate, experts = self.parts
        return gate.state(parameters.gate), experts.state(parameters.experts)

    def reading(self, gate, experts, dispersion):
        """Return the parameters of a fitted gate, experts and dispersions (K, q) in units of y."""
        design, target = self.bank.view.design, self.target
        if dispersion is not None:
            dispersion = self.law.confined(self.law.rescaled(dispersion, 1.0 / target.scale))
        return Parameters(
            self.parts[0].reading(gate, design),
            self.parts[1].reading(experts, design, target),
            dispersion,
        )

    def expect(self, parameters, top_k):
        """Return the state of given parameters: an E-step."""
        return self._state(parameters, top_k)

    def responsibilities(self, state, top_k):
        """Responsibilities (n, K) of a state."""
        return self.fold.responsibilities(*self._forms(state.parameters), top_k)

    def log_likelihood(self, state, top_k):
        """Log-likelihood (n,) of each row, but for a shared constant."""
        return self.fold.log_likelihood(*self._forms(state.parameters), top_k)

    def total_log_likelihood(self, state):
        """Log-likelihood of all rows × their weights, in the units of y."""
        total = self.weights @ self.log_likelihood(state, None)
        return float(total - self.total * self.target.log_scale)

    def separated(self, state):
        """Numbers of the experts that an unpenalised gate tells from all others exactly."""
        if self.gate.bounded:
            return []
        return separated_experts(self.gate.problem.log_proba(state.parameters.gate))

    def overfitted(self, state):
        """Nothing: linear experts learn no rows by heart."""
        return []

    def gate_entropy(self, state):
        """Mean entropy of the gate's probabilities, in nats."""
        return self.fold.gate_entropy(*self._forms(state.parameters)) / self.total

    def usage(self, state):
        """Share of the total weight that each expert is responsible for, (K,)."""
        return state.expected.statistics.mass / self.total

    def strip(self, state):
        """A state that is small: as it is."""
        return state

    def restore(self, state, top_k):
        """The state that `strip` was given."""
        return state

    def finish(self, state):
        """Return the fitted gate and the list of fitted experts."""
        gate, experts = self._states(state.parameters)
        return self.gate.finish(gate), self.bank.finish(experts)
