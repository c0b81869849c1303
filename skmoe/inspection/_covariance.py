"""The covariance of the listed parameters, computed from the information in full coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, eigh

from ._information import ExpertPart, SoftmaxPart
from ._types import Bools, Floats

#: Curvature per row, in standardised coordinates, up to which the data do not determine a
#: direction: columns are collinear or constant, or the gate separates experts completely.
_LEAST_CURVATURE = 1e-10

#: Share of a parameter in undetermined directions from which on it counts as undetermined.
_UNDETERMINED = 1e-5


@dataclass(frozen=True)
class Coordinates:
    """Maps between the coordinates of the computation and the listed parameters.

    Attributes
    ----------
    to_full : ndarray of shape (Q, P)
        Derivatives of full by free standardised coordinates: contrasts, shared dispersions.
    to_raw : ndarray of shape (P, P)
        Derivatives of the parameters in the units of X and y.
    """

    to_full: Floats
    to_raw: Floats


def coordinates(experts: Sequence[ExpertPart], gate: SoftmaxPart, shared: bool) -> Coordinates:
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
    # Rows of dispersions are zero so far; their columns come last.
    of_log = np.zeros((len(full), n_free))
    of_log[rows, np.zeros(len(experts), int) if shared else np.arange(len(experts))] = 1.0
    dispersions = np.array([expert.dispersion for expert in experts[:n_free]])
    return Coordinates(np.hstack([full, of_log]), block_diag(raw, np.diag(dispersions)))


def _of_expert(expert: ExpertPart) -> tuple[Floats, Floats]:
    """Return the maps of an expert: to its full coordinates, and to raw coefficients."""
    if expert.coef.ndim > 1:
        return _contrasts(len(expert.coef), expert.columns.to_raw)
    return np.eye(expert.size, len(expert.coef)), expert.unit * expert.columns.to_raw


def _contrasts(n_rows: int, to_raw: Floats) -> tuple[Floats, Floats]:
    """Return the maps of the contrasts of `n_rows` vectors against the first; the sum is zero."""
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

    def __init__(self, information: Floats, n_rows: float) -> None:
        values, vectors = eigh(information)
        sound = values > _LEAST_CURVATURE * n_rows
        self._root = vectors[:, sound] / np.sqrt(values[sound])
        self._flat = vectors[:, ~sound]

    def covariance(self, to_raw: Floats, meat: Floats | None = None) -> Floats:
        """Return the covariance (P, P) of raw parameters, or the sandwich with a `meat`.

        It is NaN for undetermined parameters.
        """
        root = to_raw @ self._root
        if meat is None:
            covariance = root @ root.T
        else:
            covariance = root @ (self._root.T @ meat @ self._root) @ root.T
        undetermined = self.undetermined(to_raw)
        covariance[undetermined] = covariance[:, undetermined] = np.nan
        return covariance

    def undetermined(self, to_raw: Floats) -> Bools:
        """Return which raw parameters (P,) the data do not determine."""
        share = np.abs(to_raw @ self._flat) / np.linalg.norm(to_raw, axis=1)[:, None]
        return (share > _UNDETERMINED).any(axis=1)

    def distance(self, gradient: Floats) -> float:
        """Return the distance of the maximum of the quadratic model, in standard errors."""
        return float(np.linalg.norm(self._root.T @ gradient))
