"""What has to be known of all rows before EM: labels, how many, location and spread, and a few."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.utils import assert_all_finite

from .design import DenseDesign
from .numerics import weighted_location_scale
from .target import LARGEST_Y, SMALLEST_SCALE


@dataclass(frozen=True)
class Moments:
    """Of the columns of X and y together, (d + m,); those of two sets of rows add up.

    Attributes
    ----------
    n : int
        Rows of positive weight.
    weight : float
    mean : ndarray of shape (d + m,)
    squares : ndarray of shape (d + m,)
        Weighted sums of squared distances from the mean.
    """

    n: int
    weight: float
    mean: np.ndarray
    squares: np.ndarray

    def __add__(self, other):
        """Those of the rows of both (Chan, Golub and LeVeque 1983)."""
        if not (self.n and other.n):
            return self if self.n else other
        weight = self.weight + other.weight
        gap, share = other.mean - self.mean, other.weight / weight
        squares = self.squares + other.squares + gap**2 * self.weight * share
        return Moments(self.n + other.n, weight, self.mean + share * gap, squares)


@dataclass(frozen=True)
class SampledRows:
    """Some of the rows; those of two sets are the rows of both."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    def __add__(self, other):
        pairs = [(self.X, other.X), (self.y, other.y), (self.weights, other.weights)]
        return SampledRows(*map(np.concatenate, pairs))


@dataclass(frozen=True)
class LabelMasses:
    """The labels of some rows, sorted, and the weight of each.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    mass : ndarray of shape (n_classes,)
    """

    classes: np.ndarray
    mass: np.ndarray

    @classmethod
    def of(cls, labels, weights):
        """Those of labels (n,), each with a weight."""
        classes, codes = np.unique(labels, return_inverse=True)
        return cls(classes, np.bincount(codes, weights, len(classes)))

    def __add__(self, other):
        """Those of the rows of both."""
        masses = np.concatenate([self.mass, other.mass])
        return LabelMasses.of(np.concatenate([self.classes, other.classes]), masses)


def survey_labels(chunks):
    """Return the `LabelMasses` of all rows."""
    return chunks.interpreted(as_labels).fold(_label_masses)


def as_labels(y, weights):
    """y as an array of labels (b,), and the weights."""
    return np.asarray(y).reshape(-1), weights


def as_codes(y, weights, classes, by_class):
    """Codes (b, 1) of labels, and their weights × those of the classes.

    Classes of weight zero have no code: their rows count for nothing.
    """
    found = np.searchsorted(classes, as_labels(y, weights)[0])
    codes = np.cumsum(by_class > 0) - 1
    return codes[found, None].astype(np.float64), weights * by_class[found]


def _label_masses(number, X, y, weights):
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
    """

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray
    y_mean: np.ndarray
    y_scale: np.ndarray

    @classmethod
    def of(cls, moments, n_features, standardises):
        """Those of all rows; y is shifted and scaled, or stays as it is."""
        scale = np.sqrt(moments.squares / moments.weight)
        constant = scale <= 1e-13 * np.maximum(np.abs(moments.mean), np.finfo(float).tiny)
        constant |= scale < SMALLEST_SCALE
        scale = np.where(constant, 1.0, scale)
        X, y = slice(n_features), slice(n_features, None)
        center, spread = moments.mean[y], scale[y]
        if not standardises:
            center, spread = np.zeros_like(center), np.ones_like(spread)
        return cls(moments.mean[X], scale[X], constant[X], center, spread)

    def design(self, X):
        """The standardised design of some rows (b, d)."""
        return DenseDesign(X, None, (self.mean, self.scale, self.constant))

    def targets(self, y):
        """Standardised targets of some rows (b, m)."""
        return np.asfortranarray((y - self.y_mean) / self.y_scale)


def survey(chunks, n_features, law, most, rng):
    """Read all rows twice.

    Parameters
    ----------
    chunks : Chunks
    n_features : int
    law : response
    most : int
        Rows to draw, at most; all of them where there are no more.
    rng : numpy.random.RandomState

    Returns
    -------
    moments : Moments
    units : Standardisation
    some : SampledRows
        Every so many-th row, from a random one on in each chunk.
    """
    moments = chunks.fold(partial(_moments, n_features=n_features, law=law))
    if not moments.n:
        raise ValueError("X must hold rows of positive weight; it holds none")
    if not np.isfinite(moments.squares).all():
        raise ValueError("X and y must be numbers whose squares are finite; rescale them")
    stride = -(-moments.n // most)
    # Where all rows are taken, nothing is drawn, and starts are those of a fit in memory.
    seed = int(rng.randint(2**31 - 1)) if stride > 1 else 0
    some = chunks.fold(partial(_every, stride=stride, seed=seed))
    return moments, Standardisation.of(moments, n_features, law.standardises), some


def _moments(number, X, y, weights, *, n_features, law):
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


def _check(number, X, y, weights):
    """Refuse what is no number, or has no square."""
    limits = {"X": (X, -np.inf, np.inf), "y": (y, -LARGEST_Y, LARGEST_Y)}
    limits["sample_weight"] = (weights, 0.0, np.inf)
    for name, (values, low, high) in limits.items():
        if not (np.isfinite(values) & (values >= low) & (values <= high)).all():
            raise ValueError(
                f"{name} must be finite numbers between {low:g} and {high:g}; chunk {number} of "
                "the rows has others"
            )


def _every(number, X, y, weights, *, stride, seed):
    first = np.random.RandomState((seed + number) % 2**31).randint(stride)
    return SampledRows(
        X[first::stride].copy(), y[first::stride].copy(), weights[first::stride].copy()
    )
