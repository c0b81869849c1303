"""Sums over rows for the M-step, a block of rows at a time.

Where gate and experts are functions of linear forms of the same columns, the
M-step needs only sums over rows. One pass computes gate, densities and
responsibilities of a block while it is in cache and adds the block's sums; no
array with an entry for every row is made.

Each of the two parts of the mixture is given as a *form*: an object that is
made for one iterate and holds its parameters. A form has

- ``coef`` (a, p), the linear forms of a design row that are evaluated;
- ``make(size)``, which allocates arrays for `size` rows;
- ``evaluate_forms``, which takes the values (a, b) of the linear forms, and for experts also y
  (b, m); that of a gate returns log-probabilities (K, b);
- ``log_density(out)``, of experts only, which writes log-densities (K, b) into `out`;
- ``add(resp, weights, first, further)``, which takes responsibilities × weights (K, b) and
  weights (b,), or None for ones. It writes `n_first` rows into `first`, whose products with the
  design are summed, and adds to the arrays of `further`, which were those of ``zero_further()``;
- ``shares()`` (n_pairs, b), which is called after ``add``: weights of the products of all pairs
  of columns from which the curvature is assembled;
- ``needs_grams``, whether it needs these products weighted with responsibilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._data.numerics import BLOCK_ROWS, Floats, blocks
from ._loop import e_step
from ._protocols import ExpertForm, Form, GateForm

#: With more rows than this, curvatures are sums over every fourth block only. They determine no
#: more than a direction, and cost more than everything else.
_CURVATURE_ROWS = 16 * BLOCK_ROWS
_CURVATURE_STRIDE = 4


@dataclass
class Sums:
    """Sums over rows z of the design that one part of the mixture needs.

    Attributes
    ----------
    first : ndarray of shape (n_first, p)
        Sums of the rows that ``add`` wrote × z.
    pairs : ndarray of shape (n_pairs, p, p) or None
        Sums of shares × z z', over a part of the rows where there are many.
    further : list of ndarray
        Sums that ``add`` made itself.
    """

    first: Floats
    pairs: Any
    further: list[Floats]

    @classmethod
    def zero(cls, form: Form, p: int, curvature: bool) -> Sums:
        """Return the sums over no rows."""
        pairs = np.zeros((form.n_pairs, p, p)) if curvature else None
        return cls(np.zeros((form.n_first, p)), pairs, form.zero_further())

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the rows of both."""
        pairs = self.pairs if other.pairs is None else other.pairs
        if self.pairs is not None and other.pairs is not None:
            pairs = self.pairs + other.pairs
        return Sums(
            self.first + other.first,
            pairs,
            [a + b for a, b in zip(self.further, other.further, strict=True)],
        )


@dataclass
class Statistics:
    """Sums over rows z of the design, with r = responsibilities × weights.

    Attributes
    ----------
    gate, experts : Sums
    masses : ndarray of shape (K, p)
        Sums of r z; the last column of a design is ones.
    grams : ndarray of shape (K, p, p) or None
        Sums of r z z'.
    paired : float
        Weight of the rows that `pairs` are summed over.
    weight : float
        Weight of all rows.
    log_likelihood : float
    """

    gate: Sums
    experts: Sums
    masses: Floats
    grams: Any
    paired: float = 0.0
    weight: float = 0.0
    log_likelihood: float = 0.0

    def __add__(self, other: Statistics) -> Statistics:
        """Return the sums over the rows of both."""
        grams = None
        if self.grams is not None and other.grams is not None:
            grams = self.grams + other.grams
        return Statistics(
            gate=self.gate + other.gate,
            experts=self.experts + other.experts,
            masses=self.masses + other.masses,
            grams=grams,
            paired=self.paired + other.paired,
            weight=self.weight + other.weight,
            log_likelihood=self.log_likelihood + other.log_likelihood,
        )

    @property
    def mass(self) -> Floats:
        """Sums of responsibilities × weights, (K,)."""
        return self.masses[:, -1]

    @property
    def whole(self) -> float:
        """Factor that turns `pairs` into an estimate of their sums over all rows."""
        return self.weight / self.paired

    def without_pairs(self) -> Statistics:
        """Return the same statistics without `pairs`."""
        gate, experts = replace(self.gate, pairs=None), replace(self.experts, pairs=None)
        return replace(self, gate=gate, experts=experts)


