"""Information criteria of a fitted mixture: log-likelihood and number of parameters."""

import warnings

import numpy as np
from scipy.special import entr
from sklearn.utils.validation import check_is_fitted

from .._data.groups import check_groups, make_units
from .._data.pipelines import last_step
from .._data.tables import n_rows
from ..experts import count_parameters


def log_likelihood(mixture, X, y, top_k, units):
    """Return the log-likelihood of units of rows under one mixture, in nats."""
    return float(mixture.posterior(X, y, top_k, units)[1].sum(dtype=np.float64))


def entropy_of_units(resp, groups):
    """Return the entropy of responsibilities (n, K) in nats, summed over rows or groups."""
    first = slice(None) if groups is None else np.unique(groups, return_index=True)[1]
    return float(entr(resp[first]).sum())


def count_free_parameters(model, task):
    """Return the number of free parameters of all parts; NaN, with a warning, if one is unknown.

    Parameters
    ----------
    model : fitted mixture
    task : Task
    """
    check_is_fitted(model)
    counts = {name: count_parameters(e) for name, e in model.named_experts_.items()}
    # A user's gate need not have a number of parameters.
    counts["gate"] = getattr(last_step(model.gate_), "n_parameters_", np.nan)
    unknown = [name for name, count in counts.items() if np.isnan(count)]
    if unknown:
        warnings.warn(
            f"the number of free parameters of {unknown} is not known, and the criterion NaN",
            UserWarning,
            stacklevel=4,
        )
    return float(sum(counts.values()) + task.fitted(model).count_parameters())


def units_of(groups, X):
    """Return the units that have one expert each, of unit weight."""
    return make_units(None if groups is None else check_groups(groups, X), np.ones(n_rows(X)))
