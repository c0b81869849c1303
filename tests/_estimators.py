"""Estimators that misbehave, in a module that worker processes can import."""

import os

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression


class Raising(RegressorMixin, BaseEstimator):
    """Raises in ``fit``, from the call with the number `after` on, or in ``predict``.

    Clones share the list `calls`, which counts the fits of them all.
    """

    def __init__(self, error=None, where="fit", calls=None, after=0):
        self.error, self.where, self.calls, self.after = error, where, calls, after

    def __sklearn_clone__(self):
        return type(self)(self.error, self.where, self.calls, self.after)

    def fit(self, X, y, sample_weight=None):
        if self.calls is not None:
            self.calls.append(len(X))
        if self.where == "fit" and (self.calls is None or len(self.calls) > self.after):
            raise self.error
        self.inner_ = LinearRegression().fit(X, y, sample_weight)
        return self

    def predict(self, X):
        if self.where == "predict":
            raise self.error
        return self.inner_.predict(X)


class SpoilingRegressor(DummyRegressor):
    """Predicts what `spoil` makes of a good prediction."""

    def __init__(self, spoil=None):
        super().__init__()
        self.spoil = spoil

    def predict(self, X):
        return self.spoil(super().predict(X))


class SpoilingClassifier(DummyClassifier):
    """Predicts what `spoil` makes of good probabilities."""

    def __init__(self, spoil=None):
        super().__init__()
        self.spoil = spoil

    def predict_proba(self, X):
        return self.spoil(super().predict_proba(X))


class WritingRegressor(LinearRegression):
    """Writes into one of the arrays that ``fit`` receives."""

    def __init__(self, argument="X"):
        super().__init__()
        self.argument = argument

    def fit(self, X, y, sample_weight=None):
        {"X": X, "y": y, "sample_weight": sample_weight}[self.argument][:1] = 0.0
        return super().fit(X, y, sample_weight)


class WritingPredictor(LinearRegression):
    """Writes into X in ``predict``."""

    def predict(self, X):
        X[:1] = 0.0
        return super().predict(X)


class WritingFrameRegressor(LinearRegression):
    """Writes into the data frame that ``fit`` receives."""

    def fit(self, X, y, sample_weight=None):
        X.iloc[:1] = 0.0
        return super().fit(X, y, sample_weight)


class WritingTransformer(BaseEstimator):
    """Writes into X in ``transform``."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        X[:1] = 0.0
        return X


class DyingRegressor(LinearRegression):
    """Ends the process that fits it, if that is not the one that `survivor` names."""

    def __init__(self, survivor=0):
        super().__init__()
        self.survivor = survivor

    def fit(self, X, y, sample_weight=None):
        if os.getpid() != self.survivor:
            os._exit(1)
        return super().fit(X, y, sample_weight)


class UnweightedClassifier(ClassifierMixin, BaseEstimator):
    """Takes no sample weights, and refuses a single class as many classifiers do."""

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        if len(self.classes_) < 2:
            raise ValueError("a single class is not enough")
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (X.shape[0], 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
