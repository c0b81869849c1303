"""Gates: which expert a row belongs to, given its features."""

from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._refit import make_trainer
from ._softmax import SoftmaxGate, SoftmaxTrainer
from ._targets import is_gate

__all__ = [
    "ClassifierGate",
    "ConstantGate",
    "SoftmaxGate",
    "SoftmaxTrainer",
    "is_gate",
    "make_trainer",
]
