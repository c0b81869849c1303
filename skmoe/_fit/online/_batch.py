"""Rows of a stream: one batch as gate and experts see it, and those that are kept."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..._data.design import View
from ..._data.moments import Standardisation
from ..._data.numerics import weighted_location_scale
from ..._data.target import Labels, Target
from ..._sklearn import as_numeric


@dataclass(frozen=True)
class BatchRows:
    """Rows of positive weight.

    Attributes
    ----------
    X : ndarray or sparse matrix of shape (n, d)
        Numbers in single or double precision.
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,)
    scores : ndarray of shape (n,) or None
        Log-scores of the rows before they were learned.
    """

    X: Any
    y: np.ndarray
    weights: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def of(cls, X, y, weights):
        """Return the rows of a table of numbers."""
        return cls(as_numeric(X, (np.float64, np.float32)), y, weights)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, rows):
        """Return the rows of a slice."""
        scores = None if self.scores is None else self.scores[rows]
        return replace(
            self, X=self.X[rows], y=self.y[rows], weights=self.weights[rows], scores=scores
        )

    def scored(self, scores):
        """Return the rows with log-scores (n,)."""
        return replace(self, scores=scores)

    def last(self, n):
        """Return the last n rows, or all if there are fewer."""
        return self[max(len(self) - n, 0) :]

    def __add__(self, other):
        """Return these rows and, behind them, others."""
        if sparse.issparse(self.X):
            X = sparse.vstack([self.X, other.X], format="csr")
        else:
            X = np.concatenate([self.X, other.X])
        pairs = [(self.y, other.y), (self.weights, other.weights), (self.scores, other.scores)]
        return BatchRows(X, *map(np.concatenate, pairs))


class StandardisedView(View):
    """The columns that one side sees, with the location and scale of earlier rows.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)
    standardisation : Standardisation
    """

    def __init__(self, X, weights, standardisation):
        super().__init__(X, weights)
        self.standardisation = standardisation

    @cached_property
    def design(self):
        """The standardised design, made when first needed."""
        return self.standardisation.design(_dense(self.X))


def standardisation(X, y, weights):
    """Return location and scale of rows.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d), or None to leave it out
    y : ndarray of shape (n,) or (n, m), or None to leave it out
    weights : ndarray of shape (n,)
    """
    of_X = (None,) * 3 if X is None else weighted_location_scale(_dense(X), weights)
    if y is None:
        return Standardisation(*of_X, None, None)
    target = Target.of(y, weights)
    return Standardisation(*of_X, target.mean, target.scale)


def target_of(y, classes, known):
    """Return y as experts and law see it.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, m)
    classes : ndarray of shape (n_classes,), or None for numbers
    known : Standardisation
        Of earlier rows.
    """
    if classes is not None:
        return Labels(y, np.searchsorted(classes, y), classes)
    values = known.targets(y.reshape(len(y), -1))
    return Target(y, values, known.y_mean, known.y_scale)


def _dense(X):
    X = as_numeric(X)
    return X.toarray() if sparse.issparse(X) else X
