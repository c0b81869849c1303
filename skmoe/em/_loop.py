"""The EM loop: matrices and callables, no distributions and no estimators.

The E-step sees two matrices, log gate probabilities and log densities, both
(n, K). Soft, sparse, hard and hierarchical mixtures are this one loop. The
order is M before E, so that the objective of an iteration is that of the
parameters it carries.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from .._data.numerics import blocks, row_max, row_sum
from ..routing import largest

#: A change of the objective below this, relative to its size, is rounding.
ROUNDING = 1e-9

#: Once the objective has fallen, only a gain of this many nats a row counts as recovery:
#: parts that do not maximise their term may wander about the best iterate for long.
RECOVERY = 1e-3

#: Log-density of a row so far from every expert that its square overflows.
LOWEST = -1e290


@dataclass(frozen=True)
class State:
    """One iterate.

    Attributes
    ----------
    parameters : object
    expected : object
        What the next M-step needs of the E-step under `parameters`:
        responsibilities (n, K), or sums of them.
    objective : float
        Penalised log-likelihood per unit of sample weight, of `parameters`.
    """

    parameters: Any
    expected: Any
    objective: float


@dataclass(frozen=True)
class Result:
    """What a run ended with: the best state, the history, and why it stopped.

    The reason is None for a run that may go on.
    """

    state: State
    history: tuple
    converged: bool
    stop_reason: str | None


def e_step(log_gate, log_density, top_k=None):
    """Posterior of the experts and log-likelihood of the rows.

    With `top_k`, only the k largest joint terms of a row are kept: the terms
    that enter its likelihood are the same that enter its responsibilities, so
    the restricted objective never falls either.

    Parameters
    ----------
    log_gate : ndarray of shape (n, K)
    log_density : ndarray of shape (n, K)
        Overwritten with the responsibilities.
    top_k : int or None

    Returns
    -------
    resp : ndarray of shape (n, K)
        Rows sum to one.
    log_likelihood : ndarray of shape (n,)
    """
    log_likelihood = np.empty(len(log_gate))
    joint = log_density
    for rows in blocks(len(joint)):
        block = joint[rows]
        block += log_gate[rows]
        if top_k is not None and top_k < block.shape[1]:
            block[~largest(block, top_k)] = -np.inf
        top = row_max(block)
        lost = np.flatnonzero(top == -np.inf)
        if len(lost):
            # No expert can explain these rows at all: the gate alone decides on them.
            block[lost] = log_gate[rows][lost]
            top[lost] = block[lost].max(axis=1)
        block -= top[:, None]
        np.exp(block, out=block)
        total = row_sum(block)
        block *= (1.0 / total)[:, None]
        top[lost] = LOWEST
        log_likelihood[rows] = top + np.log(total)
    return joint, log_likelihood


def iterate(state, advance):
    """Yield the states of EM, without end.

    Parameters
    ----------
    state : State
        Where to start from.
    advance : callable
        Maps a state to the next: M-step, then E-step.

    Yields
    ------
    State
    """
    while True:
        state = advance(state)
        yield state


def run(states, *, tol, max_iter, patience=3):
    """Follow `states` until they converge, fall or run out.

    Parameters
    ----------
    states : iterator of State
    tol : float
        Converged when an iteration gains less than this.
    max_iter : int
    patience : int
        Iterations without a new best objective after a fall before the best
        iterate is returned. Exact M-steps never fall.

    Returns
    -------
    Result
    """
    history, best, waited, fell = [], None, 0, False
    for state in islice(states, max_iter):
        gain = state.objective - history[-1] if history else np.inf
        history.append(state.objective)
        fell |= gain < -ROUNDING * (1.0 + abs(state.objective))
        needed = max(tol, RECOVERY) if fell else tol
        improved = best is None or state.objective > best.objective + needed
        waited = 0 if improved else waited + 1
        if best is None or state.objective >= best.objective:
            best = state
        if not fell and gain < tol:
            return Result(best, tuple(history), True, f"the gain fell below tol={tol:g}")
        if fell and waited >= patience:
            reason = f"the objective fell and did not recover in {patience} iterations; "
            return Result(best, tuple(history), False, reason + "the best iterate was kept")
    return Result(best, tuple(history), False, None)
