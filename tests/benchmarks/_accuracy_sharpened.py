"""A classifier that is surer, or less sure, than the one it wraps."""

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone


class Sharpened(ClassifierMixin, BaseEstimator):
    """Probabilities raised to a power: a fixed temperature.

    Beside the classifier itself in a pool, it lets the gate find how sure to be.

    Parameters
    ----------
    classifier : classifier
    power : float
        Above one for surer probabilities.
    """

    def __init__(self, classifier, power=2.0):
        self.classifier = classifier
        self.power = power

    def fit(self, X, y, **params):
        """Fit a clone of the classifier.

        Parameters
        ----------
        X : ndarray of shape (n, d)
        y : ndarray of shape (n,)
        **params : dict
            For its ``fit``.

        Returns
        -------
        Sharpened
        """
        self.classifier_ = clone(self.classifier).fit(X, y, **params)
        self.classes_ = self.classifier_.classes_
        return self

    def predict_proba(self, X):
        """Probabilities (n, n_classes)."""
        # What a forest calls impossible stays possible.
        proba = np.maximum(self.classifier_.predict_proba(X), 1e-6)
        return np.exp(log_softmax(self.power * np.log(proba), axis=1))

    def predict(self, X):
        """Labels (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