class _Block:
    """Arrays of one block, with one row per expert, which all blocks of a pass reuse."""

    def __init__(self, size: int, gate: GateForm, experts: ExpertForm):
        self.gate, self.experts = gate, experts
        self.coef = np.concatenate([gate.coef, experts.coef])
        self.n_experts, self.p = gate.n_experts, self.coef.shape[1]
        self.make(size)

    def make(self, size: int) -> None:
        """Allocate arrays for `size` rows."""
        self.size = size
        self.scaled = np.empty((self.p - 1, size))
        self.scores = np.empty((len(self.coef), size))
        n_gate, n_experts = self.gate.n_first, self.experts.n_first
        # The rows that each part writes, then responsibilities: one product sums them all.
        self.left = np.empty((n_gate + n_experts + self.n_experts, size))
        self.cuts = np.cumsum([n_gate, n_experts])
        self.first = np.split(self.left, self.cuts)
        self.resp = self.first[-1]
        self.gate.make(size)
        self.experts.make(size)

    def load(self, matrix: Floats, y: NDArray) -> None:
        """Evaluate the forms of both parts on rows `matrix` (b, p) with targets y (b, m)."""
        if len(matrix) != self.size:
            self.make(len(matrix))
        self.columns = matrix.T
        np.matmul(self.coef, self.columns, out=self.scores)
        cut = len(self.gate.coef)
        self.log_gate = self.gate.evaluate_forms(self.scores[:cut])
        self.experts.evaluate_forms(self.scores[cut:], y)

    def expect(self, top_k: int | None) -> Floats:
        """Compute responsibilities; return log-likelihoods (b,)."""
        self.experts.log_density(self.resp)
        return e_step(self.log_gate.T, self.resp.T, top_k)[1]

    def take(self, resp: Floats) -> Floats:
        """Use given responsibilities (b, K); return expected log-likelihoods (b,) under them.

        The M-step increases their sum.
        """
        self.experts.log_density(self.resp)
        self.resp += self.log_gate
        expected = np.where(resp.T > 0, self.resp, 0.0)
        np.copyto(self.resp, resp.T)
        expected *= self.resp
        return expected.sum(axis=0)

    def zero(self, curvature: bool) -> Statistics:
        """Return the statistics of no rows."""
        gate = Sums.zero(self.gate, self.p, curvature)
        experts = Sums.zero(self.experts, self.p, curvature)
        needed = self.gate.needs_grams or self.experts.needs_grams
        grams = np.zeros((self.n_experts, self.p, self.p)) if needed else None
        return Statistics(gate, experts, np.zeros((self.n_experts, self.p)), grams)

    def add_to(self, total: Statistics, weights: Floats | None, curvature: bool) -> None:
        """Add the sums over this block to `total`; `weights` (b,), or None for ones."""
        if weights is not None:
            self.resp *= weights
        parts: list[tuple[Form, Sums]] = [(self.gate, total.gate), (self.experts, total.experts)]
        for (form, sums), out in zip(parts, self.first[:2], strict=True):
            form.add(self.resp, weights, out, sums.further)
            if curvature and form.n_pairs and sums.pairs is not None:
                self._add_pairs(sums.pairs, form.shares())
        if total.grams is not None:
            self._add_grams(total.grams, self.resp)
        products = np.split(self.left @ self.columns.T, self.cuts)
        for sums, added in zip(
            [total.gate.first, total.experts.first, total.masses], products, strict=True
        ):
            sums += added

    def _add_pairs(self, pairs: Floats, shares: Floats) -> None:
        """Add the products of all pairs of columns, and those of the last column as one row."""
        self._add_grams(pairs, shares)
        pairs[:, -1] += shares @ self.columns.T

    def _add_grams(self, grams: Floats, weights: Floats) -> None:
        """Add the products of all columns but the last, which are summed with the first order."""
        inner = self.columns[:-1]
        for gram, weight in zip(grams, weights, strict=True):
            np.multiply(inner, weight, out=self.scaled)
            gram[:-1, :-1] += self.scaled @ inner.T


