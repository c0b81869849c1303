"""The predictive mixture: what the model says of y, row by row."""

import numpy as np

_BISECTIONS = 200


def mixture_std(weights, means, deviations, mean):
    """Standard deviation (n, m): spread within experts and between them.

    Squares of far outliers would overflow; ``hypot`` does without them.

    Parameters
    ----------
    weights : ndarray of shape (n, K)
    means : ndarray of shape (n, K, m)
    deviations : ndarray of shape (K, m)
        Standard deviations of y around each expert's prediction.
    mean : ndarray of shape (n, m)
        Of the mixture.

    Returns
    -------
    ndarray of shape (n, m)
    """
    total = np.zeros_like(mean)
    for k, weight in enumerate(weights.T):
        spread = np.hypot(deviations[k], means[:, k] - mean)
        total = np.hypot(total, np.sqrt(weight)[:, None] * spread)
    return total


def mixture_median(weights, means, dispersion, cdf):
    """Median (n, m) of the mixture of each row, output by output.

    Bisection between the smallest and the largest median of the experts: the
    median of a mixture of laws that are symmetric about `means` lies there.

    Parameters
    ----------
    weights : ndarray of shape (n, K)
    means : ndarray of shape (n, K, m)
    dispersion : ndarray of shape (K, m)
    cdf : callable
        ``cdf(y, means, dispersion)`` of the law, (n, K, m).

    Returns
    -------
    ndarray of shape (n, m)
    """
    asked = weights[:, :, None] > 0
    low = np.where(asked, means, np.inf).min(axis=1)
    high = np.where(asked, means, -np.inf).max(axis=1)
    means = np.where(asked, means, 0.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * low + 0.5 * high
        if ((middle == low) | (middle == high)).all():
            break
        below = (weights[:, :, None] * cdf(middle, means, dispersion)).sum(axis=1) < 0.5
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * low + 0.5 * high
