"""Training of gates without a trainer of their own: one call of ``fit`` per iteration."""

from typing import Any

from sklearn.base import clone

from .._data.design import View
from .._errors import naming
from ..em._protocols import Floats, GateTrainer, State
from ._targets import shares


class RefitTrainer(GateTrainer):
    """Trainer that fits a clone of the gate in every iteration; the fitted gate is the state."""

    def __init__(self, gate: Any, view: View, weights: Floats) -> None:
        self.gate, self.view, self.weights = gate, view, weights
        # A user's gate may have the attribute.
        self.cheap: bool = getattr(gate, "cheap", False)

    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> Any:
        """Return a gate fitted to (n, K) responsibilities × weights."""
        targets, weights = shares(masses, self.weights if weights is None else weights)
        with naming(f"gate {type(self.gate).__name__}", "fit"):
            return clone(self.gate).fit(self.view.X, targets, sample_weight=weights)

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, K) of the training rows."""
        with naming(f"gate {type(self.gate).__name__}", "predict_log_proba"):
            return state.predict_log_proba(self.view.X)

    def penalty(self, state: State) -> float:
        """Return the gate's ``penalty_``, or zero where it has none."""
        return getattr(state, "penalty_", 0.0)

    def finish(self, state: State) -> Any:
        """Return the fitted gate, which is the state."""
        return state
