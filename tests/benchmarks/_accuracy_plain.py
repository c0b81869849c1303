"""Mixtures of one kind of simple expert, as the accuracy benchmark fits them."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian

#: From so many rows on, one part held out tells enough.
MANY = 2000


class QuadraticMixture(RegressorMixin, BaseEstimator):
    """Mixture of quadratic experts, their number chosen on rows held out.

    Parameters
    ----------
    numbers : tuple of int
        What there is to choose from.
    """

    def __init__(self, numbers=(1, 4, 8)):
        self.numbers = numbers

    def fit(self, X, y):
        """Choose the number of experts, and fit so many.

        Parameters
        ----------
        X : ndarray of shape (n, d)
        y : ndarray of shape (n,)

        Returns
        -------
        QuadraticMixture
        """
        law = _law(X, y)
        scores = {k: np.mean([*_held_out(k, law, X, y)]) for k in self.numbers}
        self.n_experts_ = max(scores, key=scores.get)
        self.model_ = _quadratics(self.n_experts_, law).fit(X, y)
        return self

    def predict(self, X):
        """Predict y."""
        return self.model_.predict(X)

    def __skmoe_components__(self, X):
        return self.model_.__skmoe_components__(X)


def quadratic(last):
    """A pipeline: standardised columns, their squares and products, and `last`."""
    return make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), last
    )


def _law(X, y):
    """Errors a third as large as those of one quadratic model are what the prior expects."""
    residuals = y - quadratic(Ridge(0.1)).fit(X, y).predict(X)
    return Gaussian(prior=20, prior_scale=float(np.sqrt(0.1) * residuals.std() / y.std()))


def _quadratics(n_experts, law):
    return MixtureOfExpertsRegressor(
        quadratic(Ridge(0.1)),
        n_experts=n_experts,
        gate=quadratic(SoftmaxGate(alpha=1)),
        response=law,
        average=5,
        random_state=0,
    )


def _held_out(n_experts, law, X, y):
    """Mean log-likelihoods of the rows held out."""
    for seed in range(1 if len(y) >= MANY else 3):
        X_in, X_out, y_in, y_out = train_test_split(X, y, test_size=0.2, random_state=seed)
        yield _quadratics(n_experts, law).fit(X_in, y_in).score_samples(X_out, y_out).mean()


def logistic_mixture():
    """Mixture of four logistic regressions."""
    return MixtureOfExpertsClassifier(
        make_pipeline(StandardScaler(), LogisticRegression(C=10)),
        n_experts=4,
        gate=SoftmaxGate(alpha=1),
        random_state=0,
    )
