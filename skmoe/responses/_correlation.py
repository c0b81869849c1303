"""Coding of covariance matrices by positive numbers: any positive numbers are valid."""

from math import isqrt

import numpy as np

from ..em._protocols import Floats


def encode(factor: Floats) -> Floats:
    """Return the positive numbers that code covariance matrices.

    Standard deviations come first. Row by row of the lower triangle, they are followed by the
    square roots of (1 + z) / (1 - z), where z is the correlation of two outputs given the outputs
    before both.

    Parameters
    ----------
    factor : ndarray of shape (..., m, m)
        Lower triangular with a positive diagonal. The covariance matrix is the factor times its
        transpose.

    Returns
    -------
    ndarray of shape (..., m (m + 1) / 2)
        Positive.
    """
    # Sums of squares of each row, from a column to the last one.
    left = np.cumsum(np.square(factor[..., ::-1]), axis=-1)[..., ::-1]
    first, second = np.tril_indices(factor.shape[-1], -1)
    # This is z / sqrt(1 - z^2): it keeps the digits of 1 - |z|.
    slopes = factor[..., first, second] / np.sqrt(left[..., first, second + 1])
    return np.concatenate([np.sqrt(left[..., 0]), np.exp(np.arcsinh(slopes))], axis=-1)


def decode(parameters: Floats) -> tuple[Floats, Floats]:
    """Return the covariance matrices that positive numbers code.

    Parameters
    ----------
    parameters : ndarray of shape (..., m (m + 1) / 2)

    Returns
    -------
    scales : ndarray of shape (..., m)
        Standard deviations.
    factor : ndarray of shape (..., m, m)
        Lower triangular. The correlation matrix is the factor times its transpose.
    """
    m = isqrt(2 * parameters.shape[-1])
    scales, roots = parameters[..., :m], parameters[..., m:]
    first, second = np.tril_indices(m, -1)
    total = roots + 1.0 / roots
    partial = np.zeros((*scales.shape, m))
    partial[..., first, second] = (roots - 1.0 / roots) / total
    partial[..., np.arange(m), np.arange(m)] = 1.0
    left = np.ones_like(partial)
    left[..., first, second + 1] = 2.0 / total
    return scales, partial * np.cumprod(left, axis=-1)


def triangle(root: Floats) -> Floats:
    """Return the lower triangular factors (..., m, m) of ``root.T @ root``.

    Their diagonals are positive.
    """
    upper = np.linalg.qr(root, mode="r")
    signs = np.where(np.einsum("...ii->...i", upper) < 0, -1.0, 1.0)
    return np.swapaxes(upper * signs[..., None], -1, -2)
