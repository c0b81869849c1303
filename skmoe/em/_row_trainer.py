"""What EM trains: a gate, experts and a law, on one training set."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._data.numerics import blocks, log_softmax, pack_arrays, unpack_arrays
from ._loop import LOWEST, State, e_step

#: An expert with less than this share of the total weight keeps its last fit.
MASS_FLOOR = 1e-8

#: An expert that leaves less than this of the variance of y, or of a nat, on the rows it was
#: fitted to, has learned them by heart, if it can.
OVERFITTED_BELOW = 1e-6

#: Longer vectors of parameters are not packed for acceleration, which keeps two dozen of them.
MOST_PACKED = 2**16

#: A gate that is never less sure of an expert than this has separated it from the others.
SEPARATED_BELOW = 1e-2


def separated_experts(log_proba):
    """Numbers of the experts whose probabilities, of (n, K), are all near zero or one."""
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
        States of the gate's trainer and of the bank; of a fold what its parts go by.
    dispersion : ndarray of shape (K, q) or None
        Parameters of the law: dispersions of m outputs, and behind them what else it has.
    starved : tuple of int
        Experts that had no rows to learn from.
    """

    gate: Any
    experts: Any
    dispersion: np.ndarray | None
    starved: tuple = ()


class RowTrainer:
    """M-step and E-step of any mixture on one training set.

    What the M-step needs of the E-step are responsibilities (U, K) of its units, rows or groups.

    Parameters
    ----------
    gate : gate trainer
    bank : bank of experts
    law : response
    target : Target or Labels
    weights : ndarray of shape (n,)
        Sample weights, all positive.
    units : Rows or Groups
        What has one latent expert each, U of them.
    n_experts : int
    """

    def __init__(self, gate, bank, law, target, weights, units, n_experts):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.n_experts = target, units.weights, n_experts
        self.units, self._row_weights = units, weights
        self.y = target.values
        self.total = float(weights.sum())
        self._all_ones = bool((weights == 1.0).all())

    @property
    def cheap(self):
        """Whether an iteration costs little: all parts are solved in batches."""
        return self.bank.cheap and self.gate.cheap

    def begin(self, resp):
        """Return the state that starting responsibilities (U, K) stand for."""
        return State(None, resp, -np.inf)

    def propose(self, state, top_k):
        """Return what the M-step makes of a state's parameters."""
        return self._m_step(state.expected, state.parameters, top_k)[0]

    def advance(self, state, top_k, proposed=None):
        """Return the next state: M-step, where it has not been `proposed` yet, then E-step."""
        if proposed is not None:
            return self.expect(proposed, top_k)
        parameters, deviance = self._m_step(state.expected, state.parameters, top_k)
        return self._expect(parameters, deviance, top_k)

    def reach(self, state, parameters, top_k):
        """Return the state of parameters that a step from `state` leads to."""
        return self.expect(parameters, top_k)

    def pack(self, parameters):
        """Parameters as one vector; None where a part has no such form or starves, or if long."""
        if parameters.starved:
            return None
        dispersion = np.ones(0) if parameters.dispersion is None else parameters.dispersion
        gate, experts = self.gate.pack(parameters.gate), self.bank.pack(parameters.experts)
        if gate is None or experts is None or gate.size + experts.size > MOST_PACKED:
            return None
        return pack_arrays(gate, experts, np.log(dispersion))

    def unpack(self, vector, like):
        """The parameters of a vector, in the form of others."""
        sizes = self.gate.pack(like.gate).shape, self.bank.pack(like.experts).shape
        spread = like.dispersion
        shapes = (*sizes, (0,) if spread is None else spread.shape)
        gate, experts, log_dispersion = unpack_arrays(vector, shapes)
        if spread is not None:
            with np.errstate(over="ignore", under="ignore"):
                spread = self.law.confined(np.exp(log_dispersion))
        return Parameters(
            self.gate.unpack(gate, like.gate), self.bank.unpack(experts, like.experts), spread
        )

    def initial_responsibilities(self, factors):
        """Responsibilities (U, K) under experts fitted alone and a gate that knows nothing.

        Parameters
        ----------
        factors : ndarray of shape (K,)
            What the dispersion of each component is multiplied by, so that those that share
            an expert are told apart.
        """
        even = np.full((len(self.weights), self.n_experts), 1.0 / self.n_experts, order="F")
        parameters, deviance = self._m_step(even, None, None)
        if parameters.dispersion is not None:
            spread = parameters.dispersion.copy()
            spread[:, : self.y.shape[1]] *= factors[:, None]
            parameters = replace(parameters, dispersion=spread)
        return self._expect(parameters, deviance, None).expected

    def expect(self, parameters, top_k):
        """Return the state of given parameters: an E-step."""
        return self._expect(parameters, self._deviance(parameters), top_k)

    def _deviance(self, parameters):
        return self.law.deviance(self.y, self.bank.predictions(parameters.experts))

    def responsibilities(self, state, top_k):
        """Responsibilities (U, K) of a state."""
        return state.expected

    def log_likelihood(self, state, top_k):
        """Log-likelihood (U,) of each unit, but for a shared constant."""
        parameters = state.parameters
        log_density, _ = self._log_density(parameters, self._deviance(parameters))
        log_gate = self.gate.log_proba(parameters.gate)
        return e_step(log_gate, self.units.gather(log_density), top_k)[1]

    def total_log_likelihood(self, state):
        """Log-likelihood of all units × their weights, in the units of y."""
        total = self.weights @ self.log_likelihood(state, None)
        return float(total - self.total * self.target.log_scale)

    def separated(self, state):
        """Numbers of the experts that an unpenalised gate tells from all others exactly."""
        if self.gate.bounded:
            return []
        return separated_experts(self.gate.log_proba(state.parameters.gate))

    def overfitted(self, state):
        """Numbers of the experts that repeat y on the rows they were fitted to."""
        can_overfit = self.bank.overfitting_experts()
        # A constant y is no news to anyone.
        if not can_overfit or (self.y is not None and not np.ptp(self.y, axis=0).any()):
            return []
        deviance = self._deviance(state.parameters)
        wrong = np.abs(deviance)
        wrong = wrong if wrong.ndim == 2 else wrong.max(axis=2)
        masses = self.units.spread(state.expected) * self._row_weights[:, None]
        left = (masses * wrong).sum(axis=0) / masses.sum(axis=0)
        return [k for k in can_overfit if left[k] < OVERFITTED_BELOW]

    def gate_entropy(self, state):
        """Mean entropy of the gate's probabilities, in nats."""
        log_proba, total = self.gate.log_proba(state.parameters.gate), 0.0
        for rows in blocks(len(log_proba)):
            # A gate that models x too answers with joint log-probabilities.
            block = log_softmax(log_proba[rows].copy(order="F"))
            total -= self.weights[rows] @ (np.exp(block) * block).sum(axis=1)
        return float(total / self.weights.sum())

    def usage(self, state):
        """Share of the weight of all units that each expert is responsible for, (K,)."""
        return self.weights @ state.expected / self.weights.sum()

    def _m_step(self, resp, old, top_k):
        """Return new parameters, and the deviances of y from the new experts."""
        alike = self._all_ones  # and a copy saved
        gate = self.gate.update(resp if alike else resp * self.weights[:, None], old and old.gate)
        resp = self.units.spread(resp)
        masses = resp if alike else resp * self._row_weights[:, None]
        alive = masses.sum(axis=0) > MASS_FLOOR * self.total
        if old is None and not alive.all():
            # Without a last fit to keep, an expert without rows learns a little from all.
            masses = np.where(alive, masses, MASS_FLOOR * self._row_weights[:, None])
        experts = self.bank.update(
            self._working(masses, old), old and old.experts, alive, top_k is not None
        )
        deviance = self.law.deviance(self.y, self.bank.predictions(experts))
        dispersion = self.law.fit_dispersion(
            deviance, masses, self._penalties(experts), old and old.dispersion
        )
        if dispersion is not None:
            # Their densities have no need of one: it stays, and the objective does not see it.
            dispersion[list(self.bank.own_densities(experts))] = 1.0
        if old is not None and dispersion is not None and not alive.all():
            dispersion = np.where(alive[:, None], dispersion, old.dispersion)
        starved = () if self.bank.fixed else tuple(np.flatnonzero(~alive).tolist())
        return Parameters(gate, experts, dispersion, starved), deviance

    def _penalties(self, experts):
        """The experts' own penalties, of all pairs of outputs where the law needs them."""
        bank = self.bank
        return (bank.penalty_products if self.law.correlated else bank.penalties)(experts)

    def _working(self, masses, old):
        """Weights (n, K) that experts are fitted with, in the eyes of the law."""
        if old is None or not self.law.reweights:
            return masses
        factors = self.law.working_weights(self._deviance(old), old.dispersion)
        factors[:, list(self.bank.own_densities(old.experts))] = 1.0
        return masses * factors

    def _log_density(self, parameters, deviance):
        """Log-densities (n, K); -inf where an expert has not been asked."""
        log_density = self.law.log_density(deviance, parameters.dispersion, self.y)
        for k, density in self.bank.own_densities(parameters.experts).items():
            log_density[:, k] = density
        missing = self.bank.missing(parameters.experts)
        if missing is not None:
            log_density[missing] = -np.inf
        return log_density, missing

    def _ask_further(self, parameters, log_gate, log_density, missing, top_k):
        """Ask experts that may be among the `top_k` of a row by what the gate says of them."""
        if top_k is None:
            wanted = missing
        else:
            joint = log_gate + self.units.gather(log_density)
            least = np.partition(joint, -top_k, axis=1)[:, -top_k]
            peak = np.zeros_like(log_density) + self.law.log_peak(parameters.dispersion, self.y)
            # A density of an expert's own may be of any height.
            peak[:, list(self.bank.own_densities(parameters.experts))] = -LOWEST
            peak = self.units.gather(peak)
            wanted = missing & self.units.spread(log_gate + peak >= least[:, None])
        parameters = replace(
            parameters, experts=self.bank.evaluate_missing(parameters.experts, wanted)
        )
        return parameters, self._log_density(parameters, self._deviance(parameters))[0]

    def _expect(self, parameters, deviance, top_k):
        log_gate = self.gate.log_proba(parameters.gate)
        log_density, missing = self._log_density(parameters, deviance)
        if missing is not None:
            parameters, log_density = self._ask_further(
                parameters, log_gate, log_density, missing, top_k
            )
        resp, log_likelihood = e_step(log_gate, self.units.gather(log_density), top_k)
        value = self.weights @ log_likelihood - self.total * self.target.log_scale
        quadratic = self._penalties(parameters.experts)
        value -= self.law.penalty(parameters.dispersion, quadratic)
        value -= self.gate.penalty(parameters.gate)
        return State(parameters, resp, float(value / self.total))

    def strip(self, state):
        """A state without (n, K) arrays, to be kept while others are tried."""
        parameters = replace(
            state.parameters,
            gate=self.gate.strip(state.parameters.gate),
            experts=self.bank.strip(state.parameters.experts),
        )
        return State(parameters, None, state.objective)

    def restore(self, state, top_k):
        """The state that `strip` made small."""
        parameters = replace(
            state.parameters,
            gate=self.gate.restore(state.parameters.gate),
            experts=self.bank.restore(state.parameters.experts),
        )
        return self.expect(parameters, top_k)

    def finish(self, state):
        """Return the fitted gate and the list of fitted experts."""
        parameters = state.parameters
        return self.gate.finish(parameters.gate), self.bank.finish(parameters.experts)
