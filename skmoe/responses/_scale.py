"""The base class of laws with a location and a scale: parameters, priors and bounds."""

from abc import abstractmethod
from numbers import Real
from typing import Any

import numpy as np

from .._data.numerics import blocks
from .._sklearn import Interval, StrOptions
from ..em._protocols import Floats
from ._response import Response

#: Valid values of the parameters of a scale: strength and mode of its prior, smallest value,
#: whether experts share it, and whether it depends on x.
SCALE_CONSTRAINTS: dict[str, Any] = {
    "prior": [Interval(Real, 0, None, closed="left")],
    "prior_scale": [Interval(Real, 0, None, closed="neither")],
    "floor": [Interval(Real, 0, None, closed="neither")],
    "shared": ["boolean"],
    "dispersion": [StrOptions({"constant", "linear"})],
    "dispersion_alpha": [Interval(Real, 0, None, closed="neither")],
}


class ScaleFamily(Response):
    """A law whose errors y - f(x) have one shape, multiplied by a scale, the `dispersion`.

    Attributes
    ----------
    precision_power : int
        Experts are fitted with weights that are multiplied by the inverse of the dispersion of
        each row to this power, in addition to `working_weights`.
    deviance_power : int
        Power of the dispersion that deviances are proportional to.
    """

    _parameter_constraints: dict[str, Any] = SCALE_CONSTRAINTS

    precision_power: int = 2
    deviance_power: int = 2

    prior: float
    prior_scale: float
    floor: float
    dispersion_alpha: float

    @abstractmethod
    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
        scaling: Floats | None = None,
    ) -> Floats:
        """Return the parameters that maximise the objective given the means, or raise it.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        masses : ndarray of shape (n, K)
            Responsibilities × sample weights.
        quadratic : ndarray of shape (K, m), or (K, m, m) where `correlated`
            Penalties of the experts, alpha × squared norm, in squared units of y; or
            alpha × products of the coefficients of two outputs.
        old : ndarray of shape (K, q), optional
            Parameters of the last iterate.
        scaling : ndarray of shape (n, K), optional
            Factors that the dispersions of an expert are multiplied by in each row.

        Returns
        -------
        ndarray of shape (K, q)
        """

    @abstractmethod
    def dispersion_scores(
        self, deviance: Floats, parameters: Floats
    ) -> tuple[Floats, Floats | float]:
        """Return derivatives of log-densities by the logarithm of all dispersions of an expert.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        parameters : ndarray of shape (n, K, q)

        Returns
        -------
        slope : ndarray of shape (n, K)
        information : ndarray of shape (n, K)
            The expected square of the slope, or what broadcasts to it.
        """

    def unscaled(self, deviance: Floats, scaling: Floats | None) -> Floats:
        """Return the deviances for unscaled dispersions.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        scaling : ndarray of shape (n, K), or None for ones
            Factors that the dispersions of an expert are multiplied by in each row.

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        if scaling is None:
            return deviance
        return deviance * (scaling**-self.deviance_power)[:, :, None]

    def confined(self, parameters: Floats) -> Floats:
        return np.maximum(parameters, self.floor)

    def _free(self, parameters: Floats) -> Floats:
        """Return the free scales: those of the first expert alone where all share them."""
        return parameters[:1] if self.shared else parameters


def squared_residuals(y: Floats, mean: Floats) -> Floats:
    """Return ``(y - mean) ** 2``, for y (n, m); it overwrites `mean`, (n, K, m)."""
    with np.errstate(over="ignore"):
        for rows in blocks(len(y)):
            for j in range(y.shape[1]):
                block = mean[rows, :, j]
                block -= y[rows, j, None]
                block *= block
    return mean


def pooled(sums: Floats, mass: Floats, shared: bool) -> tuple[Floats, Floats]:
    """Return sums (K, ...) and masses (K, 1), added up over the experts where they share."""
    mass = mass[:, None]
    if not shared:
        return sums, mass
    sums = sums.sum(axis=0, keepdims=True).repeat(len(mass), axis=0)
    return sums, mass.sum(axis=0, keepdims=True)
