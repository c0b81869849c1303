"""Rows of a stream: one batch as gate and experts see it, and those that are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..._data.design import DenseDesign, View
from ..._data.moments import Standardisation
from ..._data.numerics import Floats, weighted_location_scale
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
    y: NDArray
    weights: Floats
    scores: Any = None

    @classmethod
    def of(cls, X: Any, y: NDArray, weights: Floats) -> BatchRows:
        """Return the rows of a table of numbers."""
        return cls(as_numeric(X, (np.float64, np.float32)), y, weights)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: slice) -> BatchRows:
        """Return the rows of a slice."""
        scores = None if self.scores is None else self.scores[rows]
        return replace(
            self, X=self.X[rows], y=self.y[rows], weights=self.weights[rows], scores=scores
        )

    def scored(self, scores: Floats) -> BatchRows:
        """Return the rows with log-scores (n,)."""
        return replace(self, scores=scores)

    def last(self, n: int) -> BatchRows:
        """Return the last n rows, or all if there are fewer."""
        return self[max(len(self) - n, 0) :]

    def __add__(self, other: BatchRows) -> BatchRows:
        """Return these rows, followed by others."""
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

    def __init__(self, X: Any, weights: Floats, standardisation: Standardisation):
        super().__init__(X, weights)
        self.standardisation = standardisation

    @cached_property
    def design(self) -> DenseDesign:
        """The standardised design, made when first needed."""
        return self.standardisation.design(_dense(self.X))

    @cached_property
    def rank(self) -> int:
        """That of the earlier rows; an earlier version has stored none, and columns are counted."""
        known = self.standardisation.rank
        return int((~self.standardisation.constant).sum()) + 1 if known is None else known


def standardisation(X: Any, y: NDArray | None, weights: Floats) -> Standardisation:
    """Return location and scale of rows; None in place of those of a side that is left out.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d), or None to leave it out
    y : ndarray of shape (n,) or (n, m), or None to leave it out
    weights : ndarray of shape (n,)
    """
    # No one reads the location and scale of a side that is left out.
    mean: Any = None
    scale: Any = None
    constant: Any = None
    rank = None
    y_mean: Any = None
    y_scale: Any = None
    if X is not None:
        mean, scale, constant = weighted_location_scale(_dense(X), weights)
        rank = View(X, weights).rank
    if y is not None:
        target = Target.of(y, weights)
        y_mean, y_scale = target.mean, target.scale
    return Standardisation(mean, scale, constant, y_mean, y_scale, rank)


def target_of(y: NDArray, classes: NDArray | None, known: Standardisation) -> Target | Labels:
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


def _dense(X: Any) -> Any:
    X = as_numeric(X)
    return X.toarray() if sparse.issparse(X) else X
