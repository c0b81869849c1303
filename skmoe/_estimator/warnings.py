"""What a fit warns its user of."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from .._data.pipelines import takes_no_weights

#: From here up to the line that called ``fit``.
_STACK = 5


def warn_of_resampling(named, weights, specialize):
    """Warn of experts that are fitted to drawn rows for want of sample weights."""
    if (len(named) == 1 or not specialize) and (weights == 1).all():
        return
    names = [name for name, expert in named if takes_no_weights(expert)]
    if names:
        warnings.warn(
            f"the experts {names} take no sample_weight: each is fitted to rows drawn, with a "
            "seed, in proportion to responsibilities × weights",
            UserWarning,
            stacklevel=_STACK,
        )


def warn_of_ending(model):
    """Warn of experts without rows, at the end or on the way, and of a fit that goes on."""
    chosen = next(start for start in model.starts_ if start["chosen"])
    if "experts" in chosen:
        names = [list(model.named_experts_)[k] for k in chosen["experts"]]
        warnings.warn(
            f"no rows were left for the experts {names}: they were started again on the rows "
            "explained worst, which served better",
            UserWarning,
            stacklevel=_STACK,
        )
    if model.starved_experts_:
        warnings.warn(
            f"no rows were left for the experts {model.starved_experts_}: they keep their last "
            "fit; fewer experts or other starts (random_state, n_init) may serve better",
            UserWarning,
            stacklevel=_STACK,
        )
    if model.stop_reason_.startswith("max_iter"):
        warnings.warn(
            f"EM did not converge: {model.stop_reason_} before an iteration gained less than "
            f"tol={model.tol:g}; raise max_iter or tol",
            ConvergenceWarning,
            stacklevel=_STACK,
        )


def warn_of_separation(names):
    """Warn of experts that the gate tells apart exactly, and so would without end."""
    if names:
        warnings.warn(
            f"the gate runs away: it tells the experts {names} from the others exactly, and its "
            "weights grow without bound; a penalty holds them, SoftmaxGate(alpha=1)",
            ConvergenceWarning,
            stacklevel=_STACK,
        )


def warn_of_overfitting(names):
    """Warn of experts that repeat the rows they were fitted to."""
    if names:
        warnings.warn(
            f"the experts {names} repeat y on the rows they were fitted to: likelihood, "
            "dispersions and responsibilities are not to be trusted; cv='auto' or cv=5 asks them "
            "about rows they have not seen",
            UserWarning,
            stacklevel=_STACK,
        )
