"""Cross-fitted training of a classifier as a gate, so that it does not overfit."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._data.design import View
from .._data.splits import row_folds
from .._data.weighted_fit import resumable
from .._errors import naming
from .._sklearn import take
from ..em._protocols import Floats, GateTrainer, State
from ._targets import shares

#: Number of folds of ``cv="auto"``.
AUTO_FOLDS = 3


@dataclass(frozen=True)
class CrossFitted:
    """State of a cross-fitted gate.

    Attributes
    ----------
    gates : tuple of ClassifierGate
        One gate per fold, fitted without it.
    log_proba : ndarray of shape (n, K)
        Predictions for each row by the gate that was fitted without its fold.
    targets : ndarray of shape (n, K)
        Targets that the gates were fitted to.
    weights : ndarray of shape (n,)
        Weights that the gates were fitted with.
    """

    gates: tuple[Any, ...]
    log_proba: Floats
    targets: Floats
    weights: Floats


class CrossFitTrainer(GateTrainer):
    """Trainer that fits a gate in every iteration, once for each fold, to the other folds.

    Parameters
    ----------
    gate : ClassifierGate
    view : View of n rows
    weights : ndarray of shape (n,)
    n_folds : int or None
        None to fit to all rows, and to predict in sample.
    """

    def __init__(self, gate: Any, view: View, weights: Floats, n_folds: int | None) -> None:
        self.gate, self.view, self.weights = gate, view, weights
        self.X = view.X
        every = slice(None)
        self.splits = [(every, every)]
        if n_folds is not None:
            fold = row_folds(self.X, weights, n_folds)
            held = [fold == number for number in np.unique(fold)]
            splits = [(np.flatnonzero(~rows), np.flatnonzero(rows)) for rows in held]
            # Rows that are all equal are in one fold, and no gate can overfit them.
            self.splits = splits if len(splits) > 1 else self.splits

    def update(
        self, masses: Floats, state: State | None, weights: Floats | None = None
    ) -> CrossFitted:
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

    def _fit(self, rows: Any, targets: Floats, weights: Floats, previous: Any) -> Any:
        with warnings.catch_warnings(), naming(self._label, "fit"):
            if resumable(self.gate.classifier):
                # The next iteration resumes from this fit.
                warnings.simplefilter("ignore", ConvergenceWarning)
            return clone(self.gate)._fit(self._rows(rows), targets[rows], weights[rows], previous)

    def _rows(self, rows: Any) -> Any:
        return self.X if isinstance(rows, slice) else take(self.X, rows)

    @property
    def _label(self) -> str:
        return f"gate {type(self.gate.classifier).__name__}"

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, K) of the training rows, out of fold."""
        return state.log_proba

    def finish(self, state: State) -> Any:
        """Return the gate fitted to all rows."""
        if len(self.splits) == 1:
            return state.gates[0]
        return self._fit(slice(None), state.targets, state.weights, state.gates[0])
