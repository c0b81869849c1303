"""Which experts a row is routed to, and how their predictions are combined."""

import numpy as np
from numpy.typing import NDArray

from ._data.numerics import blocks, row_max, row_sum


def largest(scores: NDArray[np.floating], k: int) -> NDArray[np.bool_]:
    """Return a mask of the `k` largest entries of each row.

    Of equal entries those with the lower index are taken, so that exactly `k` are marked.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
    k : int

    Returns
    -------
    ndarray of shape (n, K), bool
    """
    mask = np.empty(scores.shape, dtype=bool, order="F")
    for rows in blocks(len(scores)):
        _mark_largest(scores[rows], k, mask[rows])
    return mask


def _mark_largest(block: NDArray[np.floating], k: int, mask: NDArray[np.bool_]) -> None:
    # A row is partitioned twice as fast where its entries lie side by side.
    least = row_max(block) if k == 1 else np.partition(block.copy("C"), -k, axis=1)[:, -k]
    np.greater_equal(block, least[:, None], out=mask)
    if np.count_nonzero(mask) > k * len(mask):
        tied = np.flatnonzero(mask.sum(axis=1) > k)
        order = np.argsort(-block[tied], axis=1, kind="stable")[:, :k]
        mask[tied] = False
        mask[tied[:, None], order] = True


def route(log_gate: NDArray[np.floating], top_k: int | None = None) -> NDArray[np.float64]:
    """Return the mixing weights after top-k routing.

    Parameters
    ----------
    log_gate : ndarray of shape (n, K)
        Log-probabilities of the gate.
    top_k : int or None
        Number of experts that are used in a row; None for all.

    Returns
    -------
    ndarray of shape (n, K)
        Rows sum to one; exactly zero for experts that are not used.
    """
    weights = np.empty(log_gate.shape, order="F")
    for rows in blocks(len(weights)):
        block = np.exp(log_gate[rows], out=weights[rows])
        if top_k is not None and top_k < block.shape[1]:
            block *= largest(log_gate[rows], top_k)
        block /= row_sum(block)[:, None]
    return weights


def keep_top(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return weights (n, K) that are one for the most probable expert of each row, else zero."""
    return largest(weights, 1).astype(weights.dtype)


def weighted_mean(
    weights: NDArray[np.floating], predictions: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the mean of (n, K, m) predictions under (n, K) weights, as (n, m)."""
    total = np.zeros((predictions.shape[0], predictions.shape[2]))
    for k, weight in enumerate(weights.T):
        total += weight[:, None] * predictions[:, k]
    return total


def weighted_vote(
    weights: NDArray[np.floating], predictions: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the total weight of the experts that predict each class, (n, n_classes).

    Predictions are probabilities (n, K, n_classes); an expert predicts its most probable class.
    """
    votes = np.zeros((predictions.shape[0], predictions.shape[2]))
    rows = np.arange(len(votes))
    for k, weight in enumerate(weights.T):
        votes[rows, predictions[:, k].argmax(axis=1)] += weight
    return votes
