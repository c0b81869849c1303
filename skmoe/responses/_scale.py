"""What laws with a location and a scale share: parameters, priors and bounds."""

from numbers import Real

import numpy as np

from .._numerics import blocks
from .._sklearn import Interval
from ._response import Response

#: What the scale of a law is bounded by: strength and place of a prior, and a floor.
SCALE_CONSTRAINTS = {
    "prior": [Interval(Real, 0, None, closed="left")],
    "prior_scale": [Interval(Real, 0, None, closed="neither")],
    "floor": [Interval(Real, 0, None, closed="neither")],
    "shared": ["boolean"],
}


class ScaleFamily(Response):
    """Errors y - f(x) of one shape, stretched by a scale that is `dispersion`."""

    _parameter_constraints = SCALE_CONSTRAINTS

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
