"""Training of gates that know nothing of EM: a fit per iteration."""

from sklearn.base import clone

from .._data.pipelines import fit_prefix
from .._errors import naming
from ..em._protocols import GateTrainer
from ._balance import Balanced
from ._targets import shares


class RefitTrainer(GateTrainer):
    """Clones and fits the gate anew in every iteration; the fitted gate is the state."""

    def __init__(self, gate, view, weights):
        self.gate, self.view, self.weights = gate, view, weights
        self.cheap = getattr(gate, "cheap", False)

    def update(self, masses, state, weights=None):
        """Return a gate fitted to (n, K) responsibilities × weights."""
        targets, weights = shares(masses, self.weights if weights is None else weights)
        with naming(_label(self.gate), "fit"):
            return clone(self.gate).fit(self.view.X, targets, sample_weight=weights)

    def log_proba(self, state):
        """Log-probabilities (n, K) on the training rows."""
        with naming(_label(self.gate), "predict_log_proba"):
            return state.predict_log_proba(self.view.X)

    def penalty(self, state):
        """What the gate's penalty takes from the objective."""
        return getattr(state, "penalty_", 0.0)

    def finish(self, state):
        """The fitted gate of a state."""
        return state


def make_trainer(gate, view, y, weights, n_experts):
    """Return what trains a gate, or a pipeline that ends in one, within EM.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    gate : gate or Pipeline that ends in a gate
    view : View of n rows
    y : ndarray of shape (n,) or (n, m)
        For transformers that look at it.
    weights : ndarray of shape (n,)
    n_experts : int

    Returns
    -------
    object
        With ``update``, ``log_proba``, ``penalty``, ``strip``, ``restore``, ``finish``.
    """
    with naming(_label(gate), "fit"):
        prefix, last, view = fit_prefix(gate, view, y)
        if hasattr(last, "em_trainer"):
            trainer = last.em_trainer(view, weights, n_experts)
        else:
            trainer = RefitTrainer(last, view, weights)
    if getattr(last, "balance", 0.0):
        trainer = Balanced(trainer, last.balance, weights)
    return prefix.before(trainer)


def _label(gate):
    return f"gate {type(gate).__name__}"
