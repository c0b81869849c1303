"""Training of gates that know nothing of EM: a fit per iteration."""

from sklearn.base import clone

from .._errors import naming
from ..em._protocols import GateTrainer
from ._targets import shares


class RefitTrainer(GateTrainer):
    """Clones and fits the gate anew in every iteration; the fitted gate is the state."""

    def __init__(self, gate, view, weights):
        self.gate, self.view, self.weights = gate, view, weights
        self.cheap = getattr(gate, "cheap", False)

    def update(self, masses, state, weights=None):
        """Return a gate fitted to (n, K) responsibilities × weights."""
        targets, weights = shares(masses, self.weights if weights is None else weights)
        with naming(f"gate {type(self.gate).__name__}", "fit"):
            return clone(self.gate).fit(self.view.X, targets, sample_weight=weights)

    def log_proba(self, state):
        """Log-probabilities (n, K) on the training rows."""
        with naming(f"gate {type(self.gate).__name__}", "predict_log_proba"):
            return state.predict_log_proba(self.view.X)

    def penalty(self, state):
        """What the gate's penalty takes from the objective."""
        return getattr(state, "penalty_", 0.0)

    def finish(self, state):
        """The fitted gate of a state."""
        return state
