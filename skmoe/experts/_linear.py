"""Linear experts, all K solved in one batch by weighted least squares."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.validation import validate_data

from .._numerics import conjugate_gradient, solve_normal_equations
from ._match import differs_only_in

_FREE = ("alpha", "copy_X", "n_jobs", "tol", "max_iter", "solver", "random_state")
_CG_RTOL = 1e-10
_CG_ITERATIONS = 1000


def is_linear(estimator):
    """Tell whether an estimator is one whose fit this bank reproduces."""
    if type(estimator) not in (LinearRegression, Ridge) or not differs_only_in(estimator, _FREE):
        return False
    alpha = getattr(estimator, "alpha", 0.0)
    return isinstance(alpha, Real) and 0 <= alpha < np.inf


class LinearBank:
    """K linear experts on one design; a state is their coefficients (K, m, p).

    Parameters
    ----------
    template : LinearRegression or Ridge
    view : View of n rows
    target : Target
        y with its location and scale.
    n_experts : int
    """

    cheap = True

    def __init__(self, template, view, target, n_experts):
        self.template, self.view, self.target = template, view, target
        self.shape = (n_experts, target.values.shape[1], view.design.shape[1])
        self.ridge = view.design.raw_ridge(getattr(template, "alpha", 0.0))

    def update(self, weights, state, alive, own_rows=False):
        """Weighted least squares for every expert that is alive.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : ndarray of shape (K, m, p) or None
        alive : ndarray of shape (K,), bool
            The others keep their coefficients.
        own_rows : bool
            Not looked at: to answer for all rows at once costs least.

        Returns
        -------
        ndarray of shape (K, m, p)
        """
        design, values = self.view.design, self.target.values
        if design.has_grams:
            grams, right = design.normal_equations(weights, values)
            columns = np.arange(self.shape[2])
            grams[:, columns, columns] += self.ridge
            coef = solve_normal_equations(grams, right).transpose(0, 2, 1)
        else:
            right = [design.cross(weights * column[:, None]) for column in values.T]
            coef = self._solve_iteratively(weights, np.stack(right, axis=1), state)
        return coef if state is None else np.where(alive[:, None, None], coef, state)

    def _solve_iteratively(self, weights, right, state):
        _, n_outputs, p = self.shape
        repeated = np.repeat(weights, n_outputs, axis=1)

        def product(vector):
            image = self.view.design.linear(vector)
            image *= repeated
            return self.view.design.cross(image) + self.ridge * vector

        solution = conjugate_gradient(
            product,
            right.reshape(-1, p),
            start=None if state is None else state.reshape(-1, p),
            rtol=_CG_RTOL,
            max_iter=_CG_ITERATIONS,
        )
        return solution.reshape(self.shape)

    def missing(self, state):
        """Nothing: experts answer for all rows."""
        return None

    def own_densities(self, state):
        """Nothing: no expert brings a density of its own."""
        return {}

    def predictions(self, state):
        """Predictions (n, K, m) on the training rows, in standardised units."""
        n_experts, n_outputs, p = self.shape
        flat = self.view.design.linear(state.transpose(1, 0, 2).reshape(-1, p))
        return flat.T.reshape(n_outputs, n_experts, -1).transpose(2, 1, 0)

    def penalties(self, state):
        """``alpha * ||coef||^2`` (K, m), in squared standardised units."""
        return (self.ridge * state * state).sum(axis=2)

    def pack(self, state):
        """The coefficients as one vector."""
        return state.ravel()

    def unpack(self, vector, like):
        """The state of a vector of coefficients."""
        return vector.reshape(self.shape)

    def strip(self, state):
        """The state without (n, K) arrays: it has none."""
        return state

    def restore(self, state):
        """The state that `strip` made small."""
        return state

    def finish(self, state):
        """Fitted scikit-learn estimators of a state, one per expert."""
        coef, intercept = self.view.design.to_raw(state)
        coef = coef * self.target.scale[:, None]
        intercept = intercept * self.target.scale + self.target.mean
        return [self._estimator(*pair) for pair in zip(coef, intercept, strict=True)]

    def _estimator(self, coef, intercept):
        expert = clone(self.template)
        validate_data(expert, self.view.X, skip_check_array=True)
        single = self.target.single
        expert.coef_ = coef[0] if single else coef
        expert.intercept_ = float(intercept[0]) if single else intercept
        if isinstance(expert, Ridge):
            expert.n_iter_, expert.solver_ = None, "cholesky"
        return expert
