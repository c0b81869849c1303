"""EM as a fold over blocks of rows: statistics that add.

An iteration of linear-Gaussian experts with a softmax gate on the same columns
needs, of the rows, only sums. One pass computes gate, densities and
responsibilities of a block while it is in cache, adds what the M-step needs,
and forgets them: no array with a row per row is ever made.
"""

from dataclasses import dataclass

import numpy as np

from .._numerics import BLOCK_ROWS, blocks, column_dots, pair_products, row_max, row_sum
from ._engine import e_step

#: Of more rows than this, every fourth block stands for the gate's curvature: it only
#: gives a direction, and costs more than all else.
_CURVATURE_ROWS = 16 * BLOCK_ROWS
_CURVATURE_STRIDE = 4


@dataclass(frozen=True)
class LinearParameters:
    """Gate and experts on one standardised design of p columns.

    Attributes
    ----------
    gate : ndarray of shape (K, p)
    experts : ndarray of shape (K, m, p)
    dispersion : ndarray of shape (K, m)
    starved : tuple of int
        Experts that had no rows to learn from.
    """

    gate: np.ndarray
    experts: np.ndarray
    dispersion: np.ndarray
    starved: tuple = ()


@dataclass
class Statistics:
    """Sums over rows; r are responsibilities × weights, e residuals, z design rows.

    Attributes
    ----------
    grams : ndarray of shape (K, p, p)
        Of r z z'.
    cross : ndarray of shape (K, m, p)
        Of r e z.
    squares : ndarray of shape (K, m)
        Of r e².
    gate_gradient : ndarray of shape (K, p)
        Of (r - w g) z.
    pairs : ndarray of shape (K (K - 1) / 2, p, p) or None
        Of w g_a g_b z z', for the Hessian of the gate; over some of the rows, where they are many.
    paired : float
        Weight of these rows.
    weight : float
        Weight of all rows.
    log_likelihood : float
        But for a constant that rows share.
    """

    grams: np.ndarray
    cross: np.ndarray
    squares: np.ndarray
    gate_gradient: np.ndarray
    pairs: np.ndarray | None
    paired: float = 0.0
    weight: float = 0.0
    log_likelihood: float = 0.0

    @classmethod
    def zero(cls, shape, curvature):
        """Those of no rows; `shape` is (K, m, p)."""
        n_experts, n_outputs, p = shape
        return cls(
            grams=np.zeros((n_experts, p, p)),
            cross=np.zeros((n_experts, n_outputs, p)),
            squares=np.zeros((n_experts, n_outputs)),
            gate_gradient=np.zeros((n_experts, p)),
            pairs=np.zeros((n_experts * (n_experts - 1) // 2, p, p)) if curvature else None,
        )

    def __add__(self, other):
        """Those of the rows of both."""
        pairs = [each.pairs for each in (self, other) if each.pairs is not None]
        return Statistics(
            grams=self.grams + other.grams,
            cross=self.cross + other.cross,
            squares=self.squares + other.squares,
            gate_gradient=self.gate_gradient + other.gate_gradient,
            pairs=sum(pairs) if pairs else None,
            paired=self.paired + other.paired,
            weight=self.weight + other.weight,
            log_likelihood=self.log_likelihood + other.log_likelihood,
        )

    @property
    def mass(self):
        """Sums of responsibilities × weights, (K,)."""
        return self.grams[:, -1, -1]

    @property
    def curvature(self):
        """`pairs`, or an estimate of what they are over all rows."""
        return self.pairs * (self.weight / self.paired)


class _Block:
    """Scratch arrays of one block, experts by rows, made once for a whole fold."""

    def __init__(self, size, parameters):
        n_experts, n_outputs, p = parameters.experts.shape
        self.shape = (n_experts, n_outputs, p)
        self.both = np.concatenate([parameters.gate, parameters.experts.reshape(-1, p)])
        self.half_precision = (np.sqrt(0.5) / parameters.dispersion)[:, :, None]
        self.log_height = -np.log(parameters.dispersion).sum(axis=1)[:, None]
        self.make(size)

    def make(self, size):
        """Make room for `size` rows."""
        n_experts, n_outputs, p = self.shape
        self.scaled = np.empty((p - 1, size))
        self.scores = np.empty((len(self.both), size))
        self.log_gate = self.scores[:n_experts]
        self.residual = self.scores[n_experts:].reshape(n_experts, n_outputs, size)
        self.gate = np.empty((n_experts, size))
        # Row by row: r e for each output, r - w g, r. One product adds them all.
        self.left = np.empty((n_outputs + 2, n_experts, size))
        self.resp = self.left[-1]

    def load(self, matrix, y):
        """Compute gate and residuals of the rows `matrix` (b, p) with the targets y (b, m)."""
        if len(matrix) != self.gate.shape[1]:
            self.make(len(matrix))
        self.columns = matrix.T
        np.matmul(self.both, self.columns, out=self.scores)
        self.log_gate -= row_max(self.log_gate.T)
        np.exp(self.log_gate, out=self.gate)
        total = row_sum(self.gate.T)
        self.gate *= 1.0 / total
        self.log_gate -= np.log(total)
        np.subtract(y.T, self.residual, out=self.residual)

    def expect(self, top_k):
        """Fill in responsibilities; return log-likelihoods (b,), but for a shared constant."""
        density = self.resp
        with np.errstate(over="ignore"):
            for j in range(self.shape[1]):
                scaled = self.left[0] if j else density
                np.multiply(self.residual[:, j], self.half_precision[:, j], out=scaled)
                scaled *= scaled
                if j:
                    density += scaled
        np.subtract(self.log_height, density, out=density)
        return e_step(self.log_gate.T, density.T, top_k)[1]

    def add_to(self, total, weights, curvature):
        """Add the sums over this block; `weights` (b,), or None for ones."""
        if weights is not None:
            self.resp *= weights
            self.gate *= weights
        if curvature:
            self._add_pairs(total.pairs, weights)
        self._add_grams(total.grams, self.resp)
        for j in range(self.residual.shape[1]):
            np.multiply(self.resp, self.residual[:, j], out=self.left[j])
            total.squares[:, j] += column_dots(self.left[j].T, self.residual[:, j].T)
        np.subtract(self.resp, self.gate, out=self.left[-2])
        size = self.left.shape[2]
        products = (self.left.reshape(-1, size) @ self.columns.T).reshape(*self.left.shape[:2], -1)
        total.cross += products[:-2].transpose(1, 0, 2)
        total.gate_gradient += products[-2]
        total.grams[:, -1] += products[-1]

    def _add_pairs(self, pairs, weights):
        shares = pair_products(self.gate, offset=1)
        if weights is not None:
            shares /= weights
        self._add_grams(pairs, shares)
        pairs[:, -1] += shares @ self.columns.T

    def _add_grams(self, grams, weights):
        """Add the products of all columns but the last, whose own come with the first order."""
        inner = self.columns[:-1]
        for gram, weight in zip(grams, weights, strict=True):
            np.multiply(inner, weight, out=self.scaled)
            gram[:-1, :-1] += self.scaled @ inner.T


class LinearFold:
    """Folds rows into statistics.

    Parameters
    ----------
    matrix : ndarray of shape (n, p)
        Standardised design, Fortran order, the last column ones.
    y : ndarray of shape (n, m)
    weights : ndarray of shape (n,)
    """

    def __init__(self, matrix, y, weights):
        self.matrix, self.y, self.weights = matrix, y, weights
        self.unit = bool((weights == 1.0).all())
        self.total = float(weights.sum())

    def _blocks(self, parameters):
        """Yield slices of rows, and the scratch block loaded with them."""
        n = len(self.y)
        block = _Block(min(n, BLOCK_ROWS), parameters)
        for rows in blocks(n):
            block.load(self.matrix[rows], self.y[rows])
            yield rows, block

    def responsibilities(self, parameters, top_k=None):
        """Responsibilities (n, K) under `parameters`."""
        out = np.empty((len(parameters.gate), len(self.y))).T
        for rows, block in self._blocks(parameters):
            block.expect(top_k)
            out[rows] = block.resp.T
        return out

    def log_likelihood(self, parameters, top_k=None):
        """Log-likelihood (n,) of each row, but for a shared constant."""
        out = np.empty(len(self.y))
        for rows, block in self._blocks(parameters):
            out[rows] = block.expect(top_k)
        return out

    def gate_entropy(self, parameters):
        """Sum over rows of weights × entropies of the gate's probabilities, in nats."""
        total = 0.0
        for rows, block in self._blocks(parameters):
            total -= float(self.weights[rows] @ column_dots(block.gate, block.log_gate))
        return total

    def statistics(self, parameters, *, top_k=None, resp=None, curvature=False, stride=None):
        """Fold all rows.

        Parameters
        ----------
        parameters : LinearParameters
        top_k : int or None
        resp : ndarray of shape (n, K), optional
            Responsibilities to use in place of those under `parameters`.
        curvature : bool
            Whether to sum what the Hessian of the gate is made of.
        stride : int, optional
            Of so many blocks one stands for it; by default by their number.

        Returns
        -------
        Statistics
        """
        total = Statistics.zero(parameters.experts.shape, curvature)
        if stride is None:
            stride = curvature_stride(len(self.y))
        for number, (rows, block) in enumerate(self._blocks(parameters)):
            weight = float(self.weights[rows].sum())
            if resp is None:
                total.log_likelihood += float(self.weights[rows] @ block.expect(top_k))
            else:
                np.copyto(block.resp, resp[rows].T)
            taken = curvature and number % stride == 0
            total.weight += weight
            total.paired += weight if taken else 0.0
            block.add_to(total, None if self.unit else self.weights[rows], taken)
        total.grams[:, :, -1] = total.grams[:, -1]
        if curvature:
            total.pairs[:, :, -1] = total.pairs[:, -1]
        return total


def curvature_stride(n):
    """Of so many blocks one stands for the gate's curvature, where there are n rows."""
    return _CURVATURE_STRIDE if n > _CURVATURE_ROWS else 1
