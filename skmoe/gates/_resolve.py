"""What the parameter `gate` stands for."""

from sklearn.base import clone, is_classifier

from .._data.pipelines import fit_prefix
from .._errors import naming
from ._balance import Balanced
from ._classifier import ClassifierGate
from ._constant import ConstantGate
from ._gaussian._gate import GaussianGate
from ._refit import RefitTrainer
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


def make_trainer(gate, view, y, weights, n_experts):
    """Return what trains a gate, or a pipeline that ends in one, within EM.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    gate : gate or Pipeline that ends in a gate
    view : View of n rows
    y : ndarray of shape (n,) or (n, m)
        For transformers that look at it.
    weights : ndarray of shape (n,)
    n_experts : int

    Returns
    -------
    object
        With ``update``, ``log_proba``, ``penalty``, ``strip``, ``restore``, ``finish``.
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
