"""The softmax gate."""

from ._gate import SoftmaxGate, SoftmaxTrainer

__all__ = ["SoftmaxGate", "SoftmaxTrainer"]
