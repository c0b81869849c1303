"""EM as a fold over blocks of rows: statistics that add.

Where gate and experts are functions of linear forms of the same columns, an
iteration needs, of the rows, only sums. One pass computes gate, densities and
responsibilities of a block while it is in cache, adds what the M-step needs,
and forgets them: no array with a row per row is ever made.

The two parts of the mixture are written as *forms*: objects that are made anew
for each iterate and know it. A form has

- ``coef`` (a, p), the linear forms of a design row that it looks at;
- ``make(size)``, which makes room for so many rows;
- ``evaluate_forms``, which takes their values (a, b), experts also y (b, m), and of a gate
  returns log-probabilities (K, b);
- ``log_density(out)``, of experts only, which fills in log-densities (K, b);
- ``add(resp, weights, first, further)``, which takes responsibilities × weights (K, b) and
  weights (b,), or None for ones; writes `n_first` rows, whose products with the design are
  summed, and adds to the arrays of `further`, which were those of ``zero_further()``;
- ``shares()`` (n_pairs, b), after that: weights of the products of all pairs of columns that
  its curvature is made of;
- ``needs_grams``, whether it needs these products with weights that are responsibilities.
"""

from dataclasses import dataclass, replace

import numpy as np

from .._data.numerics import BLOCK_ROWS, blocks
from ._loop import e_step

#: Of more rows than this, every fourth block stands for curvatures: they only
#: give a direction, and cost more than all else.
_CURVATURE_ROWS = 16 * BLOCK_ROWS
_CURVATURE_STRIDE = 4


@dataclass
class Sums:
    """Sums over rows z of the design that one part of the mixture asks for.

    Attributes
    ----------
    first : ndarray of shape (n_first, p)
        Of what `add` wrote × z.
    pairs : ndarray of shape (n_pairs, p, p) or None
        Of shares × z z', over some of the rows where they are many.
    further : list of ndarray
    """

    first: np.ndarray
    pairs: np.ndarray | None
    further: list

    @classmethod
    def zero(cls, form, p, curvature):
        """Those of no rows."""
        pairs = np.zeros((form.n_pairs, p, p)) if curvature else None
        return cls(np.zeros((form.n_first, p)), pairs, form.zero_further())

    def __add__(self, other):
        pairs = [each.pairs for each in (self, other) if each.pairs is not None]
        return Sums(
            self.first + other.first,
            sum(pairs) if pairs else None,
            [a + b for a, b in zip(self.further, other.further, strict=True)],
        )


@dataclass
class Statistics:
    """Sums over rows z of the design; r are responsibilities × weights.

    Attributes
    ----------
    gate, experts : Sums
    masses : ndarray of shape (K, p)
        Of r z; the last column of a design is ones.
    grams : ndarray of shape (K, p, p) or None
        Of r z z'.
    paired : float
        Weight of the rows that `pairs` are summed over.
    weight : float
        Weight of all rows.
    log_likelihood : float
    """

    gate: Sums
    experts: Sums
    masses: np.ndarray
    grams: np.ndarray | None
    paired: float = 0.0
    weight: float = 0.0
    log_likelihood: float = 0.0

    def __add__(self, other):
        """Those of the rows of both."""
        return Statistics(
            gate=self.gate + other.gate,
            experts=self.experts + other.experts,
            masses=self.masses + other.masses,
            grams=None if self.grams is None else self.grams + other.grams,
            paired=self.paired + other.paired,
            weight=self.weight + other.weight,
            log_likelihood=self.log_likelihood + other.log_likelihood,
        )

    @property
    def mass(self):
        """Sums of responsibilities × weights, (K,)."""
        return self.masses[:, -1]

    @property
    def whole(self):
        """What `pairs` are to be multiplied by, to stand for all rows."""
        return self.weight / self.paired

    def without_pairs(self):
        """The same but for what curvatures are made of."""
        gate, experts = replace(self.gate, pairs=None), replace(self.experts, pairs=None)
        return replace(self, gate=gate, experts=experts)


