"""Gates: which expert a row belongs to, given its features."""

from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._gaussian._gate import GaussianGate
from ._hierarchical import HierarchicalGate
from ._resolve import GATES, is_estimator, make_trainer, resolve_gate  # noqa: F401
from ._softmax import SoftmaxGate, SoftmaxTrainer  # noqa: F401
from ._targets import GateMixin, is_gate  # noqa: F401
from ._tree import count_leaves, forks, trunk  # noqa: F401

# All other imported names are for other modules of skmoe, and no public names.
__all__ = ["ClassifierGate", "ConstantGate", "GaussianGate", "HierarchicalGate", "SoftmaxGate"]
