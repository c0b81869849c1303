"""Banks of experts: solved in one batch, cross-fitted in batches, or fitted one by one."""

from typing import Any

from .._data.design import View
from .._data.pipelines import fit_prefix, last_step
from .._errors import naming
from ..em._protocols import ExpertBank, Law, Target
from ._batched import BatchedBank
from ._cross_fitted import CrossFittedBank
from ._glm._bank import GlmBank, is_glm
from ._linear import LinearBank, LinearState
from ._linear_models import (
    EvidenceLogistic,  # noqa: F401
    EvidenceRidge,  # noqa: F401
    count_parameters,
    fitted_penalty,
    is_linear,
)
from ._logistic import LogisticBank, is_logistic
from ._wrapped._bank import PooledBank, WrappedBank
from ._wrapped._cross_fitting import CrossFitting, InSample, OutOfFold
from ._wrapped._online import OnlineBank
from ._wrapped._workers import Workers

__all__ = [
    "CrossFittedBank",
    "CrossFitting",
    "GlmBank",
    "InSample",
    "LinearBank",
    "LinearState",
    "LogisticBank",
    "OnlineBank",
    "OutOfFold",
    "PooledBank",
    "Workers",
    "WrappedBank",
    "batch_of",
    "count_parameters",
    "fitted_penalty",
    "is_glm",
    "is_linear",
    "is_logistic",
    "make_batch",
]


_BATCHES: tuple[type[BatchedBank], ...] = (LinearBank, LogisticBank, GlmBank)


def batch_of(estimator: Any, loss: str | None = None) -> type[BatchedBank] | None:
    """Return the class of banks that solves clones of an estimator in one batch, or None.

    Parameters
    ----------
    estimator : estimator or Pipeline
        A pipeline counts as its last step.
    loss : {"squares", "poisson", "gamma", "labels"}, optional
        Loss that an expert has to minimise in an M-step under the law of y; None for any.
    """
    last = last_step(estimator)
    return next((bank for bank in _BATCHES if bank.solves(last, loss)), None)


def make_batch(template: Any, view: View, target: Target, n_experts: int, law: Law) -> ExpertBank:
    """Return the bank that solves K clones of `template` at once.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    template : estimator for which there is a `batch_of`
    view : View of n rows
    target : Target or Labels
    n_experts : int
    law : Law

    Returns
    -------
    ExpertBank
    """
    with naming(f"expert {type(template).__name__}", "fit"):
        prefix, last, view = fit_prefix(template, view, target.raw)
        kind: Any = batch_of(last, law.loss)
        bank = kind.of(last, view, target, n_experts, law)
        return prefix.before(bank)
