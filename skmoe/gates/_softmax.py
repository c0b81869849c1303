"""The softmax gate: multinomial logistic regression on soft targets."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View, linear_functions
from .._data.numerics import log_softmax, pair_products, row_max, row_sum
from .._sklearn import FLOATS, BaseEstimator, Interval
from ..em import _multinomial
from ..em._parts import BaseForm, NewtonPart
from ..em._protocols import Floats, GateSums, GateTrainer, State
from ..em._sums import Statistics
from ._targets import GateMixin, check_targets


class SoftmaxForm(BaseForm):
    """Form of the coefficients (K, p) of a softmax gate with probabilities g.

    Its rows are r - w g, whose products with the design sum to the gradient. The products of
    columns for the pair of experts a, b have the weights w g_a g_b.
    """

    def __init__(self, coef: Floats) -> None:
        self.coef = coef
        self.n_experts = self.n_first = len(coef)
        self.n_pairs = len(coef) * (len(coef) - 1) // 2

    def make(self, size: int) -> None:
        """Make room for `size` rows."""
        self._proba = np.empty((self.n_experts, size))

    def evaluate_forms(self, logits: Floats) -> Floats:
        """Return log-probabilities (K, b), which overwrite logits (K, b)."""
        self._weights = None
        self._log_proba = logits
        logits -= row_max(logits.T)
        np.exp(logits, out=self._proba)
        total = row_sum(self._proba.T)
        self._proba *= 1.0 / total
        logits -= np.log(total)
        return logits

    def entropy(self) -> Floats:
        """Return the entropies (b,) of the probabilities, in nats."""
        return -np.einsum("kb,kb->b", self._proba, self._log_proba)

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write r - w g."""
        self._weights = weights
        if weights is not None:
            self._proba *= weights
        np.subtract(resp, self._proba, out=first)

    def shares(self) -> Floats:
        """Return the weights of the products of columns in the Hessian."""
        shares = pair_products(self._proba, offset=1)
        if self._weights is not None:
            shares /= self._weights
        return shares


class SoftmaxPart(NewtonPart):
    """M-step of a softmax gate from sums over rows; an iterate is coef (1, K, p).

    Parameters
    ----------
    problem : SoftTargets
        The problem of the gate's trainer.
    """

    def __init__(self, problem: _multinomial.SoftTargets) -> None:
        super().__init__(problem.shape, problem.ridge)

    def form(self, iterate: Floats, dispersion: Floats | None = None) -> Callable[[], SoftmaxForm]:
        """Return a callable that makes a `SoftmaxForm`."""
        return partial(SoftmaxForm, iterate[0])

    def state(self, iterate: Floats) -> _multinomial.Iterate:
        """Return the trainer's state of coefficients, without log-probabilities of rows."""
        return _multinomial.Iterate(iterate, None)

    def problem_masses(self, statistics: Statistics) -> Floats:
        """Return the weight (1,) of all rows, which belong to the one problem."""
        return np.array([statistics.weight])

    def reading(self, gate: Any, design: Any) -> Floats:
        """Return the iterate of a fitted gate."""
        return design.from_raw(gate.coef_, gate.intercept_)[None]


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
    alpha : float, default=0.1
        Strength of the L2 penalty on the standardised weights. The penalty is
        not multiplied by the number of rows. With zero there is no penalty;
        separable targets then have no finite optimum, and ``fit`` stops after
        `max_iter` steps.
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
    penalty_ : float
        The penalty, which is subtracted from the objective.
    n_parameters_ : int
        Number of free parameters.
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
        "alpha": [Interval(Real, 0, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    alpha: float
    n_steps: int
    max_iter: int
    tol: float
    balance: float
    coef_: Floats
    intercept_: Floats
    n_iter_: int
    penalty_: float

    def __init__(
        self,
        alpha: float = 0.1,
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
        trainer.problem.bind(targets * weights[:, None], weights)
        iterate, self.n_iter_, _ = _multinomial.solve(
            trainer.problem,
            _multinomial.start(trainer.problem),
            max_iter=self.max_iter,
            tol=self.tol,
        )
        trainer.write(self, iterate)
        return self

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters; the last expert is the reference of the others."""
        check_is_fitted(self)
        return (len(self.coef_) - 1) * (self.coef_.shape[1] + 1)

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
        return SoftmaxTrainer(self, view, weights, n_experts)


class SoftmaxTrainer(GateTrainer):
    """Trainer of a softmax gate by Newton steps; a state is a `_multinomial.Iterate`.

    Parameters
    ----------
    gate : SoftmaxGate
    view : View of n rows
    weights : ndarray of shape (n,)
    n_experts : int
    """

    cheap: bool = True

    def __init__(self, gate: SoftmaxGate, view: View, weights: Floats, n_experts: int) -> None:
        self.gate, self.view, self.weights = gate, view, weights
        design = view.design
        ridge = np.append(np.full(design.shape[1] - 1, float(gate.alpha)), 0.0)
        self.problem = _multinomial.SoftTargets(design, ridge, n_experts)
        # Without a penalty, weights have no finite optimum where the gate separates experts.
        self.bounded: bool = gate.alpha > 0

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
        gate.penalty_ = self.penalty(state)
        return gate
