"""Training of linear-Gaussian experts with a softmax gate on the same columns.

The same mixture as `Training` would fit, by a fold over blocks of rows: one
pass an iteration, and nothing kept per row.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _multinomial
from ._numerics import pack_arrays, solve_normal_equations, unpack_arrays
from ._training import MASS_FLOOR, count_parts, told_apart
from ._units import Rows
from .em._blocks import LinearFold, LinearParameters
from .em._engine import ROUNDING, State
from .experts import LinearBank, LinearState
from .gates import SoftmaxTrainer
from .responses import Gaussian

#: The gate's Hessian is summed anew once its Newton steps promise to have gained this
#: much per unit of weight since it was last; until then the old one serves.
_REFRESH_GAIN = 0.02

#: Iterations after which it is summed anew in any case.
_REFRESH_AGE = 8

_MAX_HALVINGS = 30


@dataclass(frozen=True)
class Expected:
    """What the M-step needs: sums over rows, and the gate's curvature.

    Attributes
    ----------
    statistics : Statistics
    inverse : ndarray of shape (K p, K p)
        Inverse Hessian of the gate's term, at these or earlier parameters.
    gained : float
        What the Newton steps have promised since `inverse` was formed.
    age : int
        Iterations since then.
    """

    statistics: Any
    inverse: np.ndarray
    gained: float = 0.0
    age: int = 0


def can_fold(gate, bank, law, units):
    """Tell whether these parts can be trained by the fold."""
    return (
        type(units) is Rows
        and type(gate) is SoftmaxTrainer
        and type(bank) is LinearBank
        and type(law) is Gaussian
        and gate.view is bank.view
        and isinstance(bank.view.design.matrix, np.ndarray)
        and gate.problem.shape[1] * gate.problem.shape[2] <= _multinomial.EXPLICIT_SIZE
    )


class FoldTraining:
    """M-step and E-step on sums over rows.

    Parameters
    ----------
    gate : SoftmaxTrainer
    bank : LinearBank
    law : Gaussian
    target : Target
    weights : ndarray of shape (n,)
    units : Rows
    n_experts : int
    fold : LinearFold or BlockFold, optional
        Folds all rows where `target`, `weights` and `units` are those of some.
    """

    cheap = True

    def __init__(self, gate, bank, law, target, weights, units, n_experts, fold=None):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.n_experts = target, weights, n_experts
        self.units = units
        self.fold = fold or LinearFold(bank.view.design.matrix, target.values, weights)
        self.total = self.fold.total
        #: What the fold leaves out of each row's log-density.
        self._constant = target.log_scale + 0.5 * bank.shape[1] * np.log(2 * np.pi)

    def begin(self, resp):
        """Return the state that starting responsibilities (n, K) stand for."""
        n_outputs, p = self.bank.shape[1:]
        zero = LinearParameters(
            gate=np.zeros((self.n_experts, p)),
            experts=np.zeros((self.n_experts, n_outputs, p)),
            dispersion=np.ones((self.n_experts, n_outputs)),
        )
        statistics = self.fold.statistics(zero, resp=resp, curvature=True)
        return State(zero, Expected(statistics, self._inverse(statistics)), -np.inf)

    def propose(self, state, top_k):
        """Return what the M-step makes of a state's parameters, a full Newton step of the gate."""
        old, expected = state.parameters, state.expected
        experts, dispersion, starved = self._update_experts(old, expected.statistics)
        direction, _ = self._gate_direction(old, expected)
        return LinearParameters(old.gate + direction, experts, dispersion, starved)

    def advance(self, state, top_k, proposed=None):
        """Return the next state: M-step, where it has not been `proposed` yet, then E-step.

        The experts' step is exact. The gate's is a Newton step, halved until
        the objective does not fall.
        """
        full = self.propose(state, top_k) if proposed is None else proposed
        direction = full.gate - state.parameters.gate
        step, least = 1.0, state.objective - ROUNDING * (1.0 + abs(state.objective)) * 1e-3
        for halving in range(_MAX_HALVINGS + 1):
            new = replace(full, gate=state.parameters.gate + step * direction)
            reached = self.reach(state, new, top_k) if step == 1.0 else self._state(new, top_k)
            if reached.objective >= least:
                break
            step = 0.5 * step if halving < _MAX_HALVINGS - 1 else 0.0
        return reached

    def reach(self, state, parameters, top_k):
        """Return the state of parameters that a step from `state` leads to.

        The gate's curvature stays that of `state` until it is out of date.
        """
        expected = state.expected
        _, promise = self._gate_direction(state.parameters, expected)
        older = replace(
            expected, gained=expected.gained + promise / self.total, age=expected.age + 1
        )
        stale = older.gained > _REFRESH_GAIN or older.age > _REFRESH_AGE
        return self._state(parameters, top_k, None if stale else older)

    def pack(self, parameters):
        """Parameters as one vector; None while an expert has no rows to learn from."""
        if parameters.starved:
            return None
        return pack_arrays(parameters.gate, parameters.experts, np.log(parameters.dispersion))

    def unpack(self, vector, like):
        """The parameters of a vector, in the form of others."""
        shapes = like.gate.shape, like.experts.shape, like.dispersion.shape
        gate, experts, log_dispersion = unpack_arrays(vector, shapes)
        return LinearParameters(gate, experts, self.law.confined(np.exp(log_dispersion)))

    def _state(self, parameters, top_k, older=None):
        """Return the state of parameters, with the curvature of `older` or one formed anew."""
        statistics = self.fold.statistics(parameters, top_k=top_k, curvature=older is None)
        value = statistics.log_likelihood - self.total * self._constant
        value -= self.law.penalty(
            parameters.dispersion, self.bank.penalties(LinearState(parameters.experts))
        )
        value -= self.gate.penalty(self._iterate(parameters))
        if older is None:
            expected = Expected(replace(statistics, pairs=None), self._inverse(statistics))
        else:
            expected = replace(older, statistics=statistics)
        return State(parameters, expected, float(value / self.total))

    def _update_experts(self, old, statistics):
        """Weighted least squares on residuals, and dispersions; starved experts stay."""
        mass = statistics.mass
        alive = mass > MASS_FLOOR * self.total
        ridge = self.bank.ridge
        columns = np.arange(len(ridge))
        grams = statistics.grams.copy()
        grams[:, columns, columns] += ridge
        right = statistics.cross - ridge * old.experts
        change = solve_normal_equations(grams, right.transpose(0, 2, 1)).transpose(0, 2, 1)
        change[~alive] = 0.0
        experts = old.experts + change
        # Squared residuals after the change; exact as the change goes to zero.
        squares = statistics.squares - 2.0 * (change * statistics.cross).sum(axis=2)
        squares += (np.matmul(change, statistics.grams) * change).sum(axis=2)
        dispersion = self.law.dispersion_of_sums(
            np.maximum(squares, 0.0), mass, self.bank.penalties(LinearState(experts))
        )
        dispersion = np.where(alive[:, None], dispersion, old.dispersion)
        return experts, dispersion, tuple(np.flatnonzero(~alive).tolist())

    def _gate_direction(self, old, expected):
        """Newton direction (K, p) of the gate's term, and the gain it promises."""
        gradient = expected.statistics.gate_gradient - self.gate.problem.ridge * old.gate
        direction = (expected.inverse @ gradient.ravel()).reshape(gradient.shape)
        return direction, 0.5 * float((gradient * direction).sum())

    def _inverse(self, statistics):
        mass, ridge = np.array([self.total]), self.gate.problem.ridge
        return np.linalg.inv(
            _multinomial.assemble_hessian(statistics.curvature[None], mass, ridge)[0]
        )

    def _iterate(self, parameters):
        return _multinomial.Iterate(parameters.gate[None], None)

    def reading(self, gate, experts, dispersion):
        """Return the parameters of a fitted gate, experts and dispersions (K, m) in units of y."""
        design, target = self.bank.view.design, self.target
        coef = np.stack([np.atleast_2d(expert.coef_) for expert in experts])
        intercept = np.stack([np.atleast_1d(expert.intercept_) for expert in experts])
        coef, intercept = coef / target.scale[:, None], (intercept - target.mean) / target.scale
        return LinearParameters(
            gate=design.from_raw(gate.coef_, gate.intercept_),
            experts=design.from_raw(coef, intercept),
            dispersion=self.law.confined(dispersion / target.scale),
        )

    def expect(self, parameters, top_k):
        """Return the state of given parameters: an E-step."""
        return self._state(parameters, top_k)

    def responsibilities(self, state, top_k):
        """Responsibilities (n, K) of a state."""
        return self.fold.responsibilities(state.parameters, top_k)

    def log_likelihood(self, state, top_k):
        """Log-likelihood (n,) of each row, but for a shared constant."""
        return self.fold.log_likelihood(state.parameters, top_k)

    def total_log_likelihood(self, state):
        """Log-likelihood of all rows × their weights, in the units of y."""
        total = self.weights @ self.log_likelihood(state, None)
        return float(total - self.total * self._constant)

    def count_parameters(self, state):
        """Number of free parameters of all parts."""
        return count_parts(*self.finish(state), self.law, state.parameters.dispersion)

    def runaways(self, state):
        """Numbers of the experts that an unpenalised gate tells from all others exactly."""
        if self.gate.bounded:
            return []
        return told_apart(self.gate.problem.log_proba(state.parameters.gate[None]))

    def memorisers(self, state):
        """Nothing: linear experts learn no rows by heart."""
        return []

    def gate_entropy(self, state):
        """Mean entropy of the gate's probabilities, in nats."""
        return self.fold.gate_entropy(state.parameters) / self.total

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
        parameters = state.parameters
        return self.gate.finish(self._iterate(parameters)), self.bank.finish(
            LinearState(parameters.experts)
        )
