"""Training of a classifier as a gate that cannot learn its own responsibilities by heart."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._data.splits import row_folds
from .._data.weighted_fit import resumable
from .._errors import naming
from .._sklearn import take
from ..em._protocols import GateTrainer
from ._targets import shares

#: Folds of ``cv="auto"``.
AUTO_FOLDS = 3


@dataclass(frozen=True)
class CrossFitted:
    """One iterate.

    Attributes
    ----------
    gates : tuple of ClassifierGate
        One per fold, fitted without it.
    log_proba : ndarray of shape (n, K)
        Of each row by the gate that has not seen it.
    targets : ndarray of shape (n, K)
    weights : ndarray of shape (n,)
        What they were fitted to.
    """

    gates: tuple
    log_proba: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


class CrossFitTrainer(GateTrainer):
    """Fits a gate anew in every iteration, once for each fold, to the rows of the others.

    Parameters
    ----------
    gate : ClassifierGate
    view : View of n rows
    weights : ndarray of shape (n,)
    n_folds : int or None
        None to fit to all rows, and to ask about the same.
    """

    cheap = False

    def __init__(self, gate, view, weights, n_folds):
        self.gate, self.X, self.weights = gate, view.X, weights
        every = slice(None)
        self.splits = [(every, every)]
        if n_folds is not None:
            fold = row_folds(self.X, weights, n_folds)
            held = [fold == number for number in np.unique(fold)]
            splits = [(np.flatnonzero(~rows), np.flatnonzero(rows)) for rows in held]
            # Rows that are all equal leave nothing to learn by heart.
            self.splits = splits if len(splits) > 1 else self.splits

    def update(self, masses, state, weights=None):
        """Return gates fitted to (n, K) responsibilities × weights."""
        targets, weights = shares(masses, self.weights if weights is None else weights)
        log_proba = np.empty(targets.shape, order="F")
        gates = []
        for number, (train, test) in enumerate(self.splits):
            gate = self._fit(train, targets, weights, state and state.gates[number])
            with naming(self._label, "predict_log_proba"):
                log_proba[test] = gate.predict_log_proba(self._rows(test))
            gates.append(gate)
        return CrossFitted(tuple(gates), log_proba, targets, weights)

    def _fit(self, rows, targets, weights, previous):
        with warnings.catch_warnings(), naming(self._label, "fit"):
            if resumable(self.gate.classifier):
                # The next iteration goes on from here.
                warnings.simplefilter("ignore", ConvergenceWarning)
            return clone(self.gate)._fit(self._rows(rows), targets[rows], weights[rows], previous)

    def _rows(self, rows):
        return self.X if isinstance(rows, slice) else take(self.X, rows)

    @property
    def _label(self):
        return f"gate {type(self.gate.classifier).__name__}"

    def log_proba(self, state):
        """Log-probabilities (n, K) on the training rows, out of fold."""
        return state.log_proba

    def finish(self, state):
        """The gate fitted to all rows."""
        if len(self.splits) == 1:
            return state.gates[0]
        return self._fit(slice(None), state.targets, state.weights, state.gates[0])
