"""The constant gate: mixing weights that do not depend on x."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View
from .._data.tables import n_rows
from .._sklearn import BaseEstimator, Interval
from ..em._protocols import Floats, GateTrainer, State
from ._targets import GateMixin, check_targets


class ConstantGate(GateMixin, BaseEstimator):
    r"""Mixing weights that are the same for every row, as in a mixture of regressions.

    .. math:: \pi_k = (m_k + \gamma) / \sum_l (m_l + \gamma)

    where :math:`m_k` is the weighted sum of the targets of expert k and
    :math:`\gamma` the prior.

    Parameters
    ----------
    prior : float, default=0.0
        Number of pseudo-rows added to every expert. The Dirichlet prior
        :math:`\gamma \sum_k \log \pi_k` is part of the objective.

    Attributes
    ----------
    weights_ : ndarray of shape (n_experts,)
        The mixing weights; their sum is one.
    penalty_ : float
        Minus the logarithm of the prior, which is subtracted from the objective.
    n_parameters_ : int
        Number of free parameters.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if X has names that are strings.

    Examples
    --------
    >>> from skmoe.gates import ConstantGate
    >>> gate = ConstantGate().fit([[0.0], [1.0]], [[1.0, 0.0], [0.5, 0.5]])
    >>> gate.weights_
    array([0.75, 0.25])
    """

    _parameter_constraints: dict[str, Any] = {"prior": [Interval(Real, 0, None, closed="left")]}

    # Whether ``fit`` costs little: `RefitTrainer` reads it.
    cheap: bool = True

    prior: float
    weights_: Floats
    penalty_: float

    def __init__(self, prior: float = 0.0) -> None:
        self.prior = prior

    def __sklearn_tags__(self) -> Any:
        """All kinds of X are accepted: its values are not used."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.string = True
        return tags

    def fit(self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the weights.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Only its number of rows is used.
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

    def _write(self, log_weights: Floats) -> Self:
        """Set the fitted attributes from log-probabilities (K,)."""
        self.weights_ = np.exp(log_weights)
        self.penalty_ = _penalty(log_weights, self.prior)
        return self

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters, one less than experts: the weights sum to one."""
        check_is_fitted(self)
        return len(self.weights_) - 1

    def predict_log_proba(self, X: Any) -> Floats:
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

    def em_trainer(self, view: View, weights: Floats, n_experts: int) -> GateTrainer:
        """Return the trainer of the gate, which EM updates instead of calling ``fit``.

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
    """Trainer of a constant gate; a state is the logarithms (K,) of the mixing weights."""

    cheap: bool = True

    def __init__(self, gate: ConstantGate, view: View) -> None:
        self.gate, self.view = gate, view

    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> Floats:
        """Return the log-shares (K,) of (n, K) responsibilities × weights."""
        return _log_shares(masses.sum(axis=0), self.gate.prior)

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, K), the same in every row."""
        return _repeat(state, n_rows(self.view.X))

    def penalty(self, state: State) -> float:
        """Return minus the logarithm of the prior."""
        return _penalty(state, self.gate.prior)

    def pack(self, state: State) -> Floats | None:
        """Return the state, which is a vector."""
        return state

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a vector, normalised."""
        return vector - logsumexp(vector)

    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""
        gate = clone(self.gate)
        validate_data(gate, self.view.X, skip_check_array=True)
        return gate._write(state)


def _log_shares(mass: Floats, prior: float) -> Floats:
    mass = mass + prior
    # The probability of an expert without mass stays positive: its logarithm is finite.
    return np.log(np.maximum(mass / mass.sum(), np.finfo(float).tiny))


def _penalty(log_weights: Floats, prior: float) -> float:
    return float(-prior * log_weights.sum()) if prior else 0.0


def _repeat(log_weights: Floats, n: int) -> Floats:
    return np.tile(log_weights[:, None], (1, n)).T
