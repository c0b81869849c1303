"""Summaries of rows in chunks that EM begins with: moments, masses of labels, a sample of rows.

Each summary is a sum: that of two sets of rows is the sum of their summaries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from .chunks import Summable
from .design import MOST_RANKED, DenseDesign
from .numerics import Bools, Floats, rank_of_products, weighted_location_scale
from .target import LARGEST_Y, SMALLEST_SCALE


@dataclass(frozen=True)
class Moments:
    """Number and weight of rows, and means and squares of the d columns of X and the m of y.

    Attributes
    ----------
    n : int
        Number of rows of positive weight.
    weight : float
        Sum of their weights.
    mean : ndarray of shape (d + m,)
    squares : ndarray of shape (d + m,)
        Weighted sums of squared distances from the mean.
    """

    n: int
    weight: float
    mean: Floats
    squares: Floats

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the rows of both (Chan, Golub and LeVeque 1983)."""
        if not (self.n and other.n):
            return self if self.n else other
        weight = self.weight + other.weight
        gap, share = other.mean - self.mean, other.weight / weight
        squares = self.squares + other.squares + gap**2 * self.weight * share
        return Moments(self.n + other.n, weight, self.mean + share * gap, squares)


@dataclass(frozen=True)
class SampledRows:
    """A sample of rows. The sum of two samples holds the rows of both."""

    X: Floats
    y: NDArray
    weights: Floats

    def __add__(self, other: SampledRows) -> SampledRows:
        pairs = [(self.X, other.X), (self.y, other.y), (self.weights, other.weights)]
        return SampledRows(*map(np.concatenate, pairs))


@dataclass(frozen=True)
class SecondReading:
    """What the second reading of all rows yields.

    Attributes
    ----------
    some : SampledRows
    products : ndarray of shape (p, p)
        Weighted sums of the products of all pairs of columns of the design; empty for very many
        columns.
    """

    some: SampledRows
    products: Floats

    def __add__(self, other: SecondReading) -> SecondReading:
        return SecondReading(self.some + other.some, self.products + other.products)


@dataclass(frozen=True)
class LabelMasses:
    """Sorted labels of some rows, and the sum of the weights of the rows with each label.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    mass : ndarray of shape (n_classes,)
    """

    classes: NDArray
    mass: NDArray

    @classmethod
    def of(cls, labels: NDArray, weights: Floats) -> LabelMasses:
        """Return the masses of labels (n,), each with a weight."""
        classes, codes = np.unique(labels, return_inverse=True)
        return cls(classes, np.bincount(codes, weights, len(classes)))

    def __add__(self, other: LabelMasses) -> LabelMasses:
        """Return the masses of the labels of both."""
        masses = np.concatenate([self.mass, other.mass])
        return LabelMasses.of(np.concatenate([self.classes, other.classes]), masses)


def survey_labels(chunks: Summable) -> LabelMasses:
    """Return the `LabelMasses` of all rows."""
    return chunks.interpreted(as_labels).sum_of(_label_masses)


def as_labels(y: NDArray, weights: Floats) -> tuple[NDArray, Floats]:
    """Return y as an array of labels (b,), and the weights."""
    return np.asarray(y).reshape(-1), weights


def as_codes(
    y: NDArray, weights: Floats, classes: NDArray, by_class: Floats
) -> tuple[Floats, Floats]:
    """Return the codes (b, 1) of labels, and the weights × the weights of the classes.

    Classes of weight zero have no code of their own; the weights of their rows are zero.
    """
    found = np.searchsorted(classes, as_labels(y, weights)[0])
    codes = np.cumsum(by_class > 0) - 1
    return codes[found, None].astype(np.float64), weights * by_class[found]


def _label_masses(number: int, X: Floats, y: NDArray, weights: Floats) -> LabelMasses:
    assert_all_finite(y, input_name="y")
    return LabelMasses.of(y, weights)


