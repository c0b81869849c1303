"""The predictive mixture: what the model says of y, row by row."""

from ._mixture import MixtureDistribution

__all__ = ["MixtureDistribution"]
