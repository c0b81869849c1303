"""Linear experts, all K solved in one batch by weighted least squares."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.utils.validation import validate_data

from .._data.design import View
from .._data.numerics import (
    column_dots,
    conjugate_gradient,
    invert_regular,
    solve_normal_equations,
    with_ridge,
)
from .._data.sparse import CentredColumns
from ..em._evidence import (
    FIRST_STRENGTH,
    MOST_COEFFICIENTS,
    Evidence,
    gaussian_evidence,
    roots_of_inverses,
)
from ..em._parts import BaseForm, ExactPart
from ..em._protocols import Bools, ExpertSums, Floats, Law, Target
from ..em._sums import Statistics, Sums
from ._batched import BatchedBank
from ._linear_models import EvidenceRidge, counted, is_linear

_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class LinearState:
    """Coefficients, and the curvature of an earlier iterate.

    Attributes
    ----------
    coef : ndarray of shape (K, m, p)
    inverse : ndarray of shape (K, p, p) or None
        Inverses of the matrices of the normal equations.
    age : int
        Iterations since the inverses were formed.
    """

    coef: Floats
    inverse: Floats | None = None
    age: int = 0


class LinearForm(BaseForm):
    """Form of coefficients (K, m, p) and dispersions (K, m), with residuals e.

    Its rows are r e, whose products with the design are summed; further sums are those of
    r e² (K, m).
    """

    needs_grams: bool = True

    def __init__(self, coef: Floats, dispersion: Floats) -> None:
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self._half_precision = (np.sqrt(0.5) / dispersion)[:, :, None]
        constant = 0.5 * self.shape[1] * _LOG_2PI
        self._log_height = -np.log(dispersion).sum(axis=1)[:, None] - constant

    def make(self, size: int) -> None:
        """Make room for `size` rows."""
        self._scaled = np.empty((self.shape[0], size))

    def zero_further(self) -> list[Floats]:
        """Return zeros for the sums of r e²."""
        return [np.zeros(self.shape)]

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None:
        """Compute residuals of y (b, m), which overwrite predictions (K m, b)."""
        self._residual = predictions.reshape(*self.shape, -1)
        np.subtract(y.T, self._residual, out=self._residual)

    def log_density(self, out: Floats) -> None:
        """Write log-densities (K, b) into `out`."""
        with np.errstate(over="ignore"):
            for j in range(self.shape[1]):
                scaled = self._scaled if j else out
                np.multiply(self._residual[:, j], self._half_precision[:, j], out=scaled)
                scaled *= scaled
                if j:
                    out += scaled
        np.subtract(self._log_height, out, out=out)

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write r e, output by output, and add r e²."""
        by_output = first.reshape(self.shape[1], *resp.shape)
        for j, weighted in enumerate(by_output):
            np.multiply(resp, self._residual[:, j], out=weighted)
            further[0][:, j] += column_dots(weighted.T, self._residual[:, j].T)


class LinearPart(ExactPart):
    """M-step of linear experts from sums over rows; an iterate is coef (K, m, p).

    It is weighted least squares of the residuals.

    Parameters
    ----------
    shape : tuple of int
        (K, m, p).
    ridge : ndarray of shape (p,) or (K, 1, p)
        Diagonal of the L2 penalty.
    """

    def __init__(self, shape: tuple[int, int, int], ridge: Floats) -> None:
        self.shape, self.ridge = shape, ridge
        self.size = shape[2]
        self.n_outputs: int | None = shape[1]

    def zero(self) -> Floats:
        """Return zero coefficients."""
        return np.zeros(self.shape)

    def form(self, iterate: Floats, dispersion: Any = None) -> Callable[[], LinearForm]:
        """Return a callable that makes a `LinearForm`."""
        return partial(LinearForm, iterate, dispersion)

    def state(self, iterate: Floats) -> LinearState:
        """Return the bank's state of coefficients."""
        return LinearState(iterate)

    def reading(self, experts: list[Any], design: Any, target: Any) -> Floats:
        """Return the iterate of fitted experts."""
        coef = np.stack([np.atleast_2d(expert.coef_) for expert in experts])
        intercept = np.stack([np.atleast_1d(expert.intercept_) for expert in experts])
        coef, intercept = coef / target.scale[:, None], (intercept - target.mean) / target.scale
        return design.from_raw(coef, intercept)

    def propose(self, old: Floats, sums: Sums, statistics: Statistics, inverse: Any) -> Floats:
        """Return the coefficients that maximise the experts' term."""
        right = self._cross(sums) - self.ridge * old
        grams = self.curvature(sums, statistics)
        change = solve_normal_equations(grams, right.transpose(0, 2, 1)).transpose(0, 2, 1)
        return old + change

    def curvature(self, sums: Sums, statistics: Statistics) -> Floats:
        """Return the matrices (K, p, p) of the normal equations."""
        return with_ridge(statistics.grams.copy(), self.ridge)

    def _cross(self, sums: Sums) -> Floats:
        """Return the sums of r e z, (K, m, p)."""
        n_experts, n_outputs, p = self.shape
        return sums.first.reshape(n_outputs, n_experts, p).transpose(1, 0, 2)

    def stationary(self, iterate: Floats, sums: Sums, mass: Floats, dispersion: Floats) -> Sums:
        """Return sums of which an iterate and dispersions (K, m) are the optimum."""
        penalties = (self.ridge * iterate * iterate).sum(axis=2)
        squares = np.maximum(dispersion**2 * mass[:, None] - penalties, 0.0)
        first = (self.ridge * iterate).transpose(1, 0, 2).reshape(sums.first.shape)
        return replace(sums, first=first, further=[squares])

    def shifted(self, sums: Sums, statistics: Statistics, old: Floats, new: Floats) -> Sums:
        """Return sums about one iterate as they are about another."""
        cross = self._cross(sums) - np.matmul(new - old, statistics.grams)
        first = cross.transpose(1, 0, 2).reshape(sums.first.shape)
        squares = self.deviances(old, new, sums, statistics)
        return replace(sums, first=first, further=[squares])

    def deviances(self, old: Floats, new: Floats, sums: Sums, statistics: Statistics) -> Floats:
        """Return the sums (K, m) of r e² under new coefficients; exact for a small change."""
        change = new - old
        squares = sums.further[0] - 2.0 * (change * self._cross(sums)).sum(axis=2)
        squares += (np.matmul(change, statistics.grams) * change).sum(axis=2)
        return np.maximum(squares, 0.0)

    def pack(self, iterate: Floats) -> Floats:
        """Return the iterate, which is an array."""
        return iterate

    def unpack(self, array: Floats) -> Floats:
        """Return the array, which is an iterate."""
        return array


