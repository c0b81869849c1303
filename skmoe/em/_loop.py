"""The EM loop, on matrices and callables; it knows neither distributions nor estimators.

The E-step has two arguments, log gate probabilities and log densities, both
(n, K). Soft, sparse, hard and hierarchical mixtures use this one loop. An
iteration is an M-step followed by an E-step, so that its objective is that of
the parameters of its state.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from .._data.numerics import Floats, blocks, row_max, row_sum
from ..routing import largest

#: A smaller change of the objective, relative to its size, is rounding.
ROUNDING = 1e-9

#: Once the objective has fallen, only a gain of this many nats per row counts as an improvement:
#: with parts that do not maximise their term EM may stay near the best iterate for long.
RECOVERY = 1e-3

#: Log-likelihood of a row whose distance from every expert is so large that its square overflows.
LOWEST = -1e290


@dataclass(frozen=True)
class State:
    """One iterate of EM.

    Attributes
    ----------
    parameters : Parameters or None
        None for a start, which has responsibilities only.
    expected : object
        Results of the E-step under `parameters`, for the next M-step:
        responsibilities (U, K), or sums weighted with them.
    objective : float
        Penalised log-likelihood per unit of sample weight, of `parameters`.
    """

    parameters: Any
    expected: Any
    objective: float


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes
    ----------
    state : State
        The best state.
    history : tuple of float
        Objective of each iteration.
    converged : bool
    stop_reason : str or None
        Why the run stopped; None if it can be continued.
    """

    state: State
    history: tuple[float, ...]
    converged: bool
    stop_reason: str | None


class RunMonitor(Protocol):
    """Observer of the iterations of one run.

    Attributes
    ----------
    stopped : bool
        Whether the run is to end before the next iteration.
    """

    @property
    def stopped(self) -> bool: ...
    def begin(self) -> None: ...
    def end(self, number: int, state: State) -> None: ...


class Monitor(Protocol):
    """Observer of all runs of a fit.

    Attributes
    ----------
    stopped : bool
        Whether no further run is to begin.
    """

    @property
    def stopped(self) -> bool: ...
    def run(
        self, label: str, training: Any, most: int, /
    ) -> AbstractContextManager[RunMonitor]: ...


def e_step(
    log_gate: Floats, log_density: Floats, top_k: int | None = None
) -> tuple[Floats, Floats]:
    """Return the posterior of the experts and the log-likelihood of the rows.

    With `top_k`, only the k largest joint terms of a row are kept. The same
    terms enter its likelihood and its responsibilities, so that the restricted
    objective never falls either.

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
            # The density of these rows is zero under all experts: their responsibilities are the
            # probabilities of the gate.
            block[lost] = log_gate[rows][lost]
            top[lost] = block[lost].max(axis=1)
        block -= top[:, None]
        np.exp(block, out=block)
        total = row_sum(block)
        block *= (1.0 / total)[:, None]
        top[lost] = LOWEST
        log_likelihood[rows] = top + np.log(total)
    return joint, log_likelihood


def iterate(state: State, advance: Callable[[State], State]) -> Iterator[State]:
    """Yield the states of EM, without end.

    Parameters
    ----------
    state : State
        The state before the first iteration.
    advance : callable
        Maps a state to the next: M-step, then E-step.

    Yields
    ------
    State
    """
    while True:
        state = advance(state)
        yield state


def run(states: Iterator[State], *, tol: float, max_iter: int | None, patience: int = 3) -> Result:
    """Iterate until the objective converges or falls, or there are no more states.

    Parameters
    ----------
    states : iterator of State
    tol : float
        Converged when an iteration gains less than this.
    max_iter : int or None
    patience : int
        Iterations without a new best objective, after the objective has fallen,
        before the best iterate is returned. With exact M-steps it never falls.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If there are no states.
    """
    states = islice(states, max_iter)
    best = next(states, None)
    if best is None:
        raise ValueError("there must be at least one iteration")
    history, waited, fell = [best.objective], 0, False
    for state in states:
        gain = state.objective - history[-1]
        history.append(state.objective)
        fell |= gain < -ROUNDING * (1.0 + abs(state.objective))
        needed = max(tol, RECOVERY) if fell else tol
        waited = 0 if state.objective > best.objective + needed else waited + 1
        if state.objective >= best.objective:
            best = state
        if not fell and gain < tol:
            return Result(best, tuple(history), True, f"the gain fell below tol={tol:g}")
        if fell and waited >= patience:
            reason = f"the objective fell and did not recover in {patience} iterations; "
            return Result(best, tuple(history), False, reason + "the best iterate was kept")
    return Result(best, tuple(history), False, None)
