"""Scores of predictive distributions that are mixtures of normal ones."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr
from scipy.stats import norm

TAIL = 0.05


@dataclass(frozen=True)
class Predictive:
    """What a model says of y in each row: a mixture of normal distributions.

    Attributes
    ----------
    weights, means : ndarray of shape (n, C)
    deviations : ndarray of shape (n, C) or (C,)
    """

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray

    @classmethod
    def normal(cls, mean, deviation):
        """One normal distribution a row, of means (n,) and deviations (n,) or ()."""
        return cls(np.ones((len(mean), 1)), mean[:, None], np.reshape(deviation, (-1, 1)))

    @property
    def mean(self):
        """Means (n,)."""
        return (self.weights * self.means).sum(axis=1)

    def log_density(self, y):
        """Log-densities (n,) of y (n,)."""
        terms = norm.logpdf(y[:, None], self.means, self.deviations)
        return logsumexp(terms, axis=1, b=self.weights)

    def cdf(self, y):
        """Distribution functions (n,) at y (n,)."""
        return (self.weights * ndtr((y[:, None] - self.means) / self.deviations)).sum(axis=1)

    def crps(self, y):
        """Continuous ranked probability scores (n,) (Grimit, Gneiting, Berrocal, Johnson 2006)."""
        deviations = np.broadcast_to(self.deviations, self.means.shape)
        own = (self.weights * _mean_distance(y[:, None] - self.means, deviations)).sum(axis=1)
        between = np.zeros(len(y))
        for weight, mean, deviation in zip(self.weights.T, self.means.T, deviations.T, strict=True):
            both = np.hypot(deviation[:, None], deviations)
            distance = _mean_distance(mean[:, None] - self.means, both)
            between += weight * (self.weights * distance).sum(axis=1)
        return own - 0.5 * between

    def covers(self, y):
        """Whether y (n,) lies between the quantiles that leave out `TAIL` on each side."""
        below = self.cdf(y)
        return (below >= TAIL) & (below <= 1 - TAIL)


def _mean_distance(mean, deviation):
    """E|Z| of a normal Z."""
    z = mean / deviation
    return mean * (2 * ndtr(z) - 1) + 2 * deviation * norm.pdf(z)


def score_distribution(predictive, y):
    """Mean scores of a predictive distribution for rows y (n,).

    Parameters
    ----------
    predictive : Predictive
    y : ndarray of shape (n,)

    Returns
    -------
    dict of str to float
    """
    return {
        "RMSE": float(np.sqrt(np.mean((y - predictive.mean) ** 2))),
        "NLL": float(-predictive.log_density(y).mean()),
        "CRPS": float(predictive.crps(y).mean()),
        "in 90 %": float(predictive.covers(y).mean()),
    }


def score_probabilities(proba, classes, y):
    """Accuracy and log-loss of probabilities (n, n_classes) for labels y (n,).

    Parameters
    ----------
    proba : ndarray of shape (n, n_classes)
    classes : ndarray of shape (n_classes,)
        Sorted.
    y : ndarray of shape (n,)

    Returns
    -------
    dict of str to float
    """
    codes = np.searchsorted(classes, y)
    own = np.take_along_axis(proba, codes[:, None], axis=1)
    return {
        "accuracy": float(np.mean(proba.argmax(axis=1) == codes)),
        # A forest may call impossible what then happens.
        "log-loss": float(-np.log(np.maximum(own, np.finfo(float).eps)).mean()),
    }
