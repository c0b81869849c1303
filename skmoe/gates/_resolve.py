"""The gate that the parameter `gate` of an estimator means, and its trainer."""

from typing import Any

from sklearn.base import clone, is_classifier

from .._data.design import View
from .._data.pipelines import fit_prefix
from .._errors import naming
from ..em._protocols import Floats, GateTrainer
from ._balance import Balanced
from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._gaussian._gate import GaussianGate
from ._refit import RefitTrainer
from ._softmax import SoftmaxGate
from ._targets import is_gate

#: Gates by name.
GATES: dict[str, type[SoftmaxGate | GaussianGate | ConstantGate]] = {
    "softmax": SoftmaxGate,
    "gaussian": GaussianGate,
    "constant": ConstantGate,
}


def resolve_gate(gate: Any) -> Any:
    """Return an unfitted gate for the parameter `gate`; an estimator is cloned.

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
        If it is a string that is not the name of a gate.
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


def is_estimator(part: Any) -> bool:
    """Tell whether a part is an instance of a scikit-learn estimator; a class is none."""
    needed = ("fit", "get_params", "__sklearn_tags__")
    return not isinstance(part, type) and all(hasattr(part, name) for name in needed)


def make_trainer(gate: Any, view: View, y: Any, weights: Floats, n_experts: int) -> GateTrainer:
    """Return the trainer of a gate, or of a pipeline that ends in one, for EM.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    gate : gate or Pipeline that ends in a gate
    view : View of n rows
    y : ndarray of shape (n,) or (n, m)
        For transformers that use y.
    weights : ndarray of shape (n,)
    n_experts : int

    Returns
    -------
    GateTrainer
    """
    with naming(f"gate {type(gate).__name__}", "fit"):
        prefix, last, view = fit_prefix(gate, view, y)
        if hasattr(last, "em_trainer"):
            trainer = last.em_trainer(view, weights, n_experts)
        else:
            trainer = RefitTrainer(last, view, weights)
    if getattr(last, "balance", 0.0):
        trainer = Balanced(trainer, last.balance, weights)
    return prefix.before(trainer)
