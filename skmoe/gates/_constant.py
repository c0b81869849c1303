"""The constant gate: mixing weights that do not depend on x."""

from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.tables import n_rows
from .._sklearn import Interval
from ..em._protocols import GateTrainer
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
        return self._write(_log_shares(weights @ targets, self.prior))

    def _write(self, log_weights):
        """Take the fitted attributes of log-probabilities (K,)."""
        self.weights_ = np.exp(log_weights)
        self.penalty_ = _penalty(log_weights, self.prior)
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
        return _repeat(np.log(self.weights_), n_rows(X))

    def em_trainer(self, view, weights, n_experts):
        """Return what EM trains step by step in place of calling ``fit``.

        Parameters
        ----------
        view : View of n rows
        weights : ndarray of shape (n,)
        n_experts : int

        Returns
        -------
        ConstantTrainer
        """
        self._validate_params()
        return ConstantTrainer(self, view)


class ConstantTrainer(GateTrainer):
    """The mixing weights within EM; a state is their logarithms (K,)."""

    cheap = True

    def __init__(self, gate, view):
        self.gate, self.view = gate, view

    def update(self, masses, state, weights=None):
        """Return the shares of (n, K) responsibilities × weights."""
        return _log_shares(masses.sum(axis=0), self.gate.prior)

    def log_proba(self, state):
        """Log-probabilities (n, K), the same in every row."""
        return _repeat(state, n_rows(self.view.X))

    def penalty(self, state):
        """What the prior takes from the objective."""
        return _penalty(state, self.gate.prior)

    def pack(self, state):
        """The state: it is a vector."""
        return state

    def unpack(self, vector, like):
        """The state of a vector, whose weights need not sum to one."""
        return vector - logsumexp(vector)

    def finish(self, state):
        """The fitted gate of a state."""
        gate = clone(self.gate)
        validate_data(gate, self.view.X, skip_check_array=True)
        return gate._write(state)


def _log_shares(mass, prior):
    mass = mass + prior
    # An expert without any mass keeps a probability that has a logarithm.
    return np.log(np.maximum(mass / mass.sum(), np.finfo(float).tiny))


def _penalty(log_weights, prior):
    return float(-prior * log_weights.sum()) if prior else 0.0


def _repeat(log_weights, n):
    return np.tile(log_weights[:, None], (1, n)).T
