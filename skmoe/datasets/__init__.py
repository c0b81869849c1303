"""Random data sets: from a known mixture of experts, a robot arm, and spoken vowels."""

from ._mixtures import make_moe_classification, make_moe_regression
from ._robot_arm import make_robot_arm
from ._vowels import make_vowels

__all__ = ["make_moe_classification", "make_moe_regression", "make_robot_arm", "make_vowels"]