class _Block:
    """Scratch arrays of one block, experts by rows, made once for a whole fold."""

    def __init__(self, size, gate, experts):
        self.gate, self.experts = gate, experts
        self.coef = np.concatenate([gate.coef, experts.coef])
        self.n_experts, self.p = gate.n_experts, self.coef.shape[1]
        self.make(size)

    def make(self, size):
        """Make room for `size` rows."""
        self.size = size
        self.scaled = np.empty((self.p - 1, size))
        self.scores = np.empty((len(self.coef), size))
        n_gate, n_experts = self.gate.n_first, self.experts.n_first
        # What each part wants summed, then responsibilities: one product adds them all.
        self.left = np.empty((n_gate + n_experts + self.n_experts, size))
        self.cuts = np.cumsum([n_gate, n_experts])
        self.first = np.split(self.left, self.cuts)
        self.resp = self.first[-1]
        self.gate.make(size)
        self.experts.make(size)

    def load(self, matrix, y):
        """Compute what the parts look at, of the rows `matrix` (b, p) with the targets y (b, m)."""
        if len(matrix) != self.size:
            self.make(len(matrix))
        self.columns = matrix.T
        np.matmul(self.coef, self.columns, out=self.scores)
        cut = len(self.gate.coef)
        self.log_gate = self.gate.evaluate_forms(self.scores[:cut])
        self.experts.evaluate_forms(self.scores[cut:], y)

    def expect(self, top_k):
        """Fill in responsibilities; return log-likelihoods (b,)."""
        self.experts.log_density(self.resp)
        return e_step(self.log_gate.T, self.resp.T, top_k)[1]

    def take(self, resp):
        """Take responsibilities (b, K); return what rows are worth with them as weights, (b,).

        Their mean log-density over the experts is what the M-step raises.
        """
        self.experts.log_density(self.resp)
        self.resp += self.log_gate
        expected = np.where(resp.T > 0, self.resp, 0.0)
        np.copyto(self.resp, resp.T)
        expected *= self.resp
        return expected.sum(axis=0)

    def zero(self, curvature):
        """Statistics of no rows."""
        sums = [Sums.zero(form, self.p, curvature) for form in (self.gate, self.experts)]
        needed = self.gate.needs_grams or self.experts.needs_grams
        grams = np.zeros((self.n_experts, self.p, self.p)) if needed else None
        return Statistics(*sums, np.zeros((self.n_experts, self.p)), grams)

    def add_to(self, total, weights, curvature):
        """Add the sums over this block; `weights` (b,), or None for ones."""
        if weights is not None:
            self.resp *= weights
        pairs = [(self.gate, total.gate), (self.experts, total.experts)]
        for (form, sums), out in zip(pairs, self.first[:2], strict=True):
            form.add(self.resp, weights, out, sums.further)
            if curvature and form.n_pairs:
                self._add_pairs(sums.pairs, form.shares())
        if total.grams is not None:
            self._add_grams(total.grams, self.resp)
        products = np.split(self.left @ self.columns.T, self.cuts)
        for sums, added in zip(
            [total.gate.first, total.experts.first, total.masses], products, strict=True
        ):
            sums += added

    def _add_pairs(self, pairs, shares):
        self._add_grams(pairs, shares)
        pairs[:, -1] += shares @ self.columns.T

    def _add_grams(self, grams, weights):
        """Add the products of all columns but the last, whose own come with the first order."""
        inner = self.columns[:-1]
        for gram, weight in zip(grams, weights, strict=True):
            np.multiply(inner, weight, out=self.scaled)
            gram[:-1, :-1] += self.scaled @ inner.T


class BlockSums:
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

    def _blocks(self, block):
        """Yield slices of rows, once the scratch block is loaded with them."""
        for rows in blocks(len(self.y)):
            block.load(self.matrix[rows], self.y[rows])
            yield rows

    def _block(self, gate, experts):
        return _Block(min(len(self.y), BLOCK_ROWS), gate(), experts())

    def responsibilities(self, gate, experts, top_k=None):
        """Responsibilities (n, K) under parts that `statistics` takes."""
        block = self._block(gate, experts)
        out = np.empty((block.n_experts, len(self.y))).T
        for rows in self._blocks(block):
            block.expect(top_k)
            out[rows] = block.resp.T
        return out

    def log_likelihood(self, gate, experts, top_k=None):
        """Log-likelihood (n,) of each row."""
        out, block = np.empty(len(self.y)), self._block(gate, experts)
        for rows in self._blocks(block):
            out[rows] = block.expect(top_k)
        return out

    def gate_entropy(self, gate, experts):
        """Sum over rows of weights × entropies of the gate's probabilities, in nats."""
        total, block = 0.0, self._block(gate, experts)
        for rows in self._blocks(block):
            total += float(self.weights[rows] @ block.gate.entropy())
        return total

    def statistics(self, gate, experts, *, top_k=None, resp=None, curvature=False, stride=None):
        """Fold all rows.

        Parameters
        ----------
        gate, experts : callable
            Each makes a form of an iterate.
        top_k : int or None
        resp : ndarray of shape (n, K), optional
            Responsibilities to use in place of those under the iterate; `log_likelihood` is then
            the mean log-density over them.
        curvature : bool
            Whether to sum what curvatures are made of.
        stride : int, optional
            Of so many blocks one stands for them; by default by their number.

        Returns
        -------
        Statistics
        """
        block = self._block(gate, experts)
        total = block.zero(curvature)
        if stride is None:
            stride = curvature_stride(len(self.y))
        for number, rows in enumerate(self._blocks(block)):
            weight = float(self.weights[rows].sum())
            expected = block.expect(top_k) if resp is None else block.take(resp[rows])
            total.log_likelihood += float(self.weights[rows] @ expected)
            taken = curvature and number % stride == 0
            total.weight += weight
            total.paired += weight if taken else 0.0
            block.add_to(total, None if self.unit else self.weights[rows], taken)
        _close(total)
        return total


def _close(total):
    """Fill in the products with the last column of the design, which is ones."""
    if total.grams is not None:
        total.grams[:, -1] = total.grams[:, :, -1] = total.masses
    for sums in (total.gate, total.experts):
        if sums.pairs is not None:
            sums.pairs[:, :, -1] = sums.pairs[:, -1]


def curvature_stride(n):
    """Of so many blocks one stands for curvatures, where there are n rows."""
    return _CURVATURE_STRIDE if n > _CURVATURE_ROWS else 1
