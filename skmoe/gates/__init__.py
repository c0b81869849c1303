"""Gates: which expert a row belongs to, given its features."""

from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._refit import make_trainer
from ._softmax import SoftmaxGate
from ._targets import is_gate

__all__ = ["ClassifierGate", "ConstantGate", "SoftmaxGate", "is_gate", "make_trainer"]
