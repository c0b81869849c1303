"""A prior that keeps a gate from leaving an expert without rows."""

import numpy as np


class Balanced:
    r"""A gate's trainer under a Dirichlet prior on the shares of the experts.

    The prior adds :math:`\beta \sum_k \log(K \bar g_k)` to the objective, where
    :math:`\bar g_k = \sum_i w_i g_k(x_i) / \sum_i w_i` is the share that the gate gives expert
    k. By Jensen's inequality

    .. math:: \log \bar g_k \ge \sum_i q_{ik} \log g_k(x_i) + \text{const}, \quad
        q_{ik} = w_i g_k(x_i) / \sum_j w_j g_k(x_j),

    with equality at the gate that q belongs to. The M-step therefore sees :math:`\beta` further
    rows for every expert, spread like the gate's own probabilities, and the objective still never
    falls.

    Parameters
    ----------
    trainer : gate trainer
    strength : float
        Pseudo-rows per expert.
    weights : ndarray of shape (n,)
    """

    def __init__(self, trainer, strength, weights):
        self._trainer, self._strength, self._weights = trainer, strength, weights

    def __getattr__(self, name):
        return getattr(self._trainer, name)

    def sums_part(self, n_experts):
        """Return None: the prior needs the gate's probabilities of all rows at once."""
        return None

    def update(self, masses, state, weights=None):
        """Return the next state, given (n, K) responsibilities × weights."""
        weights = self._weights if weights is None else weights
        # The first gate has none before it: the responsibilities stand in for its answers.
        spread = masses if state is None else self._weights[:, None] * self._proba(state)
        total = spread.sum(axis=0)
        added = self._strength * np.divide(
            spread, total, out=np.zeros_like(spread), where=total > 0
        )
        return self._trainer.update(masses + added, state, weights + added.sum(axis=1))

    def penalty(self, state):
        """What the gate's own penalty and the prior take from the objective."""
        share = self._weights @ self._proba(state) / self._weights.sum()
        prior = self._strength * np.log(len(share) * np.maximum(share, np.finfo(float).tiny))
        return self._trainer.penalty(state) - float(prior.sum())

    def _proba(self, state):
        return np.exp(self._trainer.log_proba(state))
