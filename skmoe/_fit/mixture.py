"""The fitted mixture: gate, experts and law together, evaluated on any rows.

It is assembled from an estimator's fitted attributes for each prediction, and stores nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .._data.numerics import blocks
from .._data.pipelines import is_distribution, own_components, own_log_density
from .._data.sparse import row_blocks
from .._data.tables import n_rows, select
from .._data.target import SMALLEST_PROBABILITY, predict_numbers, predict_probabilities
from .._errors import naming
from .._sklearn import as_numeric, take
from ..em._loop import e_step
from ..responses import row_parameters, standardised
from ..routing import route


@dataclass(frozen=True)
class Posterior:
    """Posterior of the coefficients of linear experts, relative to their dispersions.

    Attributes
    ----------
    root : ndarray of shape (K, p, p)
        Roots of the covariances of coefficients on a standardised row, divided by σ².
    units : ndarray of shape (2, d)
        What is subtracted from the columns of X, and what they are divided by; infinite for
        constant columns.
    """

    root: Any
    units: Any

    def factors(self, X):
        """Return what dispersions are multiplied by in each row, (n, K).

        An expert is uncertain of its own prediction where rows like x are few.
        """
        X, (mean, scale) = as_numeric(X), self.units
        out = np.empty((X.shape[0], len(self.root)))
        for rows in row_blocks(X) if sparse.issparse(X) else blocks(len(X)):
            block = X[rows].toarray() if sparse.issparse(X) else X[rows]
            row = np.append((block - mean) / scale, np.ones((len(block), 1)), axis=1)
            for k, root in enumerate(self.root):
                out[rows, k] = np.square(row @ root).sum(axis=1)
        return np.sqrt(1.0 + out)


@dataclass(frozen=True)
class FittedRegression:
    """Regression with a fitted law: experts predict numbers, and the law has a density.

    Attributes
    ----------
    law : response
    parameters : ndarray of shape (K, q)
        Of the law, in the units of y.
    n_outputs : int
    units : ndarray of shape (2, p) or None
        Means and standard deviations of the columns that dispersions depend on.
    single : bool
        Whether y has one dimension.
    posterior : Posterior or None
        Of the experts' coefficients, where it is known.
    """

    law: Any
    parameters: Any
    n_outputs: int
    units: np.ndarray | None = None
    single: bool = True
    posterior: Posterior | None = None

    #: Of labels only.
    classes = None

    @property
    def width(self):
        """Number of values that an expert predicts for a row."""
        return self.n_outputs

    def predict(self, expert, X):
        """Return the predictions (n, m) of an expert."""
        return predict_numbers(expert, X, self.n_outputs)

    def parameters_at(self, X):
        """Return parameters of the law: (K, q), or (n, K, q) where they depend on X."""
        if self.posterior is not None:
            return self.parameters * self.posterior.factors(X)[:, :, None]
        if self.units is None:
            return self.parameters
        with naming("response with dispersion='linear'", "prediction"):
            features = standardised(X, self.units)
            return row_parameters(self.parameters, features, self.n_outputs)

    def of_y(self, prediction, y):
        """Return the part of a prediction (n, m) that the density of y depends on: all of it."""
        return prediction

    def log_density(self, X, y, predictions):
        """Return log-densities (n, K) of y, (n, m), in its own units."""
        deviance = self.law.deviance(y, predictions)
        return self.law.log_density(deviance, self.parameters_at(X), y)

    def own_log_density(self, expert, X, y):
        """Return log-densities (n,) of an expert with a distribution of its own, else None."""
        return own_log_density(expert, X, y[:, 0] if self.n_outputs == 1 else y)


@dataclass(frozen=True)
class FittedClassification:
    """Classification with known classes: experts predict their probabilities.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    """

    classes: np.ndarray
    n_outputs = 1

    @property
    def width(self):
        """Number of values that an expert predicts for a row."""
        return len(self.classes)

    def predict(self, expert, X):
        """Return the probabilities (n, n_classes) of an expert."""
        return predict_probabilities(expert, X, self.classes)

    def of_y(self, prediction, codes):
        """Return the probabilities (n, 1) of the coded labels (n,) among those of all classes."""
        return np.take_along_axis(prediction, codes[:, None], axis=1)

    def log_density(self, X, codes, own):
        """Return log-probabilities (n, K) of labels that have the probabilities (n, K, 1)."""
        return np.log(np.maximum(own[:, :, 0], SMALLEST_PROBABILITY))

    def own_log_density(self, expert, X, codes):
        """Return None: an expert has no more than its probabilities."""
        return None


@dataclass(frozen=True)
class Mixture:
    """A gate, named experts, and the columns each side sees.

    Attributes
    ----------
    gate : fitted gate
    experts : list of (str, fitted estimator)
    task : FittedRegression or FittedClassification
    gate_columns, expert_columns : list of int, or None for all
    dense : bool
        Whether evaluating an expert in all rows is cheaper than selecting its own rows.
    """

    gate: Any
    experts: list
    task: Any
    gate_columns: Any
    expert_columns: Any
    dense: bool

    def log_gate(self, X):
        """Return log-probabilities (n, K) of the gate alone."""
        return self._log_gate(select(X, self.gate_columns))

    def _log_gate(self, seen):
        with naming(f"gate {type(self.gate).__name__}", "predict_log_proba"):
            log_proba = np.asarray(self.gate.predict_log_proba(seen))
            expected = (n_rows(seen), len(self.experts))
            if log_proba.shape != expected:
                raise ValueError(
                    f"the result must have the shape {expected}, got {log_proba.shape}"
                )
            if np.isnan(log_proba).any() or (log_proba.max(axis=1) == -np.inf).any():
                raise ValueError("the result must be log-probabilities, got NaN or a row of -inf")
        return log_proba

    def weights(self, X, top_k):
        """Return mixing weights (n, K) after routing; rows sum to one."""
        return route(self.log_gate(X), top_k)

    def predictions(self, X, weights=None):
        """Return the predictions of all experts: (n, K, m), or (n, K, n_classes).

        Parameters
        ----------
        X : array-like of shape (n, d)
        weights : ndarray of shape (n, K), optional
            An expert is evaluated only in rows where its weight is positive; elsewhere
            its prediction is zero. None to evaluate all experts in all rows.
        """
        return self._stacked(self.each_prediction(X, weights), n_rows(X), self.task.width)

    def _stacked(self, predictions, n, width):
        """Put the predictions (n, width) of all experts side by side, (n, K, width)."""
        out = np.zeros((width, len(self.experts), n)).transpose(2, 1, 0)
        for components, prediction in predictions:
            out[:, components] = prediction[:, None]
        return out

    def each_prediction(self, X, weights=None):
        """Yield the components that an expert has, and its prediction (n, width)."""
        X = select(X, self.expert_columns)
        if self.dense and sparse.issparse(X):
            X = X.tocsr()
        for name, expert, components in self._distinct_experts():
            rows = self._rows_of(weights, components)
            with naming(f"expert {name!r}", "prediction"):
                prediction = self._prediction(expert, X, rows)
            yield components, prediction

    def _prediction(self, expert, X, rows):
        """Return the prediction (n, width) of one expert, zero outside the given rows."""
        if rows is None and self.dense and sparse.issparse(X):
            return self._prediction_by_blocks(expert, X)
        if rows is None:
            return self.task.predict(expert, X)
        out = np.zeros((n_rows(X), self.task.width))
        if len(rows):
            out[rows] = self.task.predict(expert, take(X, rows))
        return out

    def _prediction_by_blocks(self, expert, X):
        """Return the same; a product with all of X at once would copy all its entries."""
        out = np.empty((X.shape[0], self.task.width))
        for rows in row_blocks(X):
            out[rows] = self.task.predict(expert, X[rows])
        return out

    def _distinct_experts(self):
        """Return name, expert and components of each expert: several components may share one."""
        components = {}
        for k, (name, expert) in enumerate(self.experts):
            components.setdefault(id(expert), (name, expert, []))[2].append(k)
        return components.values()

    def _rows_of(self, weights, components):
        """Return the rows in which components have weight; None for all."""
        if weights is None or self.dense:
            return None
        rows = np.flatnonzero((weights[:, components] > 0).any(axis=1))
        return None if len(rows) == len(weights) else rows

    def predictive(self, X, weights):
        """Return the distribution of y in each row, as components of one law.

        An expert that is a mixture itself contributes all its components.

        Parameters
        ----------
        X : array-like of shape (n, d)
        weights : ndarray of shape (n, K)
            Mixing weights, routed.

        Returns
        -------
        weights : ndarray of shape (n, C)
        predictions : ndarray of shape (n, C, m)
        parameters : ndarray of shape (C, q) or (n, C, q)
            Of the law.
        """
        parameters = self.task.parameters_at(select(X, self.expert_columns))
        whole = weights, self.predictions(X, weights), parameters
        inner = [k for k, (_, expert) in enumerate(self.experts) if is_distribution(expert)]
        if not inner:
            return whole
        kept = np.setdiff1d(np.arange(len(self.experts)), inner)
        parts = [(weights[:, kept], whole[1][:, kept], parameters[..., kept, :])]
        parts += [self._inner(k, X, weights[:, k]) for k in inner]
        return concatenate_components(parts)

    def _inner(self, k, X, weight):
        """Return the components of an expert that is a mixture, under its weight (n,)."""
        name, expert = self.experts[k]
        with naming(f"expert {name!r}", "prediction"):
            weights, *rest = own_components(expert, select(X, self.expert_columns))
        return weight[:, None] * weights, *rest

    def log_density(self, X, y, weights):
        """Return log-densities (n, K) of y; experts are evaluated where `weights` are positive."""
        predictions = (
            (components, self.task.of_y(prediction, y))
            for components, prediction in self.each_prediction(X, weights)
        )
        predictions = self._stacked(predictions, n_rows(X), self.task.n_outputs)
        X = select(X, self.expert_columns)
        out = self.task.log_density(X, y, predictions)
        for k, (name, expert) in enumerate(self.experts):
            with naming(f"expert {name!r}", "prediction"):
                own = self.task.own_log_density(expert, X, y)
            if own is not None:
                out[:, k] = own
        return out

    def posterior(self, X, y, top_k, units):
        """Return responsibilities (U, K) given x and y, and log-densities (U,) of y, by units."""
        weights = self.unit_weights(X, top_k, units)
        log_density = self.log_density(X, y, units.spread(weights))
        with np.errstate(divide="ignore"):
            return e_step(np.log(weights), units.gather(log_density))

    def unit_weights(self, X, top_k, units):
        """Return mixing weights (U, K) of units of rows after routing."""
        table = units.table(select(X, self.gate_columns))
        return route(self._log_gate(table), top_k)


def concatenate_components(parts):
    """Join weights (n, C), predictions (n, C, m) and law parameters of several mixtures.

    Parameters of a law are (C, q) or (n, C, q).
    """
    weights, predictions, parameters = zip(*parts, strict=True)
    if any(each.ndim == 3 for each in parameters):
        n = len(weights[0])
        parameters = [np.broadcast_to(each, (n, *each.shape[-2:])) for each in parameters]
    return (
        np.concatenate(weights, axis=1),
        np.concatenate(predictions, axis=1),
        np.concatenate(parameters, axis=-2),
    )
