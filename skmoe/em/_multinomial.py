"""Newton's method for multinomial logistic problems that share their rows.

The softmax gate is one such problem with soft targets; K logistic experts are
K problems with the same labels and different weights. All problems of a call
are solved together: G problems, C classes, p columns, coefficients (G, C, p).

Problem g maximises ``sum_i w_ig sum_c t_ic log softmax(Z_i B_g')_c
- 1/2 sum_cj ridge_j B_gcj^2``, which is concave. Every step is backtracked, so
the value never falls, whatever the curvature used.
"""

from dataclasses import dataclass

import numpy as np

from .._data.numerics import column_dots, conjugate_gradient, log_softmax, pair_products

#: Explicit Hessians up to this many coefficients a problem, products beyond.
EXPLICIT_SIZE = 256

#: The Hessian is formed anew once the gain differs from its prediction by this share.
REFRESH_RATIO = 0.1

#: Steps for which blocks of the Hessian serve as a preconditioner.
_OLDEST_BLOCKS = 8

#: Up to this many probabilities (32 MB) are kept from one Hessian product to the next, or as
#: many as a sparse X has entries.
_KEPT_SIZE = 2**22

_MAX_HALVINGS = 30
_SUFFICIENT = 1e-4
_DAMPING = 1e-10

#: Curvature of a problem that has no rows at all: its Hessian keeps an inverse. Anything
#: larger would be felt where all sample weights are small.
_LEAST_CURVATURE = 1e-100

#: Conjugate gradients of a Newton step within EM, where the next iteration goes on from
#: here and wants another optimum: relative residual and number of products.
EM_PRECISION = (0.25, 5)

#: The same for a problem that is solved to its optimum.
FULL_PRECISION = (0.01, 500)


@dataclass(frozen=True)
class Iterate:
    """Coefficients with the curvature they were found with.

    Attributes
    ----------
    coef : ndarray of shape (G, C, p)
    log_proba : ndarray of shape (n, C) or (n, G)
        Of all classes for soft targets, of the row's own class for labels.
    curvature : ndarray of shape (G, C * p, C * p), (G, C, p, p) or (G, C, p), or None
        Inverse Hessian of an earlier iterate; where it is large of its blocks on the diagonal,
        or of the diagonal alone; None when it is to be formed anew.
    age : int
        Steps since the blocks or the diagonal were formed.
    """

    coef: np.ndarray
    log_proba: np.ndarray
    curvature: np.ndarray | None = None
    age: int = 0


class SoftTargets:
    """One problem (G = 1) whose targets are probabilities of the classes.

    Parameters
    ----------
    design : Design
    ridge : ndarray of shape (p,)
    n_classes : int
    """

    def __init__(self, design, ridge, n_classes):
        self.design, self.ridge = design, ridge
        self.shape = (1, n_classes, design.shape[1])

    def bind(self, masses, weights):
        """Set the targets times weights, (n, C), of the next steps, and the weights, (n,)."""
        self.masses, self.weights = masses, weights
        self.mass = np.array([weights.sum()])

    def log_proba(self, coef):
        """Log-probabilities (n, C) of all classes."""
        return self.design.linear(coef[0], then=log_softmax)

    def values(self, coef, log_proba):
        """Return the value of the problem, (1,)."""
        return column_dots(self.masses, log_proba).sum() - penalties(coef, self.ridge)

    def probabilities(self, iterate):
        """Return what maps a block to (b, 1, C) probabilities and (b, 1) weights."""
        return lambda rows: (np.exp(iterate.log_proba[rows])[:, None], self.weights[rows, None])

    def gradient(self, iterate):
        """Gradient (1, C, p) at an iterate."""

        def residual(rows):
            left = np.exp(iterate.log_proba[rows])
            left *= -self.weights[rows, None]
            left += self.masses[rows]
            return left

        return self.design.folded(residual, self.shape[1])[None] - self.ridge * iterate.coef


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

    def __init__(self, design, ridge, codes, n_classes, n_problems):
        self.design, self.ridge, self.codes = design, ridge, codes
        self.shape = (n_problems, n_classes, design.shape[1])
        # Of the last coefficients that were tried; the next step begins with them.
        self._keeps = design.shape[0] * n_problems * n_classes <= design.n_entries
        self._last, self._kept = None, {}

    def bind(self, weights):
        """Set the weights, (n, G), of the next steps."""
        self.weights = weights
        self.mass = weights.sum(axis=0)

    def _log_proba_blocks(self, coef):
        """Return what maps a block to the log-probabilities (b, G, C) of all classes."""
        logits = self.design.functions(coef.reshape(-1, self.shape[2]))

        def log_proba(rows):
            block = log_softmax(logits(rows).reshape(-1, self.shape[1]))
            return block.reshape(-1, *self.shape[:2])

        return log_proba

    def log_proba(self, coef):
        """Log-probabilities (n, G) of the row's own class."""
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

    def values(self, coef, log_proba):
        """Return the values of the problems, (G,)."""
        return column_dots(self.weights, log_proba) - penalties(coef, self.ridge)

    def probabilities(self, iterate):
        """Return what maps a block to (b, G, C) probabilities and (b, G) weights."""
        if self._keeps and self._last is iterate.coef:
            kept = self._kept
            return lambda rows: (kept[rows.start], self.weights[rows])
        log_proba = self._log_proba_blocks(iterate.coef)
        return lambda rows: (np.exp(log_proba(rows)), self.weights[rows])

    def gradient(self, iterate):
        """Gradient (G, C, p) at an iterate."""
        of_block = self.probabilities(iterate)

        def residual(rows):
            probabilities, weights = of_block(rows)
            left = -probabilities
            left[np.arange(len(left)), :, self.codes[rows]] += 1.0
            left *= weights[:, :, None]
            return left.reshape(len(left), -1)

        total = self.design.folded(residual, self.shape[0] * self.shape[1])
        return total.reshape(self.shape) - self.ridge * iterate.coef


