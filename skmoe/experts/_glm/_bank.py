"""Poisson and gamma regressions with a log link, all K solved in one batch by Newton's method.

Expert k maximises ``sum_i w_ik l(y_i, eta_ik)``, where eta is linear in the design and l is
``y eta - exp(eta)`` or ``-eta - y exp(-eta)``. Both are concave. Every step is backtracked, so
that the value never falls.
"""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone

from ..._data.design import View
from ..._data.numerics import column_dots, conjugate_gradient
from ..._sklearn import take
from ...em._protocols import Bools, ExpertSums, Floats, Law, Target
from .._batched import LEAST_GAIN, MOST_STEPS, BatchedBank
from .._linear_models import counted, differs_only_in
from ._losses import DAMPING, LARGEST_ETA, LOSSES, GlmState, LogLinkLoss, damped, damping
from ._sums import GlmPart

_FREE = ("alpha", "solver", "max_iter", "tol", "warm_start", "verbose")
_FIRST_STEPS = 3
_MAX_HALVINGS = 30
_SUFFICIENT = 1e-4

#: A slope below this, relative to the weights, is smaller than the rounding error of the gain.
_ROUNDING = 1e-15

#: Precision of a direction where no Hessian is formed: relative residual and number of products.
_CG_RTOL, _CG_ITERATIONS = 0.01, 50


def is_glm(estimator: Any, loss: str | None = None) -> bool:
    """Tell whether an estimator is one whose optimum this bank finds.

    Parameters
    ----------
    estimator : estimator
    loss : {"poisson", "gamma"}, optional
        Loss that it has to minimise; None for either.
    """
    own = LOSSES.get(type(estimator))
    if own is None or loss not in (None, own.name) or not differs_only_in(estimator, _FREE):
        return False
    # A penalty would be multiplied by the sum of the weights, unlike penalties of the objective.
    return isinstance(estimator.alpha, Real) and estimator.alpha == 0


