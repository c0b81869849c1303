"""Standardised designs: what batched experts and the softmax gate compute with.

A design stands for the columns of X, standardised with the sample weights, followed by a
column of ones. Gate and experts that see the same columns share one, so scale and shift of X
never enter the iterations.

Dense columns are copied, in double precision whatever X has: single precision is no faster, since
coefficients are double, and where columns nearly agree predictions would lose their fifth digit.
Sparse ones are read where they are; their scale is put on the coefficients.
"""

from functools import cached_property

import numpy as np
from scipy import sparse

from .._sklearn import FLOATS, as_numeric
from .numerics import blocks, weighted_grams, weighted_location_scale
from .sparse import (
    block_of,
    column_scales,
    in_range,
    row_blocks,
    squared,
    weighted,
)

#: Up to this many sparse columns their (p, p) products are formed; beyond it only
#: products with vectors are.
_GRAM_COLUMNS = 512

#: From so many dense columns on a product is made the other way round and turned, which is faster
#: by up to a half.
_TURNED_COLUMNS = 64

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
    elif hasattr(values, "with_columns"):
        # polars: columns never change, and a clone is a frame of the same ones.
        values = values.clone()
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
        X = as_numeric(self.X, FLOATS)
        if sparse.issparse(X) and not _is_small(X):
            return SparseDesign(X, self.weights)
        return DenseDesign(X.toarray() if sparse.issparse(X) else X, self.weights)


def _is_small(X):
    return X.shape[1] <= _GRAM_COLUMNS and X.shape[0] * X.shape[1] <= _DENSE_ENTRIES


def linear_functions(X, coef, intercept):
    """Return ``X @ coef.T + intercept`` (n, K), in Fortran order and double precision.

    No copy of X is made, dense or CSR, in single or double precision.
    """
    out = np.empty((len(coef), X.shape[0])).T
    turned = np.ascontiguousarray(coef.T)
    for rows in row_blocks(X) if sparse.issparse(X) else blocks(len(X)):
        out[rows] = X[rows] @ turned
    out += intercept
    return out


class _Design:
    """What dense and sparse designs share: the products of (n, d + 1), the last column ones."""

    def linear(self, coef, then=None):
        """Return the linear functions (n, m) of coef (m, p), in Fortran order.

        `then` is applied to every block of the result, in place, while it is in cache.
        """
        out = np.empty((len(coef), self.shape[0])).T
        prepared = self._prepared(coef)
        for rows in self.blocks():
            self._multiply(rows, prepared, out[rows])
            if then is not None:
                then(out[rows])
        return out

    def functions(self, coef):
        """Return what maps a block of rows to its linear functions (b, m) of coef (m, p)."""
        prepared = self._prepared(coef)
        return lambda rows: self._image(rows, prepared)

    def cross(self, values):
        """Return ``values.T @ design`` (m, p) for values of shape (n, m)."""
        return self.folded(lambda rows: values[rows], values.shape[1])

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

    #: Entries that are stored sparsely.
    n_entries = 0

    def __init__(self, X, weights, units=None):
        mean, scale, constant = units or weighted_location_scale(X, weights)
        self.matrix = np.empty((X.shape[0], X.shape[1] + 1), order="F")
        for rows in blocks(len(X)):
            np.subtract(X[rows], mean, out=self.matrix[rows, :-1])
            self.matrix[rows, :-1] /= scale
        self.matrix[:, :-1][:, constant] = 0.0
        self.matrix[:, -1] = 1.0
        self.mean, self.scale = mean, scale

    @property
    def location(self):
        """Weighted means (d,) of the columns, which are what standardised ones lack."""
        return self.mean

    @property
    def varying(self):
        """Which columns (d,) are not constant."""
        return self.matrix[:, :-1].any(axis=0)

    @property
    def shape(self):
        """Of the matrix: (n, p)."""
        return self.matrix.shape

    def blocks(self):
        """Yield slices of rows."""
        return blocks(len(self.matrix))

    def _prepared(self, coef):
        return coef

    def _multiply(self, rows, coef, out):
        # Several times faster than the product of what is in Fortran order.
        np.matmul(coef, self.matrix[rows].T, out=out.T)

    def _image(self, rows, coef):
        block = self.matrix[rows]
        turned = self.shape[1] >= _TURNED_COLUMNS
        return np.ascontiguousarray((coef @ block.T).T) if turned else block @ coef.T

    def folded(self, values, m):
        """Return ``values.T @ matrix`` (m, p), where `values` maps a block of rows to (b, m)."""
        total = np.zeros((self.shape[1], m))
        for rows in self.blocks():
            total += self.matrix[rows].T @ values(rows)
        return total.T

    def grams(self, weights):
        """Return ``matrix.T @ diag(weights[:, k]) @ matrix`` as (m, p, p)."""
        return weighted_grams(self.matrix, weights)

    def normal_equations(self, weights, values):
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        p = self.shape[1]
        both = weighted_grams(self.matrix, weights, values)
        return both[:, :p, :p], both[:, :p, p:]