@dataclass(frozen=True)
class Standardisation:
    """Location and scale of the columns of X and of the outputs of y.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
    constant : ndarray of shape (d,), bool
    y_mean, y_scale : ndarray of shape (m,)
    rank : int or None
        Rank of the columns of X and one of ones, as far as it is known.
    """

    mean: Floats
    scale: Floats
    constant: Bools
    y_mean: Floats
    y_scale: Floats
    rank: int | None = None

    @classmethod
    def of(cls, moments: Moments, n_features: int, standardises: bool) -> Standardisation:
        """Return location and scale of all rows; zero and one for y unless it `standardises`."""
        scale = np.sqrt(moments.squares / moments.weight)
        constant = scale <= 1e-13 * np.maximum(np.abs(moments.mean), np.finfo(float).tiny)
        constant |= scale < SMALLEST_SCALE
        scale = np.where(constant, 1.0, scale)
        X, y = slice(n_features), slice(n_features, None)
        center, spread = moments.mean[y], scale[y]
        if not standardises:
            center, spread = np.zeros_like(center), np.ones_like(spread)
        return cls(moments.mean[X], scale[X], constant[X], center, spread)

    def design(self, X: Floats) -> DenseDesign:
        """Return the standardised design of some rows (b, d)."""
        return DenseDesign(X, None, (self.mean, self.scale, self.constant))

    def targets(self, y: Floats) -> Floats:
        """Return the standardised targets of some rows (b, m)."""
        return np.asfortranarray((y - self.y_mean) / self.y_scale)


def survey(
    chunks: Summable, n_features: int, law: Any, most: int, rng: np.random.RandomState
) -> tuple[Moments, Standardisation, SampledRows]:
    """Return moments, standardisation and a sample of all rows, which are read twice.

    Parameters
    ----------
    chunks : Chunks or DaskChunks
    n_features : int
    law : Law
    most : int
        Largest number of rows to sample; all rows where there are no more.
    rng : numpy.random.RandomState

    Returns
    -------
    moments : Moments
    standardisation : Standardisation
    some : SampledRows
        Every s-th row of each chunk, from a random one of the first s rows on.

    Raises
    ------
    ValueError
        If there are no rows of positive weight, chunks differ in their number of columns, or X, y
        or weights are out of range.
    """
    moments = chunks.sum_of(partial(_moments, n_features=n_features, law=law))
    if not moments.n:
        raise ValueError("X must hold rows of positive weight; it holds none")
    if not np.isfinite(moments.squares).all():
        raise ValueError("X and y must be numbers whose squares are finite; rescale them")
    stride = -(-moments.n // most)
    # Where all rows are taken, nothing is drawn, so that starts are those of a fit in memory.
    seed = int(rng.randint(2**31 - 1)) if stride > 1 else 0
    located = Standardisation.of(moments, n_features, law.standardises)
    read = chunks.sum_of(partial(_read_again, located=located, stride=stride, seed=seed))
    counted = 1 + int((~located.constant).sum())
    ranked = rank_of_products(read.products) if read.products.size else counted
    return moments, replace(located, rank=ranked), read.some


def _read_again(
    number: int,
    X: Floats,
    y: NDArray,
    weights: Floats,
    *,
    located: Standardisation,
    stride: int,
    seed: int,
) -> SecondReading:
    some = _every(number, X, y, weights, stride=stride, seed=seed)
    if X.shape[1] >= MOST_RANKED:
        return SecondReading(some, np.empty((0, 0)))
    if not len(X):
        return SecondReading(some, np.zeros((X.shape[1] + 1,) * 2))
    return SecondReading(some, located.design(X).grams(weights[:, None])[0])


def _moments(
    number: int, X: Floats, y: Floats, weights: Floats, *, n_features: int, law: Any
) -> Moments:
    if X.shape[1] != n_features:
        raise ValueError(
            f"all blocks must have {n_features} columns, as the first; block {number} has "
            f"{X.shape[1]}"
        )
    if not len(X):
        return Moments(0, 0.0, np.zeros(0), np.zeros(0))
    _check(number, X, y, weights)
    law.check_target(y)
    columns = np.column_stack([X, y])
    with np.errstate(over="ignore"):
        mean, scale, constant = weighted_location_scale(columns, weights)
        squares = np.where(constant, 0.0, scale**2) * weights.sum()
    return Moments(len(X), float(weights.sum()), mean, squares)


def _check(number: int, X: Floats, y: Floats, weights: Floats) -> None:
    """Raise ValueError for values that are not finite or out of range."""
    limits = {"X": (X, -np.inf, np.inf), "y": (y, -LARGEST_Y, LARGEST_Y)}
    limits["sample_weight"] = (weights, 0.0, np.inf)
    for name, (values, low, high) in limits.items():
        if not (np.isfinite(values) & (values >= low) & (values <= high)).all():
            raise ValueError(
                f"{name} must be finite numbers between {low:g} and {high:g}; chunk {number} of "
                "the rows has others"
            )


def _every(
    number: int, X: Floats, y: NDArray, weights: Floats, *, stride: int, seed: int
) -> SampledRows:
    """Return every `stride`-th row, from a random one on."""
    first = np.random.RandomState((seed + number) % 2**31).randint(stride)
    return SampledRows(
        X[first::stride].copy(), y[first::stride].copy(), weights[first::stride].copy()
    )
