"""Covariances of Gaussian experts of x: full, tied or diagonal.

Everything is in standardised units: rows z have the weighted mean zero and unit
variances, means are (K, d). A covariance comes with its whiteners W, so that
the precision is ``W.T @ W``. Shapes, with a leading axis that broadcasts to K:
(K, d, d) full, (1, d, d) tied, (K, d) diagonal, where W holds inverse deviations.
"""

import numpy as np
from scipy import sparse

from ..._data.numerics import BLOCK_ROWS, blocks
from ..._data.sparse import block_of, row_blocks, squared

#: Smallest standard deviation, and smallest pivot of a correlation matrix, with which
#: distances still have correct digits: standardised rows are rounded at 1e-16.
_LEAST_SPREAD = 1e-10
_LEAST_PIVOT = 1e-6

#: A column in which the squared mean of an expert is this many times its variance is computed
#: from differences, since sums of squares would lose that many times the rounding error.
_FAR = 1e6

#: A pooled covariance with a smaller eigenvalue is summed from differences too.
_THIN = 1e-6

#: Entries of a dense block of sparse rows.
_BLOCK_ENTRIES = 2**20


class SingularCovarianceError(ValueError):
    """The rows of an expert do not spread in all directions."""


class DenseRows:
    """Standardised rows (n, d), fastest in Fortran order."""

    #: What is to be taken from `matrix` to get standardised rows.
    offset = 0.0

    def __init__(self, matrix):
        self.matrix = matrix

    def blocks(self, columns=slice(None)):
        """Yield slices of rows, and the standardised values (d, b) of each."""
        for rows in blocks(len(self.matrix)):
            yield rows, self.matrix[rows].T[columns]

    def first(self, masses):
        """Return ``masses.T @ matrix`` (K, d)."""
        return sum(masses[rows].T @ values.T for rows, values in self.blocks())

    def second(self, masses):
        """Return ``masses.T @ matrix**2`` (K, d)."""
        return sum(masses[rows].T @ np.square(values).T for rows, values in self.blocks())

    def quadratic(self, square, linear):
        """Return ``matrix**2 @ square.T + matrix @ linear.T`` (n, K)."""
        out = np.empty((len(square), len(self.matrix))).T
        for rows, values in self.blocks():
            out[rows] = (square @ np.square(values) + linear @ values).T
        return out


