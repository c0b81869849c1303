"""EM of batched experts with a gate on the same columns, by sums over rows.

The mixture is the one that `RowTrainer` fits. An iteration is one pass over blocks of rows, and
no array with an entry for every row is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from .._data.groups import Rows
from .._data.numerics import pack_arrays, unpack_arrays
from . import _multinomial
from ._loop import ROUNDING, State
from ._protocols import (
    Bools,
    ExpertBank,
    ExpertForm,
    ExpertSums,
    Floats,
    GateForm,
    GateSums,
    GateTrainer,
    Law,
    Target,
    Units,
)
from ._row_trainer import MASS_FLOOR, Parameters, separated_experts
from ._sums import BlockSums, Statistics, Sums

#: Hessians are summed again once the predicted gain of Newton's steps since they were summed last
#: exceeds this much per unit of weight.
_REFRESH_GAIN = 0.02

#: Number of iterations after which they are summed again in any case.
_REFRESH_AGE = 8

_MAX_HALVINGS = 30


@dataclass(frozen=True)
class Expected:
    """Results of an E-step: sums over rows, and curvatures.

    Attributes
    ----------
    statistics : Statistics
    inverses : tuple
        Inverse Hessians of the terms of gate and experts, at these or earlier parameters; None
        for a part whose step is exact.
    gained : float
        Predicted gain of Newton's steps since `inverses` were formed, per unit of weight.
    age : int
        Number of iterations since then.
    """

    statistics: Statistics
    inverses: tuple
    gained: float = 0.0
    age: int = 0


SumsParts = tuple[GateSums, ExpertSums]


class RowSums(Protocol):
    """Sums over all training rows: `BlockSums`, or sums over rows that are not in memory."""

    total: float

    def statistics(
        self,
        gate: Callable[[], GateForm],
        experts: Callable[[], ExpertForm],
        *,
        top_k: int | None,
        curvature: bool,
    ) -> Statistics: ...
    def gate_entropy(
        self, gate: Callable[[], GateForm], experts: Callable[[], ExpertForm]
    ) -> float: ...


def sums_parts(gate: GateTrainer, bank: ExpertBank, law: Law, n_experts: int) -> SumsParts | None:
    """Return a gate and experts as parts of sums over rows; None where one needs all rows at once.

    Parameters
    ----------
    gate : GateTrainer
    bank : ExpertBank
    law : Law
    n_experts : int
    """
    gate_part, experts_part = gate.sums_part(n_experts), bank.sums_part(law)
    if gate_part is None or experts_part is None:
        return None
    return gate_part, experts_part


def can_sum(gate: GateTrainer, bank: ExpertBank, law: Law, units: Units, n_experts: int) -> bool:
    """Tell whether a mixture of several experts of rows in memory is trained by sums over rows."""
    several = n_experts > 1 and type(units) is Rows
    if not several or (parts := sums_parts(gate, bank, law, n_experts)) is None:
        return False
    design = bank.view.design
    small = all(part.size <= _multinomial.EXPLICIT_SIZE for part in parts)
    return gate.view is bank.view and isinstance(design.matrix, np.ndarray) and small


class SumsTrainer:
    """M-step and E-step on sums over rows.

    Parameters
    ----------
    gate : GateTrainer
    bank : ExpertBank
    law : Law
    target : Target or Labels
    weights : ndarray of shape (n,)
    units : Rows
    n_experts : int
    sums : BlockSums or ChunkSums, optional
        Sums over all rows, where `target`, `weights` and `units` are those of a sample; by default
        over the rows of `target`.

    Attributes
    ----------
    names : list of str
        Names of the components, which whoever makes the trainer sets.

    Raises
    ------
    TypeError
        If gate or experts need all rows at once.
    """

    cheap = True

    def __init__(
        self,
        gate: GateTrainer,
        bank: ExpertBank,
        law: Law,
        target: Target,
        weights: Floats,
        units: Units,
        n_experts: int,
        sums: RowSums | None = None,
    ):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.units = target, weights, units
        self.n_experts, self.names = n_experts, []
        parts = sums_parts(gate, bank, law, n_experts)
        if parts is None:
            raise TypeError("gate and experts must be parts of sums over rows")
        self.parts = parts
        if sums is None:
            sums = BlockSums(bank.view.design.matrix, target.columns, weights)
        self.sums, self.total = sums, sums.total

    @property
    def _rows(self) -> BlockSums:
        """Sums over rows in memory: only those have values for each row."""
        return cast(BlockSums, self.sums)

    def _forms(
        self, parameters: Parameters
    ) -> tuple[Callable[[], GateForm], Callable[[], ExpertForm]]:
        """Return functions that make the forms of gate and experts."""
        gate, experts = self.parts
        return gate.form(parameters.gate), experts.form(parameters.experts, parameters.dispersion)

    def begin(self, resp: Floats) -> State:
        """Return the state of starting responsibilities (n, K)."""
        gate, experts = self.parts
        n_outputs = experts.n_outputs
        ones = None if n_outputs is None else np.ones((self.n_experts, n_outputs))
        state = self._state(Parameters(gate.zero(), experts.zero(), ones), None, resp=resp)
        if experts.first_steps == 1:
            return replace(state, objective=-np.inf)
        for _ in range(experts.first_steps):
            state = self._climb(state, self.propose(state, None), None, resp)
        # From here on a step that is too long is recognised by its objective.
        return self.expect(state.parameters, None)

    def propose(self, state: State, top_k: int | None) -> Parameters:
        """Return the parameters after an M-step with full Newton steps."""
        old, statistics = state.parameters, state.expected.statistics
        alive = statistics.mass > MASS_FLOOR * self.total
        gate, experts = (
            part.propose(last, sums, statistics, inverse)
            for part, last, sums, inverse in self._terms(state)
        )
        experts = self._kept(old.experts, experts, alive)
        dispersion = self._dispersion(old, experts, statistics, alive)
        return Parameters(gate, experts, dispersion, tuple(np.flatnonzero(~alive).tolist()))

    def _kept(self, old: Any, new: Any, alive: Bools) -> Any:
        """Return new experts, and the old ones of those that are starved."""
        return np.where(alive.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    def _terms(self, state: State) -> Iterable[tuple[Any, Any, Sums, Any]]:
        """Return, for each part, the part, its iterate, its sums and its inverse Hessian."""
        old, expected = state.parameters, state.expected
        sums = expected.statistics.gate, expected.statistics.experts
        return zip(self.parts, (old.gate, old.experts), sums, expected.inverses, strict=True)

    def _dispersion(
        self, old: Parameters, experts: Any, statistics: Statistics, alive: Bools
    ) -> Floats | None:
        """Return the dispersions of new experts; those of starved experts stay."""
        if old.dispersion is None:
            return None
        part, mass = self.parts[1], statistics.mass
        sums = part.deviances(old.experts, experts, statistics.experts, statistics)
        if sums is None:
            return None
        # The law is fitted to one row per expert, with the mean deviance and the mass of all rows.
        mean = sums / np.maximum(mass, np.finfo(float).tiny)[:, None]
        found = self.law.fit_dispersion(
            mean[None], mass[None], self.bank.penalties(part.state(experts)), old.dispersion
        )
        return None if found is None else np.where(alive[:, None], found, old.dispersion)

    def advance(self, state: State, top_k: int | None, proposed: Parameters | None = None) -> State:
        """Return the next state: M-step, unless its result is `proposed`, then E-step.

        Newton steps are halved until the objective does not fall.
        """
        full = self.propose(state, top_k) if proposed is None else proposed
        return self._climb(state, full, top_k)

    def _climb(
        self, state: State, full: Parameters, top_k: int | None, resp: Floats | None = None
    ) -> State:
        """Return the state of full steps, or of shorter ones that do not lower the objective."""
        least = state.objective - ROUNDING * (1.0 + abs(state.objective)) * 1e-3
        step, reached = 1.0, self.reach(state, full, top_k, resp)
        for halving in range(_MAX_HALVINGS):
            if reached.objective >= least:
                break
            step = 0.5 * step if halving < _MAX_HALVINGS - 1 else 0.0
            shorter = self._between(state.parameters, full, step)
            reached = self._state(shorter, top_k, resp=resp)
        return reached

    def _between(self, old: Parameters, full: Parameters, step: float) -> Parameters:
        """Return the parameters after the share `step` of full Newton steps."""
        gate, experts = self.parts
        return replace(
            full,
            gate=gate.between(old.gate, full.gate, step),
            experts=experts.between(old.experts, full.experts, step),
        )

    def reach(
        self, state: State, parameters: Parameters, top_k: int | None, resp: Floats | None = None
    ) -> State:
        """Return the state of parameters after a step from `state`.

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

    def pack(self, parameters: Parameters) -> Floats | None:
        """Return parameters as one vector; None if a part has no such form or is starved."""
        packed = self._packed(parameters)
        if parameters.starved or packed is None:
            return None
        return pack_arrays(*packed)

    def _packed(self, parameters: Parameters) -> tuple[Floats, Floats, Floats] | None:
        """Return the arrays of gate, experts and logarithms of dispersions; None as `pack`."""
        gate, experts = self.parts[0].pack(parameters.gate), self.parts[1].pack(parameters.experts)
        dispersion = np.ones(0) if parameters.dispersion is None else parameters.dispersion
        return None if gate is None or experts is None else (gate, experts, np.log(dispersion))

    def unpack(self, vector: Floats, like: Parameters) -> Parameters:
        """Return the parameters of a vector, with the shapes of other parameters."""
        shapes = [array.shape for array in self._packed(like) or ()]
        gate, experts, log_dispersion = unpack_arrays(vector, shapes)
        dispersion = like.dispersion
        if dispersion is not None:
            with np.errstate(over="ignore", under="ignore"):
                dispersion = self.law.confined(np.exp(log_dispersion))
        return Parameters(self.parts[0].unpack(gate), self.parts[1].unpack(experts), dispersion)

    def _state(
        self,
        parameters: Parameters,
        top_k: int | None,
        older: Expected | None = None,
        resp: Floats | None = None,
    ) -> State:
        """Return the state of parameters, with the curvatures of `older` or new ones.

        Given responsibilities are used in place of those under the parameters.
        """
        forms, curvature = self._forms(parameters), older is None
        if resp is None:
            statistics = self.sums.statistics(*forms, top_k=top_k, curvature=curvature)
        else:
            statistics = self._rows.statistics(*forms, top_k=top_k, curvature=curvature, resp=resp)
        gate, experts = self._states(parameters)
        value = statistics.log_likelihood - self.total * self.target.log_scale
        value -= self.law.penalty(parameters.dispersion, self.bank.penalties(experts))
        value -= self.gate.penalty(gate)
        if older is None:
            expected = self._expected(parameters, statistics)
        else:
            expected = replace(older, statistics=statistics)
        return State(parameters, expected, float(value / self.total))

    def _expected(self, parameters: Parameters, statistics: Statistics) -> Expected:
        """Return sums, and the curvatures that are computed from them."""
        sums = statistics.gate, statistics.experts
        inverses = tuple(
            part.inverse(each, statistics, parameters.dispersion)
            for part, each in zip(self.parts, sums, strict=True)
        )
        return Expected(statistics.without_pairs(), inverses)

    def _states(self, parameters: Parameters) -> tuple[Any, Any]:
        """Return gate and experts as states of the gate's trainer and the bank."""
        gate, experts = self.parts
        return gate.state(parameters.gate), experts.state(parameters.experts)

    def reading(self, gate: Any, experts: list, dispersion: Floats | None) -> Parameters:
        """Return the parameters of a fitted gate, experts and dispersions (K, q) in units of y."""
        design, target = self.bank.view.design, self.target
        if dispersion is not None and target.scale is not None:
            dispersion = self.law.confined(self.law.rescaled(dispersion, 1.0 / target.scale))
        return Parameters(
            self.parts[0].reading(gate, design),
            self.parts[1].reading(experts, design, target),
            dispersion,
        )

    def expect(self, parameters: Parameters, top_k: int | None) -> State:
        """Return the state of given parameters, after an E-step."""
        return self._state(parameters, top_k)

    def responsibilities(self, state: State, top_k: int | None) -> Floats:
        """Return the responsibilities (n, K) of a state."""
        return self._rows.responsibilities(*self._forms(state.parameters), top_k)

    def log_likelihood(self, state: State, top_k: int | None) -> Floats:
        """Return the log-likelihood (n,) of each row, up to a constant that all rows share."""
        return self._rows.log_likelihood(*self._forms(state.parameters), top_k)

    def total_log_likelihood(self, state: State) -> float:
        """Return the sum of weights × log-likelihoods of all rows, in the units of y."""
        total = self.weights @ self.log_likelihood(state, None)
        return float(total - self.total * self.target.log_scale)

    def separated(self, state: State) -> list[int]:
        """Return the numbers of the experts that an unpenalised gate separates from all others."""
        if self.gate.bounded:
            return []
        # The iterate has no values of rows: stripped and restored, it has.
        small = self.gate.strip(self.parts[0].state(state.parameters.gate))
        return separated_experts(self.gate.log_proba(self.gate.restore(small)))

    def overfitted(self, state: State) -> list[int]:
        """Return no experts: linear ones do not overfit their rows completely."""
        return []

    def gate_entropy(self, state: State) -> float:
        """Return the mean entropy of the gate's probabilities, in nats."""
        return self.sums.gate_entropy(*self._forms(state.parameters)) / self.total

    def usage(self, state: State) -> Floats:
        """Return the share of the total weight that each expert is responsible for, (K,)."""
        return state.expected.statistics.mass / self.total

    def strip(self, state: State) -> State:
        """Return the state itself, which has no array with an entry for every row."""
        return state

    def restore(self, state: State, top_k: int | None) -> State:
        """Return the state that `strip` was given."""
        return state

    def finish(self, state: State) -> tuple[Any, list]:
        """Return the fitted gate and the list of fitted experts."""
        gate, experts = self._states(state.parameters)
        return self.gate.finish(gate), self.bank.finish(experts)
