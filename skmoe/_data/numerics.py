"""Array routines that every layer shares. They know neither estimators nor distributions.

Matrices with one column per expert are kept in Fortran order inside the
package, because reductions over experts are then sums of contiguous columns.
"""

from collections.abc import Callable, Iterable, Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

#: Arrays of floating-point numbers, in double precision if nothing else is stated; of integers; and
#: of truth values.
Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

#: Rows per block. A block of a few columns then stays in the second-level cache.
BLOCK_ROWS = 4096

#: Rows whose products of pairs of columns are held at once.
_PAIRED_ROWS = 512

#: Products that all columns of weights share are faster from this many columns of weights on, and
#: where there is one of them for every three columns of the matrix.
_MANY_WEIGHTS = 10
_COLUMNS_A_WEIGHT = 3

#: A Cholesky pivot of a unit-diagonal matrix below this marks dependent columns.
_PIVOT_FLOOR = 1e-6

_RANK_RTOL = 1e-12

#: A column depends on others if the squared distance from their combinations is this share of its
#: own square. Rounding of sums over many rows is smaller.
_DEPENDENT = 1e-11

#: A column of smaller standard deviation counts as constant: coefficients of the column divided by
#: it would overflow.
SMALLEST_SPREAD = 1e-280

#: Beyond it the difference of two numbers may overflow.
LARGEST_VALUE = 1e300