def penalties(coef, ridge):
    """Return the L2 penalty of each problem, (G,)."""
    # Where the coefficient is zero its strength does not matter, infinite or not.
    with np.errstate(over="ignore"):  # a step of infinite penalty is refused
        return 0.5 * (ridge * coef * coef).sum(axis=(1, 2))


def start(problem, coef=None):
    """Return the first iterate: `coef`, centred over the classes, or all zero."""
    coef = np.zeros(problem.shape) if coef is None else coef - coef.mean(axis=1, keepdims=True)
    return Iterate(coef, problem.log_proba(coef))


def newton_step(problem, iterate, precision=EM_PRECISION):
    """One backtracked Newton step for every bound problem.

    Parameters
    ----------
    problem : SoftTargets or Labels
        With its targets or weights bound.
    iterate : Iterate
    precision : tuple of (float, int)
        Of the direction, where no Hessian is formed.

    Returns
    -------
    iterate : Iterate
        Its value is at least that of the one given.
    gain : ndarray of shape (G,)
        By how much each value grew.
    """
    value = problem.values(iterate.coef, iterate.log_proba)
    gradient = problem.gradient(iterate)
    direction, curvature, age = _direction(problem, iterate, gradient, precision)
    slope = (gradient * direction).sum(axis=(1, 2))
    step = np.where(np.isfinite(slope) & (slope > 0), 1.0, 0.0)
    direction[step == 0] = 0.0
    slope[step == 0] = 0.0
    for halving in range(_MAX_HALVINGS + 1):
        coef = iterate.coef + step[:, None, None] * direction
        log_proba = problem.log_proba(coef)
        gain = problem.values(coef, log_proba) - value
        short = ~(gain >= _SUFFICIENT * step * slope) & (step > 0)
        # A gain that is lost in the rounding of the value is no reason to go back.
        short &= slope > 1e-15 * np.abs(value)
        if not short.any():
            break
        step[short] *= 0.5 if halving < _MAX_HALVINGS - 1 else 0.0
    if age > _OLDEST_BLOCKS or (age == 0 and _outdated(gain, slope, step, value)):
        curvature = None
    return Iterate(coef, log_proba, curvature, age), gain


def solve(problem, iterate, *, max_iter, tol):
    """Repeat Newton steps until no value gains more than `tol` per unit of weight.

    Returns
    -------
    iterate : Iterate
    n_iter : int
    converged : bool
    """
    for n_iter in range(1, max_iter + 1):
        fresh = Iterate(iterate.coef, iterate.log_proba)
        iterate, gain = newton_step(problem, fresh, FULL_PRECISION)
        if (gain <= tol * problem.mass).all():
            return iterate, n_iter, True
    return iterate, max_iter, False


def _outdated(gain, slope, step, value):
    predicted = slope * (step - 0.5 * step**2)
    noticeable = predicted > 1e-9 * np.abs(value)
    return bool((np.abs(gain - predicted) > REFRESH_RATIO * predicted)[noticeable].any())


def _direction(problem, iterate, gradient, precision):
    """Ascent direction (G, C, p), the curvature it was found with, and the age of that."""
    n_problems, n_classes, p = problem.shape
    flat, curvature = gradient.reshape(n_problems, -1), iterate.curvature
    if problem.design.has_grams and n_classes * p <= EXPLICIT_SIZE:
        if curvature is None:
            curvature = np.linalg.inv(negative_hessian(problem, iterate))
        direction = (curvature @ flat[:, :, None])[:, :, 0]
        return direction.reshape(problem.shape).copy(), curvature, 0
    probabilities = _kept_probabilities(problem, iterate)
    age = 1 if curvature is None else iterate.age + 1
    if curvature is None:
        curvature = _simple_inverse(problem, probabilities)
    direction = conjugate_gradient(
        lambda vector: _hessian_product(problem, probabilities, vector),
        flat,
        rtol=precision[0],
        max_iter=precision[1],
        precondition=lambda vector: _blockwise(curvature, vector),
    ).reshape(problem.shape)
    # The softmax does not see what all classes share; nor should the penalty.
    return direction - direction.mean(axis=1, keepdims=True), curvature, age


