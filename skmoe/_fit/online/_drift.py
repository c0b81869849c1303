"""Detection of drift: log-scores of new rows that stay below those of earlier rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..._data.numerics import Floats

#: Standard deviations of a row's log-score by which the mean may fall without counting as drift.
_ALLOWANCE = 0.5

#: Sum of further falls, in standard deviations, from which on there is drift. Of independent rows
#: of an unchanged law, fewer than one in 10⁷ reach it.
_LIMIT = 40.0

#: The largest contribution of one row, so that a single outlier is not taken for drift.
_MOST_A_ROW = 5.0

#: Log-scores below it are those of rows that no expert explains; their squares may overflow.
_LOWEST_SCORE = -1e6


@dataclass(frozen=True)
class Drift:
    """A one-sided cumulative sum (Page 1954) of log-scores of rows, each before it was learned.

    Rows count alike, whatever their weights. The baseline is that of the rows before the sum last
    was zero; rows since then are added to it only once the sum is zero again.

    Attributes
    ----------
    n, mean, square : float
        Number of rows of the baseline, at most the number given to `with_scores`, and the mean of
        their log-scores and of the squares of these.
    level : float
        The cumulative sum, in standard deviations.
    n_pending : int
        Rows since it was zero.
    pending : ndarray of shape (2,)
        Sums of their log-scores and of the squares of these.
    """

    n: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    level: float = 0.0
    n_pending: int = 0
    pending: Floats | None = None

    def with_scores(self, scores: Floats, least: int, most: float) -> Drift:
        """Return the sum after further rows.

        Parameters
        ----------
        scores : ndarray of shape (b,)
            Log-scores.
        least : int
            Rows that a baseline needs.
        most : float
            Rows of the baseline that count; of more, old ones fade.
        """
        scores = np.maximum(scores, _LOWEST_SCORE)
        if self.n < least:
            return self._with_baseline(scores, most)
        deviation = np.sqrt(max(self.square - self.mean**2, 1e-12 * max(self.square, 1.0)))
        falls = np.minimum((self.mean - scores) / deviation - _ALLOWANCE, _MOST_A_ROW)
        path = self.level + np.cumsum(falls)
        levels = path - np.minimum(np.minimum.accumulate(path), 0.0)
        zeros = np.flatnonzero(levels == 0.0)
        base = self
        if len(zeros):
            end = zeros[-1] + 1
            base, scores = self._with_baseline(scores[:end], most), scores[end:]
        sums = np.array([scores.sum(), scores @ scores])
        return replace(
            base,
            level=float(levels[-1]),
            n_pending=base.n_pending + len(scores),
            pending=sums if base.pending is None else base.pending + sums,
        )

    def _with_baseline(self, scores: Floats, most: float) -> Drift:
        """Return the baseline with pending rows and further ones; no row is pending then."""
        sums = np.array([scores.sum(), scores @ scores])
        sums = sums if self.pending is None else sums + self.pending
        added = len(scores) + self.n_pending
        n = min(self.n, most) + added
        rate = added / n
        mean, square = (1 - rate) * np.array([self.mean, self.square]) + sums / n
        return Drift(n, float(mean), float(square))

    @property
    def found(self) -> bool:
        """Whether the pending rows are of another law."""
        return self.level > _LIMIT
