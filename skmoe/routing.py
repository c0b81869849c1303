"""Which experts a row goes to, and how their answers combine."""

import numpy as np

from ._numerics import blocks


def largest(scores, k):
    """Mark the `k` largest entries of each row.

    Ties go to the expert with the lower index, so that exactly `k` are marked.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
    k : int

    Returns
    -------
    ndarray of shape (n, K), bool
    """
    mask = np.zeros(scores.shape, dtype=bool, order="F")
    for rows in blocks(len(scores)):
        order = np.argsort(-scores[rows], axis=1, kind="stable")[:, :k]
        np.put_along_axis(mask[rows], order, True, axis=1)
    return mask


def route(log_gate, top_k=None):
    """Mixing weights after top-k routing.

    Parameters
    ----------
    log_gate : ndarray of shape (n, K)
        Log-probabilities of the gate.
    top_k : int or None
        Number of experts that may answer for a row; None for all.

    Returns
    -------
    ndarray of shape (n, K)
        Rows sum to one; exactly zero for experts that are not asked.
    """
    weights = np.exp(log_gate)
    if top_k is None or top_k >= log_gate.shape[1]:
        return weights / weights.sum(axis=1, keepdims=True)
    weights *= largest(log_gate, top_k)
    return weights / weights.sum(axis=1, keepdims=True)


def keep_top(weights):
    """Give all weight of a row to its most probable expert."""
    return largest(weights, 1).astype(weights.dtype)


def weighted_mean(weights, predictions):
    """Return the mean of (n, K, m) predictions under (n, K) weights, as (n, m)."""
    total = np.zeros((predictions.shape[0], predictions.shape[2]))
    for k, weight in enumerate(weights.T):
        total += weight[:, None] * predictions[:, k]
    return total


def weighted_vote(weights, predictions):
    """Return the share of weight whose expert prefers each class, (n, n_classes)."""
    votes = np.zeros((predictions.shape[0], predictions.shape[2]))
    rows = np.arange(len(votes))
    for k, weight in enumerate(weights.T):
        votes[rows, predictions[:, k].argmax(axis=1)] += weight
    return votes
