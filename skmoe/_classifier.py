"""The classifier."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from ._base import BaseMixtureOfExperts, like
from ._mixture import Classes
from ._sklearn import StrOptions
from ._target import Labels
from .responses import Categorical
from .routing import keep_top, weighted_mean, weighted_vote


class MixtureOfExpertsClassifier(ClassifierMixin, BaseMixtureOfExperts):
    """Doc."""

    _parameter_constraints = {
        **BaseMixtureOfExperts._parameter_constraints,
        "combine": [StrOptions({"mean", "vote", "top"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    _has_labels = True

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        top_k=None,
        combine="mean",
        gate_features=None,
        expert_features=None,
        init="auto",
        n_init="auto",
        max_iter=200,
        tol=1e-5,
        warm_start=False,
        class_weight=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
        self.top_k = top_k
        self.combine = combine
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, **params):
        """Fit gate and experts by expectation-maximisation.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Handed to wrapped experts and gates as it is.
        y : array-like of shape (n,)
            Labels of any type.
        sample_weight : array-like of shape (n,), optional
            A weight of two is the same as the row written twice, a weight of
            zero the same as a row left out.
        **params : dict
            Metadata for the experts, routed as scikit-learn routes it.

        Returns
        -------
        MixtureOfExpertsClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X or y cannot be used by a part that
            sees it, or an expert fails; the message names the parameter or the
            part. What was fitted before stays.
        TypeError
            If an expert or gate is not an estimator of the right kind.
        """
        return self._fit(X, y, sample_weight, params)

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,)
            In the type of the labels given to ``fit``.
        """
        best = self._proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. With ``combine="vote"`` the
            share of gate weight whose expert prefers the class.
        """
        return self._proba(X)

    def predict_log_proba(self, X):
        """Log-probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Finite, as no probability is exactly zero.
        """
        return np.log(self._proba(X))

    def _proba(self, X):
        """Probabilities (n, n_classes), at least the smallest number that has a logarithm."""
        mixture, X = self._ready(X)
        weights = mixture.weights(X, self.top_k)
        if self.combine == "top":
            weights = keep_top(weights)
        answers = mixture.answers(X, weights)
        combine = weighted_vote if self.combine == "vote" else weighted_mean
        proba = like(X, combine(weights, answers))
        return np.maximum(proba, np.finfo(proba.dtype).tiny)

    def expert_predict(self, X):
        """Class probabilities of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts, n_classes)
        """
        mixture, X = self._ready(X)
        return like(X, mixture.answers(X))

    # ------------------------------------------- what the base leaves to the task

    def _default_expert(self):
        return LogisticRegression()

    def _law(self):
        return Categorical()

    def _check_y(self, y):
        check_classification_targets(y)
        return column_or_1d(y, warn=True)

    def _class_weights(self, y, weights):
        """Weights (n,) with those of the classes in them."""
        if self.class_weight is None:
            return weights
        classes, codes = np.unique(y, return_inverse=True)
        if isinstance(self.class_weight, dict):
            by_class = compute_class_weight(self.class_weight, classes=classes, y=y)
        else:
            mass = np.bincount(codes, weights)
            present = mass > 0
            by_class = np.divide(mass.sum() / present.sum(), mass, where=present, out=mass * 0)
        return weights * by_class[codes]

    def _target(self, y, weights):
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y must have at least two classes in rows of positive weight; got one class: "
                f"{classes.tolist()}"
            )
        self.classes_ = classes
        return Labels(y, codes, classes)

    def _known_y(self, X, y):
        """Codes (n,) of known labels."""
        y = column_or_1d(y)
        check_consistent_length(X, y)
        unknown = sorted(set(np.unique(y).tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(f"y must hold labels known from fit; got also {unknown}")
        return np.searchsorted(self.classes_, y)

    def _question(self):
        return Classes(self.classes_)

    def _store_law(self, training, parameters):
        """Labels have no dispersion to store."""