class BlockSums:
    """Sums over rows in memory, a block at a time.

    Parameters
    ----------
    matrix : ndarray of shape (n, p)
        Standardised design in Fortran order, of which the last column is ones.
    y : ndarray of shape (n, m)
    weights : ndarray of shape (n,)
    """

    def __init__(self, matrix: Floats, y: NDArray, weights: Floats):
        self.matrix, self.y, self.weights = matrix, y, weights
        self.all_ones = bool((weights == 1.0).all())
        self.total = float(weights.sum())

    def _blocks(self, block: _Block) -> Iterator[slice]:
        """Yield slices of rows, after they are loaded into `block`."""
        for rows in blocks(len(self.y)):
            block.load(self.matrix[rows], self.y[rows])
            yield rows

    def _block(self, gate: Callable[[], GateForm], experts: Callable[[], ExpertForm]) -> _Block:
        return _Block(min(len(self.y), BLOCK_ROWS), gate(), experts())

    def responsibilities(
        self,
        gate: Callable[[], GateForm],
        experts: Callable[[], ExpertForm],
        top_k: int | None = None,
    ) -> Floats:
        """Return responsibilities (n, K); parameters are as of `statistics`."""
        block = self._block(gate, experts)
        out = np.empty((block.n_experts, len(self.y))).T
        for rows in self._blocks(block):
            block.expect(top_k)
            out[rows] = block.resp.T
        return out

    def log_likelihood(
        self,
        gate: Callable[[], GateForm],
        experts: Callable[[], ExpertForm],
        top_k: int | None = None,
    ) -> Floats:
        """Return the log-likelihood (n,) of each row."""
        out, block = np.empty(len(self.y)), self._block(gate, experts)
        for rows in self._blocks(block):
            out[rows] = block.expect(top_k)
        return out

    def gate_entropy(
        self, gate: Callable[[], GateForm], experts: Callable[[], ExpertForm]
    ) -> float:
        """Return the sum over rows of weights × entropies of the gate's probabilities, in nats."""
        total, block = 0.0, self._block(gate, experts)
        for rows in self._blocks(block):
            total += float(self.weights[rows] @ block.gate.entropy())
        return total

    def statistics(
        self,
        gate: Callable[[], GateForm],
        experts: Callable[[], ExpertForm],
        *,
        top_k: int | None = None,
        resp: Floats | None = None,
        curvature: bool = False,
        stride: int | None = None,
    ) -> Statistics:
        """Return the sums over all rows.

        Parameters
        ----------
        gate, experts : callable
            Each returns a new form of its iterate.
        top_k : int or None
        resp : ndarray of shape (n, K), optional
            Responsibilities to use in place of those under the iterate; `log_likelihood` is then
            the expected log-likelihood under them.
        curvature : bool
            Whether to sum the products of pairs of columns too.
        stride : int, optional
            They are summed over every `stride`-th block; by default as `curvature_stride` says.

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
            block.add_to(total, None if self.all_ones else self.weights[rows], taken)
        _close(total)
        return total


def _close(total: Statistics) -> None:
    """Write the products with the last column of the design, which is ones."""
    if total.grams is not None:
        total.grams[:, -1] = total.grams[:, :, -1] = total.masses
    for sums in (total.gate, total.experts):
        if sums.pairs is not None:
            sums.pairs[:, :, -1] = sums.pairs[:, -1]


def curvature_stride(n: int) -> int:
    """Return s, so that curvatures of n rows are sums over every s-th block."""
    return _CURVATURE_STRIDE if n > _CURVATURE_ROWS else 1
