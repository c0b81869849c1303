"""The constant gate: mixing weights that do not depend on x."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .._sklearn import Interval
from ._targets import GateMixin, check_targets


class ConstantGate(GateMixin, BaseEstimator):
    r"""Mixing weights that are the same for every row: the mixture of regressions.

    .. math:: \pi_k = (m_k + \gamma) / \sum_l (m_l + \gamma)

    where :math:`m_k` is the weighted sum of the targets of expert k and
    :math:`\gamma` the prior.

    Parameters
    ----------
    prior : float, default=0.0
        Rows added to every expert: the Dirichlet prior
        :math:`\gamma \sum_k \log \pi_k`, part of the objective.

    Attributes
    ----------
    weights_ : ndarray of shape (n_experts,)
        The mixing weights; their sum is one.
    penalty_ : float
        What the prior takes from the objective.
    n_parameters_ : int
        Number of free parameters.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

    Examples
    --------
    >>> from skmoe.gates import ConstantGate
    >>> gate = ConstantGate().fit([[0.0], [1.0]], [[1.0, 0.0], [0.5, 0.5]])
    >>> gate.weights_
    array([0.75, 0.25])
    """

    _parameter_constraints = {"prior": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, prior=0.0):
        self.prior = prior

    cheap = True

    def __sklearn_tags__(self):
        """Any X will do: it is not looked at."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.string = True
        return tags

    def fit(self, X, targets, sample_weight=None):
        """Fit the weights.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Counted, never looked at.
        targets : array-like of shape (n, n_experts)
            Rows sum to one.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        ConstantGate
            Itself.

        Raises
        ------
        ValueError
            If `prior` is negative or the rows of `targets` do not sum to one.
        """
        self._validate_params()
        validate_data(self, X, skip_check_array=True)
        targets, weights = check_targets(X, targets, sample_weight)
        mass = weights @ targets + self.prior
        # An expert without any mass keeps a probability that has a logarithm.
        self.weights_ = np.maximum(mass / mass.sum(), np.finfo(float).tiny)
        self.penalty_ = float(-self.prior * np.log(self.weights_).sum()) if self.prior else 0.0
        return self

    @property
    def n_parameters_(self):
        """Number of free parameters: the weights sum to one."""
        check_is_fitted(self)
        return len(self.weights_) - 1

    def predict_log_proba(self, X):
        """Log-probabilities of the experts, the same in every row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        return np.tile(np.log(self.weights_)[:, None], (1, n)).T