class SparseRows:
    """Rows scaled but not centred, of a CSR matrix that stays as it is.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, D)
    offset : ndarray of shape (d,)
        What is to be taken from scaled rows to get standardised ones.
    factor : ndarray of shape (d,) or float
        What entries are multiplied by.
    columns : ndarray of shape (d,), int, optional
        Those that count; all by default.
    """

    def __init__(self, matrix, offset, factor=1.0, columns=None):
        self.matrix, self.offset = matrix, offset
        self.factor = np.broadcast_to(factor, offset.shape)
        self.columns = np.arange(len(offset)) if columns is None else columns

    def blocks(self, columns=slice(None)):
        """Yield slices of rows, and the standardised values (d, b) of each."""
        taken, factor, offset = self.columns[columns], self.factor[columns], self.offset[columns]
        size = min(BLOCK_ROWS, _BLOCK_ENTRIES // max(len(offset), 1))
        for rows in blocks(self.matrix.shape[0], max(size, 1)):
            yield rows, (block_of(self.matrix, rows)[:, taken].toarray() * factor - offset).T

    def first(self, masses):
        """Return ``masses.T @ matrix`` (K, d), of scaled rows."""
        return self._folded(masses, lambda block: block) * self.factor

    def second(self, masses):
        """Return ``masses.T @ matrix**2`` (K, d), of scaled rows."""
        return self._folded(masses, squared) * self.factor**2

    def _folded(self, masses, of_block):
        total = np.zeros((self.matrix.shape[1], masses.shape[1]))
        for rows in row_blocks(self.matrix):
            total += of_block(block_of(self.matrix, rows)).T @ masses[rows]
        return total[self.columns].T

    def quadratic(self, square, linear):
        """Return ``matrix**2 @ square.T + matrix @ linear.T`` (n, K), of scaled rows."""
        out = np.empty((len(square), self.matrix.shape[0])).T
        square, linear = self._spread(square * self.factor**2), self._spread(linear * self.factor)
        for rows in row_blocks(self.matrix):
            block = block_of(self.matrix, rows)
            out[rows] = squared(block) @ square + block @ linear
        return out

    def _spread(self, coef):
        """Coefficients (D, K) of all columns of those (K, d) of the ones that count."""
        out = np.zeros((self.matrix.shape[1], len(coef)))
        out[self.columns] = coef.T
        return out


def as_rows(matrix, offset):
    """Return standardised rows: dense ones centred already, sparse ones with their `offset`."""
    if sparse.issparse(matrix):
        return SparseRows(matrix, offset)
    return DenseRows(matrix)


def means_of(rows, masses, mass):
    """Return weighted sums (K, d) of the standardised rows; `mass` (K,) are those of `masses`."""
    return rows.first(masses) - mass[:, None] * rows.offset


# Full and tied -----------------------------------------------------------------------------


class _Matrices:
    """What full and tied covariances share."""

    def whiten(self, covariance):
        """Return inverse Cholesky factors (., d, d).

        Raises
        ------
        SingularCovarianceError
            If a covariance has no inverse in working precision.
        """
        spread = np.sqrt(np.einsum("kjj->kj", covariance))
        _check_spread(spread)
        try:
            factor = np.linalg.cholesky(covariance / spread[:, :, None] / spread[:, None, :])
        except np.linalg.LinAlgError:
            raise SingularCovarianceError from None
        if np.einsum("kjj->kj", factor).min(initial=1.0) < _LEAST_PIVOT:
            raise SingularCovarianceError
        return np.linalg.inv(factor) / spread[:, None, :]

    def of_whiteners(self, whiteners):
        """The covariances (., d, d) that have these inverse factors."""
        back = np.linalg.inv(whiteners)
        return back @ back.swapaxes(1, 2)

    def log_determinants(self, whiteners):
        """Logarithms of the determinants of the covariances, one for each expert or for all."""
        return -2.0 * np.log(np.einsum("kjj->kj", whiteners)).sum(axis=1)

    def traces(self, whiteners):
        """Traces of the precisions."""
        return np.square(whiteners).sum(axis=(1, 2))

    def rescaled(self, covariance, scale):
        """The covariance of columns that have the standard deviations `scale` (d,)."""
        return covariance * scale[:, None] * scale


class Full(_Matrices):
    """A covariance of its own for each expert."""

    def estimate(self, rows, masses, means, prior, seen):
        """Return the covariances (K, d, d) that maximise the penalised likelihood.

        Parameters
        ----------
        rows : DenseRows or SparseRows of n rows
        masses : ndarray of shape (n, K)
        means : ndarray of shape (K, d)
        prior : float
            Further rows of each expert, with the mean 0 and the covariance 1.
        seen : ndarray of shape (K,)
            Sums of the masses and the further rows, none of them zero.
        """
        return self.of_scatter(_scatter(rows, masses, means), means, prior, seen)

    def of_scatter(self, scatter, means, prior, seen):
        """Return what `estimate` does from sums (K, d, d) about the means."""
        return (scatter + prior * _second_moments(means)) / seen[:, None, None]

    def of_all(self, n_experts, d):
        """The covariance of all rows, for each expert."""
        return np.tile(np.eye(d), (n_experts, 1, 1))

    def keep(self, covariance, alive, old):
        """Put `old`, or the covariance of all rows, in the place of experts without rows."""
        old = self.of_all(*covariance.shape[:2]) if old is None else old
        return np.where(alive[:, None, None], covariance, old)

    def distances(self, rows, means, whiteners):
        """Squared Mahalanobis distances (n, K)."""
        out = np.empty((len(means), rows.matrix.shape[0])).T
        for block, values in rows.blocks():
            for k, (mean, whitener) in enumerate(zip(means, whiteners, strict=True)):
                out[block, k] = _column_squares(whitener @ (values - mean[:, None]))
        return out

    def count(self, n_experts, d):
        """Number of free parameters."""
        return n_experts * d * (d + 1) // 2

    def public(self, covariance):
        """The shape that users see, (K, d, d)."""
        return covariance


class Tied(_Matrices):
    """One covariance for all experts: the log-odds are linear in x."""

    def estimate(self, rows, masses, means, prior, seen):
        """Return the covariance (1, d, d) that maximises the penalised likelihood."""
        pooled = _pooled_scatter(rows, masses, means)
        covariance = self.of_scatter(pooled[None], means, prior, seen)
        if np.linalg.eigvalsh(covariance).min(initial=1.0) < _THIN:
            covariance = self.of_scatter(_scatter(rows, masses, means), means, prior, seen)
        return covariance

    def of_scatter(self, scatter, means, prior, seen):
        """Return what `estimate` does from sums (., d, d) about the means."""
        shared = prior * _second_moments(means).sum(axis=0)
        return (shared + scatter.sum(axis=0, keepdims=True)) / seen.sum()

    def of_all(self, n_experts, d):
        """The covariance of all rows."""
        return np.eye(d)[None]

    def keep(self, covariance, alive, old):
        """All experts together have rows."""
        return covariance

    def distances(self, rows, means, whiteners):
        """Squared Mahalanobis distances (n, K)."""
        out = np.empty((len(means), rows.matrix.shape[0])).T
        centres = means @ whiteners[0].T
        for block, values in rows.blocks():
            white = whiteners[0] @ values
            for k, centre in enumerate(centres):
                out[block, k] = _column_squares(white - centre[:, None])
        return out

    def count(self, n_experts, d):
        """Number of free parameters."""
        return d * (d + 1) // 2

    def public(self, covariance):
        """The shape that users see, (d, d)."""
        return covariance[0]


def _scatter(rows, masses, means):
    """Return ``sum_i r_ik (z_i - m_k)(z_i - m_k)'`` as (K, d, d)."""
    d = means.shape[1]
    total = np.zeros((len(means), d, d))
    for block, values in rows.blocks():
        # Both sides of the product are one array: half the work, and exactly symmetric.
        root = np.sqrt(masses[block])
        for gram, mean, weight in zip(total, means, root.T, strict=True):
            scaled = (values - mean[:, None]) * weight
            gram += scaled @ scaled.T
    return total


def _pooled_scatter(rows, masses, means):
    """Return the sum over k of `_scatter`, (d, d), at the cost of one of its terms."""
    mass = masses.sum(axis=0)
    shift = (means_of(rows, masses, mass) - 0.5 * mass[:, None] * means).T @ means
    origin = np.zeros((1, means.shape[1]))
    return _scatter(rows, masses.sum(axis=1)[:, None], origin)[0] - shift - shift.T


def _second_moments(means):
    """Return ``I + m_k m_k'`` as (K, d, d)."""
    return np.eye(means.shape[1]) + means[:, :, None] * means[:, None, :]


def _column_squares(values):
    """Sums of squares of the columns of (d, b) values, (b,)."""
    return np.einsum("ij,ij->j", values, values)


# Diagonal ----------------------------------------------------------------------------------


class Diag:
    """Independent columns within each expert: products with x and x² only."""

    def estimate(self, rows, masses, means, prior, seen):
        """Return the variances (K, d) that maximise the penalised likelihood."""
        mass = masses.sum(axis=0)[:, None]
        stored = means + rows.offset
        scatter = rows.second(masses) - 2.0 * stored * rows.first(masses) + mass * stored**2
        far = mass * stored**2 > _FAR * (np.maximum(scatter, 0.0) + prior)
        far = np.flatnonzero(far.any(axis=0))
        if len(far):
            scatter[:, far] = _squared_differences(rows, masses, means, far)
        return self.of_scatter(np.maximum(scatter, 0.0), means, prior, seen)

    def of_scatter(self, scatter, means, prior, seen):
        """Return what `estimate` does from sums (K, d) about the means."""
        return (scatter + prior * (1.0 + means**2)) / seen[:, None]

    def of_all(self, n_experts, d):
        """The variances of all rows, for each expert."""
        return np.ones((n_experts, d))

    def keep(self, covariance, alive, old):
        """Put `old`, or the variances of all rows, in the place of experts without rows."""
        old = self.of_all(*covariance.shape) if old is None else old
        return np.where(alive[:, None], covariance, old)

    def whiten(self, covariance):
        """Return inverse standard deviations (K, d).

        Raises
        ------
        SingularCovarianceError
            If a variance vanishes.
        """
        spread = np.sqrt(covariance)
        _check_spread(spread)
        return 1.0 / spread

    def of_whiteners(self, whiteners):
        """The variances (K, d) that have these inverse deviations."""
        return whiteners**-2

    def log_determinants(self, whiteners):
        """Logarithms of the products of the variances, (K,)."""
        return -2.0 * np.log(whiteners).sum(axis=1)

    def traces(self, whiteners):
        """Sums of the precisions, (K,)."""
        return np.square(whiteners).sum(axis=1)

    def distances(self, rows, means, whiteners):
        """Squared Mahalanobis distances (n, K)."""
        precision, stored = whiteners**2, means + rows.offset
        far = np.flatnonzero((stored**2 * precision > _FAR).any(axis=0))
        precision[:, far] = 0.0
        out = rows.quadratic(precision, -2.0 * stored * precision)
        out += (stored**2 * precision).sum(axis=1)
        np.maximum(out, 0.0, out=out)
        if len(far):
            _add_distances(out, rows, means, whiteners, far)
        return out

    def count(self, n_experts, d):
        """Number of free parameters."""
        return n_experts * d

    def rescaled(self, covariance, scale):
        """The variances of columns that have the standard deviations `scale` (d,)."""
        return covariance * scale * scale

    def public(self, covariance):
        """The shape that users see, (K, d)."""
        return covariance


def _squared_differences(rows, masses, means, columns):
    """Return ``sum_i r_ik (z_i - m_k)**2`` of some columns, from the differences themselves."""
    total = np.zeros((len(means), len(columns)))
    for block, values in rows.blocks(columns):
        for k, mean in enumerate(means[:, columns]):
            total[k] += np.square(values - mean[:, None]) @ masses[block, k]
    return total


def _add_distances(out, rows, means, whiteners, columns):
    """Add the squared distances (n, K) along some columns, from the differences themselves."""
    means, whiteners = means[:, columns], whiteners[:, columns]
    for block, values in rows.blocks(columns):
        for k, (mean, whitener) in enumerate(zip(means, whiteners, strict=True)):
            out[block, k] += _column_squares((values - mean[:, None]) * whitener[:, None])


def _check_spread(spread):
    if spread.min(initial=1.0) < _LEAST_SPREAD:
        raise SingularCovarianceError


#: Covariances by name.
COVARIANCES = {"full": Full, "tied": Tied, "diag": Diag}
