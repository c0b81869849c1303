"""A prior that keeps a gate from leaving an expert without rows."""

from typing import Any

import numpy as np

from ..em._protocols import Floats, GateTrainer, State


class Balanced(GateTrainer):
    r"""A gate's trainer under a Dirichlet prior on the shares of the experts.

    The prior adds :math:`\beta \sum_k \log(K \bar g_k)` to the objective, where
    :math:`\bar g_k = \sum_i w_i g_k(x_i) / \sum_i w_i` is the share that the gate gives expert
    k. By Jensen's inequality

    .. math:: \log \bar g_k \ge \sum_i q_{ik} \log g_k(x_i) + \text{const}, \quad
        q_{ik} = w_i g_k(x_i) / \sum_j w_j g_k(x_j),

    with equality at the gate that q is computed from. The M-step therefore has :math:`\beta`
    further rows for every expert, distributed like the gate's own probabilities, and the objective
    still never falls.

    Parameters
    ----------
    trainer : GateTrainer
    strength : float
        Pseudo-rows per expert.
    weights : ndarray of shape (n,)
    """

    def __init__(self, trainer: GateTrainer, strength: float, weights: Floats) -> None:
        self._trainer, self._strength, self._weights = trainer, strength, weights
        self.cheap, self.bounded, self.view = trainer.cheap, trainer.bounded, trainer.view

    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> State:
        """Return the next state, given (n, K) responsibilities × weights."""
        weights = self._weights if weights is None else weights
        # Before the first gate there are no probabilities: the responsibilities take their place.
        spread = masses if state is None else self._weights[:, None] * self._proba(state)
        total = spread.sum(axis=0)
        added = self._strength * np.divide(
            spread, total, out=np.zeros_like(spread), where=total > 0
        )
        return self._trainer.update(masses + added, state, weights + added.sum(axis=1))

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, K) on the training rows."""
        return self._trainer.log_proba(state)

    def penalty(self, state: State) -> float:
        """Return the gate's own penalty minus the logarithm of the prior."""
        share = self._weights @ self._proba(state) / self._weights.sum()
        prior = self._strength * np.log(len(share) * np.maximum(share, np.finfo(float).tiny))
        return self._trainer.penalty(state) - float(prior.sum())

    def _proba(self, state: State) -> Floats:
        return np.exp(self._trainer.log_proba(state))

    def pack(self, state: State) -> Floats | None:
        """Return the state as one vector; None where the gate has no such form."""
        return self._trainer.pack(state)

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a packed vector, in the form of another state."""
        return self._trainer.unpack(vector, like)

    def strip(self, state: State) -> State:
        """Return the state without (n, K) arrays."""
        return self._trainer.strip(state)

    def restore(self, state: State) -> State:
        """Return the state that `strip` was given."""
        return self._trainer.restore(state)

    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""
        return self._trainer.finish(state)
