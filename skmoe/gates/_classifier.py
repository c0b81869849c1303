"""Any probabilistic classifier as a gate."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.pipelines import last_step
from .._data.weighted_fit import NEGLIGIBLE, fit_weighted
from .._errors import naming
from .._sklearn import (
    HasMethods,
    Interval,
    LinearClassifierMixin,
    StrOptions,
    take,
)
from ._crossfit import AUTO_FOLDS, CrossFitTrainer
from ._targets import GateMixin, check_targets


class ClassifierGate(GateMixin, BaseEstimator):
    """A classifier that learns which expert a row belongs to.

    Soft targets become labels: every row is repeated once for each expert that
    has a share in it, with the share as its weight, and the classifier is
    fitted once to all of them. A classifier that takes no ``sample_weight`` is
    fitted to rows drawn in proportion to their weights.

    Parameters
    ----------
    classifier : estimator with ``predict_proba``
        For instance ``MLPClassifier()`` for a neural gate.
    floor : float, default=1e-6
        Smallest probability of an expert. A classifier that answers zero, as
        trees do, would otherwise forbid an expert for good.
    cv : "auto", int or None, default="auto"
        Folds of the training rows within EM: each row is asked about where its
        fold was left out, and the gate that is stored is fitted to all rows at
        the end. A classifier that can learn its training rows by heart would
        otherwise answer with the responsibilities that it was taught, and EM
        would stay where it began. ``"auto"``: three folds, none for a linear
        classifier. ``fit`` alone has no folds.
    balance : float, default=0.0
        Pseudo-rows per expert of a Dirichlet prior on the experts' shares, a
        part of the objective of EM; against experts that starve.

    Attributes
    ----------
    classifier_ : estimator
        The fitted classifier; its classes are the numbers of experts.
    n_experts_ : int
        Number of columns of the targets.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skmoe.gates import ClassifierGate
    >>> gate = ClassifierGate(DecisionTreeClassifier(max_depth=1))
    >>> gate = gate.fit([[0.0], [1.0]], [[0.9, 0.1], [0.2, 0.8]])
    >>> gate.predict_proba([[1.0]]).round(3)
    array([[0.2, 0.8]])
    """

    _parameter_constraints = {
        "classifier": [HasMethods(["fit", "predict_proba"])],
        "floor": [Interval(Real, 0, 0.5, closed="neither")],
        "cv": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left"), None],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, classifier, *, floor=1e-6, cv="auto", balance=0.0):
        self.classifier = classifier
        self.floor = floor
        self.cv = cv
        self.balance = balance

    def __sklearn_tags__(self):
        """Takes what the classifier takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.classifier).input_tags
        return tags

    def fit(self, X, targets, sample_weight=None):
        """Fit the classifier to the targets.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Handed to the classifier as it is.
        targets : array-like of shape (n, n_experts)
            Rows sum to one.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        ClassifierGate
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range or the rows of `targets` do not sum
            to one.
        """
        self._validate_params()
        return self._fit(X, *check_targets(X, targets, sample_weight))

    def _fit(self, X, targets, weights, previous=None):
        """Fit to checked targets; go on from the classifier of a fitted gate where that can be."""
        validate_data(self, X, skip_check_array=True)
        if not weights.any():
            # A fold of a tree's node may hold no mass at all: there every answer will do.
            weights = np.ones_like(weights)
        masses = targets * weights[:, None]
        experts, rows = np.nonzero((masses > NEGLIGIBLE * masses.max()).T)
        self.n_experts_ = targets.shape[1]
        # Many classifiers refuse a single class, and there is nothing to learn from it.
        single = (experts == experts[0]).all()
        self.classifier_ = fit_weighted(
            DummyClassifier(strategy="prior") if single else self.classifier,
            take(_indexable(X), rows),
            experts,
            masses[rows, experts],
            previous=previous and previous.classifier_,
        )
        return self

    def em_trainer(self, view, weights, n_experts):
        """Return what EM trains in place of calling ``fit``.

        Parameters
        ----------
        view : View of n rows
        weights : ndarray of shape (n,)
        n_experts : int

        Returns
        -------
        CrossFitTrainer
        """
        self._validate_params()
        n_folds = self.cv
        if self.cv == "auto":
            linear = isinstance(last_step(self.classifier), LinearClassifierMixin)
            n_folds = None if linear else AUTO_FOLDS
        return CrossFitTrainer(self, view, weights, n_folds)

    def predict_log_proba(self, X):
        """Log-probabilities of the experts, at least the logarithm of `floor`.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)

        Raises
        ------
        ValueError
            If the classifier answers with something that is not finite.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        answer = np.asarray(self.classifier_.predict_proba(X), dtype=np.float64)
        if answer.ndim != 2 or not np.isfinite(answer).all():
            with naming(f"gate {type(self.classifier).__name__}", "predict_proba"):
                raise ValueError("probabilities must be finite and two-dimensional")
        proba = np.full((len(answer), self.n_experts_), self.floor)
        columns = np.asarray(self.classifier_.classes_, dtype=int)
        proba[:, columns] = np.maximum(answer, self.floor)
        return np.log(np.asfortranarray(proba / proba.sum(axis=1, keepdims=True)))


def _indexable(X):
    return X if hasattr(X, "shape") else np.asarray(X)