class GlmBank(BatchedBank):
    """K regressions with a log link on one design; their means are in units of that of y.

    Parameters
    ----------
    template : PoissonRegressor or GammaRegressor
    view : View of n rows
    target : Target
        y, not standardised, with one output.
    n_experts : int
    """

    @staticmethod
    def solves(estimator: Any, loss: str | None = None) -> bool:
        """Tell whether the bank finds the optimum of an estimator, for this loss of the law."""
        return is_glm(estimator, loss)

    def __init__(self, template: Any, view: View, target: Target, n_experts: int) -> None:
        if target.values.shape[1] > 1:
            raise ValueError(
                f"y must have one output, got {target.values.shape[1]}; for several, wrap the "
                "expert in sklearn.multioutput.MultiOutputRegressor"
            )
        self.template: Any = template
        self.view: View = view
        self.target: Target = target
        self.loss: LogLinkLoss = LOSSES[type(template)]
        mean = float(view.weights @ target.values[:, 0] / view.weights.sum())
        self.unit: float = mean if mean > 0 else 1.0
        self.y: Floats = target.values / self.unit
        self.shape: tuple[int, int] = (n_experts, view.design.shape[1])

    def update(
        self, weights: Floats, state: GlmState | None, alive: Bools, own_rows: bool = False
    ) -> GlmState:
        """Return the state after Newton steps of the experts that are alive.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : GlmState or None
        alive : ndarray of shape (K,), bool
        own_rows : bool
            Not used: evaluating all rows at once costs least.

        Returns
        -------
        GlmState
        """
        if self.shape[0] == 1:
            return self._optimum(weights) if state is None else state
        old, steps = state, 1
        if state is None:
            state, steps = self._start(weights), _FIRST_STEPS
        for _ in range(steps):
            state, _ = self._step(weights, state)
        if old is None or alive.all():
            return state
        coef = np.where(alive[:, None], state.coef, old.coef)
        return GlmState(coef, np.where(alive, state.eta, old.eta), state.n_iter)

    def _optimum(self, weights: Floats) -> GlmState:
        """Return the optimum of a single expert, whose weights no iteration of EM changes."""
        state, least = self._start(weights), LEAST_GAIN * weights.sum()
        for _ in range(MOST_STEPS):
            state, slope = self._step(weights, state)
            if slope[0] <= least:
                break
        return state

    def _start(self, weights: Floats) -> GlmState:
        """Return the first state: each expert predicts the weighted mean of its rows."""
        mass = np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
        mean = column_dots(weights, np.broadcast_to(self.y, weights.shape)) / mass
        coef = np.zeros(self.shape)
        coef[:, -1] = np.log(np.maximum(mean, DAMPING))
        return self._at(coef)

    def _at(self, coef: Floats, n_iter: int = 0) -> GlmState:
        """Return the state of coefficients, which are shrunk where means are beyond the limit."""
        eta = self.view.design.linear(coef)
        share = LARGEST_ETA / np.maximum(np.abs(eta).max(axis=0), LARGEST_ETA)
        return GlmState(coef * share[:, None], eta * share, n_iter)

    def _step(self, weights: Floats, state: GlmState) -> tuple[GlmState, Floats]:
        """Return the state after one backtracked Newton step of every expert.

        The second result is the gain (K,) per length of the step, where it began.
        """
        gradient = self.view.design.cross(weights * self.loss.slope(self.y, state.eta))
        direction = self._direction(weights, state, gradient)
        slope = (gradient * direction).sum(axis=1)
        sound = np.isfinite(slope) & (slope > 0)
        direction[~sound], slope[~sound] = 0.0, 0.0
        length = self._length(weights, state.eta, self.view.design.linear(direction), slope)
        coef = state.coef + length[:, None] * direction
        eta = np.where(length > 0, self.view.design.linear(coef), state.eta)
        coef = np.where(length[:, None] > 0, coef, state.coef)
        return GlmState(coef, eta, state.n_iter + 1), slope

    def _length(self, weights: Floats, eta: Floats, change: Floats, slope: Floats) -> Floats:
        """Return step lengths (K,): the first of 1, 1/2, 1/4, ... that gains enough, or zero."""
        length, mass = np.where(slope > 0, 1.0, 0.0), weights.sum(axis=0)
        for halving in range(_MAX_HALVINGS):
            moved = change * length
            inside = np.abs(eta + moved).max(axis=0) <= LARGEST_ETA
            # A change beyond this is never accepted, and its exponential would overflow.
            np.clip(moved, -2 * LARGEST_ETA, 2 * LARGEST_ETA, out=moved)
            gain = column_dots(weights, self.loss.gain(self.y, eta, moved))
            enough = (gain >= _SUFFICIENT * length * slope) | (slope <= _ROUNDING * mass)
            short = ~(inside & enough) & (length > 0)
            if not short.any():
                break
            length[short] *= 0.5 if halving < _MAX_HALVINGS - 1 else 0.0
        return length

    def _direction(self, weights: Floats, state: GlmState, gradient: Floats) -> Floats:
        """Return Newton's direction (K, p)."""
        design = self.view.design
        curvature, mass = weights * self.loss.curvature(self.y, state.eta), weights.sum(axis=0)
        if design.has_grams:
            hessian = damped(design.grams(curvature), mass)
            return np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        ridge = damping(mass)

        def product(vector):
            return design.cross(curvature * design.linear(vector)) + ridge * vector

        return conjugate_gradient(product, gradient, rtol=_CG_RTOL, max_iter=_CG_ITERATIONS)

    def predictions(self, state: GlmState) -> Floats:
        """Return means (n, K, 1) of the training rows."""
        return (np.exp(state.eta) * self.unit)[:, :, None]

    def penalties(self, state: GlmState) -> Floats:
        """Return zeros (K, 1): the experts are not penalised."""
        return np.zeros((self.shape[0], 1))

    def pack(self, state: GlmState) -> Floats:
        """Return the coefficients as one vector."""
        return state.coef.ravel()

    def unpack(self, vector: Floats, like: GlmState) -> GlmState:
        """Return the state of a vector of coefficients."""
        return self._at(vector.reshape(self.shape), like.n_iter)

    def strip(self, state: GlmState) -> tuple[Floats, int]:
        """Return the coefficients and the number of steps."""
        return state.coef, state.n_iter

    def restore(self, state: tuple[Floats, int]) -> GlmState:
        """Return the state that `strip` was given."""
        coef, n_iter = state
        return GlmState(coef, self.view.design.linear(coef), n_iter)

    def sums_part(self, law: Law) -> ExpertSums | None:
        """Return the experts as a part of sums over rows, under their own law."""
        return (
            GlmPart(self.shape, law, self.loss, self.unit)
            if law.loss == self.loss.name and law.has_sums()
            else None
        )

    def finish(self, state: GlmState) -> list[Any]:
        """Return the fitted scikit-learn estimators, one per expert."""
        coef, intercept = self.view.design.to_raw(state.coef)
        intercept = intercept + np.log(self.unit)
        return [self._estimator(*pair, state.n_iter) for pair in zip(coef, intercept, strict=True)]

    def _estimator(self, coef: Floats, intercept: Floats, n_iter: int) -> Any:
        # A fit to one row sets all private attributes that `predict` needs.
        expert = type(self.template)(alpha=0).fit(take(self.view.X, [0]), np.ones(1))
        expert.set_params(**clone(self.template).get_params())
        expert.coef_, expert.intercept_, expert.n_iter_ = coef, float(intercept), n_iter
        return counted(expert, self.view)
