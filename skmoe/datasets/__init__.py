"""Tables drawn from a known mixture of experts, and from a robot arm."""

from ._mixtures import make_moe_classification, make_moe_regression
from ._robot_arm import make_robot_arm

__all__ = ["make_moe_classification", "make_moe_regression", "make_robot_arm"]
