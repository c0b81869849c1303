"""Any probabilistic classifier as a gate."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View
from .._data.pipelines import last_step
from .._data.weighted_fit import NEGLIGIBLE, fit_weighted
from .._errors import naming
from .._sklearn import (
    BaseEstimator,
    HasMethods,
    Interval,
    LinearClassifierMixin,
    StrOptions,
    take,
)
from ..em._protocols import Floats, GateTrainer
from ._crossfit import AUTO_FOLDS, CrossFitTrainer
from ._targets import GateMixin, check_targets


class ClassifierGate(GateMixin, BaseEstimator):
    """A gate that is a classifier of rows by expert.

    Soft targets become labels: every row is repeated once for each expert with a
    positive target in it, with the target as its weight, and the classifier is
    fitted once to all repeated rows. A classifier that takes no ``sample_weight``
    is fitted to rows drawn in proportion to their weights.

    Parameters
    ----------
    classifier : estimator with ``predict_proba``
        For instance ``MLPClassifier()`` for a neural gate.
    floor : float, default=1e-6
        Smallest probability of an expert. A classifier that predicts zero, as
        trees do, would otherwise exclude an expert in all later iterations.
    cv : "auto", int or None, default="auto"
        Number of folds of the training rows within EM. Probabilities of a row
        are predicted by a classifier that is fitted without the row's fold. At
        the end the gate is fitted to all rows. Without folds, a classifier that
        overfits would predict the responsibilities that it was fitted to, and
        EM would not move. ``"auto"`` means three folds, and none for a linear
        classifier. ``fit`` alone uses no folds.
    balance : float, default=0.0
        Pseudo-rows per expert of a Dirichlet prior on the experts' shares,
        which keeps experts from losing all their rows. The prior is part of the
        objective of EM; ``fit`` alone has none.

    Attributes
    ----------
    classifier_ : estimator
        The fitted classifier; its classes are the numbers of experts.
    n_experts_ : int
        Number of columns of the targets.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if X has names that are strings.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skmoe.gates import ClassifierGate
    >>> gate = ClassifierGate(DecisionTreeClassifier(max_depth=1))
    >>> gate = gate.fit([[0.0], [1.0]], [[0.9, 0.1], [0.2, 0.8]])
    >>> gate.predict_proba([[1.0]]).round(3)
    array([[0.2, 0.8]])
    """

    _parameter_constraints: dict[str, Any] = {
        "classifier": [HasMethods(["fit", "predict_proba"])],
        "floor": [Interval(Real, 0, 0.5, closed="neither")],
        "cv": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left"), None],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    classifier: Any
    floor: float
    cv: str | int | None
    balance: float
    classifier_: Any
    n_experts_: int

    def __init__(
        self,
        classifier: Any,
        *,
        floor: float = 1e-6,
        cv: str | int | None = "auto",
        balance: float = 0.0,
    ) -> None:
        self.classifier = classifier
        self.floor = floor
        self.cv = cv
        self.balance = balance

    def __sklearn_tags__(self) -> Any:
        """Tags of X are those of the classifier."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.classifier).input_tags
        return tags

    def fit(self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the classifier to the targets.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Passed to the classifier unchanged.
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

    def _fit(self, X: Any, targets: Floats, weights: Floats, previous: Self | None = None) -> Self:
        """Fit to checked targets, from the classifier of a fitted gate where it can be resumed."""
        validate_data(self, X, skip_check_array=True)
        if not weights.any():
            # A fold of a tree's node may hold no mass at all: any prediction will do there.
            weights = np.ones_like(weights)
        masses = targets * weights[:, None]
        experts, rows = np.nonzero((masses > NEGLIGIBLE * masses.max()).T)
        self.n_experts_ = targets.shape[1]
        # Many classifiers raise an error for a single class: a constant takes their place.
        single = (experts == experts[0]).all()
        self.classifier_ = fit_weighted(
            DummyClassifier(strategy="prior") if single else self.classifier,
            take(_indexable(X), rows),
            experts,
            masses[rows, experts],
            previous=previous and previous.classifier_,
        )
        return self

    def em_trainer(self, view: View, weights: Floats, n_experts: int) -> GateTrainer:
        """Return the trainer of the gate, which EM updates instead of calling ``fit``.

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
        n_folds: Any = self.cv
        if self.cv == "auto":
            linear = isinstance(last_step(self.classifier), LinearClassifierMixin)
            n_folds = None if linear else AUTO_FOLDS
        return CrossFitTrainer(self, view, weights, n_folds)

    def predict_log_proba(self, X: Any) -> Floats:
        """Log-probabilities of the experts.

        Probabilities below `floor` are raised to it before they are normalised.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)

        Raises
        ------
        ValueError
            If the classifier's probabilities are not finite or not two-dimensional.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        predicted = np.asarray(self.classifier_.predict_proba(X), dtype=np.float64)
        if predicted.ndim != 2 or not np.isfinite(predicted).all():
            with naming(f"gate {type(self.classifier).__name__}", "predict_proba"):
                raise ValueError("probabilities must be finite and two-dimensional")
        proba = np.full((len(predicted), self.n_experts_), self.floor)
        columns = np.asarray(self.classifier_.classes_, dtype=int)
        proba[:, columns] = np.maximum(predicted, self.floor)
        return np.log(np.asfortranarray(proba / proba.sum(axis=1, keepdims=True)))


def _indexable(X: Any) -> Any:
    return X if hasattr(X, "shape") else np.asarray(X)
