"""The EM loop, on matrices and callables; it knows neither distributions nor estimators.

The E-step has two arguments, log gate probabilities and log densities, both
(n, K). Soft, sparse, hard and hierarchical mixtures use this one loop. An
iteration is an M-step followed by an E-step, so that its objective is that of
the parameters of its state.

EM converges linearly, and slowly where experts overlap. It is a fixed-point iteration x <- G(x).
Anderson's (1965) mixing combines its last steps so that the norm of the combined residual
G(x) - x is smallest. See Walker and Ni (2011), and Henderson and Varadhan (2019) for EM. Where
the combination has a lower objective than the last state, the plain step is taken in its place.
The objective therefore never decreases where that of plain EM never does.
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


@dataclass(frozen=True)
class Settings:
    """Options of EM.

    Attributes
    ----------
    tol : float
        A run has converged when an iteration gains less.
    max_iter : int
        Largest number of iterations of a run.
    top_k : int or None
        Number of experts that each unit is routed to; None for all.
    monitor : Monitor
    accelerate : bool
        Whether runs are accelerated where that is possible.
    """

    tol: float
    max_iter: int
    top_k: int | None
    monitor: Monitor
    accelerate: bool


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


# Acceleration ------------------------------------------------------------------------------

#: Number of earlier steps that are combined.
DEPTH = 10

#: Directions of residuals with smaller singular values, relative to the largest, are noise.
_RCOND = 1e-8


class Accelerated(Protocol):
    """The methods of a trainer that acceleration uses; `em._protocols` states them."""

    def propose(self, state: State, top_k: int | None) -> Any: ...
    def advance(self, state: State, top_k: int | None, proposed: Any = None) -> State: ...
    def reach(self, state: State, parameters: Any, top_k: int | None) -> State: ...
    def pack(self, parameters: Any) -> Floats | None: ...
    def unpack(self, vector: Floats, like: Any) -> Any: ...


def accelerate(
    state: State, training: Accelerated, top_k: int | None, tol: float
) -> Iterator[State]:
    """Yield the states of accelerated EM, without end.

    Parameters
    ----------
    state : State
        The state before the first iteration.
    training : Accelerated
    top_k : int or None
    tol : float
        A step that gains less is compared with a plain one. So a poor combination is not mistaken
        for convergence.

    Yields
    ------
    State
    """
    history = _History()
    if state.objective == -np.inf:
        # A start has responsibilities, but no parameters yet.
        state = training.advance(state, top_k)
        yield state
    while True:
        proposed = training.propose(state, top_k)
        target = history.combine(training.pack(state.parameters), training.pack(proposed))
        new = None
        if target is not None:
            new = training.reach(state, training.unpack(target, proposed), top_k)
        if new is None or not new.objective - state.objective >= tol:
            plain = training.advance(state, top_k, proposed)
            if new is None or not new.objective >= plain.objective:
                history.drop_older_half()
                new = plain
        state = new
        yield state


class _History:
    """The last points, as images G(x) and residuals G(x) - x."""

    def __init__(self):
        self.images: list[Floats] = []
        self.residuals: list[Floats] = []

    def drop_older_half(self) -> None:
        """Drop the older half of the points, which approximate the map worst."""
        kept = max(1, len(self.images) // 2)
        self.images, self.residuals = self.images[-kept:], self.residuals[-kept:]

    def combine(self, point: Floats | None, image: Floats | None) -> Floats | None:
        """Add a point and its image, both (size,); return the next point.

        It is None for the first point, and where the point or its image is None.
        """
        if point is None or image is None:
            self.images, self.residuals = [], []
            return None
        self.images.append(image)
        self.residuals.append(image - point)
        del self.images[: -DEPTH - 1], self.residuals[: -DEPTH - 1]
        if len(self.images) == 1:
            return None
        changes: Floats = np.diff(np.array(self.residuals), axis=0).T
        share = np.linalg.lstsq(changes, self.residuals[-1], rcond=_RCOND)[0]
        combined = image - np.diff(np.array(self.images), axis=0).T @ share
        return combined if np.isfinite(combined).all() else None
