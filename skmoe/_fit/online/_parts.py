"""Which parts can learn batch by batch, and how many parameters they have."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..._data.pipelines import is_distribution
from ..._data.weighted_fit import has_weighted_partial_fit
from ...experts import is_linear, is_logistic
from ...gates import GateMixin
from ...responses import Gaussian
from ..problem import Specification


def solved_at_once(parts: Specification) -> bool:
    """Tell whether the experts are solved for from sums.

    Parameters
    ----------
    parts : Specification
    """
    recognised = is_logistic if parts.law.loss == "labels" else is_linear
    return parts.clones and recognised(parts.named[0][1])


def refusal(parts: Specification) -> str | None:
    """State which of the parts cannot be updated by batches; None where all can.

    Parameters
    ----------
    parts : Specification
    """
    labels, solved = parts.law.loss == "labels", solved_at_once(parts)
    unfit = [expert for _, expert in parts.named if not (solved or _has_partial_fit(expert))]
    if unfit or not parts.specialize or len(parts.named) < 2:
        kinds = "LogisticRegression" if labels else "LinearRegression or Ridge"
        return (
            f"experts must be two or more clones of {kinds}, or estimators with a partial_fit that "
            f"takes sample_weight; got {unfit[0] if unfit else parts.named[0][1]!r}"
        )
    if not (isinstance(parts.gate, GateMixin) and parts.gate.learns_online()):
        return f"the gate must be SoftmaxGate without balance; got {parts.gate!r}"
    law = parts.law
    if not labels and (type(law) is not Gaussian or not law.has_sums()):
        return f"the response must be Gaussian with constant dispersion; got {law!r}"
    return None


def _has_partial_fit(expert: Any) -> bool:
    return has_weighted_partial_fit(expert) and not is_distribution(expert)


def count_online_parameters(
    n_experts: int, n_gate: int, n_columns: int, n_outputs: int, classes: NDArray | None
) -> int:
    """Return the number of parameters of a softmax gate and linear experts.

    Parameters
    ----------
    n_experts : int
    n_gate, n_columns : int
        Columns that gate and experts see.
    n_outputs : int
        Of numbers.
    classes : ndarray of shape (n_classes,), or None for numbers
    """
    gate = (n_experts - 1) * (n_gate + 1)
    if classes is not None:
        return gate + n_experts * (len(classes) - 1) * (n_columns + 1)
    return gate + n_experts * n_outputs * (n_columns + 2)
