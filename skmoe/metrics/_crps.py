"""The continuous ranked probability score of each row."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian, MultivariateGaussian

Floats = NDArray[np.floating]

# The numerical CRPS integrates between these quantiles of each component, in each cell by Gauss's
# rule with `_NODES`. Tails that fall like 1 / y lose 1e-8 of a scale beyond them.
_LEVELS = np.concatenate([10.0 ** np.arange(-8, 0), [0.25, 0.5, 0.75]])
_LEVELS = np.unique(np.concatenate([_LEVELS, 1 - _LEVELS]))
_NODES, _SHARES = np.polynomial.legendre.leggauss(4)

# Ranges of up to this many whole numbers are summed, longer ones are integrated.
_MOST_TERMS = 1024

# Differences of larger numbers may overflow.
_LARGEST = 1e300

# Laws with normal outputs. A law derived from one of them need not be normal.
_NORMAL = (Gaussian, MultivariateGaussian)

_PEAK = 1 / np.sqrt(2 * np.pi)


def rows_of(dist: MixtureDistribution, rows: slice) -> MixtureDistribution:
    """Return the distribution of some rows, with an axis of outputs."""
    some = dist.take(rows)
    return MixtureDistribution(some.law, some.weights, some.means, some.parameters, single=False)


def crps_of(y: Floats, dist: MixtureDistribution) -> Floats:
    """Return the scores (b, m) of y (b, m)."""
    if type(dist.law) in _NORMAL:
        return _crps_of_gaussians(y, dist)
    return _crps_by_steps(y, dist) if dist.law.discrete else _crps_by_cells(y, dist.cdf, dist)


def _crps_of_gaussians(y: Floats, dist: MixtureDistribution) -> Floats:
    """Return E|Y - y| - E|Y - Y'| / 2, in which all differences are Gaussian."""
    weights, means = dist.weights, dist.means
    scales = np.broadcast_to(dist.parameters[..., : y.shape[1]], means.shape)
    score = np.zeros_like(y)
    for j, share in enumerate(weights.T):
        score += share[:, None] * _mean_distance(y - means[:, j], scales[:, j])
        for k in range(j + 1):
            apart = _mean_distance(means[:, j] - means[:, k], np.hypot(scales[:, j], scales[:, k]))
            score -= (0.5 if j == k else 1.0) * (share * weights[:, k])[:, None] * apart
    return score


def _mean_distance(mean: Floats, scale: Floats) -> Floats:
    """Return the mean absolute value of a Gaussian."""
    with np.errstate(over="ignore", under="ignore"):
        z = mean / scale
        return mean * (2 * ndtr(z) - 1) + 2 * scale * _PEAK * np.exp(-0.5 * z * z)


def _crps_by_cells(y: Floats, cdf: Callable[[Any], Floats], dist: MixtureDistribution) -> Floats:
    """Return the integral over cells between the quantiles of the components and y.

    The integrand is smooth within each cell.
    """
    edges = np.sort(np.concatenate([_quantiles(dist), y[:, None]], axis=1), axis=1)
    score = np.zeros_like(y)
    for left, right in zip(edges.swapaxes(0, 1)[:-1], edges.swapaxes(0, 1)[1:], strict=True):
        centre, half = 0.5 * left + 0.5 * right, 0.5 * right - 0.5 * left
        step = centre >= y
        for node, share in zip(_NODES, _SHARES, strict=True):
            score += share * half * (cdf(centre + node * half) - step) ** 2
    return score


def _quantiles(dist: MixtureDistribution) -> Floats:
    """Return the quantiles (b, levels × C, m) of the components that have weight."""
    quantiles = [
        dist.law.ppf(np.full_like(dist.means[:, 0], level), dist.means, dist.parameters)
        for level in _LEVELS
    ]
    # A component without weight gets the quantiles of the heaviest one.
    heaviest = dist.weights.argmax(axis=1)[:, None, None]
    counts = dist.weights[:, :, None] > 0
    kept = [np.where(counts, q, np.take_along_axis(q, heaviest, axis=1)) for q in quantiles]
    return np.clip(np.concatenate(kept, axis=1), -_LARGEST, _LARGEST)


def _crps_by_steps(y: Floats, dist: MixtureDistribution) -> Floats:
    """Return the sum over whole numbers; over a wide range of them, an integral instead."""
    quantiles = _quantiles(dist)
    low = np.minimum(quantiles.min(axis=1), y) - 1
    terms = np.maximum(quantiles.max(axis=1), y) - low
    score = np.zeros_like(y)
    for k in range(int(min(terms.max(initial=0.0), _MOST_TERMS))):
        score += (dist.cdf(low + k) - (low + k >= y)) ** 2
    wide = terms > _MOST_TERMS
    if wide.any():
        integral = _crps_by_cells(y - 0.5, partial(_between_steps, dist), dist)
        score = np.where(wide, integral, score)
    return score


def _between_steps(dist: MixtureDistribution, t: Floats) -> Floats:
    """Return the distribution function, interpolated linearly between whole numbers."""
    whole = np.floor(t)
    below = dist.cdf(whole)
    return below + (t - whole) * (dist.cdf(whole + 1) - below)
