"""Array routines shared by every layer: no estimators, no distributions.

Matrices with one column per expert are kept in Fortran order inside the
package, because reductions over experts are then sums of contiguous columns.
"""

import numpy as np

#: Rows per block. A block of a few columns then stays in the second-level cache.
BLOCK_ROWS = 4096

#: Up to this many columns, all pairwise products of columns are formed once and
#: shared by every weight vector; beyond it they no longer stay in cache.
_PAIRWISE_COLUMNS = 16

#: A Cholesky pivot of a unit-diagonal matrix below this marks dependent columns.
_PIVOT_FLOOR = 1e-6

_RANK_RTOL = 1e-12


def blocks(n_rows, size=BLOCK_ROWS):
    """Yield slices that cut ``range(n_rows)`` into blocks of `size` rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def log_softmax(logits):
    """Turn (n, K) logits into log-probabilities, in place, block by block."""
    for rows in blocks(len(logits)):
        block = logits[rows]
        block -= block.max(axis=1)[:, None]
        block -= np.log(np.exp(block).sum(axis=1))[:, None]
    return logits


def weighted_sum_of_squares(values, weights):
    """Return the sums over rows of ``weights * values**2``, both (n, K), as (K,)."""
    total = np.zeros(values.shape[1])
    for rows in blocks(len(values)):
        squares = values[rows] ** 2
        squares *= weights[rows]
        total += squares.sum(axis=0)
    return total


def weighted_grams(matrix, weights):
    """Return the products ``matrix.T @ diag(weights[:, k]) @ matrix`` for every k.

    Parameters
    ----------
    matrix : ndarray of shape (n, p)
        Fastest in Fortran order.
    weights : ndarray of shape (n, m)

    Returns
    -------
    ndarray of shape (m, p, p)
    """
    if matrix.shape[1] <= _PAIRWISE_COLUMNS:
        return _grams_from_pairs(matrix, weights)
    return _grams_one_by_one(matrix, weights)


def _grams_from_pairs(matrix, weights):
    n, p = matrix.shape
    upper = np.triu_indices(p)
    sums = np.zeros((len(upper[0]), weights.shape[1]))
    products = np.empty((len(upper[0]), min(n, BLOCK_ROWS)))
    columns = matrix.T
    for rows in blocks(n):
        block = columns[:, rows]
        size = block.shape[1]
        start = 0
        for j in range(p):
            stop = start + p - j
            np.multiply(block[j:], block[j], out=products[start:stop, :size])
            start = stop
        sums += products[:, :size] @ weights[rows]
    grams = np.empty((weights.shape[1], p, p))
    grams[:, upper[0], upper[1]] = sums.T
    grams[:, upper[1], upper[0]] = sums.T
    return grams


def _grams_one_by_one(matrix, weights):
    n, p = matrix.shape
    grams = np.zeros((weights.shape[1], p, p))
    for rows in blocks(n, BLOCK_ROWS // 2):
        block = matrix[rows].T
        for gram, weight in zip(grams, weights[rows].T, strict=True):
            gram += (block * weight) @ block.T
    return grams


def solve_normal_equations(grams, right):
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
    # A column without mass (a constant column, an expert without rows) takes no part.
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    unit = grams * inverse[:, :, None] * inverse[:, None, :]
    target = right * inverse[:, :, None]
    solution = np.stack([_solve_one(a, b) for a, b in zip(unit, target, strict=True)])
    return solution * inverse[:, :, None]


def _solve_one(matrix, right):
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return _solve_smallest_norm(matrix, right)
    if factor.diagonal().min() < _PIVOT_FLOOR:
        return _solve_smallest_norm(matrix, right)
    return np.linalg.solve(factor.T, np.linalg.solve(factor, right))


def _solve_smallest_norm(matrix, right):
    values, vectors = np.linalg.eigh(matrix)
    keep = values > _RANK_RTOL * max(values[-1], 0.0)
    vectors = vectors[:, keep]
    return vectors @ ((vectors.T @ right) / values[keep][:, None])


def conjugate_gradient(product, right, *, start=None, rtol, max_iter):
    """Solve G positive semi-definite systems at once by conjugate gradients.

    Parameters
    ----------
    product : callable
        Maps (G, q) to the G matrix-vector products, shape (G, q).
    right : ndarray of shape (G, q)
    start : ndarray of shape (G, q), optional
    rtol : float
        A system is left alone once its residual norm has fallen by this factor.
    max_iter : int

    Returns
    -------
    ndarray of shape (G, q)
    """
    solution = np.zeros_like(right) if start is None else start.copy()
    residual = right - product(solution) if start is not None else right.copy()
    direction = residual.copy()
    squared = (residual**2).sum(axis=1)
    goal = rtol**2 * (right**2).sum(axis=1)
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
        previous, squared = squared, (residual**2).sum(axis=1)
        ratio = np.divide(squared, previous, out=np.zeros_like(squared), where=active)
        direction = residual + ratio[:, None] * direction
        if not active.any():
            break
    return solution


def weighted_location_scale(values, weights):
    """Weighted mean and standard deviation of each column, safe at any magnitude.

    Columns without spread get the scale 1, so that they can be divided by it.

    Parameters
    ----------
    values : ndarray of shape (n, d)
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
    magnitude = np.abs(values).max(axis=0)
    magnitude[magnitude == 0] = 1.0
    mean = np.zeros(values.shape[1])
    variance = np.zeros(values.shape[1])
    for rows in blocks(len(values)):
        mean += share[rows] @ (values[rows] / magnitude)
    for rows in blocks(len(values)):
        variance += share[rows] @ (values[rows] / magnitude - mean) ** 2
    deviation = np.sqrt(variance)
    # Rounding leaves a constant column with a spread of a few units in the last place.
    constant = deviation <= 1e-13 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    scale = np.where(constant, 1.0, deviation * magnitude)
    constant |= scale == 0
    scale[scale == 0] = 1.0
    return mean * magnitude, scale, constant
