"""Scorers for model selection, to be passed as ``scoring`` to a search."""

import inspect
from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from .._sklearn import BaseEstimator
from ._scores import crps, log_score, weighted_mean


class _DistributionScorer(ABC, BaseEstimator):
    """A scorer ``scorer(estimator, X, y)``; greater is better.

    It is an estimator so that it has ``set_score_request`` and can be cloned.
    """

    __metadata_request__score = {"estimator": UNUSED}

    def __call__(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score an estimator."""
        return self.score(estimator, X, y, sample_weight)

    def score(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score an estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted; or a pipeline that ends in one.
        X : array-like of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float
        """
        estimator, X = _last_step(estimator, X)
        return self._score(estimator, X, y, sample_weight)

    @abstractmethod
    def _score(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> float:
        """Score the last step of a pipeline."""


class LogScoreScorer(_DistributionScorer):
    """Mean log-density, or log-probability, of y: ``log_score_scorer(estimator, X, y)``.

    It can be passed as ``scoring`` to a search. Classifiers are scored by their
    ``score_samples``. With metadata routing, request weights by ``set_score_request`` of a clone.

    Parameters
    ----------
    estimator : estimator
        Fitted; or a pipeline that ends in one.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        The observed values of these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Nats per row; greater is better.

    Raises
    ------
    TypeError
        If the estimator predicts no distribution.

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

    def _score(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> float:
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

    It can be passed as ``scoring`` to a search. With metadata routing, request weights by
    ``set_score_request`` of a clone.

    Parameters
    ----------
    estimator : estimator
        Fitted; or a pipeline that ends in one.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        The observed values of these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        In the units of y; greater is better, zero is the largest possible value.

    Raises
    ------
    TypeError
        If the estimator predicts no distribution.

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

    def _score(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> float:
        if not hasattr(estimator, "predict_dist"):
            raise TypeError(
                "crps_scorer needs an estimator with `predict_dist(X)`, "
                f"got {type(estimator).__name__}"
            )
        return -crps(y, estimator.predict_dist(X), sample_weight)


def _last_step(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the estimator at the end of pipelines, and X as they transform it."""
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator, X


log_score_scorer: LogScoreScorer = LogScoreScorer()
crps_scorer: CrpsScorer = CrpsScorer()
