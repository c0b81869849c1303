"""What the parameter `gate` stands for."""

from sklearn.base import clone, is_classifier

from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._gaussian._gate import GaussianGate
from ._softmax._gate import SoftmaxGate
from ._targets import is_gate

#: Gates by name.
GATES = {"softmax": SoftmaxGate, "gaussian": GaussianGate, "constant": ConstantGate}


def resolve_gate(gate):
    """Return an unfitted gate of its own for the parameter `gate`.

    Parameters
    ----------
    gate : None, str, gate or classifier
        None for the softmax gate.

    Returns
    -------
    gate

    Raises
    ------
    ValueError
        If it is a string that names no gate.
    TypeError
        If it is neither a gate nor a classifier with ``predict_proba``.
    """
    gate = "softmax" if gate is None else gate
    if isinstance(gate, str):
        if gate not in GATES:
            raise ValueError(f"gate must be one of {sorted(GATES)}; got {gate!r}")
        return GATES[gate]()
    if is_estimator(gate) and is_gate(gate):
        return clone(gate)
    if not is_estimator(gate) or not is_classifier(gate) or not hasattr(gate, "predict_proba"):
        raise TypeError(
            "gate must be a gate of skmoe.gates, one of "
            f"{sorted(GATES)}, or a classifier with predict_proba; got {gate!r}"
        )
    return ClassifierGate(clone(gate))


def is_estimator(part):
    """Tell whether a part is an instance, not a class, of a scikit-learn estimator."""
    needed = ("fit", "get_params", "__sklearn_tags__")
    return not isinstance(part, type) and all(hasattr(part, name) for name in needed)
