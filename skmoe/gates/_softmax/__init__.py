"""The softmax gate."""

# Models that earlier versions have stored name the class by this module.
from ._gate import SoftmaxGate

__all__ = ["SoftmaxGate"]
