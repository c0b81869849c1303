"""Standardised designs, on which batched experts and the gates of the package compute.

A design represents the columns of X, standardised with the sample weights, followed by a
column of ones. Gate and experts that use the same columns share one design, so that scale and
shift of X never enter the iterations.

Dense columns are copied in double precision, whatever precision X has: single precision is no
faster, since coefficients are double, and where columns are nearly collinear predictions would
be wrong from the fifth digit on. Sparse columns are not copied; their scale is multiplied into the
coefficients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from .._sklearn import FLOATS, as_numeric
from .numerics import (
    Bools,
    Floats,
    blocks,
    rank_of_products,
    weighted_grams,
    weighted_location_scale,
)
from .sparse import (
    block_of,
    column_scales,
    in_range,
    row_blocks,
    row_products,
    squared,
    transposed,
    weighted,
)
from .tables import read_only

#: Up to this many sparse columns their (p, p) products are formed, and beyond it only products
#: with vectors.
_GRAM_COLUMNS = 512

#: From this many dense columns on the transposed product is computed and transposed back, which is
#: faster by up to a half.
_TRANSPOSED_COLUMNS = 64

#: Where both rows and columns are more, their rank is not computed: columns are counted.
MOST_RANKED = 2048

#: A sparse X of few columns and up to this many cells (8 MB) gets a dense design, which is many
#: times faster for a small table and has the same results.
_DENSE_ENTRIES = 2**20


class View:
    """The columns of X that the gate, or the experts, are fitted to.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, d)
        Handed to estimators unchanged.
    weights : ndarray of shape (n,)
        Sample weights, for the standardisation.
    """

    def __init__(self, X: Any, weights: Floats):
        self.X = read_only(X)
        self.weights = weights

    @classmethod
    def of(cls, X: Any, weights: Floats, design: Design) -> View:
        """Return the view of X with an existing design."""
        view = cls(X, weights)
        view.design = design
        return view

    @cached_property
    def design(self) -> Design:
        """The standardised design, made at the first use."""
        X = as_numeric(self.X, FLOATS)
        if sparse.issparse(X) and not _is_small(X):
            return SparseDesign(X, self.weights)
        return DenseDesign(X.toarray() if sparse.issparse(X) else X, self.weights)

    @cached_property
    def rank(self) -> int:
        """Number of free coefficients of a linear function: rank of the design, ones included."""
        return self.design.rank(self.weights)


def _is_small(X: Any) -> bool:
    return X.shape[1] <= _GRAM_COLUMNS and X.shape[0] * X.shape[1] <= _DENSE_ENTRIES


class Design(ABC):
    """A standardised design (n, p) of p = d + 1 columns, of which the last is ones.

    Attributes
    ----------
    shape : tuple of int
        (n, p).
    mean, scale : ndarray of shape (d,)
        What was subtracted from the columns of X, and what they were divided by.
    location : ndarray of shape (d,)
        Weighted means of the columns of X.
    matrix : ndarray of shape (n, p) or None
        The design in Fortran order; None where it is never formed.
    has_grams : bool
        Whether (p, p) products are small enough to be formed.
    n_entries : int
        Number of sparse entries; zero for a dense design.
    """

    shape: tuple[int, int]
    mean: Floats
    scale: Floats
    location: Floats
    matrix: Any
    has_grams: bool
    n_entries: int

    @property
    @abstractmethod
    def varying(self) -> Bools:
        """Which columns (d,) of X are not constant."""

    @abstractmethod
    def blocks(self) -> Iterator[slice]:
        """Yield slices that cut the rows into blocks."""

    @abstractmethod
    def cross_blocks(self, values: Callable[[slice], Floats], m: int) -> Floats:
        """Return ``values.T @ design`` (m, p), where `values` maps a block of rows to (b, m)."""

    @abstractmethod
    def grams(self, weights: Floats) -> Floats:
        """Return ``design.T @ diag(weights[:, k]) @ design`` as (m, p, p) for weights (n, m)."""

    @abstractmethod
    def normal_equations(self, weights: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""

    @abstractmethod
    def _prepared(self, coef: Floats) -> Any:
        """Return coefficients (m, p) in the form in which rows are multiplied by them."""

    @abstractmethod
    def _multiply(self, rows: slice, prepared: Any, out: Floats) -> None:
        """Write the linear functions of a block of rows into `out`, (b, m)."""

    @abstractmethod
    def _image(self, rows: slice, prepared: Any) -> Floats:
        """Return the linear functions (b, m) of a block of rows."""

    def rank(self, weights: Floats) -> int:
        """Return the rank of the rows of positive weight (n,), or a bound for very many columns."""
        n, p = self.shape
        if min(n, p) > MOST_RANKED:
            return min(n, 1 + int(self.varying.sum()))
        if p <= n:
            return rank_of_products(self.grams(weights[:, None] / weights.max())[0])
        rows = np.flatnonzero(weights)
        return rank_of_products(self.products_of_rows()[np.ix_(rows, rows)])

    def products_of_rows(self) -> Floats:
        """Return ``design @ design.T`` (n, n)."""
        return self.matrix @ self.matrix.T

    def linear(self, coef: Floats, then: Callable[[Floats], Any] | None = None) -> Floats:
        """Return the linear functions (n, m) of coef (m, p), in Fortran order.

        `then` is applied in place to every block of the result, while the block is in cache.
        """
        out = np.empty((len(coef), self.shape[0])).T
        prepared = self._prepared(coef)
        for rows in self.blocks():
            self._multiply(rows, prepared, out[rows])
            if then is not None:
                then(out[rows])
        return out

    def functions(self, coef: Floats) -> Callable[[slice], Floats]:
        """Return a function that maps a block of rows to linear functions (b, m) of coef (m, p)."""
        prepared = self._prepared(coef)
        return lambda rows: self._image(rows, prepared)

    def cross(self, values: Floats) -> Floats:
        """Return ``values.T @ design`` (m, p) for values of shape (n, m)."""
        return self.cross_blocks(lambda rows: values[rows], values.shape[1])

    def to_raw(self, coef: Floats) -> tuple[Floats, Floats]:
        """Turn standardised (..., p) coefficients into raw coefficients and intercepts."""
        raw = coef[..., :-1] / self.scale
        return raw, coef[..., -1] - raw @ self.mean

    def from_raw(self, coef: Floats, intercept: Floats) -> Floats:
        """Turn raw (..., d) coefficients and intercepts into standardised ones, (..., p)."""
        first = intercept + coef @ self.mean
        return np.concatenate([coef * self.scale, first[..., None]], axis=-1)

    def raw_ridge(self, alpha: float) -> Floats:
        """Return the diagonal (p,) of ``alpha * ||raw coef||^2`` as a form in standardised coef."""
        with np.errstate(over="ignore", divide="ignore"):
            ridge = alpha / self.scale / self.scale if alpha else np.zeros_like(self.scale)
        return np.append(np.minimum(ridge, 1e300), 0.0)


class DenseDesign(Design):
    """A design of centred and scaled columns, in Fortran order.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weights : ndarray of shape (n,) or None
        Sample weights; None with `standardisation`.
    standardisation : (ndarray, ndarray, ndarray) of shape (d,), optional
        Mean, scale, and whether a column is constant; by default those of these rows.
    """

    has_grams = True
    n_entries = 0

    def __init__(
        self,
        X: Floats,
        weights: Any,
        standardisation: tuple[Floats, Floats, Bools] | None = None,
    ):
        mean, scale, constant = standardisation or weighted_location_scale(X, weights)
        self.matrix = np.empty((X.shape[0], X.shape[1] + 1), order="F")
        for rows in blocks(len(X)):
            np.subtract(X[rows], mean, out=self.matrix[rows, :-1])
            self.matrix[rows, :-1] /= scale
        self.matrix[:, :-1][:, constant] = 0.0
        self.matrix[:, -1] = 1.0
        self.mean, self.scale, self.location = mean, scale, mean
        self.shape = self.matrix.shape

    @property
    def varying(self) -> Bools:
        """Which columns (d,) of X are not constant."""
        return self.matrix[:, :-1].any(axis=0)

    def blocks(self) -> Iterator[slice]:
        """Yield slices that cut the rows into blocks."""
        return blocks(len(self.matrix))

    def _prepared(self, coef: Floats) -> Floats:
        return coef

    def _multiply(self, rows: slice, prepared: Floats, out: Floats) -> None:
        # Several times faster than the product of arrays in Fortran order.
        np.matmul(prepared, self.matrix[rows].T, out=out.T)

    def _image(self, rows: slice, prepared: Floats) -> Floats:
        block = self.matrix[rows]
        if self.shape[1] >= _TRANSPOSED_COLUMNS:
            return np.ascontiguousarray((prepared @ block.T).T)
        return block @ prepared.T

    def cross_blocks(self, values: Callable[[slice], Floats], m: int) -> Floats:
        """Return ``values.T @ matrix`` (m, p), where `values` maps a block of rows to (b, m)."""
        total = np.zeros((self.shape[1], m))
        for rows in self.blocks():
            total += self.matrix[rows].T @ values(rows)
        return total.T

    def grams(self, weights: Floats) -> Floats:
        """Return ``matrix.T @ diag(weights[:, k]) @ matrix`` as (m, p, p)."""
        return weighted_grams(self.matrix, weights)

    def normal_equations(self, weights: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        p = self.shape[1]
        both = weighted_grams(self.matrix, weights, values)
        return both[:, :p, :p], both[:, :p, p:]


class SparseDesign(Design):
    """A design of columns that are scaled but not centred, so that zeros stay zeros.

    The entries of X are not changed. The coefficients they are multiplied by are scaled instead.
    X is copied only if squares of its numbers would overflow or vanish.

    Parameters
    ----------
    X : CSR matrix of shape (n, d)
        In single or double precision.
    weights : ndarray of shape (n,)

    Attributes
    ----------
    mean : ndarray of shape (d,)
        Zeros, since nothing is subtracted from the columns.
    """

    #: The standardised matrix is never formed.
    matrix = None

    def __init__(self, X: Any, weights: Floats):
        self.X, divisor = in_range(X)
        mean, scale, constant = column_scales(self.X, weights)
        self.shape, self.n_entries = (X.shape[0], X.shape[1] + 1), X.nnz
        self.has_grams = self.shape[1] <= _GRAM_COLUMNS
        self.scale = np.where(constant, 1.0, scale * divisor)
        self.mean, self.location = np.zeros(X.shape[1]), mean * divisor
        #: What an entry is multiplied by; zero in a constant column.
        self.factor = np.where(constant, 0.0, 1.0 / scale)
        # Making a block takes as long as a product with few coefficients.
        self._made: dict[int, tuple[Any, Any]] = {}

    @property
    def varying(self) -> Bools:
        """Which columns (d,) of X are not constant."""
        return self.factor > 0.0

    def blocks(self) -> Iterator[slice]:
        """Yield slices that cut the rows into blocks."""
        return row_blocks(self.X)

    def _block(self, rows: slice) -> tuple[Any, Any]:
        """Return a block of rows and its transpose, which share their entries with X."""
        if rows.start not in self._made:
            block = block_of(self.X, rows)
            self._made[rows.start] = block, transposed(block)
        return self._made[rows.start]

    def _prepared(self, coef: Floats) -> tuple[Floats, Floats]:
        """Return coefficients (d, m) of the entries of X, and intercepts (m,)."""
        # Contiguous in the order in which a product with rows of X reads them.
        scaled = np.empty((self.shape[1] - 1, len(coef)))
        np.multiply(coef[:, :-1].T, self.factor[:, None], out=scaled)
        return scaled, coef[:, -1]

    def _multiply(self, rows: slice, prepared: tuple[Floats, Floats], out: Floats) -> None:
        out[:] = self._image(rows, prepared)

    def _image(self, rows: slice, prepared: tuple[Floats, Floats]) -> Floats:
        scaled, intercept = prepared
        out = self._block(rows)[0] @ scaled
        out += intercept
        return out

    def cross_blocks(self, values: Callable[[slice], Floats], m: int) -> Floats:
        """Return ``values.T @ design`` (m, p), where `values` maps a block of rows to (b, m)."""
        return self._cross(values, m, lambda rows: self._block(rows)[1], self.factor)

    def products_of_rows(self) -> Floats:
        """Return ``design @ design.T`` (n, n)."""
        return row_products(self.X, self.factor)

    def cross_squares(self, values: Callable[[slice], Floats], m: int) -> Floats:
        """Return the same product with the squares of the entries of the design, (m, p)."""
        return self._cross(values, m, lambda rows: squared(self._block(rows)[0]).T, self.factor**2)

    def _cross(
        self,
        values: Callable[[slice], Floats],
        m: int,
        of_rows: Callable[[slice], Any],
        factor: Floats,
    ) -> Floats:
        total, last = np.zeros((self.shape[1] - 1, m)), np.zeros(m)
        for rows in self.blocks():
            block = values(rows)
            total += of_rows(rows) @ block
            last += block.sum(axis=0)
        out = np.empty((m, self.shape[1]))
        np.multiply(total.T, factor, out=out[:, :-1])
        out[:, -1] = last
        return out

    def grams(self, weights: Floats) -> Floats:
        """Return the products of all columns (m, p, p), weighted with each column of weights."""
        p = self.shape[1]
        out = np.zeros((weights.shape[1], p, p))
        for rows in self.blocks():
            block = self._block(rows)[0]
            for gram, weight in zip(out, weights[rows].T, strict=True):
                gram[:-1, :-1] += (block.T @ weighted(block, weight)).toarray()
        out[:, :-1, :-1] *= self.factor[:, None] * self.factor
        out[:, -1] = self.cross(weights)
        out[:, :, -1] = out[:, -1]
        return out

    def normal_equations(self, weights: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Return grams (K, p, p) and right-hand sides (K, p, m) for values of shape (n, m)."""
        right = [self.cross(weights * column[:, None]) for column in values.T]
        return self.grams(weights), np.stack(right, axis=2)
