"""Covariance matrices as positive numbers, any of which are valid."""

from math import isqrt

import numpy as np


def encode(factor):
    """Return the numbers that stand for covariance matrices.

    Standard deviations come first. Behind them, row by row of the lower triangle, stand the
    square roots of (1 + z) / (1 - z) for the correlations z of two outputs given those before
    both.

    Parameters
    ----------
    factor : ndarray of shape (..., m, m)
        Lower triangular, with a positive diagonal; the matrices are it times its transpose.

    Returns
    -------
    ndarray of shape (..., m (m + 1) / 2)
        Positive.
    """
    # What the columns from one on leave of the variance of each row.
    left = np.cumsum(np.square(factor[..., ::-1]), axis=-1)[..., ::-1]
    first, second = np.tril_indices(factor.shape[-1], -1)
    # z / sqrt(1 - z^2), which keeps the digits of 1 - |z|.
    slopes = factor[..., first, second] / np.sqrt(left[..., first, second + 1])
    return np.concatenate([np.sqrt(left[..., 0]), np.exp(np.arcsinh(slopes))], axis=-1)


def decode(parameters):
    """Return what positive numbers stand for.

    Parameters
    ----------
    parameters : ndarray of shape (..., m (m + 1) / 2)

    Returns
    -------
    scales : ndarray of shape (..., m)
        Standard deviations.
    factor : ndarray of shape (..., m, m)
        Lower triangular; the matrix of correlations is it times its transpose.
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


def triangle(root):
    """Return the lower triangular factors (..., m, m) of ``root.T @ root``, diagonal positive."""
    upper = np.linalg.qr(root, mode="r")
    signs = np.where(np.einsum("...ii->...i", upper) < 0, -1.0, 1.0)
    return np.swapaxes(upper * signs[..., None], -1, -2)