class SparseDesign(_Design):
    """Scaled but never centred columns, so that zeros stay zeros.

    The entries stay where they are, as they came; what is standardised is what they are
    multiplied with. Only numbers whose squares are out of range are copied.

    Parameters
    ----------
    X : CSR matrix of shape (n, d)
        In single or double precision.
    weights : ndarray of shape (n,)

    Attributes
    ----------
    mean : ndarray of shape (d,)
        What is taken from the columns: nothing.
    location : ndarray of shape (d,)
        Their weighted means.
    """

    #: The standardised matrix is never formed.
    matrix = None

    def __init__(self, X, weights):
        self.X, unit = in_range(X)
        mean, scale, constant = column_scales(self.X, weights)
        self.shape, self.n_entries = (X.shape[0], X.shape[1] + 1), X.nnz
        self.scale = np.where(constant, 1.0, scale * unit)
        self.mean, self.location = np.zeros(X.shape[1]), mean * unit
        #: What an entry is multiplied by; a constant column takes no part.
        self.factor = np.where(constant, 0.0, 1.0 / scale)

    @property
    def varying(self):
        """Which columns (d,) are not constant."""
        return self.factor > 0.0

    @property
    def has_grams(self):
        """Whether (p, p) products are small enough to be formed."""
        return self.shape[1] <= _GRAM_COLUMNS

    def blocks(self):
        """Yield slices of rows."""
        return row_blocks(self.X)

    def _prepared(self, coef):
        """Coefficients (d, m) of the entries as they are, and intercepts."""
        # In the order in which rows of X meet them.
        scaled = np.empty((self.shape[1] - 1, len(coef)))
        np.multiply(coef[:, :-1].T, self.factor[:, None], out=scaled)
        return scaled, coef[:, -1]

    def _multiply(self, rows, prepared, out):
        out[:] = self._image(rows, prepared)

    def _image(self, rows, prepared):
        scaled, intercept = prepared
        out = block_of(self.X, rows) @ scaled
        out += intercept
        return out

    def folded(self, values, m):
        """Return ``values.T @ design`` (m, p), where `values` maps a block of rows to (b, m)."""
        return self._folded(values, m, lambda block: block, self.factor)

    def folded_squares(self, values, m):
        """Return `folded` of the squares of the design."""
        return self._folded(values, m, squared, self.factor**2)

    def _folded(self, values, m, of_block, factor):
        total, last = np.zeros((self.shape[1] - 1, m)), np.zeros(m)
        for rows in self.blocks():
            block = values(rows)
            total += of_block(block_of(self.X, rows)).T @ block
            last += block.sum(axis=0)
        out = np.empty((m, self.shape[1]))
        np.multiply(total.T, factor, out=out[:, :-1])
        out[:, -1] = last
        return out

    def grams(self, weights):
        """Return the products of all columns (m, p, p), weighted with each column of weights."""
        p = self.shape[1]
        out = np.zeros((weights.shape[1], p, p))
        for rows in self.blocks():
            block = block_of(self.X, rows)
            for gram, weight in zip(out, weights[rows].T, strict=True):
                gram[:-1, :-1] += (block.T @ weighted(block, weight)).toarray()
        out[:, :-1, :-1] *= self.factor[:, None] * self.factor
        out[:, -1] = self.cross(weights)
        out[:, :, -1] = out[:, -1]
        return out

    def normal_equations(self, weights, values):
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        right = [self.cross(weights * column[:, None]) for column in values.T]
        return self.grams(weights), np.stack(right, axis=2)
