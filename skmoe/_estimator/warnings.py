"""Warnings of a fit."""

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

from .._data.pipelines import takes_no_weights

#: Weights of a smaller mean are taken for shares of the rows rather than numbers of them.
SMALL_WEIGHT = 0.1


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


def warn_of_unknown_parameters(names):
    """Warn of parts that keep a criterion from being computed."""
    _warn(f"the number of free parameters of {names} is not known, and the criterion NaN")


def warn_of_small_weights(weights):
    """Warn of weights (n,), all positive, that are no numbers of rows.

    BIC has the logarithm of their sum, and the log-likelihood is proportional to them.
    """
    n, total = len(weights), float(weights.sum())
    if total < SMALL_WEIGHT * n:
        _warn(
            f"the mean of sample_weight is {total / n:.3g}, and its sum {total:.3g}: criteria take "
            "weights as numbers of rows, so that BIC prefers too many or too few experts; "
            "sample_weight * (len(sample_weight) / sample_weight.sum()) has the mean one"
        )


def warn_of_outcome(model, outcome):
    """Warn of what may be wrong with a fit.

    Parameters
    ----------
    model : fitted mixture
    outcome : Outcome
    """
    training, state = outcome.training, outcome.results[0].state
    if outcome.path and "bic" in outcome.path[0]:
        warn_of_small_weights(training.weights)
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
