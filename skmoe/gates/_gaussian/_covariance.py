"""Covariances of Gaussian experts of x: full, tied or diagonal.

All numbers belong to standardised rows z, which have the weighted mean zero and unit
variances; means are (K, d). A covariance is kept together with whiteners W, so that the
precision is ``W.T @ W``. Shapes, with a leading axis that broadcasts to K: (K, d, d) full,
(1, d, d) tied, and (K, d) diagonal, where W holds inverse standard deviations.
"""

from abc import ABC, abstractmethod

import numpy as np

from ...em._protocols import Bools, Floats, Ints
from ._rows import DenseRows, SparseRows, weighted_sums_of

#: Smallest standard deviation, and smallest pivot of a correlation matrix, with which
#: distances still have correct digits: the rounding error of standardised rows is 1e-16.
_LEAST_SPREAD = 1e-10
_LEAST_PIVOT = 1e-6

#: A column in which the squared mean of an expert is this many times its variance is computed
#: from differences, since sums of squares would lose that many times the rounding error.
_FAR = 1e6

#: A pooled covariance with a smaller eigenvalue is summed from differences too.
_THIN = 1e-6

#: Rows of either storage.
Rows = DenseRows | SparseRows


class SingularCovarianceError(ValueError):
    """The rows of an expert do not spread in all directions."""


