"""Experts: three back ends of one bank."""

from .._data.pipelines import fit_prefix, last_step
from .._errors import naming
from ._count import count_parameters
from ._cross_fitted import CrossFittedBank
from ._glm._bank import LARGEST_ETA, GlmBank, GlmState, damped, is_glm
from ._linear._bank import LinearBank, LinearState, is_linear
from ._logistic._bank import LogisticBank, is_logistic
from ._penalty import fitted_penalty
from ._wrapped._bank import PooledBank, WrappedBank
from ._wrapped._cross_fitting import CrossFitting, InSample, OutOfFold, rows_of
from ._wrapped._workers import Pool

__all__ = [
    "LARGEST_ETA",
    "CrossFittedBank",
    "CrossFitting",
    "GlmBank",
    "GlmState",
    "InSample",
    "LinearBank",
    "LinearState",
    "LogisticBank",
    "OutOfFold",
    "Pool",
    "PooledBank",
    "WrappedBank",
    "count_parameters",
    "damped",
    "fitted_penalty",
    "is_batched",
    "is_glm",
    "is_linear",
    "is_logistic",
    "make_batch",
    "rows_of",
]


def is_batched(estimator, loss=None):
    """Tell whether clones of an estimator, or of a pipeline's last step, are solved in one batch.

    Parameters
    ----------
    estimator : estimator
    loss : {"squares", "poisson", "gamma", "labels"}, optional
        What an expert has to minimise for its M-step under the law of y; None for any.
    """
    last = last_step(estimator)
    if loss in (None, "labels") and is_logistic(last):
        return True
    return (loss in (None, "squares") and is_linear(last)) or is_glm(last, loss)


def make_batch(template, view, target, n_experts, exact=False):
    """Return the bank that solves K clones of `template` at once.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    template : estimator for which `is_batched` holds
    view : View of n rows
    target : Target or Labels
    n_experts : int
    exact : bool
        Whether linear experts are solved to the end in every iteration.

    Returns
    -------
    LinearBank, LogisticBank or GlmBank
    """
    with naming(f"expert {type(template).__name__}", "fit"):
        prefix, last, view = fit_prefix(template, view, target.raw)
        parts = last, view, target, n_experts
        if target.classes is not None:
            return prefix.before(LogisticBank(*parts))
        bank = GlmBank(*parts) if is_glm(last) else LinearBank(*parts, exact)
        return prefix.before(bank)
