"""Targets of the experts and the law: standardised numbers, or coded labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numerics import Floats, Ints, weighted_location_scale
from .tables import n_rows

#: Smaller probabilities of a class are replaced by this one, whose logarithm is finite.
SMALLEST_PROBABILITY = np.finfo(float).tiny

#: The squares of larger values of y overflow.
LARGEST_Y = 1e153

#: An output of smaller standard deviation counts as constant: the precision of experts that fit it
#: well would overflow.
SMALLEST_SCALE = 1e-151

#: Largest difference from one of the sum of an expert's probabilities. An expert may compute them
#: in half precision.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Target:
    """Numbers, standardised with the sample weights.

    Attributes
    ----------
    raw : ndarray of shape (n,) or (n, m)
        y that experts are fitted to.
    values : ndarray of shape (n, m)
        Standardised.
    mean, scale : ndarray of shape (m,)
        In the units of y.
    standardised : bool
        Whether `values` are y shifted and scaled, or y itself.
    typical : ndarray of shape (m,) or None
        Geometric means of the sizes of y, where y is not standardised.
    """

    raw: NDArray
    values: Floats
    mean: Floats
    scale: Floats
    standardised: bool = True
    typical: Floats | None = None

    #: Only labels have codes and classes.
    codes = None
    classes = None

    @classmethod
    def of(cls, y: NDArray, weights: Floats, standardised: bool = True) -> Target:
        """Return the target of y, (n,) or (n, m), standardised or in its own units."""
        columns = y.reshape(len(y), -1)
        if not standardised:
            m = columns.shape[1]
            typical = _geometric_means(np.abs(columns), weights)
            return cls(y, np.asfortranarray(columns), np.zeros(m), np.ones(m), False, typical)
        mean, scale, constant = weighted_location_scale(columns, weights)
        constant |= scale < SMALLEST_SCALE
        scale = np.where(constant, 1.0, scale)
        values = np.where(constant, 0.0, (columns - mean) / scale)
        return cls(y, np.asfortranarray(values), mean, scale)

    def rows(self, rows: Ints, weights: Floats) -> Target:
        """Return the target of some rows, standardised with their weights."""
        return Target.of(self.raw[rows], weights, self.standardised)

    def standardised_by(self, mean: Floats, scale: Floats) -> Target:
        """Return the same target, standardised by mean and scale (m,) of other rows."""
        values = np.asfortranarray((self.raw.reshape(len(self.raw), -1) - mean) / scale)
        return replace(self, values=values, mean=mean, scale=scale)

    @property
    def width(self) -> int:
        """Number of values that an expert predicts for a row."""
        return self.values.shape[1]

    @property
    def single(self) -> bool:
        """Whether y has one dimension."""
        return self.raw.ndim == 1

    @property
    def columns(self) -> Floats:
        """The targets that sums over rows are made of: `values`, (n, m)."""
        return self.values

    @property
    def log_scale(self) -> float:
        """Log-density of a standardised row minus that of the row in the units of y."""
        return float(np.log(self.scale).sum())

    @property
    def scores(self) -> Floats:
        """Columns (n, m) by which starts separate rows: y.

        Where y is not standardised, its scale is nearly logarithmic.
        """
        if self.typical is None:
            return self.values
        return np.sign(self.values) * np.log1p(np.abs(self.values) / self.typical)

    def surrogate(self, weights: Floats) -> Target:
        """Return the target of the linear experts on which starts are tried."""
        return self if self.standardised else Target.of(self.scores, weights)

    @property
    def blank(self) -> Floats:
        """A new array (n, m) for the predictions of one expert."""
        return np.zeros(self.values.shape)

    def read(self, expert: Any, X: Any, rows: Ints | None = None) -> Floats:
        """Return standardised predictions (n, m) of a fitted expert for X, which holds `rows`."""
        return (predict_numbers(expert, X, len(self.scale)) - self.mean) / self.scale


@dataclass(frozen=True)
class Labels:
    """Coded labels.

    Attributes
    ----------
    raw : ndarray of shape (n,)
        Labels that experts are fitted to.
    codes : ndarray of shape (n,), int
    classes : ndarray of shape (n_classes,)
    """

    raw: NDArray
    codes: Ints
    classes: NDArray

    #: Probabilities of labels have no units.
    log_scale = 0.0

    #: Only numbers have values and a scale.
    values = None
    scale = None

    @property
    def columns(self) -> NDArray:
        """The targets that sums over rows are made of: codes, (n, 1)."""
        return self.codes[:, None]

    def standardised_by(self, mean: Floats, scale: Floats) -> Labels:
        """Return the labels themselves, which have neither mean nor scale."""
        return self

    @property
    def width(self) -> int:
        """Number of values that an expert predicts for a row."""
        return len(self.classes)

    def rows(self, rows: Ints, weights: Floats) -> Labels:
        """Return the labels of some rows, with all classes."""
        return Labels(self.raw[rows], self.codes[rows], self.classes)

    @property
    def scores(self) -> NDArray:
        """Columns (n, 1 + n_classes) by which starts separate rows: codes and indicators."""
        return np.column_stack([self.codes, np.eye(len(self.classes))[self.codes]])

    def surrogate(self, weights: Floats) -> Labels:
        """Return the target of the linear experts on which starts are tried: the labels."""
        return self

    @property
    def blank(self) -> Floats:
        """A new array (n,) for the log-probabilities of one expert."""
        return np.zeros(len(self.codes))

    def read(self, expert: Any, X: Any, rows: Ints | None = None) -> Floats:
        """Return the log-probabilities (n,) that a fitted expert gives to each row's own class.

        X holds the rows with the numbers `rows`, in their order; None for all.
        """
        proba = predict_probabilities(expert, X, self.classes)
        codes = self.codes if rows is None else self.codes[rows]
        own = proba[np.arange(len(proba)), codes]
        return np.log(np.maximum(own, SMALLEST_PROBABILITY))


def _geometric_means(sizes: Floats, weights: Floats) -> Floats:
    """Return weighted geometric means (m,) of the positive entries of (n, m); one if none is."""
    share = (weights / weights.max())[:, None] * (sizes > 0)
    logs = np.log(np.where(sizes > 0, sizes, 1.0))
    return np.exp((share * logs).sum(axis=0) / np.maximum(share.sum(axis=0), SMALLEST_SCALE))


def predict_numbers(expert: Any, X: Any, n_outputs: int) -> Floats:
    """Return the predictions of a fitted expert as (n, m).

    Raises
    ------
    ValueError
        If they have another shape or are not finite.
    """
    predicted = np.asarray(expert.predict(X))
    if predicted.ndim == 1 and n_outputs == 1:
        predicted = predicted[:, None]
    expected = (n_rows(X), n_outputs)
    if predicted.shape != expected:
        raise ValueError(f"predict must return the shape {expected}, got {predicted.shape}")
    predicted = predicted.astype(np.float64)
    if not np.isfinite(predicted).all():
        raise ValueError("predict must return finite numbers, got NaN or infinity")
    return predicted


def predict_probabilities(expert: Any, X: Any, classes: NDArray) -> Floats:
    """Return the class probabilities (n, n_classes) of a fitted expert, in the order of `classes`.

    Classes that the expert has not seen get the probability zero.

    Raises
    ------
    ValueError
        If they have another shape, are negative, are not finite, do not sum to one, or are those
        of classes that are not among `classes`.
    """
    predicted = np.asarray(expert.predict_proba(X), dtype=np.float64)
    expected = (n_rows(X), len(expert.classes_))
    if predicted.shape != expected:
        raise ValueError(f"predict_proba must return the shape {expected}, got {predicted.shape}")
    if not np.isfinite(predicted).all() or (predicted < 0).any():
        raise ValueError("predict_proba must return finite probabilities, got NaN or negative")
    if (np.abs(predicted.sum(axis=1) - 1.0) > _SUM_TOLERANCE).any():
        raise ValueError("predict_proba must return rows with the sum one")
    seen = np.asarray(expert.classes_)
    if np.array_equal(seen, classes):
        return predicted
    unknown = sorted(set(seen.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(f"predict_proba must be of the classes of y, got also {unknown}")
    proba = np.zeros((len(predicted), len(classes)))
    proba[:, np.searchsorted(classes, seen)] = predicted
    return proba
