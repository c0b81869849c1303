"""Experts: three back ends of one bank."""

from .._data.pipelines import fit_prefix, last_step
from .._errors import naming
from ._cross_fitted import CrossFittedBank
from ._glm._bank import GlmBank, is_glm
from ._linear._bank import LinearBank, is_linear
from ._linear._sums import LinearState
from ._linear_models import count_parameters, fitted_penalty
from ._logistic._bank import LogisticBank, is_logistic
from ._wrapped._bank import PooledBank, WrappedBank
from ._wrapped._cross_fitting import CrossFitting, InSample, OutOfFold, rows_of
from ._wrapped._online import OnlineBank
from ._wrapped._workers import Pool

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
    "Pool",
    "PooledBank",
    "WrappedBank",
    "batch_of",
    "count_parameters",
    "fitted_penalty",
    "is_glm",
    "is_linear",
    "is_logistic",
    "make_batch",
    "rows_of",
]


_BATCHES = (LinearBank, LogisticBank, GlmBank)


def batch_of(estimator, loss=None):
    """Return the kind of bank that solves clones of an estimator in one batch, or None.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Of a pipeline the last step counts.
    loss : {"squares", "poisson", "gamma", "labels"}, optional
        What an expert has to minimise for its M-step under the law of y; None for any.
    """
    last = last_step(estimator)
    return next((bank for bank in _BATCHES if bank.solves(last, loss)), None)


def make_batch(template, view, target, n_experts, law):
    """Return the bank that solves K clones of `template` at once.

    The transformers of a pipeline are fitted and applied once.

    Parameters
    ----------
    template : estimator for which there is a `batch_of`
    view : View of n rows
    target : Target or Labels
    n_experts : int
    law : response or Categorical

    Returns
    -------
    ExpertBank
    """
    with naming(f"expert {type(template).__name__}", "fit"):
        prefix, last, view = fit_prefix(template, view, target.raw)
        bank = batch_of(last, law.loss).of(last, view, target, n_experts, law)
        return prefix.before(bank)
