"""Sums over the rows of a stream, in which old rows fade."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._data.design import View
from ..._data.numerics import Floats
from ...em._sums import BlockSums, Statistics, Sums

#: The weight of a row falls by half with this weight of later rows, or with the second weight for
#: each parameter of the model if that is more.
HALF_LIFE = 3000.0
HALF_LIFE_A_PARAMETER = 100.0


def horizon(n_parameters: int) -> float:
    """Return what the weights of a stream of ones add up to, once old rows have faded."""
    return max(HALF_LIFE, HALF_LIFE_A_PARAMETER * n_parameters) / np.log(2.0)


def scaled(statistics: Statistics, factor: float) -> Statistics:
    """Return the statistics of the same rows with their weights × `factor`."""
    return replace(
        statistics,
        gate=_scaled(statistics.gate, factor),
        experts=_scaled(statistics.experts, factor),
        masses=factor * statistics.masses,
        grams=None if statistics.grams is None else factor * statistics.grams,
        paired=factor * statistics.paired,
        weight=factor * statistics.weight,
        log_likelihood=factor * statistics.log_likelihood,
    )


def _scaled(sums: Sums, factor: float) -> Sums:
    pairs = None if sums.pairs is None else factor * sums.pairs
    return Sums(factor * sums.first, pairs, [factor * each for each in sums.further])


def with_batch(statistics: Statistics, batch: Statistics, most: float) -> Statistics:
    """Return the sums after a batch: old ones fade with its weight w by exp(-w / most).

    The rows of the batch fade as if they had come one by one, so that their order within it and
    the division of rows into batches do not matter.

    Parameters
    ----------
    statistics, batch : Statistics
    most : float
        The `horizon`.
    """
    kept = np.exp(-batch.weight / most)
    return scaled(statistics, kept) + scaled(batch, most * (1.0 - kept) / batch.weight)


class BatchSums:
    """Sums over the rows of one batch; gate and experts may see different columns.

    Parameters
    ----------
    gate, experts : View of n rows
    y : ndarray of shape (n, m)
    weights : ndarray of shape (n,)
    """

    def __init__(self, gate: View, experts: View, y: NDArray, weights: Floats):
        self.gate, self.experts, self.y, self.weights = gate, experts, y, weights
        self.total = float(weights.sum())

    def of_gate(self, form: Any, resp: Floats) -> Statistics:
        """Return the statistics of a gate's form at responsibilities (n, K)."""
        matrix = self.gate.design.matrix
        return self._pass(matrix, form, partial(_Absent, resp.shape[1], matrix.shape[1]), resp)

    def of_experts(self, form: Any, resp: Floats) -> Statistics:
        """Return the statistics of the experts' form at responsibilities (n, K)."""
        matrix = self.experts.design.matrix
        return self._pass(matrix, partial(_Absent, resp.shape[1], matrix.shape[1]), form, resp)

    def _pass(self, matrix: Floats, gate: Any, experts: Any, resp: Floats) -> Statistics:
        sums = BlockSums(matrix, self.y, self.weights)
        return sums.statistics(gate, experts, resp=resp, curvature=True, stride=1)


class _Absent:
    """Form of the side that a pass leaves out: it evaluates nothing and sums nothing."""

    n_first = n_pairs = 0
    needs_grams = False

    def __init__(self, n_experts: int, p: int):
        self.n_experts, self.coef = n_experts, np.empty((0, p))

    def make(self, size: int) -> None:
        """Make room for `size` rows."""
        self._zero = np.zeros((self.n_experts, size))

    def zero_further(self) -> list[Floats]:
        """Return no arrays."""
        return []

    def evaluate_forms(self, values: Floats, y: NDArray | None = None) -> Floats:
        """Return zeros (K, b) for log-probabilities."""
        return self._zero

    def log_density(self, out: Floats) -> None:
        """Fill in zeros."""
        out[:] = 0.0

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Add nothing."""