class Covariance(ABC):
    """A kind of covariance: how it is estimated, inverted and evaluated. It has no state."""

    #: Whether the columns are independent within each expert.
    diagonal: bool = False

    @abstractmethod
    def estimate(
        self, rows: Rows, masses: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        """Return the covariances that maximise the penalised likelihood.

        Parameters
        ----------
        rows : DenseRows or SparseRows of n rows
        masses : ndarray of shape (n, K)
        means : ndarray of shape (K, d)
        prior : float
            Further rows of each expert, with the mean 0 and the covariance 1.
        total_mass : ndarray of shape (K,)
            Sums of the masses and the further rows, none of them zero.
        """

    @abstractmethod
    def of_scatter(
        self, scatter: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        """Return the result of `estimate` from sums of squares and products about the means."""

    @abstractmethod
    def moved_scatter(
        self, first: Floats, second: Floats, mass: Floats, moved: Floats, whiteners: Floats
    ) -> Floats:
        """Return sums about new means, of standardised rows, from sums about old means.

        Parameters
        ----------
        first : ndarray of shape (K, d)
            Weighted sums of whitened differences from the old means.
        second : ndarray of shape (K, d, d) or (K, d)
            Weighted sums of their products, or of their squares for independent columns.
        mass : ndarray of shape (K,)
        moved : ndarray of shape (K, d)
            Whitened differences of the new means from the old ones.
        whiteners : ndarray
            Of the old iterate.
        """

    @abstractmethod
    def of_all(self, n_experts: int, d: int) -> Floats:
        """Return the covariance of all rows, for each expert."""

    @abstractmethod
    def keep(self, covariance: Floats, alive: Bools, old: Floats | None) -> Floats:
        """Return covariances with `old` ones for experts without rows.

        Without `old` ones these experts get the covariance of all rows.
        """

    @abstractmethod
    def whiten(self, covariance: Floats) -> Floats:
        """Return the whiteners of covariances.

        Raises
        ------
        SingularCovarianceError
            If a covariance has no inverse in working precision.
        """

    @abstractmethod
    def of_whiteners(self, whiteners: Floats) -> Floats:
        """Return the covariances that have these whiteners."""

    @abstractmethod
    def matrices(self, whiteners: Floats, n_experts: int) -> Floats:
        """Return the whiteners as matrices, (K, d, d)."""

    @abstractmethod
    def log_determinants(self, whiteners: Floats) -> Floats:
        """Return the logarithms of the determinants of the covariances."""

    @abstractmethod
    def traces(self, whiteners: Floats) -> Floats:
        """Return the traces of the precisions."""

    @abstractmethod
    def distances(self, rows: Rows, means: Floats, whiteners: Floats) -> Floats:
        """Return squared Mahalanobis distances (n, K)."""

    @abstractmethod
    def rescaled(self, covariance: Floats, scale: Floats) -> Floats:
        """Return the covariance of columns multiplied by `scale` (d,)."""

    @abstractmethod
    def count(self, d: int) -> int:
        """Return the number of products of columns in the log-odds of two experts."""

    def public(self, covariance: Floats) -> Floats:
        """Return the covariances in the shape of ``covariances_``."""
        return covariance


# Full and tied -----------------------------------------------------------------------------


class _Matrices(Covariance):
    """Base class of full and tied covariances; whiteners are inverse Cholesky factors."""

    def whiten(self, covariance: Floats) -> Floats:
        spread = np.sqrt(np.einsum("kjj->kj", covariance))
        _check_spread(spread)
        try:
            factor = np.linalg.cholesky(covariance / spread[:, :, None] / spread[:, None, :])
        except np.linalg.LinAlgError:
            raise SingularCovarianceError from None
        if np.einsum("kjj->kj", factor).min(initial=1.0) < _LEAST_PIVOT:
            raise SingularCovarianceError
        return np.linalg.inv(factor) / spread[:, None, :]

    def matrices(self, whiteners: Floats, n_experts: int) -> Floats:
        return np.broadcast_to(whiteners, (n_experts, *whiteners.shape[1:]))

    def moved_scatter(
        self, first: Floats, second: Floats, mass: Floats, moved: Floats, whiteners: Floats
    ) -> Floats:
        cross = first[:, :, None] * moved[:, None]
        about = second - cross - cross.swapaxes(1, 2)
        about += mass[:, None, None] * moved[:, :, None] * moved[:, None]
        back = np.linalg.inv(self.matrices(whiteners, len(first)))
        return back @ about @ back.swapaxes(1, 2)

    def of_whiteners(self, whiteners: Floats) -> Floats:
        back = np.linalg.inv(whiteners)
        return back @ back.swapaxes(1, 2)

    def log_determinants(self, whiteners: Floats) -> Floats:
        return -2.0 * np.log(np.einsum("kjj->kj", whiteners)).sum(axis=1)

    def traces(self, whiteners: Floats) -> Floats:
        return np.square(whiteners).sum(axis=(1, 2))

    def rescaled(self, covariance: Floats, scale: Floats) -> Floats:
        return covariance * scale[:, None] * scale


class Full(_Matrices):
    """A covariance (d, d) for each expert."""

    def estimate(
        self, rows: Rows, masses: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        return self.of_scatter(_scatter(rows, masses, means), means, prior, total_mass)

    def of_scatter(
        self, scatter: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        return (scatter + prior * _second_moments(means)) / total_mass[:, None, None]

    def of_all(self, n_experts: int, d: int) -> Floats:
        return np.tile(np.eye(d), (n_experts, 1, 1))

    def keep(self, covariance: Floats, alive: Bools, old: Floats | None) -> Floats:
        old = self.of_all(*covariance.shape[:2]) if old is None else old
        return np.where(alive[:, None, None], covariance, old)

    def distances(self, rows: Rows, means: Floats, whiteners: Floats) -> Floats:
        out = np.empty((len(means), rows.matrix.shape[0])).T
        for block, values in rows.blocks():
            for k, (mean, whitener) in enumerate(zip(means, whiteners, strict=True)):
                out[block, k] = _column_squares(whitener @ (values - mean[:, None]))
        return out

    def count(self, d: int) -> int:
        return d * (d + 1) // 2


class Tied(_Matrices):
    """One covariance for all experts, so that log-odds are linear in x."""

    def estimate(
        self, rows: Rows, masses: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        pooled = _pooled_scatter(rows, masses, means)
        covariance = self.of_scatter(pooled[None], means, prior, total_mass)
        if np.linalg.eigvalsh(covariance).min(initial=1.0) < _THIN:
            covariance = self.of_scatter(_scatter(rows, masses, means), means, prior, total_mass)
        return covariance

    def of_scatter(
        self, scatter: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        shared = prior * _second_moments(means).sum(axis=0)
        return (shared + scatter.sum(axis=0, keepdims=True)) / total_mass.sum()

    def of_all(self, n_experts: int, d: int) -> Floats:
        return np.eye(d)[None]

    def keep(self, covariance: Floats, alive: Bools, old: Floats | None) -> Floats:
        # There are always rows, of all experts together.
        return covariance

    def distances(self, rows: Rows, means: Floats, whiteners: Floats) -> Floats:
        out = np.empty((len(means), rows.matrix.shape[0])).T
        centres = means @ whiteners[0].T
        for block, values in rows.blocks():
            white = whiteners[0] @ values
            for k, centre in enumerate(centres):
                out[block, k] = _column_squares(white - centre[:, None])
        return out

    def count(self, d: int) -> int:
        # They are those of the shared matrix, and cancel.
        return 0

    def public(self, covariance: Floats) -> Floats:
        return covariance[0]


def _scatter(rows: Rows, masses: Floats, means: Floats) -> Floats:
    """Return ``sum_i r_ik (z_i - m_k)(z_i - m_k)'`` as (K, d, d)."""
    d = means.shape[1]
    total = np.zeros((len(means), d, d))
    for block, values in rows.blocks():
        # Both factors of the product are one array, which halves the work and makes it symmetric.
        root = np.sqrt(masses[block])
        for gram, mean, weight in zip(total, means, root.T, strict=True):
            scaled = (values - mean[:, None]) * weight
            gram += scaled @ scaled.T
    return total


def _pooled_scatter(rows: Rows, masses: Floats, means: Floats) -> Floats:
    """Return the sum over k of `_scatter`, (d, d), at the cost of a single expert."""
    mass = masses.sum(axis=0)
    shift = (weighted_sums_of(rows, masses, mass) - 0.5 * mass[:, None] * means).T @ means
    origin = np.zeros((1, means.shape[1]))
    return _scatter(rows, masses.sum(axis=1)[:, None], origin)[0] - shift - shift.T


def _second_moments(means: Floats) -> Floats:
    """Return ``I + m_k m_k'`` as (K, d, d)."""
    return np.eye(means.shape[1]) + means[:, :, None] * means[:, None, :]


def _column_squares(values: Floats) -> Floats:
    """Return sums of squares (b,) of the columns of values (d, b)."""
    return np.einsum("ij,ij->j", values, values)


# Diagonal ----------------------------------------------------------------------------------


class Diag(Covariance):
    """Variances of columns that are independent within each expert.

    Only products with x and x² are needed; whiteners are inverse standard deviations.
    """

    diagonal: bool = True

    def estimate(
        self, rows: Rows, masses: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        mass = masses.sum(axis=0)[:, None]
        stored = means + rows.offset
        scatter = rows.second(masses) - 2.0 * stored * rows.first(masses) + mass * stored**2
        far = mass * stored**2 > _FAR * (np.maximum(scatter, 0.0) + prior)
        far = np.flatnonzero(far.any(axis=0))
        if len(far):
            scatter[:, far] = _squared_differences(rows, masses, means, far)
        return self.of_scatter(np.maximum(scatter, 0.0), means, prior, total_mass)

    def of_scatter(
        self, scatter: Floats, means: Floats, prior: float, total_mass: Floats
    ) -> Floats:
        return (scatter + prior * (1.0 + means**2)) / total_mass[:, None]

    def of_all(self, n_experts: int, d: int) -> Floats:
        return np.ones((n_experts, d))

    def keep(self, covariance: Floats, alive: Bools, old: Floats | None) -> Floats:
        old = self.of_all(*covariance.shape) if old is None else old
        return np.where(alive[:, None], covariance, old)

    def whiten(self, covariance: Floats) -> Floats:
        spread = np.sqrt(covariance)
        _check_spread(spread)
        return 1.0 / spread

    def moved_scatter(
        self, first: Floats, second: Floats, mass: Floats, moved: Floats, whiteners: Floats
    ) -> Floats:
        about = second - 2.0 * moved * first + mass[:, None] * moved**2
        return np.maximum(about, 0.0) / whiteners**2

    def matrices(self, whiteners: Floats, n_experts: int) -> Floats:
        return whiteners[:, :, None] * np.eye(whiteners.shape[1])

    def of_whiteners(self, whiteners: Floats) -> Floats:
        return whiteners**-2

    def log_determinants(self, whiteners: Floats) -> Floats:
        return -2.0 * np.log(whiteners).sum(axis=1)

    def traces(self, whiteners: Floats) -> Floats:
        return np.square(whiteners).sum(axis=1)

    def distances(self, rows: Rows, means: Floats, whiteners: Floats) -> Floats:
        precision, stored = whiteners**2, means + rows.offset
        far = np.flatnonzero((stored**2 * precision > _FAR).any(axis=0))
        precision[:, far] = 0.0
        out = rows.quadratic(precision, -2.0 * stored * precision)
        out += (stored**2 * precision).sum(axis=1)
        np.maximum(out, 0.0, out=out)
        if len(far):
            _add_distances(out, rows, means, whiteners, far)
        return out

    def count(self, d: int) -> int:
        return d

    def rescaled(self, covariance: Floats, scale: Floats) -> Floats:
        return covariance * scale * scale


def _squared_differences(rows: Rows, masses: Floats, means: Floats, columns: Ints) -> Floats:
    """Return ``sum_i r_ik (z_i - m_k)**2`` of some columns, computed from differences."""
    total = np.zeros((len(means), len(columns)))
    for block, values in rows.blocks(columns):
        for k, mean in enumerate(means[:, columns]):
            total[k] += np.square(values - mean[:, None]) @ masses[block, k]
    return total


def _add_distances(
    out: Floats, rows: Rows, means: Floats, whiteners: Floats, columns: Ints
) -> None:
    """Add the squared distances along some columns to `out` (n, K), computed from differences."""
    means, whiteners = means[:, columns], whiteners[:, columns]
    for block, values in rows.blocks(columns):
        for k, (mean, whitener) in enumerate(zip(means, whiteners, strict=True)):
            out[block, k] += _column_squares((values - mean[:, None]) * whitener[:, None])


def _check_spread(spread: Floats) -> None:
    if spread.min(initial=1.0) < _LEAST_SPREAD:
        raise SingularCovarianceError


#: Kinds of covariance by name.
COVARIANCES: dict[str, type[Covariance]] = {"full": Full, "tied": Tied, "diag": Diag}
