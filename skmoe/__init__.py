"""Mixtures of experts for scikit-learn."""

from ._classifier import MixtureOfExpertsClassifier
from ._regressor import MixtureOfExpertsRegressor
from ._version import __version__  # noqa: F401

__all__ = ["MixtureOfExpertsClassifier", "MixtureOfExpertsRegressor"]
