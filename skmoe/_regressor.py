"""The regressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length

from ._base import BaseMixtureOfExperts, like
from ._inputs import check_numbers
from ._mixture import Numbers
from ._parts import RESPONSES, resolve_response
from ._sklearn import HasMethods, StrOptions
from ._target import Target
from .distributions import mixture_median, mixture_variance
from .routing import keep_top, weighted_mean


class MixtureOfExpertsRegressor(RegressorMixin, BaseMixtureOfExperts):
    """Doc."""

    _parameter_constraints = {
        **BaseMixtureOfExperts._parameter_constraints,
        "response": [StrOptions(set(RESPONSES)), HasMethods(["deviance", "fit_dispersion", "log_density"])],
        "combine": [StrOptions({"mean", "median", "top"})],
    }

    _has_labels = False

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        response="gaussian",
        top_k=None,
        combine="mean",
        gate_features=None,
        expert_features=None,
        init="auto",
        n_init="auto",
        max_iter=200,
        tol=1e-5,
        warm_start=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
        self.response = response
        self.top_k = top_k
        self.combine = combine
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, **params):
        """Fit gate and experts by expectation-maximisation.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Handed to wrapped experts and gates as it is.
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
            A weight of two is the same as the row written twice, a weight of
            zero the same as a row left out.
        **params : dict
            Metadata for the experts, routed as scikit-learn routes it.

        Returns
        -------
        MixtureOfExpertsRegressor
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

    def predict(self, X, return_std=False):
        """Predict y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of y given x too: errors
            within experts and disagreement between them.

        Returns
        -------
        prediction : ndarray of shape (n,) or (n, n_outputs)
            In the units of y.
        std : ndarray of shape (n,) or (n, n_outputs)
            Only if `return_std`.
        """
        mixture, X = self._ready(X)
        weights = mixture.weights(X, self.top_k)
        if self.combine == "top" and not return_std:
            weights = keep_top(weights)
        answers = mixture.answers(X, weights)
        prediction = self._combine(weights, answers)
        if not return_std:
            return self._shaped(X, prediction)
        mean = weighted_mean(weights, answers)
        variances = self.response_.variance(self._dispersion())
        std = np.sqrt(mixture_variance(weights, answers, variances, mean))
        return self._shaped(X, prediction), self._shaped(X, std)

    def _combine(self, weights, answers):
        if self.combine == "median":
            return mixture_median(weights, answers, self._dispersion(), self.response_.cdf)
        return weighted_mean(keep_top(weights) if self.combine == "top" else weights, answers)

    def expert_predict(self, X):
        """Predictions of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts) or (n, n_experts, n_outputs)
        """
        mixture, X = self._ready(X)
        answers = mixture.answers(X)
        return like(X, answers[:, :, 0] if self.dispersion_.ndim == 1 else answers)

    def _shaped(self, X, values):
        return like(X, values[:, 0] if self.dispersion_.ndim == 1 else values)

    def _dispersion(self):
        """Dispersions (K, m)."""
        return self.dispersion_.reshape(self.n_experts_, -1)

    # ------------------------------------------- what the base leaves to the task

    def _default_expert(self):
        return LinearRegression()

    def _law(self):
        return resolve_response(self.response)

    def _check_y(self, y):
        return check_numbers(y)

    def _class_weights(self, y, weights):
        return weights

    def _target(self, y, weights):
        return Target.of(y, weights)

    def _known_y(self, X, y):
        y = check_numbers(y, self._dispersion().shape[1])
        check_consistent_length(X, y)
        return y.reshape(len(y), -1)

    def _question(self):
        return Numbers(self.response_, self._dispersion(), self._dispersion().shape[1])

    def _store_law(self, training, parameters):
        self.response_ = training.law
        dispersion = parameters.dispersion * training.target.scale
        self.dispersion_ = dispersion[:, 0] if training.target.single else dispersion

    def __sklearn_tags__(self):
        """Several outputs where all experts take them."""
        tags = super().__sklearn_tags__()
        experts = [get_tags(part) for part in self._part_templates()[1:]]
        tags.target_tags.multi_output = all(e.target_tags.multi_output for e in experts)
        return tags
