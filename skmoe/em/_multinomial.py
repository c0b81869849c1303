"""Newton's method for multinomial logistic problems that share their rows.

The softmax gate is one such problem with soft targets; K logistic experts are
K problems with the same labels and different weights. All problems of a call
are solved together: G problems, C classes, p columns, coefficients (G, C, p).

Problem g maximises ``sum_i w_ig sum_c t_ic log softmax(Z_i B_g')_c - 1/2 sum_cj ridge_j B_gcj^2``,
which is concave. Every step is backtracked, so the value never falls, whatever the curvature used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._data.design import Design
from .._data.numerics import (
    Floats,
    Ints,
    column_dots,
    conjugate_gradient,
    log_softmax,
    pair_products,
)
from ._curvature import (
    BlockProbabilities,
    blockwise,
    hessian_product,
    kept_probabilities,
    simple_inverse,
)
from ._parts import EXPLICIT_SIZE, assemble_hessian

#: The Hessian is formed again once the gain differs from its prediction by this share.
REFRESH_RATIO = 0.1

#: Number of steps for which blocks of the Hessian are used as a preconditioner.
_OLDEST_BLOCKS = 8

_MAX_HALVINGS = 30
_SUFFICIENT = 1e-4

#: A gain of less than this, relative to the value, is taken from its prediction: rounding hides it.
_UNSEEN = 1e-13

#: Relative residual and number of products at which conjugate gradients end within EM, where the
#: next iteration has another optimum.
EM_PRECISION = (0.25, 5)

#: The same for a problem that is solved to its optimum.
FULL_PRECISION = (0.01, 500)


@dataclass(frozen=True)
class Iterate:
    """Coefficients, and the curvature by which they were computed.

    Attributes
    ----------
    coef : ndarray of shape (G, C, p)
    log_proba : ndarray of shape (n, C) or (n, G)
        Of all classes for soft targets, of the row's own class for labels. None for an iterate
        without rows.
    curvature : ndarray of shape (G, C * p, C * p), (G, C, p, p) or (G, C, p), or None
        Inverse Hessian of an earlier iterate. Where the Hessian is large, inverses of its
        diagonal blocks, or of its diagonal. None when it is to be formed again.
    age : int
        Steps since the blocks or the diagonal were formed.
    """

    coef: Floats
    log_proba: Any
    curvature: Floats | None = None
    age: int = 0


class SoftTargets:
    """One problem (G = 1) whose targets are probabilities of the classes.

    Parameters
    ----------
    design : Design
    ridge : ndarray of shape (p,)
    n_classes : int
    """

    def __init__(self, design: Design, ridge: Floats, n_classes: int):
        self.design, self.ridge = design, ridge
        self.shape = (1, n_classes, design.shape[1])

    def bind(self, masses: Floats, weights: Floats) -> None:
        """Set the targets times weights, (n, C), of the next steps, and the weights, (n,)."""
        self.masses, self.weights = masses, weights
        self.mass = np.array([weights.sum()])

    def log_proba(self, coef: Floats) -> Floats:
        """Return log-probabilities (n, C) of all classes."""
        return self.design.linear(coef[0], then=log_softmax)

    def values(self, coef: Floats, log_proba: Floats) -> Floats:
        """Return the value of the problem, (1,)."""
        return column_dots(self.masses, log_proba).sum() - penalties(coef, self.ridge)

    def probabilities(self, iterate: Iterate) -> BlockProbabilities:
        """Return a function from a block of rows to (b, 1, C) probabilities and (b, 1) weights."""
        return lambda rows: (np.exp(iterate.log_proba[rows])[:, None], self.weights[rows, None])

    def gradient(self, iterate: Iterate) -> Floats:
        """Return the gradient (1, C, p) at an iterate."""

        def residual(rows: slice) -> Floats:
            out = np.exp(iterate.log_proba[rows])
            out *= -self.weights[rows, None]
            out += self.masses[rows]
            return out

        return self.design.cross_blocks(residual, self.shape[1])[None] - self.ridge * iterate.coef


class Labels:
    """G problems with the same labels and different weights.

    Parameters
    ----------
    design : Design
    ridge : ndarray of shape (p,)
    codes : ndarray of shape (n,), int
        Class of each row, below `n_classes`.
    n_classes, n_problems : int
    """

    def __init__(self, design: Design, ridge: Floats, codes: Ints, n_classes: int, n_problems: int):
        self.design: Design = design
        self.ridge: Floats = ridge
        self.codes: Ints = codes
        self.shape: tuple[int, int, int] = (n_problems, n_classes, design.shape[1])
        # Probabilities under the coefficients tried last, at which the next step begins.
        self._keeps = design.shape[0] * n_problems * n_classes <= design.n_entries
        self._last, self._kept = None, {}

    def bind(self, weights: Floats) -> None:
        """Set the weights, (n, G), of the next steps."""
        self.weights: Floats = weights
        self.mass: Floats = weights.sum(axis=0)

    def _log_proba_blocks(self, coef: Floats) -> Callable[[slice], Floats]:
        """Return a function from a block of rows to log-probabilities (b, G, C) of all classes."""
        logits = self.design.functions(coef.reshape(-1, self.shape[2]))

        def log_proba(rows: slice) -> Floats:
            block = log_softmax(logits(rows).reshape(-1, self.shape[1]))
            return block.reshape(-1, *self.shape[:2])

        return log_proba

    def log_proba(self, coef: Floats) -> Floats:
        """Return log-probabilities (n, G) of the row's own class."""
        out = np.empty((self.shape[0], len(self.codes))).T
        of_all = self._log_proba_blocks(coef)
        self._last, self._kept = coef, {}
        for rows in self.design.blocks():
            block = of_all(rows)
            own = np.take_along_axis(block, self.codes[rows, None, None], axis=2)
            out[rows] = own[..., 0]
            if self._keeps:
                self._kept[rows.start] = np.exp(block, out=block)
        return out

    def values(self, coef: Floats, log_proba: Floats) -> Floats:
        """Return the values of the problems, (G,)."""
        return column_dots(self.weights, log_proba) - penalties(coef, self.ridge)

    def probabilities(self, iterate: Iterate) -> BlockProbabilities:
        """Return a function from a block of rows to (b, G, C) probabilities and (b, G) weights."""
        if self._keeps and self._last is iterate.coef:
            kept = self._kept
            return lambda rows: (kept[rows.start], self.weights[rows])
        log_proba = self._log_proba_blocks(iterate.coef)
        return lambda rows: (np.exp(log_proba(rows)), self.weights[rows])

    def gradient(self, iterate: Iterate) -> Floats:
        """Return the gradient (G, C, p) at an iterate."""
        of_block = self.probabilities(iterate)

        def residual(rows: slice) -> Floats:
            probabilities, weights = of_block(rows)
            out = -probabilities
            out[np.arange(len(out)), :, self.codes[rows]] += 1.0
            out *= weights[:, :, None]
            return out.reshape(len(out), -1)

        total = self.design.cross_blocks(residual, self.shape[0] * self.shape[1])
        return total.reshape(self.shape) - self.ridge * iterate.coef


