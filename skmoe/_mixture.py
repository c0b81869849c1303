"""The fitted mixture: gate, experts and law together, on any rows.

It is put together from an estimator's fitted attributes whenever it is asked
something, and holds nothing of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._errors import naming
from ._sklearn import take
from ._target import SMALLEST_PROBABILITY, n_rows, predict_numbers, predict_probabilities
from .em._engine import e_step
from .routing import route


@dataclass(frozen=True)
class Numbers:
    """What is asked of the experts of a regressor."""

    law: Any
    dispersion: np.ndarray
    n_outputs: int

    @property
    def width(self):
        """Number of values an expert answers with."""
        return self.n_outputs

    def ask(self, expert, X):
        """Predictions (n, m)."""
        return predict_numbers(expert, X, self.n_outputs)

    def log_density(self, y, answers):
        """Log-densities (n, K) of y, (n, m), in its own units."""
        return self.law.log_density(self.law.deviance(y, answers), self.dispersion)


@dataclass(frozen=True)
class Classes:
    """What is asked of the experts of a classifier."""

    classes: np.ndarray

    @property
    def width(self):
        """Number of values an expert answers with."""
        return len(self.classes)

    def ask(self, expert, X):
        """Probabilities (n, n_classes)."""
        return predict_probabilities(expert, X, self.classes)

    def log_density(self, codes, answers):
        """Log-probabilities (n, K) of the coded labels, (n,)."""
        own = np.take_along_axis(answers, codes[:, None, None], axis=2)[:, :, 0]
        return np.log(np.maximum(own, SMALLEST_PROBABILITY))


@dataclass(frozen=True)
class Mixture:
    """A gate, named experts, and the columns each side sees.

    Attributes
    ----------
    gate : fitted gate
    experts : list of (str, fitted estimator)
    question : Numbers or Classes
    gate_columns, expert_columns : list of int, or None for all
    dense : bool
        Whether asking an expert about all rows is cheaper than picking its own.
    """

    gate: Any
    experts: list
    question: Any
    gate_columns: Any
    expert_columns: Any
    dense: bool

    def log_gate(self, X):
        """Log-probabilities (n, K) of the gate alone."""
        with naming(f"gate {type(self.gate).__name__}", "predict_log_proba"):
            answer = np.asarray(self.gate.predict_log_proba(select(X, self.gate_columns)))
            expected = (n_rows(X), len(self.experts))
            if answer.shape != expected:
                raise ValueError(f"the answer must have the shape {expected}, got {answer.shape}")
            if np.isnan(answer).any() or (answer.max(axis=1) == -np.inf).any():
                raise ValueError("the answer must be log-probabilities, got NaN or -inf throughout")
        return answer

    def weights(self, X, top_k):
        """Mixing weights (n, K) after routing; rows sum to one."""
        return route(self.log_gate(X), top_k)

    def answers(self, X, weights=None):
        """What the experts say: (n, K, m), or (n, K, n_classes).

        Parameters
        ----------
        X : array-like of shape (n, d)
        weights : ndarray of shape (n, K), optional
            Experts are asked only about rows where theirs is positive; elsewhere
            the answer is zero. None to ask about all rows.
        """
        X = select(X, self.expert_columns)
        shape = (self.question.width, len(self.experts), n_rows(X))
        out = np.zeros(shape).transpose(2, 1, 0)
        for k, (name, expert) in enumerate(self.experts):
            rows = None if weights is None or self.dense else np.flatnonzero(weights[:, k] > 0)
            with naming(f"expert {name!r}", "prediction"):
                if rows is None or len(rows) == len(out):
                    out[:, k] = self.question.ask(expert, X)
                elif len(rows):
                    out[rows, k] = self.question.ask(expert, take(X, rows))
        return out

    def posterior(self, X, y, top_k):
        """Responsibilities (n, K) given x and y, and log-densities (n,) of y given x."""
        weights = self.weights(X, top_k)
        log_density = self.question.log_density(y, self.answers(X, weights))
        with np.errstate(divide="ignore"):
            return e_step(np.log(weights), log_density)


def select(X, columns):
    """Return columns of X, as what X is; all of them for None."""
    return X if columns is None else take(X, columns, axis=1)
