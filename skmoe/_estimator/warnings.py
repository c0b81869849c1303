"""Warnings of a fit."""

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

from .._data.pipelines import takes_no_weights


def warn_of_resampling(named, weights, specialize):
    """Warn of experts that are fitted to drawn rows for want of sample weights."""
    if (len(named) == 1 or not specialize) and (weights == 1).all():
        return
    names = [name for name, expert in named if takes_no_weights(expert)]
    if names:
        _warn(
            f"the experts {names} take no sample_weight: each is fitted to rows drawn, with a "
            "seed, in proportion to responsibilities × weights"
        )


def warn_of_outcome(model, outcome):
    """Warn of what may be wrong with a fit.

    Parameters
    ----------
    model : fitted mixture
    outcome : Outcome
    """
    training, state = outcome.training, outcome.results[0].state
    _warn_of_ending(model)
    _warn_of_separation([training.names[k] for k in training.separated(state)])
    _warn_of_overfitting([training.names[k] for k in training.overfitted(state)])


def _warn_of_ending(model):
    """Warn of experts without rows, at the end or before, and of a fit that did not converge."""
    chosen = next(start for start in model.starts_ if start["chosen"])
    if "experts" in chosen:
        names = [list(model.named_experts_)[k] for k in chosen["experts"]]
        _warn(
            f"no rows were left for the experts {names}: they were started again on the rows "
            "explained worst, which gave a better fit"
        )
    if model.starved_experts_:
        _warn(
            f"no rows were left for the experts {model.starved_experts_}: they keep their last "
            "fit; fewer experts or other starts (random_state, n_init) may give a better fit"
        )
    if model.stop_reason_.startswith("max_iter"):
        _warn(
            f"EM did not converge: {model.stop_reason_} before an iteration gained less than "
            f"tol={model.tol:g}; raise max_iter or tol",
            ConvergenceWarning,
        )


def _warn_of_separation(names):
    """Warn of experts that the gate separates completely, which has no finite optimum."""
    if names:
        _warn(
            f"the gate separates the experts {names} from the others completely: its weights "
            "grow without bound; a penalty bounds them, SoftmaxGate(alpha=1)",
            ConvergenceWarning,
        )


def _warn_of_overfitting(names):
    """Warn of experts that repeat the rows they were fitted to."""
    if names:
        _warn(
            f"the experts {names} are overfitted: they repeat y on the rows they were fitted to. "
            "Likelihood, dispersions and responsibilities are not reliable; cv='auto' or cv=5 "
            "evaluates experts on rows that they were not fitted to"
        )


def _warn(message, category=UserWarning):
    """Warn at the line of the user that called ``fit``."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_INTERNAL):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


#: Modules between the line that called ``fit`` and the warning.
_INTERNAL = ("skmoe.", "sklearn.callback.")