Problem = SoftTargets | Labels


def penalties(coef: Floats, ridge: Floats) -> Floats:
    """Return the L2 penalty of each problem, (G,)."""
    with np.errstate(over="ignore"):  # a step to an infinite penalty is refused
        return 0.5 * (ridge * coef * coef).sum(axis=(1, 2))


def start(problem: Problem, coef: Floats | None = None) -> Iterate:
    """Return the first iterate: `coef`, centred over the classes, or zero coefficients."""
    first: Floats = np.zeros(problem.shape)
    if coef is not None:
        first = coef - coef.mean(axis=1, keepdims=True)
    return Iterate(first, problem.log_proba(first))


def newton_step(
    problem: Problem, iterate: Iterate, precision: tuple[float, int] = EM_PRECISION
) -> tuple[Iterate, Floats]:
    """Take one backtracked Newton step for every bound problem.

    Parameters
    ----------
    problem : SoftTargets or Labels
        With its targets or weights bound.
    iterate : Iterate
    precision : tuple of (float, int)
        Relative residual and number of products of the direction, where no Hessian is formed.

    Returns
    -------
    iterate : Iterate
        Its values are at least those of the one given.
    gain : ndarray of shape (G,)
        Increase of each value.
    """
    value = problem.values(iterate.coef, iterate.log_proba)
    gradient = problem.gradient(iterate)
    direction, curvature, age = _direction(problem, iterate, gradient, precision)
    slope = (gradient * direction).sum(axis=(1, 2))
    step = np.where(np.isfinite(slope) & (slope > 0), 1.0, 0.0)
    direction[step == 0] = 0.0
    slope[step == 0] = 0.0

    def moved() -> tuple[Floats, Floats, Floats]:
        """Return coefficients, log-probabilities and gains of the steps."""
        coef = iterate.coef + step[:, None, None] * direction
        log_proba = problem.log_proba(coef)
        return coef, log_proba, problem.values(coef, log_proba) - value

    coef, log_proba, gain = moved()
    for halving in range(_MAX_HALVINGS):
        short = ~(gain >= _SUFFICIENT * step * slope) & (step > 0)
        # A step is not shortened for a gain that is smaller than the rounding of the value.
        short &= slope > _UNSEEN * np.abs(value)
        if not short.any():
            break
        step[short] *= 0.5 if halving < _MAX_HALVINGS - 1 else 0.0
        coef, log_proba, gain = moved()
    if age > _OLDEST_BLOCKS or (age == 0 and _outdated(gain, slope, step, value)):
        curvature = None
    gain = np.where(slope > _UNSEEN * np.abs(value), gain, 0.5 * slope)
    return Iterate(coef, log_proba, curvature, age), gain


