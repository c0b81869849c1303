"""The softmax gate: multinomial logistic regression on soft targets."""

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View
from .._data.numerics import log_softmax
from .._data.sparse import linear_functions
from .._sklearn import FLOATS, BaseEstimator, Interval, StrOptions
from ..em import _multinomial
from ..em._evidence import (
    FIRST_STRENGTH,
    MOST_COEFFICIENTS,
    Evidence,
    softmax_evidence,
    softmax_ridge,
)
from ..em._protocols import Floats, GateSums, GateTrainer, State
from ._softmax_sums import SoftmaxPart
from ._targets import GateMixin, check_targets

#: Largest number of penalties that ``fit`` tries with ``alpha="auto"``, and the relative change
#: that ends it.
_ROUNDS = 50
_SETTLED = 1e-3

#: The penalty that "auto" means where it is not learned.
FIXED = 0.1

#: Newton steps of the first M-step, which starts from zero coefficients.
_FIRST_STEPS = 3


class SoftmaxGate(GateMixin, BaseEstimator):
    r"""Softmax of linear functions of x, fitted by Newton's method.

    .. math:: g_k(x) = \exp(a_k + b_k^\top x) / \sum_l \exp(a_l + b_l^\top x)

    ``fit`` maximises :math:`\sum_i w_i \sum_k t_{ik} \log g_k(x_i) -
    \frac{\alpha}{2} \sum_{kj} (s_j b_{kj})^2`, where :math:`s_j` is the weighted
    standard deviation of column j. Scale and shift of X therefore do not matter.
    See Jordan and Jacobs (1994).

    Parameters
    ----------
    alpha : float or "auto", default=0.1
        Strength of the L2 penalty on the standardised weights. The penalty is
        not multiplied by the number of rows. With zero there is no penalty;
        separable targets then have no finite optimum, and ``fit`` stops after
        `max_iter` steps. With "auto" the penalty is the normal prior of the weights under which
        the targets, or y, are most probable (MacKay 1992); intercepts then have a normal prior
        with the variance 10. A mixture with ``experts=None`` then learns the penalties of
        linear and logistic experts, and the prior of Gaussian dispersions, too. "auto"
        means 0.1 for a node of `HierarchicalGate`, with `balance`, and in ``partial_fit``.
    n_steps : int, default=1
        Newton steps per EM iteration, which start from the last iterate.
    max_iter : int, default=100
        Largest number of Newton steps of ``fit``.
    tol : float, default=1e-12
        ``fit`` stops when a step gains no more than this per unit of weight.
    balance : float, default=0.0
        Pseudo-rows per expert of a Dirichlet prior on the experts' shares,
        which keeps experts from losing all their rows. The prior is part of the
        objective of EM; ``fit`` alone has none.

    Attributes
    ----------
    coef_ : ndarray of shape (n_experts, n_features)
        Weights in the units of X; they sum to zero over the experts.
    intercept_ : ndarray of shape (n_experts,)
    n_iter_ : int
        Newton steps taken; only after ``fit``.
    alpha_ : float
        Strength of the penalty: `alpha`, or what was learned.
    penalty_ : float
        The penalty, which is subtracted from the objective.
    n_parameters_ : int
        Number of free parameters: for every expert but one, the rank of the columns of
        X and the intercept. Constant columns, and columns that are combinations of
        others, add none.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if X has names that are strings.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.gates import SoftmaxGate
    >>> X = np.array([[-1.0], [0.0], [1.0]])
    >>> targets = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    >>> gate = SoftmaxGate(alpha=0).fit(X, targets)
    >>> gate.predict_proba([[1.0]]).round(3)
    array([[0.1, 0.9]])
    """

    _parameter_constraints: dict[str, Any] = {
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    alpha: float | Literal["auto"]
    n_steps: int
    max_iter: int
    tol: float
    balance: float
    coef_: Floats
    intercept_: Floats
    n_iter_: int
    alpha_: float
    penalty_: float

    #: Rank of the columns and the intercept; None in gates that an earlier version has stored.
    _rank: int | None = None

    def __init__(
        self,
        alpha: float | Literal["auto"] = 0.1,
        *,
        n_steps: int = 1,
        max_iter: int = 100,
        tol: float = 1e-12,
        balance: float = 0.0,
    ) -> None:
        self.alpha = alpha
        self.n_steps = n_steps
        self.max_iter = max_iter
        self.tol = tol
        self.balance = balance

    def fit(self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the gate to soft targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
        targets : array-like of shape (n, n_experts)
            Rows sum to one.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        SoftmaxGate
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is not finite and numeric, or the
            rows of `targets` do not sum to one.
        """
        self._validate_params()
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS)
        targets, weights = check_targets(X, targets, sample_weight)
        trainer = SoftmaxTrainer(self, View(X, weights), weights, targets.shape[1])
        masses, self.n_iter_ = targets * weights[:, None], 0
        iterate = _multinomial.start(trainer.problem)
        for _ in range(_ROUNDS):
            trainer.problem.bind(masses, weights)
            iterate, n_iter, _ = _multinomial.solve(
                trainer.problem, iterate, max_iter=self.max_iter, tol=self.tol
            )
            self.n_iter_ += n_iter
            strengths = trainer.strengths
            if strengths is None:
                break
            curvature = trainer.curvature(iterate, masses)
            found = trainer.evidence(iterate, curvature, masses.sum(axis=0), None).strengths
            if np.allclose(found, strengths, rtol=_SETTLED, atol=0):
                break
            trainer = trainer.with_strengths(found)
        trainer.write(self, iterate)
        return self

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters; the last expert is the reference of the others."""
        check_is_fitted(self)
        rank = self.coef_.shape[1] + 1 if self._rank is None else self._rank
        return (len(self.coef_) - 1) * rank

    def predict_log_proba(self, X: Any) -> Floats:
        """Log-probabilities of the experts.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        return log_softmax(linear_functions(X, self.coef_, self.intercept_))

    def __sklearn_tags__(self) -> Any:
        """X may be sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def has_sums(self) -> bool:
        """Tell whether EM can train the gate from sums over rows.

        Returns
        -------
        bool
        """
        return type(self) is SoftmaxGate and not self.balance

    def learns_online(self) -> bool:
        """Tell whether EM can train the gate batch by batch.

        Returns
        -------
        bool
        """
        return self.has_sums()

    def em_trainer(self, view: View, weights: Floats, n_experts: int) -> GateTrainer:
        """Return the trainer of the gate, which EM updates instead of calling ``fit``.

        Parameters
        ----------
        view : View of n rows
        weights : ndarray of shape (n,)
        n_experts : int

        Returns
        -------
        SoftmaxTrainer
        """
        self._validate_params()
        gate = self.with_fixed_penalty() if self.balance else self
        return SoftmaxTrainer(gate, view, weights, n_experts)

    def with_fixed_penalty(self) -> Self:
        """Return a gate whose penalty is not learned: itself, or with `FIXED` for "auto".

        Returns
        -------
        SoftmaxGate
        """
        return clone(self).set_params(alpha=FIXED) if self.alpha == "auto" else self

    def learns(self) -> bool:
        """Tell whether a mixture learns the penalty.

        Returns
        -------
        bool
        """
        return self.alpha == "auto" and not self.balance


class SoftmaxTrainer(GateTrainer):
    """Trainer of a softmax gate by Newton steps; a state is a `_multinomial.Iterate`.

    Parameters
    ----------
    gate : SoftmaxGate
    view : View of n rows
    weights : ndarray of shape (n,)
    n_experts : int
    strength : float
        Of the penalty, where it is learned.
    """

    cheap: bool = True

    def __init__(
        self,
        gate: SoftmaxGate,
        view: View,
        weights: Floats,
        n_experts: int,
        strength: float = FIRST_STRENGTH,
    ) -> None:
        self.gate, self.view, self.weights = gate, view, weights
        p = view.design.shape[1]
        if gate.alpha == "auto":
            if view.design.has_grams and n_experts * p <= MOST_COEFFICIENTS:
                self.strengths = np.array([strength])
            self.alpha, ridge = strength, softmax_ridge(np.array([strength]), p)[0]
        else:
            self.alpha = float(gate.alpha)
            ridge = np.append(np.full(p - 1, self.alpha), 0.0)
        self.problem = _multinomial.SoftTargets(view.design, ridge, n_experts)
        # Without a penalty, weights have no finite optimum where the gate separates experts.
        self.bounded: bool = self.alpha > 0

    def with_strengths(self, strengths: Floats) -> Self:
        """Return the trainer with another strength (1,) of the penalty."""
        n_experts, strength = self.problem.shape[1], float(strengths[0])
        return type(self)(self.gate, self.view, self.weights, n_experts, strength)

    def curvature(self, state: State, masses: Floats) -> Floats:
        """Return the negative Hessian (1, K p, K p) for masses (n, K)."""
        self.problem.bind(masses, self.weights)
        return _multinomial.negative_hessian(self.problem, state)

    def evidence(
        self, state: State, curvature: Floats, masses: Floats, dispersion: Any
    ) -> Evidence:
        """Return the evidence of a state, and the strength that increases it."""
        return softmax_evidence(
            state.coef, curvature, self.problem.ridge[None], masses.sum(keepdims=True)
        )

    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> State:
        """Return the next state: Newton steps towards (n, K) responsibilities × weights."""
        self.problem.bind(masses, self.weights if weights is None else weights)
        first = state is None
        iterate: Any = _multinomial.start(self.problem) if first else state
        if masses.shape[1] == 1:
            return iterate  # a single expert has probability one
        for _ in range(_FIRST_STEPS if first else self.gate.n_steps):
            iterate, _ = _multinomial.newton_step(self.problem, iterate)
        return iterate

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, K) of the training rows."""
        return state.log_proba

    def penalty(self, state: State) -> float:
        """Return the penalty."""
        return float(_multinomial.penalties(state.coef, self.problem.ridge)[0])

    def pack(self, state: State) -> Floats | None:
        """Return the coefficients as one vector."""
        return state.coef.ravel()

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a vector of coefficients, with the curvature of another state."""
        state = _multinomial.start(self.problem, vector.reshape(like.coef.shape))
        return replace(state, curvature=like.curvature, age=like.age)

    def strip(self, state: State) -> State:
        """Return the coefficients alone."""
        return state.coef

    def restore(self, state: State) -> State:
        """Return the state of coefficients that `strip` has returned."""
        return _multinomial.start(self.problem, state)

    def sums_part(self, n_experts: int) -> GateSums | None:
        """Return the gate as a part of sums over rows."""
        return SoftmaxPart(self.problem)

    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""
        gate = type(self.gate)(**self.gate.get_params())
        validate_data(gate, self.view.X, skip_check_array=True)
        return self.write(gate, state)

    def write(self, gate: SoftmaxGate, state: _multinomial.Iterate) -> SoftmaxGate:
        """Set the fitted attributes of `gate` to those of a state."""
        gate.coef_, gate.intercept_ = self.problem.design.to_raw(state.coef[0])
        gate.alpha_, gate.penalty_ = self.alpha, self.penalty(state)
        gate._rank = self.view.rank
        return gate