def _blockwise(inverses, vector):
    """Products of (G, C, p, p) or diagonal (G, C, p) matrices and a (G, C p) vector."""
    parts = vector.reshape(inverses.shape[:3])
    if inverses.ndim == 3:
        return (inverses * parts).reshape(vector.shape)
    return np.matmul(inverses, parts[..., None]).reshape(vector.shape)


def _simple_inverse(problem, block_probabilities):
    """Inverse of the blocks of the negative Hessians (G, C, p, p), a class alone each.

    Of sparse columns, which are nearly uncorrelated, the diagonal (G, C, p) serves.
    """
    design, m = problem.design, problem.shape[0] * problem.shape[1]
    diagonal = _diagonal(problem.mass, problem.ridge)[:, None]

    def spread(rows):
        probabilities, weights = block_probabilities(rows)
        product = probabilities * (1.0 - probabilities) * weights[:, :, None]
        return product.reshape(len(product), -1)

    if design.matrix is None:
        inverse = design.folded_squares(spread, m).reshape(problem.shape)
        inverse += diagonal
        return np.divide(1.0, inverse, out=inverse)
    weights = np.empty((m, design.shape[0])).T
    for rows in design.blocks():
        weights[rows] = spread(rows)
    p = problem.shape[2]
    grams = design.grams(weights).reshape(*problem.shape, p)
    columns = np.arange(p)
    grams[:, :, columns, columns] += diagonal
    return np.linalg.inv(grams)


def _diagonal(mass, ridge):
    """Diagonal (G, p) that penalty and Levenberg damping add to a Hessian."""
    return np.minimum(ridge, 1e150) + np.maximum(_DAMPING * mass, _LEAST_CURVATURE)[:, None]


def negative_hessian(problem, iterate):
    """Negative Hessians (G, C p, C p), regular also along the softmax's null direction."""
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


def assemble_hessian(grams, mass, ridge):
    """Put negative Hessians together from weighted products of columns.

    Parameters
    ----------
    grams : ndarray of shape (G, C (C - 1) / 2, p, p)
        Products with the weights ``w * P_a * P_b``, for every pair a < b of classes.
    mass : ndarray of shape (G,)
        Sums of the weights of each problem.
    ridge : ndarray of shape (p,)

    Returns
    -------
    ndarray of shape (G, C p, C p)
        Regular, also along the direction that the softmax does not see.
    """
    n_problems, n_pairs, p = grams.shape[:3]
    n_classes = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    hessian = np.zeros((n_problems, n_classes, p, n_classes, p))
    for pair, (a, b) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
        hessian[:, a, :, b] -= grams[:, pair]
        hessian[:, b, :, a] -= grams[:, pair]
        hessian[:, a, :, a] += grams[:, pair]
        hessian[:, b, :, b] += grams[:, pair]
    columns = np.arange(p)
    # Adding one vector to all classes changes no probability, and no gradient has a
    # part along it: any curvature there does.
    along = np.maximum(mass, _LEAST_CURVATURE)[:, None] / n_classes
    for c in range(n_classes):
        hessian[:, c, columns, c, columns] += _diagonal(mass, ridge)
        hessian[:, c, columns, :, columns] += along
    return hessian.reshape(n_problems, n_classes * p, n_classes * p)


def _kept_probabilities(problem, iterate):
    """Return what yields the probabilities of a block: kept where they are few enough."""
    of_block, design = problem.probabilities(iterate), problem.design
    n_problems, n_classes, _ = problem.shape
    if design.shape[0] * n_problems * n_classes > max(_KEPT_SIZE, design.n_entries):
        return of_block
    kept = {rows.start: of_block(rows) for rows in design.blocks()}
    return lambda rows: kept[rows.start]


def _hessian_product(problem, block_probabilities, vector):
    """Negative Hessians times (G, C p) vectors, without forming them."""
    coef = vector.reshape(-1, problem.shape[2])
    images = problem.design.functions(coef)

    def curved(rows):
        probabilities, weights = block_probabilities(rows)
        image = images(rows).reshape(probabilities.shape)
        image = image - (probabilities * image).sum(axis=2, keepdims=True)
        image *= probabilities
        image *= weights[:, :, None]
        return image.reshape(len(image), -1)

    total = problem.design.folded(curved, len(coef)).reshape(problem.shape)
    total = total + _diagonal(problem.mass, problem.ridge)[:, None] * coef.reshape(problem.shape)
    return total.reshape(problem.shape[0], -1)
