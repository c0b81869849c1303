"""How the predictions of experts become one: as a mean, a median, a vote, or the top expert's."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..distributions import MixtureDistribution
from ..routing import keep_top, weighted_mean, weighted_vote
from .mixture import concatenate_components


class Mean:
    """Weighted mean of predictions, or of probabilities of classes."""

    def weights(self, weights):
        """Return the weights (n, K) that routed weights (n, K) are combined with."""
        return weights

    def probabilities(self, weights, proba):
        """Return probabilities (n, n_classes) of experts whose own are (n, K, n_classes)."""
        return weighted_mean(weights, proba)

    def predict(self, mixture, X):
        """Return predictions (n, m) of an `AveragedMixture`."""
        return weighted_mean(*mixture.components(X, self.weights)[:2])

    def predict_from(self, distribution, mixture, X):
        """Return the same, given the predictive distribution of the rows."""
        return distribution.mean()


class Median(Mean):
    """Median of the predictive mixture, for each output."""

    def predict(self, mixture, X):
        """Return predictions (n, m)."""
        return self.predict_from(mixture.distribution(X), mixture, X)

    def predict_from(self, distribution, mixture, X):
        """Return the same, given the predictive distribution of the rows."""
        return distribution.ppf(0.5)


class Top(Mean):
    """Prediction of the most probable expert alone: no other is evaluated."""

    def weights(self, weights):
        """Return all weight of a row for its most probable expert."""
        return keep_top(weights)

    def predict_from(self, distribution, mixture, X):
        """Return the prediction of the most probable expert, evaluated again."""
        return self.predict(mixture, X)


class Vote(Mean):
    """Share of weight whose expert prefers each class."""

    def probabilities(self, weights, proba):
        """Return shares (n, n_classes) of weight."""
        return weighted_vote(weights, proba)


#: Values of the parameter `combine`.
COMBINATIONS = {"mean": Mean(), "median": Median(), "top": Top(), "vote": Vote()}


@dataclass(frozen=True)
class AveragedMixture:
    """Fitted mixtures whose densities are averaged with equal shares.

    Attributes
    ----------
    mixtures : list of Mixture
        The best first.
    top_k : int or None
        Experts that a row is routed to.
    combination : Mean, Median, Top or Vote
    """

    mixtures: list
    top_k: int | None
    combination: Mean

    @property
    def best(self):
        """The mixture of the best start."""
        return self.mixtures[0]

    @property
    def task(self):
        """The fitted task of the best start."""
        return self.best.task

    def components(self, X, change=None):
        """Return the components of all mixtures together.

        Parameters
        ----------
        X : array-like of shape (n, d)
        change : callable, optional
            Maps routed weights (n, K) of a mixture to those that count.

        Returns
        -------
        weights : ndarray of shape (n, C)
        predictions : ndarray of shape (n, C, m)
        parameters : ndarray of shape (C, q) or (n, C, q)
        """
        parts = []
        for mixture in self.mixtures:
            weights = mixture.weights(X, self.top_k)
            weights, *rest = mixture.predictive(X, weights if change is None else change(weights))
            parts.append((weights / len(self.mixtures), *rest))
        return concatenate_components(parts)

    def distribution(self, X):
        """Return the predictive distribution, in double precision and with an axis of outputs."""
        return MixtureDistribution(self.task.law, *self.components(X), single=False)

    def predict(self, X):
        """Return predictions (n, m)."""
        return self.combination.predict(self, X)

    def predict_with_std(self, X):
        """Return predictions (n, m) and standard deviations (n, m)."""
        distribution = self.distribution(X)
        return self.combination.predict_from(distribution, self, X), distribution.std()

    def predict_proba(self, X):
        """Return probabilities (n, n_classes) of classes."""
        return sum(self._proba_of(mixture, X) for mixture in self.mixtures) / len(self.mixtures)

    def _proba_of(self, mixture, X):
        weights = self.combination.weights(mixture.weights(X, self.top_k))
        # One expert at a time: probabilities of all classes by all experts may be many.
        return sum(
            self.combination.probabilities(
                weights[:, components].sum(axis=1)[:, None], proba[:, None]
            )
            for components, proba in mixture.each_prediction(X, weights)
        )

    def log_density(self, X, y, units):
        """Return log-densities (U,) of y in units of rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : ndarray of shape (n, m), or codes of labels (n,)
        units : Units
        """
        logs = [mixture.posterior(X, y, self.top_k, units)[1] for mixture in self.mixtures]
        return logsumexp(logs, axis=0) - np.log(len(logs))
