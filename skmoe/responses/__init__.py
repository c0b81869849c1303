"""Laws of y given an expert's prediction."""

from ._categorical import Categorical  # noqa: F401
from ._gamma import Gamma
from ._gaussian import Gaussian
from ._laplace import Laplace
from ._loglinear import LogLinear, row_parameters, standardised  # noqa: F401
from ._multivariate import MultivariateGaussian
from ._poisson import Poisson
from ._response import Response
from ._student import StudentT

# `Categorical`, `LogLinear`, `row_parameters` and `standardised` are for other modules of skmoe,
# and no public names.
__all__ = [
    "Gamma",
    "Gaussian",
    "Laplace",
    "MultivariateGaussian",
    "Poisson",
    "Response",
    "StudentT",
]
