"""Laws of y given an expert's prediction."""

from ._categorical import Categorical  # noqa: F401 - the classifier's, no public name
from ._gaussian import Gaussian

__all__ = ["Gaussian"]