def blocks(n_rows: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Yield slices that cut ``range(n_rows)`` into blocks of `size` rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def all_finite(values: NDArray) -> bool:
    """Tell whether all entries of an array are finite; a block of rows is read at a time."""
    return all(bool(np.isfinite(values[rows]).all()) for rows in blocks(len(values)))


def row_max(block: NDArray) -> NDArray:
    """Return the largest entry of each row of a (b, K) block in Fortran order.

    Columns are compared one by one. For as few columns as there are experts this is several times
    faster than ``block.max(axis=1)``.
    """
    top = block[:, 0].copy()
    for column in block.T[1:]:
        np.maximum(top, column, out=top)
    return top


def row_sum(block: NDArray) -> NDArray:
    """Return the sum of each row of a (b, K) block in Fortran order, by a product with ones."""
    return block @ np.ones(block.shape[1])


def log_softmax(logits: Floats) -> Floats:
    """Turn (n, K) logits into log-probabilities, in place, block by block."""
    for rows in blocks(len(logits)):
        block = logits[rows]
        block -= row_max(block)[:, None]
        block -= np.log(row_sum(np.exp(block)))[:, None]
    return logits


def pack_arrays(*arrays: Floats) -> Floats:
    """Return the entries of all arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def unpack_arrays(vector: Floats, shapes: Iterable[tuple[int, ...]]) -> list[Floats]:
    """Return the arrays of these shapes that `pack_arrays` wrote into a vector."""
    arrays, start = [], 0
    for shape in shapes:
        end = start + prod(shape)
        arrays.append(vector[start:end].reshape(shape))
        start = end
    return arrays


def column_dots(left: NDArray, right: NDArray) -> Floats:
    """Return the dot products of the columns of two (n, K) arrays, as (K,)."""
    return np.array([a @ b for a, b in zip(left.T, right.T, strict=True)])


def weighted_sums(values: Floats, masses: Floats) -> Floats:
    """Return the sums (K, m) over rows of values (n, K, m) times masses (n, K)."""
    outputs = np.moveaxis(values, 2, 0)
    return np.stack([column_dots(masses, output) for output in outputs], axis=1)


def pair_products(rows: Floats, offset: int = 0, out: Floats | None = None) -> Floats:
    """Return the products of all pairs of rows, in the order of ``triu_indices(p, offset)``.

    Parameters
    ----------
    rows : ndarray of shape (p, b)
    offset : {0, 1}
        0 to pair a row with itself and later rows, 1 to pair it with later rows only.
    out : ndarray of shape (q, b), optional
        For the q pairs.

    Returns
    -------
    ndarray of shape (q, b)
    """
    p, size = rows.shape
    if out is None:
        out = np.empty((p * (p + 1 - 2 * offset) // 2, size))
    start = 0
    for i, row in enumerate(rows):
        later = rows[i + offset :]
        np.multiply(later, row, out=out[start : start + len(later)])
        start += len(later)
    return out


def weighted_grams(matrix: Floats, weights: Floats, beside: Floats | None = None) -> Floats:
    """Return the products ``A.T @ diag(weights[:, k]) @ A`` for every k.

    Parameters
    ----------
    matrix : ndarray of shape (n, p)
        Fastest in Fortran order.
    weights : ndarray of shape (n, m)
    beside : ndarray of shape (n, q), optional
        Further columns: A is ``[matrix, beside]``.

    Returns
    -------
    ndarray of shape (m, p + q, p + q)
    """
    p = matrix.shape[1]
    width = p + (0 if beside is None else beside.shape[1])
    shared = weights.shape[1] >= max(_MANY_WEIGHTS, width / _COLUMNS_A_WEIGHT)
    add_up = _sums_of_pairs if shared else _sums_one_by_one
    return add_up(_transposed_blocks(matrix, beside, width, shared), width, weights)


def _transposed_blocks(
    matrix: Floats, beside: Floats | None, width: int, shared: bool
) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of rows and those rows of ``[matrix, beside]``, transposed (width, b)."""
    n, p = matrix.shape
    size = _PAIRED_ROWS if shared else BLOCK_ROWS
    block = np.empty((width, min(n, size)))
    for rows in blocks(n, size):
        part = block[:, : rows.stop - rows.start]
        part[:p] = matrix[rows].T
        if beside is not None:
            part[p:] = beside[rows].T
        yield rows, part


def _sums_one_by_one(parts: Iterable[tuple[slice, Floats]], width: int, weights: Floats) -> Floats:
    """Sum, for each column of weights, the products of weighted columns and columns."""
    grams = np.zeros((weights.shape[1], width, width))
    scaled = np.empty((width, min(len(weights), BLOCK_ROWS)))
    for rows, part in parts:
        product = scaled[:, : part.shape[1]]
        for gram, weight in zip(grams, weights[rows].T, strict=True):
            np.multiply(part, weight, out=product)
            gram += product @ part.T
    return grams


def _sums_of_pairs(parts: Iterable[tuple[slice, Floats]], width: int, weights: Floats) -> Floats:
    """Return the same sums from products of pairs of columns that all columns of weights share."""
    sums = np.zeros((width * (width + 1) // 2, weights.shape[1]))
    scratch = np.empty((len(sums), min(len(weights), _PAIRED_ROWS)))
    for rows, part in parts:
        sums += pair_products(part, out=scratch[:, : part.shape[1]]) @ weights[rows]
    return symmetric(sums.T, width)


def symmetric(upper: Floats, width: int) -> Floats:
    """Return the symmetric matrices (m, p, p) of upper triangles (m, p (p + 1) / 2)."""
    full = np.empty((len(upper), width, width))
    first, second = np.triu_indices(width)
    full[:, first, second] = full[:, second, first] = upper
    return full


def with_ridge(grams: Floats, ridge: Floats) -> Floats:
    """Add a penalty, (p,) or (K, 1, p), to the diagonals of matrices (K, p, p) in place."""
    columns = np.arange(grams.shape[2])
    grams[:, columns, columns] += ridge.reshape(-1, grams.shape[2])
    return grams


def solve_normal_equations(grams: Floats, right: Floats) -> Floats:
    """Solve K symmetric positive semi-definite systems.

    Rank-deficient systems get their solution of smallest norm, in coordinates
    in which the matrix has a unit diagonal.

    Parameters
    ----------
    grams : ndarray of shape (K, p, p)
    right : ndarray of shape (K, p, m)

    Returns
    -------
    ndarray of shape (K, p, m)
    """
    diagonal = np.sqrt(np.einsum("kii->ki", grams))
    # The coefficient of a column of zeros (a constant column, an expert without rows) is zero.
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    unit = grams * inverse[:, :, None] * inverse[:, None, :]
    target = right * inverse[:, :, None]
    return _solve(unit, target) * inverse[:, :, None]


def invert_regular(matrices: Floats) -> Floats | None:
    """Return the inverses (K, p, p) of symmetric matrices; None if one is ill-conditioned."""
    diagonal = np.sqrt(np.einsum("kii->ki", matrices))
    if (diagonal == 0).any():
        return None
    scale = diagonal[:, :, None] * diagonal[:, None, :]
    try:
        factors = np.linalg.cholesky(matrices / scale)
    except np.linalg.LinAlgError:
        return None
    if np.einsum("kii->ki", factors).min(initial=1.0) < _PIVOT_FLOOR:
        return None
    return np.linalg.inv(matrices / scale) / scale


def _solve(unit: Floats, target: Floats) -> Floats:
    try:
        # All at once where all are well conditioned, which is several times faster.
        factors = np.linalg.cholesky(unit)
        if np.einsum("kii->ki", factors).min(initial=1.0) >= _PIVOT_FLOOR:
            return np.linalg.solve(unit, target)
    except np.linalg.LinAlgError:
        pass
    return np.stack([_solve_one(a, b) for a, b in zip(unit, target, strict=True)])


def _solve_one(matrix: Floats, right: Floats) -> Floats:
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return _solve_smallest_norm(matrix, right)
    if factor.diagonal().min() < _PIVOT_FLOOR:
        return _solve_smallest_norm(matrix, right)
    return np.linalg.solve(factor.T, np.linalg.solve(factor, right))


def _solve_smallest_norm(matrix: Floats, right: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    keep = values > _RANK_RTOL * max(values[-1], 0.0)
    vectors = vectors[:, keep]
    return vectors @ ((vectors.T @ right) / values[keep][:, None])


def rank_of_products(products: Floats) -> int:
    """Return the rank of columns from the products (p, p) of all pairs, by pivoted Cholesky."""
    norm = np.sqrt(products.diagonal())
    kept = np.flatnonzero(norm)
    if not len(kept):
        return 0
    unit = products[np.ix_(kept, kept)] / norm[kept] / norm[kept, None]
    return int(dpstrf(unit, tol=_DEPENDENT)[2])


def conjugate_gradient(
    product: Callable[[Floats], Floats],
    right: Floats,
    *,
    start: Floats | None = None,
    rtol: float,
    max_iter: int,
    precondition: Callable[[Floats], Floats] | None = None,
) -> Floats:
    """Solve G positive semi-definite systems at once by conjugate gradients.

    Parameters
    ----------
    product : callable
        Maps (G, q) to the G matrix-vector products, shape (G, q).
    right : ndarray of shape (G, q)
    start : ndarray of shape (G, q), optional
    rtol : float
        A system is solved once the norm of its residual is this factor times that of `right`.
        With a preconditioner the norm is that of the preconditioner, and the residual is compared
        with that at `start`.
    max_iter : int
    precondition : callable, optional
        Maps (G, q) to products with approximate inverses of the matrices of the systems.

    Returns
    -------
    ndarray of shape (G, q)
    """
    condition = (lambda vector: vector) if precondition is None else precondition
    solution = np.zeros_like(right) if start is None else start.copy()
    residual = right - product(solution) if start is not None else right.copy()
    direction = condition(residual)
    squared = (residual * direction).sum(axis=1)
    goal = rtol**2 * (squared if precondition is not None else (right**2).sum(axis=1))
    for _ in range(max_iter):
        active = squared > goal
        if not active.any():
            break
        image = product(direction)
        curvature = (direction * image).sum(axis=1)
        active &= curvature > 0
        length = np.divide(squared, curvature, out=np.zeros_like(squared), where=active)
        solution += length[:, None] * direction
        residual -= length[:, None] * image
        conditioned = condition(residual)
        previous, squared = squared, (residual * conditioned).sum(axis=1)
        ratio = np.divide(squared, previous, out=np.zeros_like(squared), where=active)
        direction = conditioned + ratio[:, None] * direction
        if not active.any():
            break
    return solution


def weighted_location_scale(values: NDArray, weights: Floats) -> tuple[Floats, Floats, Bools]:
    """Return weighted mean and standard deviation of each column, safe at any magnitude.

    Constant columns get the scale 1, so that they can be divided by it.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        In single or double precision.
    weights : ndarray of shape (n,)

    Returns
    -------
    mean : ndarray of shape (d,)
    scale : ndarray of shape (d,)
        In the units of `values`.
    constant : ndarray of shape (d,), bool
    """
    weights = weights / weights.max()
    share = weights / weights.sum()
    magnitude = np.zeros(values.shape[1])
    for rows in blocks(len(values)):
        np.maximum(magnitude, np.abs(values[rows]).max(axis=0), out=magnitude)
    if magnitude.max(initial=0.0) > LARGEST_VALUE:
        raise ValueError(f"numbers beyond ±{LARGEST_VALUE:g} cannot be standardised; rescale them")
    magnitude[magnitude == 0] = 1.0
    mean = np.zeros(values.shape[1])
    variance = np.zeros(values.shape[1])
    for rows in blocks(len(values)):
        mean += share[rows] @ (values[rows] / magnitude)
    for rows in blocks(len(values)):
        variance += share[rows] @ (values[rows] / magnitude - mean) ** 2
    deviation = np.sqrt(variance)
    # The deviation of a constant column is a few units in the last place, because of rounding.
    constant = deviation <= 1e-13 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    scale = np.where(constant, 1.0, deviation * magnitude)
    constant |= scale < SMALLEST_SPREAD
    scale[constant] = 1.0
    return mean * magnitude, scale, constant