#: From this number of columns on, products of all columns take most of the time of an iteration.
#: Those of an earlier iteration then serve as a preconditioner, for at most `_OLDEST` iterations.
_MANY_COLUMNS = 24
_OLDEST = 8

#: Residual, relative to that before the step, and largest number of conjugate gradient steps.
_STEP_RTOL = 0.01
_STEPS = 4

_CG_RTOL = 1e-10
_CG_ITERATIONS = 1000


class LinearBank(BatchedBank):
    """K linear experts on one design.

    Parameters
    ----------
    template : LinearRegression or Ridge
    view : View of n rows
    target : Target
        Standardised y.
    n_experts : int
    exact : bool
        Whether every iteration solves the normal equations exactly. Steps that improve the
        squares of each output alone may lower the likelihood of correlated outputs.
    """

    @staticmethod
    def solves(estimator: Any, loss: str | None = None) -> bool:
        """Tell whether the bank reproduces the fit of an estimator, for this loss of the law."""
        return loss in (None, "squares") and is_linear(estimator)

    @classmethod
    def of(cls, template: Any, view: View, target: Target, n_experts: int, law: Law) -> Self:
        """Return the bank of `n_experts` clones of `template`, under a law."""
        return cls(template, view, target, n_experts, exact=law.correlated)

    def __init__(
        self, template: Any, view: View, target: Target, n_experts: int, exact: bool = False
    ) -> None:
        self.template: Any = template
        self.view: View = view
        self.target: Target = target
        self.exact: bool = exact
        self.shape: tuple[int, int, int] = (n_experts, target.values.shape[1], view.design.shape[1])
        self.ridge: Floats = view.design.raw_ridge(getattr(template, "alpha", 0.0))
        if isinstance(template, EvidenceRidge):
            self._set_strengths(np.full(n_experts, FIRST_STRENGTH))

    def _set_strengths(self, strengths: Floats) -> None:
        design = self.view.design
        if design.has_grams and self.shape[2] <= MOST_COEFFICIENTS:
            self.strengths: Floats | None = strengths
        slopes = np.repeat(strengths[:, None], self.shape[2] - 1, axis=1)
        self.ridge = np.pad(slopes, ((0, 0), (0, 1)))[:, None]

    def with_strengths(self, strengths: Floats) -> Self:
        """Return the bank with other strengths (K,) of the penalties on standardised columns."""
        other = copy(self)
        other._set_strengths(strengths)
        return other

    def curvature(self, state: LinearState, masses: Floats) -> Floats:
        """Return the matrices (K, p, p) of the normal equations for masses (n, K)."""
        return with_ridge(self.view.design.grams(masses), self.ridge)

    def evidence(
        self, state: LinearState, curvature: Floats, masses: Floats, dispersion: Any
    ) -> Evidence:
        """Return the evidence of a state, and the strengths that increase it."""
        return gaussian_evidence(state.coef, curvature, self.ridge[:, 0, 0], dispersion)

    def spreads(self, curvature: Floats) -> Floats | None:
        """Return roots (K, p, p) of the covariances of the coefficients, divided by σ²."""
        return roots_of_inverses(curvature)

    def update(
        self, weights: Floats, state: LinearState | None, alive: Bools, own_rows: bool = False
    ) -> LinearState:
        """Return weighted least squares fits (see `ExpertBank`), of all rows at once."""
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

    def _solve(self, weights: Floats) -> LinearState:
        """Return the solution of the normal equations, which are formed."""
        grams, right = self.view.design.normal_equations(weights, self.target.values)
        grams = with_ridge(grams, self.ridge)
        coef = solve_normal_equations(grams, right).transpose(0, 2, 1)
        many = self.shape[2] >= _MANY_COLUMNS and not self.exact
        return LinearState(coef, invert_regular(grams) if many else None)

    def _step(self, weights: Floats, state: LinearState) -> LinearState:
        """Return the state after conjugate gradient steps, which never raise the squares."""

        inverse: Any = state.inverse

        def precondition(vector):
            images = np.matmul(vector.reshape(self.shape), inverse)
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

    def _products(self, weights: Floats) -> tuple[Any, Floats]:
        """Return the products of the normal equations with (K m, p) vectors, and right-hand sides.

        The matrices of the equations are not formed.
        """
        design, n_outputs = self.view.design, self.shape[1]
        right = [design.cross(weights * column[:, None]) for column in self.target.values.T]
        ridge = np.broadcast_to(self.ridge, self.shape).reshape(-1, self.shape[2])
        repeated = weights if n_outputs == 1 else np.repeat(weights, n_outputs, axis=1)

        def product(vector):
            image = design.linear(vector)
            image *= repeated
            return design.cross(image) + ridge * vector

        return product, np.stack(right, axis=1).reshape(-1, self.shape[2])

    def _solve_iteratively(self, weights: Floats, state: LinearState | None) -> Floats:
        product, right = self._products(weights)
        ridge = self.ridge.reshape(-1, self.shape[2])
        columns = CentredColumns(self.view.design, weights, ridge, self.shape[1])
        solution = conjugate_gradient(
            lambda vector: columns.adjoint(product(columns.coef(vector))),
            columns.adjoint(right),
            start=None if state is None else columns.vector(state.coef.reshape(right.shape)),
            rtol=_CG_RTOL,
            max_iter=_CG_ITERATIONS,
        )
        return columns.coef(solution).reshape(self.shape)

    def predictions(self, state: LinearState) -> Floats:
        """Return predictions (n, K, m) for the training rows, standardised."""
        n_experts, n_outputs, p = self.shape
        flat = self.view.design.linear(state.coef.transpose(1, 0, 2).reshape(-1, p))
        return flat.T.reshape(n_outputs, n_experts, -1).transpose(2, 1, 0)

    def penalties(self, state: LinearState) -> Floats:
        """Return ``alpha * ||coef||^2``, (K, m), in squared standardised units."""
        return (self.ridge * state.coef * state.coef).sum(axis=2)

    def penalty_products(self, state: LinearState) -> Floats:
        """Return ``alpha`` × products of the coefficients of all pairs of outputs, (K, m, m)."""
        return self.ridge * state.coef @ state.coef.swapaxes(1, 2)

    def pack(self, state: LinearState) -> Floats:
        """Return the coefficients as one vector."""
        return state.coef.ravel()

    def unpack(self, vector: Floats, like: LinearState) -> LinearState:
        """Return the state of a vector of coefficients, with the curvature of another state."""
        return replace(like, coef=vector.reshape(self.shape))

    def strip(self, state: LinearState) -> LinearState:
        """Return the state without its curvature."""
        return LinearState(state.coef)

    def sums_part(self, law: Law) -> ExpertSums | None:
        """Return the experts as a part of sums over rows, under a law that has sums."""
        return (
            LinearPart(self.shape, self.ridge) if law.loss == "squares" and law.has_sums() else None
        )

    def finish(self, state: LinearState) -> list[Any]:
        """Return the fitted scikit-learn estimators, one per expert."""
        coef, intercept = self.view.design.to_raw(state.coef)
        coef = coef * self.target.scale[:, None]
        numbers: Any = self.target
        intercept = intercept * numbers.scale + numbers.mean
        templates = [self.template] * len(coef)
        if isinstance(self.template, EvidenceRidge):
            scale = np.where(self.view.design.varying, self.view.design.scale, 0.0)
            templates = [self.template.learned(row[0, 0], scale) for row in self.ridge]
        return [self._estimator(*one) for one in zip(templates, coef, intercept, strict=True)]

    def _estimator(self, template: Any, coef: Floats, intercept: Floats) -> Any:
        expert = copy(template)
        validate_data(expert, self.view.X, skip_check_array=True)
        numbers: Any = self.target
        single = numbers.single
        expert.coef_ = coef[0] if single else coef
        expert.intercept_ = intercept[0] if single else intercept
        if isinstance(expert, Ridge):
            expert.n_iter_, expert.solver_ = None, "cholesky"
        return counted(expert, self.view)
