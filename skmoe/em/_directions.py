"""Main directions of the rows of a wide design: where a start may find them apart."""

import numpy as np

#: Rounds of subspace iteration; directions that matter are found in fewer.
_ROUNDS = 6


def main_scores(design, weights, coef, n_kept):
    """Project rows on their main directions by subspace iteration.

    See Halko, Martinsson and Tropp (2011).

    Parameters
    ----------
    design : Design of n rows and p columns
    weights : ndarray of shape (n,)
    coef : ndarray of shape (q, p)
        Where to begin.
    n_kept : int
        Number of directions, at most q.

    Returns
    -------
    ndarray of shape (n, n_kept)
        Centred and of unit variance; the direction of the largest variance first.
    """
    root = np.sqrt(weights / weights.sum())
    for _ in range(_ROUNDS):
        basis = _orthonormal(design.linear(coef), root)
        basis *= root[:, None]
        coef = design.cross(basis)
        coef[:, -1] = 0.0
    _, rotation = np.linalg.eigh(coef @ coef.T)
    basis /= root[:, None] ** 2
    return basis @ rotation[:, : -n_kept - 1 : -1]


def _orthonormal(values, root):
    """Orthonormal columns (n, q) that span centred values times the roots of the weights."""
    values -= root**2 @ values
    values *= root[:, None]
    return np.linalg.qr(values)[0]
