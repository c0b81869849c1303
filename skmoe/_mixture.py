"""The fitted mixture: gate, experts and law together, on any rows.

It is put together from an estimator's fitted attributes whenever it is asked
something, and holds nothing of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._delegate import is_distribution, own_components, own_log_density
from ._errors import naming
from ._sklearn import take
from ._target import SMALLEST_PROBABILITY, n_rows, predict_numbers, predict_probabilities
from .em._engine import e_step
from .responses import row_parameters
from .routing import route


@dataclass(frozen=True)
class Numbers:
    """What is asked of the experts of a regressor."""

    law: Any
    parameters: np.ndarray
    n_outputs: int
    scaler: Any = None

    @property
    def width(self):
        """Number of values an expert answers with."""
        return self.n_outputs

    def ask(self, expert, X):
        """Predictions (n, m)."""
        return predict_numbers(expert, X, self.n_outputs)

    def parameters_at(self, X):
        """Parameters of the law: (K, q), or (n, K, q) where dispersions depend on X."""
        if self.scaler is None:
            return self.parameters
        with naming("response with dispersion='linear'", "prediction"):
            return row_parameters(self.parameters, self.scaler.transform(X), self.n_outputs)

    def log_density(self, X, y, answers):
        """Log-densities (n, K) of y, (n, m), in its own units."""
        return self.law.log_density(self.law.deviance(y, answers), self.parameters_at(X), y)

    def own_log_density(self, expert, X, y):
        """Log-densities (n,) under an expert that is a distribution of its own, else None."""
        return own_log_density(expert, X, y[:, 0] if self.n_outputs == 1 else y)


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

    def log_density(self, X, codes, answers):
        """Log-probabilities (n, K) of the coded labels, (n,)."""
        own = np.take_along_axis(answers, codes[:, None, None], axis=2)[:, :, 0]
        return np.log(np.maximum(own, SMALLEST_PROBABILITY))

    def own_log_density(self, expert, X, codes):
        """Nothing: probabilities of classes are all there is to know."""
        return None


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
        return self._log_gate(select(X, self.gate_columns))

    def _log_gate(self, seen):
        with naming(f"gate {type(self.gate).__name__}", "predict_log_proba"):
            answer = np.asarray(self.gate.predict_log_proba(seen))
            expected = (n_rows(seen), len(self.experts))
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
        for name, expert, components in self._asked():
            rows = self._rows_of(weights, components)
            with naming(f"expert {name!r}", "prediction"):
                if rows is None:
                    out[:, components] = self.question.ask(expert, X)[:, None]
                elif len(rows):
                    answer = self.question.ask(expert, take(X, rows))
                    out[np.ix_(rows, components)] = answer[:, None]
        return out

    def _asked(self):
        """Name, expert and components of each expert: several may share one."""
        components = {}
        for k, (name, expert) in enumerate(self.experts):
            components.setdefault(id(expert), (name, expert, []))[2].append(k)
        return components.values()

    def _rows_of(self, weights, components):
        """Rows in which components have weight; None for all."""
        if weights is None or self.dense:
            return None
        rows = np.flatnonzero((weights[:, components] > 0).any(axis=1))
        return None if len(rows) == len(weights) else rows

    def predictive(self, X, weights):
        """The distribution of y in each row, as components of one law.

        Parameters
        ----------
        X : array-like of shape (n, d)
        weights : ndarray of shape (n, K)
            Mixing weights, routed.

        Returns
        -------
        weights : ndarray of shape (n, C)
        answers : ndarray of shape (n, C, m)
        parameters : ndarray of shape (C, q) or (n, C, q)
            Of the law.
            An expert that is a mixture itself stands here with all its components.
        """
        parameters = self.question.parameters_at(select(X, self.expert_columns))
        whole = weights, self.answers(X, weights), parameters
        inner = [k for k, (_, expert) in enumerate(self.experts) if is_distribution(expert)]
        if not inner:
            return whole
        kept = np.setdiff1d(np.arange(len(self.experts)), inner)
        parts = [(weights[:, kept], whole[1][:, kept], parameters[..., kept, :])]
        parts += [self._inner(k, X, weights[:, k]) for k in inner]
        return concatenate_components(parts)

    def _inner(self, k, X, weight):
        """Components of an expert that is a mixture, under its weight (n,)."""
        name, expert = self.experts[k]
        with naming(f"expert {name!r}", "prediction"):
            weights, answers, parameters = own_components(expert, select(X, self.expert_columns))
        return weight[:, None] * weights, answers, parameters

    def log_density(self, X, y, weights):
        """Log-densities (n, K) of y under each expert, asked where `weights` are positive."""
        answers = self.answers(X, weights)
        X = select(X, self.expert_columns)
        out = self.question.log_density(X, y, answers)
        for k, (name, expert) in enumerate(self.experts):
            with naming(f"expert {name!r}", "prediction"):
                own = self.question.own_log_density(expert, X, y)
            if own is not None:
                out[:, k] = own
        return out

    def posterior(self, X, y, top_k, units):
        """Responsibilities (U, K) given x and y, and log-densities (U,) of the units of rows."""
        weights = self.unit_weights(X, top_k, units)
        log_density = self.log_density(X, y, units.spread(weights))
        with np.errstate(divide="ignore"):
            return e_step(np.log(weights), units.gather(log_density))

    def unit_weights(self, X, top_k, units):
        """Mixing weights (U, K) of the units of rows after routing."""
        table = units.table(select(X, self.gate_columns))
        return route(self._log_gate(table), top_k)


def concatenate_components(parts):
    """Join weights (n, C), answers (n, C, m) and laws, (C, q) or (n, C, q), of several mixtures."""
    weights, answers, parameters = zip(*parts, strict=True)
    if any(each.ndim == 3 for each in parameters):
        n = len(weights[0])
        parameters = [np.broadcast_to(each, (n, *each.shape[-2:])) for each in parameters]
    return (
        np.concatenate(weights, axis=1),
        np.concatenate(answers, axis=1),
        np.concatenate(parameters, axis=-2),
    )


def select(X, columns):
    """Return columns of X, as what X is; all of them for None."""
    return X if columns is None else take(X, columns, axis=1)
