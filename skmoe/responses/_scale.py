"""What laws with a location and a scale share: parameters, priors and bounds."""

from abc import abstractmethod
from numbers import Real

import numpy as np

from .._data.numerics import blocks
from .._sklearn import Interval, StrOptions
from ._response import Response

#: What the scale of a law is bounded by: strength and place of a prior, and a floor; and whether
#: it depends on x.
SCALE_CONSTRAINTS = {
    "prior": [Interval(Real, 0, None, closed="left")],
    "prior_scale": [Interval(Real, 0, None, closed="neither")],
    "floor": [Interval(Real, 0, None, closed="neither")],
    "shared": ["boolean"],
    "dispersion": [StrOptions({"constant", "linear"})],
    "dispersion_alpha": [Interval(Real, 0, None, closed="neither")],
}


class ScaleFamily(Response):
    """Errors y - f(x) of one shape, stretched by a scale that is `dispersion`.

    Attributes
    ----------
    precision_power : int
        Rows count for an expert by the inverse of their dispersion to this power, beyond what
        `working_weights` says.
    deviance_power : int
        Power of the dispersion that deviances are in proportion to.
    """

    _parameter_constraints = SCALE_CONSTRAINTS

    precision_power = 2
    deviance_power = 2

    @abstractmethod
    def dispersion_scores(self, deviance, parameters):
        """Return how log-densities change with the logarithm of all dispersions of an expert.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        parameters : ndarray of shape (n, K, q)

        Returns
        -------
        slope : ndarray of shape (n, K)
        information : ndarray of shape (n, K)
            The expected square of the slope; or one that broadcasts to it.
        """

    def unstretched(self, deviance, stretches):
        """Return deviances (n, K, m) as they were if no dispersion had been stretched.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        stretches : ndarray of shape (n, K), or None for none

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        if stretches is None:
            return deviance
        return deviance * (stretches**-self.deviance_power)[:, :, None]

    def confined(self, parameters):
        return np.maximum(parameters, self.floor)

    def _kept(self, parameters):
        """Scales that count as free parameters: one set of them where they are shared."""
        return parameters[:1] if self.shared else parameters


def squared_residuals(y, mean):
    """Return ``(y - mean) ** 2`` in place of `mean`, (n, K, m), for y (n, m)."""
    with np.errstate(over="ignore"):
        for rows in blocks(len(y)):
            for j in range(y.shape[1]):
                block = mean[rows, :, j]
                block -= y[rows, j, None]
                block *= block
    return mean
