"""The predictive distribution of y in each row: a mixture."""

from ._mixture import MixtureDistribution

__all__ = ["MixtureDistribution"]
