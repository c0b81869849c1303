"""Sums over rows of which the newest count most."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decayed:
    """Averages over rows, and the weight that the rows behind them amount to.

    Attributes
    ----------
    averages : tuple of ndarray
    weight : float
        Of rows that count alike and would tell as much.
    """

    averages: tuple
    weight: float

    @classmethod
    def of(cls, sums, weight):
        """Those of a first batch."""
        return cls(tuple(each / weight for each in sums), weight)

    def with_batch(self, sums, weight, rate):
        """Those of which a share `rate` is the newest batch.

        Parameters
        ----------
        sums : tuple of ndarray
            Over the rows of the batch.
        weight : float
            Of the batch.
        rate : float
            In (0, 1].
        """
        pairs = zip(self.averages, sums, strict=True)
        averages = tuple((1 - rate) * old + rate / weight * new for old, new in pairs)
        return Decayed(averages, 1 / ((1 - rate) ** 2 / self.weight + rate**2 / weight))

    @property
    def sums(self):
        """Averages times weight."""
        return tuple(each * self.weight for each in self.averages)


def best_of(curvature, tangent, ridge, start):
    """Maxima of parabolas b'w - w'Aw / 2, less ridge |w|² / 2, taken as steps from `start`.

    Parameters
    ----------
    curvature : ndarray of shape (G, q, q)
    tangent : ndarray of shape (G, q)
    ridge : ndarray of shape (q,)
    start : ndarray of shape (G, q)

    Returns
    -------
    ndarray of shape (G, q)
    """
    regular = curvature + np.diag(ridge)
    slope = tangent - np.einsum("gij,gj->gi", regular, start)
    return start + np.linalg.solve(regular, slope[:, :, None])[:, :, 0]
