"""Experts: three back ends of one bank."""

from .._delegate import fit_prefix, last_step
from .._errors import naming
from ._count import count_parameters
from ._folded import FoldedBank
from ._honest import Honesty, InSample, OutOfFold
from ._linear import LinearBank, LinearState, is_linear
from ._logistic import LogisticBank, is_logistic
from ._wrapped import PooledBank, WrappedBank

__all__ = [
    "FoldedBank",
    "Honesty",
    "InSample",
    "LinearBank",
    "LinearState",
    "LogisticBank",
    "OutOfFold",
    "PooledBank",
    "WrappedBank",
    "count_parameters",
    "is_batched",
    "make_batch",
]


def is_batched(estimator, labels):
    """Tell whether clones of an estimator, or of a pipeline's last step, are solved in one batch.

    Parameters
    ----------
    estimator : estimator
    labels : bool
        Whether y are labels.
    """
    last = last_step(estimator)
    return is_logistic(last) if labels else is_linear(last)


def make_batch(template, view, target, n_experts):
    """Return the bank that solves K clones of `template` at once.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    template : estimator for which `is_batched` holds
    view : View of n rows
    target : Target or Labels
    n_experts : int

    Returns
    -------
    LinearBank or LogisticBank
    """
    kind = LogisticBank if hasattr(target, "codes") else LinearBank
    with naming(f"expert {type(template).__name__}", "fit"):
        prefix, last, view = fit_prefix(template, view, target.raw)
        return prefix.before(kind(last, view, target, n_experts))
