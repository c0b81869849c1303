"""Types that the modules of this package share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

#: A mixture of experts, fitted or not.
Mixture = MixtureOfExpertsRegressor | MixtureOfExpertsClassifier

#: What random numbers are drawn from.
Seed = int | np.random.RandomState | None

#: Further arguments of a function of matplotlib.
Style = Mapping[str, Any]