def solve(
    problem: Problem, iterate: Iterate, *, max_iter: int, tol: float, keep_curvature: bool = False
) -> tuple[Iterate, int, bool]:
    """Repeat Newton steps until no value gains more than `tol` per unit of weight.

    With `keep_curvature` a Hessian serves several steps, which costs less where columns are many.

    Returns
    -------
    iterate : Iterate
    n_iter : int
    converged : bool
    """
    for n_iter in range(1, max_iter + 1):
        begun = iterate if keep_curvature else Iterate(iterate.coef, iterate.log_proba)
        iterate, gain = newton_step(problem, begun, FULL_PRECISION)
        if (gain <= tol * problem.mass).all():
            return iterate, n_iter, True
    return iterate, max_iter, False


def _outdated(gain: Floats, slope: Floats, step: Floats, value: Floats) -> bool:
    """Tell whether a gain differs from its prediction by more than `REFRESH_RATIO`."""
    predicted = slope * (step - 0.5 * step**2)
    noticeable = predicted > 1e-9 * np.abs(value)
    return bool((np.abs(gain - predicted) > REFRESH_RATIO * predicted)[noticeable].any())


def _direction(
    problem: Problem, iterate: Iterate, gradient: Floats, precision: tuple[float, int]
) -> tuple[Floats, Floats, int]:
    """Return the ascent direction (G, C, p), the curvature it was computed with, and its age."""
    n_problems, n_classes, p = problem.shape
    flat, curvature = gradient.reshape(n_problems, -1), iterate.curvature
    if problem.design.has_grams and n_classes * p <= EXPLICIT_SIZE:
        if curvature is None:
            curvature = np.linalg.inv(negative_hessian(problem, iterate))
        direction = (curvature @ flat[:, :, None])[:, :, 0]
        return direction.reshape(problem.shape).copy(), curvature, 0
    probabilities = kept_probabilities(problem, problem.probabilities(iterate))
    age = 1 if curvature is None else iterate.age + 1
    if curvature is None:
        curvature = simple_inverse(problem, probabilities)
    direction = conjugate_gradient(
        lambda vector: hessian_product(problem, probabilities, vector),
        flat,
        rtol=precision[0],
        max_iter=precision[1],
        precondition=lambda vector: blockwise(curvature, vector),
    ).reshape(problem.shape)
    # A vector added to all classes changes no probability; without it the penalty is smallest.
    return direction - direction.mean(axis=1, keepdims=True), curvature, age


def negative_hessian(problem: Problem, iterate: Iterate) -> Floats:
    """Return negative Hessians (G, C p, C p), regular also along the softmax's null direction."""
    n_problems, n_classes, p = problem.shape
    n_pairs, n = n_classes * (n_classes - 1) // 2, problem.design.shape[0]
    pairs = np.empty((n_problems, n_pairs, n))
    of_block = problem.probabilities(iterate)
    for rows in problem.design.blocks():
        probabilities, weights = of_block(rows)
        for products, one, weight in zip(
            pairs[:, :, rows], probabilities.transpose(1, 2, 0), weights.T, strict=True
        ):
            pair_products(np.ascontiguousarray(one), offset=1, out=products)
            products *= weight
    pairs = pairs.reshape(-1, n).T
    grams = problem.design.grams(pairs).reshape(n_problems, n_pairs, p, p)
    return assemble_hessian(grams, problem.mass, problem.ridge)
