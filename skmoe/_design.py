"""Standardised designs: what batched experts and the softmax gate compute with.

A design is one float copy of the columns of X, standardised with the sample
weights, followed by a column of ones. Gate and experts that see the same
columns share one, so scale and shift of X never enter the iterations.
"""

from functools import cached_property

import numpy as np
from scipy import sparse

from ._numerics import SMALLEST_SPREAD, blocks, weighted_grams, weighted_location_scale
from ._sklearn import as_numeric

#: Up to this many sparse columns their (p, p) products are formed; beyond it only
#: products with vectors are.
_GRAM_COLUMNS = 512

#: Up to this many entries (8 MB), and few columns, a sparse X gets a dense design: that of a
#: small table is many times faster, and the same as if X had come dense.
_DENSE_ENTRIES = 2**20


def read_only(values):
    """Return what an estimator may be handed: it cannot write into the array or data frame given.

    Sparse matrices are returned as they are, since many estimators sort them in place.
    """
    if isinstance(values, np.ndarray):
        values = values.view()
        values.flags.writeable = False
    elif hasattr(values, "iloc"):
        # Copied when it is written to, as of pandas 3.
        values = values.copy(deep=False)
    return values


class View:
    """The columns of X that one side (gate or experts) sees.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, d)
        Handed to estimators as it is.
    weights : ndarray of shape (n,)
        Sample weights, for the standardisation.
    """

    def __init__(self, X, weights):
        self.X = read_only(X)
        self.weights = weights

    @classmethod
    def of(cls, X, weights, design):
        """Those of X, with a design that is made already."""
        view = cls(X, weights)
        view.design = design
        return view

    @cached_property
    def design(self):
        """The standardised design, made when first asked for."""
        X = as_numeric(self.X)
        if sparse.issparse(X) and not _is_small(X):
            return SparseDesign(X, self.weights)
        return DenseDesign(X.toarray() if sparse.issparse(X) else X, self.weights)


def _is_small(X):
    return X.shape[1] <= _GRAM_COLUMNS and X.shape[0] * X.shape[1] <= _DENSE_ENTRIES


class _Design:
    """What dense and sparse designs share; ``matrix`` is (n, d + 1), the last column ones."""

    @property
    def shape(self):
        return self.matrix.shape

    def linear(self, coef, then=None):
        """Return ``matrix @ coef.T`` as (n, m) in Fortran order, for coef of shape (m, p).

        `then` is applied to every block of the result, in place, while it is in cache.
        """
        out = np.empty((len(coef), self.shape[0])).T
        for rows in blocks(self.shape[0]):
            self._multiply(rows, coef, out[rows])
            if then is not None:
                then(out[rows])
        return out

    def _multiply(self, rows, coef, out):
        """Write ``matrix[rows] @ coef.T`` into `out`, in Fortran order."""
        out[:] = self.matrix[rows] @ coef.T

    def cross(self, values):
        """Return ``values.T @ matrix`` (m, p) for values of shape (n, m)."""
        total = np.zeros((values.shape[1], self.shape[1]))
        for rows in blocks(self.shape[0]):
            total += (self.matrix[rows].T @ values[rows]).T
        return total

    def to_raw(self, coef):
        """Turn standardised (..., p) coefficients into raw coefficients and intercepts."""
        raw = coef[..., :-1] / self.scale
        return raw, coef[..., -1] - raw @ self.mean

    def from_raw(self, coef, intercept):
        """Turn raw (..., d) coefficients and intercepts into standardised ones, (..., p)."""
        first = intercept + coef @ self.mean
        return np.concatenate([coef * self.scale, first[..., None]], axis=-1)

    def raw_ridge(self, alpha):
        """Diagonal, in standardised units, of the penalty ``alpha * ||raw coef||^2``."""
        with np.errstate(over="ignore", divide="ignore"):
            ridge = alpha / self.scale / self.scale if alpha else np.zeros_like(self.scale)
        return np.append(np.minimum(ridge, 1e300), 0.0)


class DenseDesign(_Design):
    """Centred and scaled columns, Fortran order.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weights : ndarray of shape (n,)
    units : (ndarray, ndarray, ndarray) of shape (d,), optional
        Mean, scale, and whether a column is constant, of other rows; by default of these.
    """

    #: Whether (p, p) products are small enough to be formed.
    has_grams = True

    def __init__(self, X, weights, units=None):
        mean, scale, constant = units or weighted_location_scale(X, weights)
        self.matrix = np.empty((X.shape[0], X.shape[1] + 1), order="F")
        for rows in blocks(len(X)):
            np.subtract(X[rows], mean, out=self.matrix[rows, :-1])
            self.matrix[rows, :-1] /= scale
        self.matrix[:, :-1][:, constant] = 0.0
        self.matrix[:, -1] = 1.0
        self.mean, self.scale = mean, scale

    def _multiply(self, rows, coef, out):
        # Several times faster than the product of what is in Fortran order.
        np.matmul(coef, self.matrix[rows].T, out=out.T)

    def grams(self, weights):
        """Return ``matrix.T @ diag(weights[:, k]) @ matrix`` as (m, p, p)."""
        return weighted_grams(self.matrix, weights)

    def normal_equations(self, weights, values):
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        p = self.shape[1]
        both = weighted_grams(self.matrix, weights, values)
        return both[:, :p, :p], both[:, :p, p:]


class SparseDesign(_Design):
    """Scaled but never centred columns, so that zeros stay zeros."""

    @property
    def has_grams(self):
        """Whether (p, p) products are small enough to be formed."""
        return self.shape[1] <= _GRAM_COLUMNS

    def __init__(self, X, weights):
        X = sparse.csr_matrix(X, dtype=np.float64)
        share = weights / weights.max()
        share = share / share.sum()
        magnitude = np.abs(X).max(axis=0).toarray().ravel()
        negligible = magnitude < SMALLEST_SPREAD
        magnitude[negligible] = 1.0
        unit = X @ sparse.diags(1.0 / magnitude)
        mean = unit.T @ share
        variance = np.maximum(unit.multiply(unit).T @ share - mean**2, 0.0)
        deviation = np.sqrt(variance)
        constant = negligible | (deviation <= 1e-7 * np.abs(mean))
        deviation[constant] = 1.0
        unit = unit @ sparse.diags(np.where(constant, 0.0, 1.0 / deviation))
        ones = np.ones((X.shape[0], 1))
        self.matrix = sparse.csr_matrix(sparse.hstack([unit, ones]))
        self.scale = np.where(constant, 1.0, deviation * magnitude)
        self.mean = np.zeros(X.shape[1])

    def grams(self, weights):
        """Return ``matrix.T @ diag(weights[:, k]) @ matrix`` as (m, p, p)."""
        transposed, p = self.matrix.T.tocsr(), self.shape[1]
        out = np.empty((weights.shape[1], p, p))
        for gram, weight in zip(out, weights.T, strict=True):
            gram[:] = (transposed @ sparse.diags(weight) @ self.matrix).toarray()
        return out

    def normal_equations(self, weights, values):
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        right = [self.cross(weights * column[:, None]) for column in values.T]
        return self.grams(weights), np.stack(right, axis=2)
