"""Which parts can learn batch by batch."""

from ..._data.pipelines import is_distribution
from ..._data.weighted_fit import has_weighted_partial_fit
from ...experts import is_linear, is_logistic
from ...gates import SoftmaxGate
from ...responses import Gaussian


def solved_at_once(template, loss):
    """Tell whether clones of an expert that minimises a loss have sums that a stream solves for."""
    return (is_logistic if loss == "labels" else is_linear)(template)


def refusal(parts):
    """Say which of the parts cannot learn so; None where all can.

    Parameters
    ----------
    parts : Specification
    """
    labels = parts.law.loss == "labels"
    unfit = [expert for _, expert in parts.named if not _learns(parts, expert)]
    if unfit or not parts.specialize or len(parts.named) < 2:
        kinds = "LogisticRegression" if labels else "LinearRegression or Ridge"
        return (
            f"experts must be two or more clones of {kinds}, or estimators with a partial_fit that "
            f"takes sample_weight; got {unfit[0] if unfit else parts.named[0][1]!r}"
        )
    if type(parts.gate) is not SoftmaxGate or parts.gate.balance:
        return f"the gate must be SoftmaxGate without balance; got {parts.gate!r}"
    law = parts.law
    if not labels and (type(law) is not Gaussian or law.dispersion != "constant"):
        return f"the response must be Gaussian with constant dispersion; got {law!r}"
    return None


def _learns(parts, expert):
    if parts.clones and solved_at_once(expert, parts.law.loss):
        return True
    return has_weighted_partial_fit(expert) and not is_distribution(expert)
