"""Scorers for model selection: what ``scoring`` of a search takes."""

import inspect

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from ._scores import crps, log_score, weighted_mean


class _DistributionScorer(BaseEstimator):
    """``scorer(estimator, X, y)``, greater is better: what ``scoring`` of a search takes.

    It is an estimator so that ``set_score_request`` and ``clone`` know it.
    """

    __metadata_request__score = {"estimator": UNUSED}

    def __call__(self, estimator, X, y, sample_weight=None):
        """Score an estimator."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator, X, y, sample_weight=None):
        """Score an estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted; pipelines that end in one will do.
        X : array-like of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float
        """
        estimator, X = _last_step(estimator, X)
        return self._score(estimator, X, y, sample_weight)


class LogScoreScorer(_DistributionScorer):
    """Mean log-density, or log-probability, of y: ``log_score_scorer(estimator, X, y)``.

    What ``scoring`` of a search takes. Classifiers will do, by their ``score_samples``. With
    metadata routing, ask a clone for weights.

    Parameters
    ----------
    estimator : estimator
        Fitted; pipelines that end in one will do.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        What was observed there.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Nats a row; greater is better.

    Raises
    ------
    TypeError
        If the estimator says no distribution.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import log_score_scorer
    >>> X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> cross_val_score(model, X, y, scoring=log_score_scorer, cv=3).shape
    (3,)
    """

    def _score(self, estimator, X, y, sample_weight):
        if hasattr(estimator, "predict_dist"):
            return log_score(y, estimator.predict_dist(X), sample_weight)
        method = getattr(estimator, "score_samples", None)
        if method is None or "y" not in inspect.signature(method).parameters:
            raise TypeError(
                "log_score_scorer needs an estimator with `predict_dist(X)` or "
                f"`score_samples(X, y)`, got {type(estimator).__name__}"
            )
        return weighted_mean(method(X, y), sample_weight)


class CrpsScorer(_DistributionScorer):
    """Negative mean CRPS of y: ``crps_scorer(estimator, X, y)``.

    What ``scoring`` of a search takes. With metadata routing, ask a clone for weights.

    Parameters
    ----------
    estimator : estimator
        Fitted; pipelines that end in one will do.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        What was observed there.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        In the units of y; greater is better, and none is above zero.

    Raises
    ------
    TypeError
        If the estimator says no distribution.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import crps_scorer
    >>> X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> cross_val_score(model, X, y, scoring=crps_scorer, cv=3).shape
    (3,)
    """

    def _score(self, estimator, X, y, sample_weight):
        if not hasattr(estimator, "predict_dist"):
            raise TypeError(
                "crps_scorer needs an estimator with `predict_dist(X)`, "
                f"got {type(estimator).__name__}"
            )
        return -crps(y, estimator.predict_dist(X), sample_weight)


def _last_step(estimator, X):
    """The estimator at the end of pipelines, and what they hand it."""
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator, X


log_score_scorer = LogScoreScorer()
crps_scorer = CrpsScorer()
