"""Scores of the rows of a design of very many columns on its principal directions, for starts."""

import numpy as np

from .._data.design import Design
from .._data.numerics import Floats

#: Number of subspace iterations; directions of large variance converge in fewer.
_ROUNDS = 6


def main_scores(design: Design, weights: Floats, coef: Floats, n_kept: int) -> Floats:
    """Project rows on their principal directions by subspace iteration.

    See Halko, Martinsson and Tropp (2011).

    Parameters
    ----------
    design : Design of n rows and p columns
    weights : ndarray of shape (n,)
    coef : ndarray of shape (q, p)
        Directions to begin with.
    n_kept : int
        Number of directions, at most q.

    Returns
    -------
    ndarray of shape (n, n_kept)
        Centred and of unit variance; the direction of the largest variance first.
    """
    root = np.sqrt(weights / weights.sum())
    basis = np.empty((0, 0))
    for _ in range(_ROUNDS):
        basis = _orthonormal(design.linear(coef), root)
        basis *= root[:, None]
        coef = design.cross(basis)
        coef[:, -1] = 0.0
    _, rotation = np.linalg.eigh(coef @ coef.T)
    basis /= root[:, None] ** 2
    return basis @ rotation[:, : -n_kept - 1 : -1]


def _orthonormal(values: Floats, root: Floats) -> Floats:
    """Return orthonormal columns (n, q) that span centred values times the roots of weights."""
    values -= root**2 @ values
    values *= root[:, None]
    return np.linalg.qr(values)[0]
