"""Linear experts, all K solved in one batch by weighted least squares."""

from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.validation import validate_data

from ..._data.numerics import conjugate_gradient, invert_regular, solve_normal_equations
from .._batched import BatchedBank
from .._linear_models import differs_only_in
from ._sums import LinearPart, LinearState

#: From so many columns on, the products of all columns cost more than all else in an iteration:
#: those of an earlier one serve as a preconditioner, for so many iterations.
_MANY_COLUMNS = 24
_OLDEST = 8

#: Residual, relative to that before the step, and conjugate gradient steps it may take.
_STEP_RTOL = 0.01
_STEPS = 4

_FREE = ("alpha", "copy_X", "n_jobs", "tol", "max_iter", "solver", "random_state")
_CG_RTOL = 1e-10
_CG_ITERATIONS = 1000


def is_linear(estimator):
    """Tell whether an estimator is one whose fit this bank reproduces."""
    if type(estimator) not in (LinearRegression, Ridge) or not differs_only_in(estimator, _FREE):
        return False
    alpha = getattr(estimator, "alpha", 0.0)
    return isinstance(alpha, Real) and 0 <= alpha < np.inf


class LinearBank(BatchedBank):
    """K linear experts on one design.

    Parameters
    ----------
    template : LinearRegression or Ridge
    view : View of n rows
    target : Target
        y with its location and scale.
    n_experts : int
    exact : bool
        Whether every iteration solves to the end. A step that improves each output alone may
        worsen several whose errors are correlated.
    """

    @staticmethod
    def solves(estimator, loss=None):
        """Tell whether the bank reproduces the fit of an estimator, for this loss of the law."""
        return loss in (None, "squares") and is_linear(estimator)

    @classmethod
    def of(cls, template, view, target, n_experts, law):
        """Return the bank of `n_experts` clones of `template`, for an M-step under a law."""
        return cls(template, view, target, n_experts, exact=law.correlated)

    def __init__(self, template, view, target, n_experts, exact=False):
        self.template, self.view, self.target, self.exact = template, view, target, exact
        self.shape = (n_experts, target.values.shape[1], view.design.shape[1])
        self.ridge = view.design.raw_ridge(getattr(template, "alpha", 0.0))

    def update(self, weights, state, alive, own_rows=False):
        """Weighted least squares for every expert that is alive.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : LinearState or None
        alive : ndarray of shape (K,), bool
            The others keep their coefficients.
        own_rows : bool
            Not looked at: to answer for all rows at once costs least.

        Returns
        -------
        LinearState
        """
        if not self.view.design.has_grams:
            new = LinearState(self._solve_iteratively(weights, state))
        elif state is not None and state.inverse is not None and state.age < _OLDEST:
            new = self._step(weights, state)
        else:
            new = self._solve(weights)
        if state is None or alive.all():
            return new
        coef = np.where(alive[:, None, None], new.coef, state.coef)
        return LinearState(coef)

    def _solve(self, weights):
        """Form the normal equations, and solve them."""
        grams, right = self.view.design.normal_equations(weights, self.target.values)
        columns = np.arange(self.shape[2])
        grams[:, columns, columns] += self.ridge
        coef = solve_normal_equations(grams, right).transpose(0, 2, 1)
        many = self.shape[2] >= _MANY_COLUMNS and not self.exact
        return LinearState(coef, invert_regular(grams) if many else None)

    def _step(self, weights, state):
        """Conjugate gradients from the last coefficients: they never raise the squares left."""

        def precondition(vector):
            images = np.matmul(vector.reshape(self.shape), state.inverse)
            return images.reshape(vector.shape)

        product, right = self._products(weights)
        coef = conjugate_gradient(
            product,
            right,
            start=state.coef.reshape(right.shape),
            rtol=_STEP_RTOL,
            max_iter=_STEPS,
            precondition=precondition,
        )
        return LinearState(coef.reshape(self.shape), state.inverse, state.age + 1)

    def _products(self, weights):
        """The normal equations without their matrices: products (K m, p), and right-hand sides."""
        design, n_outputs = self.view.design, self.shape[1]
        right = [design.cross(weights * column[:, None]) for column in self.target.values.T]
        repeated = weights if n_outputs == 1 else np.repeat(weights, n_outputs, axis=1)

        def product(vector):
            image = design.linear(vector)
            image *= repeated
            return design.cross(image) + self.ridge * vector

        return product, np.stack(right, axis=1).reshape(-1, self.shape[2])

    def _solve_iteratively(self, weights, state):
        product, right = self._products(weights)
        solution = conjugate_gradient(
            product,
            right,
            start=None if state is None else state.coef.reshape(right.shape),
            rtol=_CG_RTOL,
            max_iter=_CG_ITERATIONS,
        )
        return solution.reshape(self.shape)

    def predictions(self, state):
        """Predictions (n, K, m) on the training rows, in standardised units."""
        n_experts, n_outputs, p = self.shape
        flat = self.view.design.linear(state.coef.transpose(1, 0, 2).reshape(-1, p))
        return flat.T.reshape(n_outputs, n_experts, -1).transpose(2, 1, 0)

    def penalties(self, state):
        """``alpha * ||coef||^2`` (K, m), in squared standardised units."""
        return (self.ridge * state.coef * state.coef).sum(axis=2)

    def penalty_products(self, state):
        """``alpha`` × the products of the coefficients of all pairs of outputs, (K, m, m)."""
        return self.ridge * state.coef @ state.coef.swapaxes(1, 2)

    def pack(self, state):
        """The coefficients as one vector."""
        return state.coef.ravel()

    def unpack(self, vector, like):
        """The state of a vector of coefficients, with the curvature of another."""
        return replace(like, coef=vector.reshape(self.shape))

    def strip(self, state):
        """The state without its curvature."""
        return LinearState(state.coef)

    def sums_part(self, law):
        """Return the experts as a part of sums over rows, under a law that has sums."""
        return LinearPart(self, law) if law.loss == "squares" and law.has_sums() else None

    def finish(self, state):
        """Fitted scikit-learn estimators of a state, one per expert."""
        coef, intercept = self.view.design.to_raw(state.coef)
        coef = coef * self.target.scale[:, None]
        intercept = intercept * self.target.scale + self.target.mean
        return [self._estimator(*pair) for pair in zip(coef, intercept, strict=True)]

    def _estimator(self, coef, intercept):
        expert = clone(self.template)
        validate_data(expert, self.view.X, skip_check_array=True)
        single = self.target.single
        expert.coef_ = coef[0] if single else coef
        expert.intercept_ = intercept[0] if single else intercept
        if isinstance(expert, Ridge):
            expert.n_iter_, expert.solver_ = None, "cholesky"
        return expert
