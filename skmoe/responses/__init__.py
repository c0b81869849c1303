"""Laws of y given an expert's prediction."""

from ._categorical import Categorical
from ._gaussian import Gaussian

__all__ = ["Categorical", "Gaussian"]
