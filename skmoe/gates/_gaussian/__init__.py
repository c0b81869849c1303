"""The Gaussian gate."""

# Models that earlier versions have stored name the class by this module.
from ._gate import GaussianGate

__all__ = ["GaussianGate"]
