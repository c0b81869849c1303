"""The fitted mixture: gate, experts and law together, on any rows.

It is put together from an estimator's fitted attributes whenever it is asked
something, and holds nothing of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .._data.pipelines import is_distribution, own_components, own_log_density
from .._data.sparse import row_blocks
from .._data.tables import n_rows, select
from .._data.target import (
    SMALLEST_PROBABILITY,
    predict_numbers,
    predict_probabilities,
)
from .._errors import naming
from .._sklearn import take
from ..em._loop import e_step
from ..responses import row_parameters, standardised
from ..routing import route


@dataclass(frozen=True)
class Numbers:
    """What is asked of the experts of a regressor."""

    law: Any
    parameters: np.ndarray
    n_outputs: int
    units: Any = None

    @property
    def width(self):
        """Number of values an expert answers with."""
        return self.n_outputs

    def ask(self, expert, X):
        """Predictions (n, m)."""
        return predict_numbers(expert, X, self.n_outputs)

    def parameters_at(self, X):
        """Parameters of the law: (K, q), or (n, K, q) where dispersions depend on X."""
        if self.units is None:
            return self.parameters
        with naming("response with dispersion='linear'", "prediction"):
            features = standardised(X, self.units)
            return row_parameters(self.parameters, features, self.n_outputs)

    def of_y(self, answer, y):
        """What of an answer (n, m) tells of y: all of it."""
        return answer

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
    n_outputs = 1

    @property
    def width(self):
        """Number of values an expert answers with."""
        return len(self.classes)

    def ask(self, expert, X):
        """Probabilities (n, n_classes)."""
        return predict_probabilities(expert, X, self.classes)

    def of_y(self, answer, codes):
        """The probabilities (n, 1) of the coded labels (n,) among those of all."""
        return np.take_along_axis(answer, codes[:, None], axis=1)

    def log_density(self, X, codes, own):
        """Log-probabilities (n, K) of labels that have the probabilities `own`, (n, K, 1)."""
        return np.log(np.maximum(own[:, :, 0], SMALLEST_PROBABILITY))

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
        return self._gathered(self.each_answer(X, weights), n_rows(X), self.question.width)

    def _gathered(self, answers, n, width):
        """Put the answers (n, width) of all experts side by side, (n, K, width)."""
        out = np.zeros((width, len(self.experts), n)).transpose(2, 1, 0)
        for components, answer in answers:
            out[:, components] = answer[:, None]
        return out

    def each_answer(self, X, weights=None):
        """Yield what the experts say, one by one: their components, and the answer (n, m)."""
        X = select(X, self.expert_columns)
        if self.dense and sparse.issparse(X):
            X = X.tocsr()
        for name, expert, components in self._asked():
            rows = self._rows_of(weights, components)
            with naming(f"expert {name!r}", "prediction"):
                answer = self._answer(expert, X, rows)
            yield components, answer

    def _answer(self, expert, X, rows):
        """What one expert says of all rows, (n, m): nothing but of those it is asked about."""
        if rows is None and self.dense and sparse.issparse(X):
            return self._answer_blocks(expert, X)
        if rows is None:
            return self.question.ask(expert, X)
        out = np.zeros((n_rows(X), self.question.width))
        if len(rows):
            out[rows] = self.question.ask(expert, take(X, rows))
        return out

    def _answer_blocks(self, expert, X):
        """The same, where a product with all of X at once would make a copy of its entries."""
        out = np.empty((X.shape[0], self.question.width))
        for rows in row_blocks(X):
            out[rows] = self.question.ask(expert, X[rows])
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
        said = (
            (components, self.question.of_y(answer, y))
            for components, answer in self.each_answer(X, weights)
        )
        said = self._gathered(said, n_rows(X), self.question.n_outputs)
        X = select(X, self.expert_columns)
        out = self.question.log_density(X, y, said)
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
