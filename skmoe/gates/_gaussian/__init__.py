"""The Gaussian gate."""

from ._gate import GaussianGate, GaussianTrainer

__all__ = ["GaussianGate", "GaussianTrainer"]
