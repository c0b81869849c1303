"""From the information in full coordinates to the covariance of the parameters one reads."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, eigh

#: Curvature per row of a direction, in standardised coordinates, up to which the data say nothing
#: of it: collinear or constant columns, a runaway gate.
_LEAST_CURVATURE = 1e-10

#: Share of a parameter in a direction of which the data say nothing, from which on it is lost.
_LOST = 1e-5


@dataclass(frozen=True)
class Coordinates:
    """What is read, and what is computed with.

    Attributes
    ----------
    to_full : ndarray of shape (Q, P)
        Derivatives of full by free standardised coordinates: contrasts, shared dispersions.
    to_raw : ndarray of shape (P, P)
        Derivatives of the parameters in the units of X and y.
    """

    to_full: np.ndarray
    to_raw: np.ndarray


def coordinates(experts, gate, shared):
    """Return the `Coordinates` of parts of a likelihood.

    Parameters
    ----------
    experts : list of GaussianExpert, LogisticExpert, PoissonExpert or GammaExpert
        Where they have dispersions, their last coordinates are the logarithms of these.
    gate : SoftmaxPart
    shared : bool
        Whether all have one dispersion.
    """
    maps = [_of_expert(expert) for expert in experts]
    maps.append(_contrasts(len(gate.coef), gate.columns.to_raw))
    full, raw = (block_diag(*matrices) for matrices in zip(*maps, strict=True))
    if experts[0].dispersion is None:
        return Coordinates(full, raw)
    sizes = np.array([expert.size for expert in experts])
    rows = np.cumsum(sizes) - 1
    n_free = 1 if shared else len(experts)
    # Rows of dispersions are empty so far: their columns come last.
    of_log = np.zeros((len(full), n_free))
    of_log[rows, np.zeros(len(experts), int) if shared else np.arange(len(experts))] = 1.0
    dispersions = np.array([expert.dispersion for expert in experts[:n_free]])
    return Coordinates(np.hstack([full, of_log]), block_diag(raw, np.diag(dispersions)))


def _of_expert(expert):
    if expert.coef.ndim > 1:
        return _contrasts(len(expert.coef), expert.columns.to_raw)
    return np.eye(expert.size, len(expert.coef)), expert.unit * expert.columns.to_raw


def _contrasts(n_rows, to_raw):
    """Maps of the contrasts of `n_rows` vectors against the first, whose common sum is zero."""
    centred = (np.eye(n_rows) - 1.0 / n_rows)[:, 1:]
    return np.kron(centred, np.eye(len(to_raw))), np.kron(np.eye(n_rows - 1), to_raw)


class Inverse:
    """A symmetric matrix inverted where it has curvature.

    Parameters
    ----------
    information : ndarray of shape (P, P)
        In free standardised coordinates.
    n_rows : float
        Sum of weights.
    """

    def __init__(self, information, n_rows):
        values, vectors = eigh(information)
        sound = values > _LEAST_CURVATURE * n_rows
        self._root = vectors[:, sound] / np.sqrt(values[sound])
        self._silent = vectors[:, ~sound]

    def covariance(self, to_raw, meat=None):
        """Covariance (P, P) of raw parameters, or the sandwich with a `meat`; NaN where lost."""
        root = to_raw @ self._root
        middle = None if meat is None else self._root.T @ meat @ self._root
        covariance = root @ root.T if meat is None else root @ middle @ root.T
        lost = self.lost(to_raw)
        covariance[lost] = covariance[:, lost] = np.nan
        return covariance

    def lost(self, to_raw):
        """Tell which raw parameters (P,) depend on what the data say nothing of."""
        share = np.abs(to_raw @ self._silent) / np.linalg.norm(to_raw, axis=1)[:, None]
        return (share > _LOST).any(axis=1)

    def distance(self, gradient):
        """Standard errors that the maximum of the quadratic model is away."""
        return float(np.linalg.norm(self._root.T @ gradient))
