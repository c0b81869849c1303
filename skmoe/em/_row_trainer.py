"""EM of any gate, experts and law on one training set, by matrices with one row per unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._data.numerics import blocks, log_softmax, pack_arrays, unpack_arrays
from ._loop import LOWEST, State, e_step
from ._protocols import Bools, ExpertBank, Floats, GateTrainer, Law, Target, Units

#: An expert with less than this share of the total weight keeps its last fit.
MASS_FLOOR = 1e-8

#: An expert is overfitted if its mean deviance on the rows it was fitted to is smaller than this:
#: in variances of y, or in nats for labels.
OVERFITTED_BELOW = 1e-6

#: Longer vectors of parameters are not packed for acceleration, which keeps two dozen of them.
MOST_PACKED = 2**16

#: A gate separates an expert from the others if all its probabilities are within this distance of
#: zero or one.
SEPARATED_BELOW = 1e-2


def separated_experts(log_proba: Floats) -> list[int]:
    """Return the numbers of the experts whose probabilities are all near zero or one.

    Parameters
    ----------
    log_proba : ndarray of shape (n, K)
        Log-probabilities of the gate.
    """
    proba = np.exp(log_proba)
    undecided = np.minimum(proba, 1.0 - proba).max(axis=0)
    some, others = (proba > 0.5).any(axis=0), (proba < 0.5).any(axis=0)
    return np.flatnonzero((undecided < SEPARATED_BELOW) & some & others).tolist()


@dataclass(frozen=True)
class Parameters:
    """One iterate of all parts.

    Attributes
    ----------
    gate, experts : object
        States of the gate's trainer and of the bank; for sums over rows, iterates of their parts.
    dispersion : ndarray of shape (K, q) or None
        Parameters of the law: dispersions of m outputs, followed by any other parameters.
    starved : tuple of int
        Numbers of the experts that had no rows to be fitted to.
    """

    gate: Any
    experts: Any
    dispersion: Floats | None
    starved: tuple[int, ...] = ()


class RowTrainer:
    """M-step and E-step of any mixture on one training set.

    The M-step takes responsibilities (U, K) of the units, rows or groups, from the E-step.

    Parameters
    ----------
    gate : GateTrainer
    bank : ExpertBank
    law : Law
    target : Target or Labels
    weights : ndarray of shape (n,)
        Sample weights, all positive.
    units : Rows or Groups
        U observational units with one latent expert each.
    n_experts : int

    Attributes
    ----------
    names : list of str
        Names of the components, which whoever makes the trainer sets.
    """

    def __init__(
        self,
        gate: GateTrainer,
        bank: ExpertBank,
        law: Law,
        target: Target,
        weights: Floats,
        units: Units,
        n_experts: int,
    ):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.n_experts = target, units.weights, n_experts
        self.units, self._row_weights = units, weights
        self.names: list[str] = []
        #: (n, m) for numbers; None for labels.
        self.y: Any = target.values
        self.total = float(weights.sum())
        self._all_ones = bool((weights == 1.0).all())

    @property
    def cheap(self) -> bool:
        """Whether an iteration costs little: all parts are solved in batches."""
        return self.bank.cheap and self.gate.cheap

    def with_parts(self, gate: GateTrainer, bank: ExpertBank, law: Law) -> RowTrainer:
        """Return the trainer of other parts on the same rows."""
        rest = self.target, self._row_weights, self.units, self.n_experts
        other = RowTrainer(gate, bank, law, *rest)
        other.names = self.names
        return other

    def states(self, parameters: Parameters) -> tuple[Any, Any]:
        """Return gate and experts as states of the gate's trainer and the bank."""
        return parameters.gate, parameters.experts

    def curvatures(self, state: State) -> tuple[Floats | None, Floats | None]:
        """Return negative Hessians of gate and experts at a state; None where none are learned."""
        gate, experts = None, None
        if self.gate.strengths is not None:
            masses = state.expected * self.weights[:, None]
            gate = self.gate.curvature(state.parameters.gate, masses)
        if self.bank.strengths is not None:
            masses = self.units.spread(state.expected) * self._row_weights[:, None]
            experts = self.bank.curvature(state.parameters.experts, masses)
        return gate, experts

    def begin(self, resp: Floats) -> State:
        """Return the state of starting responsibilities (U, K)."""
        return State(None, resp, -np.inf)

    def propose(self, state: State, top_k: int | None) -> Parameters:
        """Return the parameters after an M-step."""
        return self._m_step(state.expected, state.parameters, top_k)[0]

    def advance(self, state: State, top_k: int | None, proposed: Parameters | None = None) -> State:
        """Return the next state: M-step, unless its result is `proposed`, then E-step."""
        if proposed is not None:
            return self.expect(proposed, top_k)
        parameters, deviance = self._m_step(state.expected, state.parameters, top_k)
        return self._expect(parameters, deviance, top_k)

    def reach(self, state: State, parameters: Parameters, top_k: int | None) -> State:
        """Return the state of parameters after a step from `state`."""
        return self.expect(parameters, top_k)

    def pack(self, parameters: Parameters) -> Floats | None:
        """Return parameters as one vector.

        It is None if a part has no such form or is starved, or if the vector were too long.
        """
        if parameters.starved:
            return None
        dispersion = np.ones(0) if parameters.dispersion is None else parameters.dispersion
        gate, experts = self.gate.pack(parameters.gate), self.bank.pack(parameters.experts)
        if gate is None or experts is None or gate.size + experts.size > MOST_PACKED:
            return None
        return pack_arrays(gate, experts, np.log(dispersion))

    def unpack(self, vector: Floats, like: Parameters) -> Parameters:
        """Return the parameters of a vector, with the shapes of other parameters."""
        packed = self.gate.pack(like.gate), self.bank.pack(like.experts)
        dispersion = like.dispersion
        shapes = [array.shape for array in (*packed, dispersion) if array is not None]
        gate, experts, *log_dispersion = unpack_arrays(vector, shapes)
        if dispersion is not None:
            with np.errstate(over="ignore", under="ignore"):
                dispersion = self.law.confined(np.exp(log_dispersion[0]))
        return Parameters(
            self.gate.unpack(gate, like.gate), self.bank.unpack(experts, like.experts), dispersion
        )

    def initial_responsibilities(self, factors: Floats) -> Floats:
        """Return responsibilities (U, K) under experts fitted to all rows and a uniform gate.

        Parameters
        ----------
        factors : ndarray of shape (K,)
            Factors of the dispersions of the components, so that those of components that share
            an expert differ.
        """
        uniform = np.full((len(self.weights), self.n_experts), 1.0 / self.n_experts, order="F")
        parameters, deviance = self._m_step(uniform, None, None)
        if parameters.dispersion is not None:
            dispersion = parameters.dispersion.copy()
            dispersion[:, : self.y.shape[1]] *= factors[:, None]
            parameters = replace(parameters, dispersion=dispersion)
        return self._expect(parameters, deviance, None).expected

    def expect(self, parameters: Parameters, top_k: int | None) -> State:
        """Return the state of given parameters, after an E-step."""
        return self._expect(parameters, self._deviance(parameters), top_k)

    def _deviance(self, parameters: Parameters) -> Floats:
        return self.law.deviance(self.y, self.bank.predictions(parameters.experts))

    def responsibilities(self, state: State, top_k: int | None) -> Floats:
        """Return the responsibilities (U, K) of a state."""
        return state.expected

    def log_likelihood(self, state: State, top_k: int | None) -> Floats:
        """Return the log-likelihood (U,) of each unit, up to a constant that all units share."""
        parameters = state.parameters
        log_density, _ = self._log_density(parameters, self._deviance(parameters))
        log_gate = self.gate.log_proba(parameters.gate)
        return e_step(log_gate, self.units.gather(log_density), top_k)[1]

    def total_log_likelihood(self, state: State) -> float:
        """Return the sum of weights × log-likelihoods of all units, in the units of y."""
        total = self.weights @ self.log_likelihood(state, None)
        return float(total - self.total * self.target.log_scale)

    def separated(self, state: State) -> list[int]:
        """Return the numbers of the experts that an unpenalised gate separates from all others."""
        if self.gate.bounded:
            return []
        return separated_experts(self.gate.log_proba(state.parameters.gate))

    def overfitted(self, state: State) -> list[int]:
        """Return the numbers of the experts that reproduce y on the rows they were fitted to."""
        can_overfit = self.bank.overfitting_experts()
        # Any expert reproduces a constant y.
        if not can_overfit or (self.y is not None and not np.ptp(self.y, axis=0).any()):
            return []
        deviance = self._deviance(state.parameters)
        error = np.abs(deviance)
        error = error if error.ndim == 2 else error.max(axis=2)
        masses = self.units.spread(state.expected) * self._row_weights[:, None]
        mean_error = (masses * error).sum(axis=0) / masses.sum(axis=0)
        return [k for k in can_overfit if mean_error[k] < OVERFITTED_BELOW]

    def gate_entropy(self, state: State) -> float:
        """Return the mean entropy of the gate's probabilities, in nats."""
        log_proba, total = self.gate.log_proba(state.parameters.gate), 0.0
        for rows in blocks(len(log_proba)):
            # A gate that models x too returns joint log-densities.
            block = log_softmax(log_proba[rows].copy(order="F"))
            total -= self.weights[rows] @ (np.exp(block) * block).sum(axis=1)
        return float(total / self.weights.sum())

    def usage(self, state: State) -> Floats:
        """Return the share of the weight of all units that each expert is responsible for, (K,)."""
        return self.weights @ state.expected / self.weights.sum()

    def _m_step(
        self, resp: Floats, old: Parameters | None, top_k: int | None
    ) -> tuple[Parameters, Floats]:
        """Return new parameters, and the deviances of y from the new experts."""
        ones = self._all_ones  # so that responsibilities need not be copied
        gate = self.gate.update(resp if ones else resp * self.weights[:, None], old and old.gate)
        resp = self.units.spread(resp)
        masses = resp if ones else resp * self._row_weights[:, None]
        alive = masses.sum(axis=0) > MASS_FLOOR * self.total
        if old is None and not alive.all():
            # An expert without rows has no last fit to keep: it is fitted to all rows.
            masses = np.where(alive, masses, MASS_FLOOR * self._row_weights[:, None])
        experts = self.bank.update(
            self._working(masses, old), old and old.experts, alive, top_k is not None
        )
        deviance = self.law.deviance(self.y, self.bank.predictions(experts))
        dispersion = self.law.fit_dispersion(
            deviance, masses, self._penalties(experts), old and old.dispersion
        )
        if dispersion is not None:
            # Experts that are distributions need no dispersion. It is one, and the objective does
            # not depend on it.
            dispersion[list(self.bank.own_densities(experts))] = 1.0
            if old is not None and old.dispersion is not None and not alive.all():
                dispersion = np.where(alive[:, None], dispersion, old.dispersion)
        starved = () if self.bank.fixed else tuple(np.flatnonzero(~alive).tolist())
        return Parameters(gate, experts, dispersion, starved), deviance

    def _penalties(self, experts: Any) -> Floats:
        """Return the experts' own penalties, of all pairs of outputs where the law needs them."""
        bank = self.bank
        penalties: Callable[[Any], Floats] = (
            bank.penalty_products if self.law.correlated else bank.penalties
        )
        return penalties(experts)

    def _working(self, masses: Floats, old: Parameters | None) -> Floats:
        """Return the weights (n, K) that experts are fitted with: masses × those of the law."""
        if old is None or not self.law.reweights:
            return masses
        parameters: Any = old.dispersion
        factors = self.law.working_weights(self._deviance(old), parameters)
        factors[:, list(self.bank.own_densities(old.experts))] = 1.0
        return masses * factors

    def _log_density(self, parameters: Parameters, deviance: Floats) -> tuple[Floats, Bools | None]:
        """Return log-densities (n, K), -inf where an expert is not evaluated, and these places."""
        log_density = self.law.log_density(deviance, parameters.dispersion, self.y)
        for k, density in self.bank.own_densities(parameters.experts).items():
            log_density[:, k] = density
        missing = self.bank.missing(parameters.experts)
        if missing is not None:
            log_density[missing] = -np.inf
        return log_density, missing

    def _evaluate_further(
        self,
        parameters: Parameters,
        log_gate: Floats,
        log_density: Floats,
        missing: Bools,
        top_k: int | None,
    ) -> tuple[Parameters, Floats]:
        """Evaluate experts that may be among the `top_k` of a row; return log-densities (n, K).

        An expert may be among them if its gate probability times the peak of its density suffices.
        """
        if top_k is None:
            wanted = missing
        else:
            joint = log_gate + self.units.gather(log_density)
            least = np.partition(joint, -top_k, axis=1)[:, -top_k]
            peak = np.zeros_like(log_density) + self.law.log_peak(parameters.dispersion, self.y)
            # The density of an expert that is a distribution may have any peak.
            peak[:, list(self.bank.own_densities(parameters.experts))] = -LOWEST
            peak = self.units.gather(peak)
            wanted = missing & self.units.spread(log_gate + peak >= least[:, None])
        parameters = replace(
            parameters, experts=self.bank.evaluate_missing(parameters.experts, wanted)
        )
        return parameters, self._log_density(parameters, self._deviance(parameters))[0]

    def _expect(self, parameters: Parameters, deviance: Floats, top_k: int | None) -> State:
        """Return the state of parameters with known deviances, after an E-step."""
        log_gate = self.gate.log_proba(parameters.gate)
        log_density, missing = self._log_density(parameters, deviance)
        if missing is not None:
            parameters, log_density = self._evaluate_further(
                parameters, log_gate, log_density, missing, top_k
            )
        resp, log_likelihood = e_step(log_gate, self.units.gather(log_density), top_k)
        value = self.weights @ log_likelihood - self.total * self.target.log_scale
        quadratic = self._penalties(parameters.experts)
        value -= self.law.penalty(parameters.dispersion, quadratic)
        value -= self.gate.penalty(parameters.gate)
        return State(parameters, resp, float(value / self.total))

    def strip(self, state: State) -> State:
        """Return a state without (n, K) arrays, to be kept while other starts are tried."""
        parameters = replace(
            state.parameters,
            gate=self.gate.strip(state.parameters.gate),
            experts=self.bank.strip(state.parameters.experts),
        )
        return State(parameters, None, state.objective)

    def restore(self, state: State, top_k: int | None) -> State:
        """Return the full state of one that `strip` returned."""
        parameters = replace(
            state.parameters,
            gate=self.gate.restore(state.parameters.gate),
            experts=self.bank.restore(state.parameters.experts),
        )
        return self.expect(parameters, top_k)

    def finish(self, state: State) -> tuple[Any, list]:
        """Return the fitted gate and the list of fitted experts."""
        parameters = state.parameters
        return self.gate.finish(parameters.gate), self.bank.finish(parameters.experts)
