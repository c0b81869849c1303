"""Information criteria of a fitted mixture: log-likelihood and number of parameters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr
from sklearn.utils.validation import check_consistent_length

from .._data.groups import check_groups, make_units
from .._data.pipelines import last_step
from .._data.tables import n_rows
from ..experts import count_parameters
from .validation import check_weights, check_X, keep_rows


@dataclass(frozen=True)
class Criteria:
    """What the information criteria of a mixture on some rows are made of.

    Attributes
    ----------
    log_likelihood : float
        Sum of weights × log-likelihoods of units, in nats.
    n_parameters : float
        NaN where it is not known.
    size : float
        Sum of the weights of the units.
    entropy : float
        Sum of weights × entropies of the responsibilities of units, in nats.
    """

    log_likelihood: float
    n_parameters: float
    size: float
    entropy: float

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return -2.0 * self.log_likelihood + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        return -2.0 * self.log_likelihood + float(np.log(self.size)) * self.n_parameters

    @property
    def icl(self) -> float:
        """The integrated completed likelihood."""
        return self.bic + 2.0 * self.entropy


def criteria_of(model: Any, X: Any, y: Any, units: Any) -> Criteria:
    """Return the criteria of a fitted mixture on rows of positive weight.

    Of an average of several starts they are those of the best: further ones add no parameters.

    Parameters
    ----------
    model : fitted mixture
    X : array-like, sparse matrix or data frame of shape (n, d)
    y : array-like of shape (n,) or (n, m)
    units : Rows or Groups
        With the weights that rows, or groups, count with.
    """
    mixture, X = model._prepared(X)
    y = model._known_y(X, y, mixture)
    resp, log_likelihood = mixture.best.posterior(X, y, model.top_k, units)
    return Criteria(
        log_likelihood=float(units.weights @ log_likelihood),
        n_parameters=model.n_parameters_,
        size=float(units.weights.sum()),
        entropy=float(units.weights @ entr(resp).sum(axis=1)),
    )


def weighted_rows(model: Any, X: Any, y: Any, groups: Any, sample_weight: Any) -> tuple:
    """Return X and y of the rows of positive weight, and their units.

    All are checked, and weights are multiplied by those of classes, as in ``fit``.
    """
    task = model._task()
    X = check_X(model, X, reset=False)
    y = task.check_y(y, model)
    check_consistent_length(X, y)
    weights = task.row_weights(y, check_weights(sample_weight, X))
    groups = None if groups is None else check_groups(groups, X)
    rows, n = np.flatnonzero(weights > 0), len(y)
    X, y, weights, groups = keep_rows(rows, n, X, y, weights, groups)
    return X, y, make_units(groups, weights)


def unknown_parts(model) -> list[str]:
    """Return the names of the parts of a fitted mixture whose parameters cannot be counted."""
    counts = {name: count_parameters(expert) for name, expert in model.named_experts_.items()}
    # A user's gate need not have a number of parameters.
    counts["gate"] = getattr(last_step(model.gate_), "n_parameters_", np.nan)
    return [name for name, count in counts.items() if np.isnan(count)]


def units_of(groups, X):
    """Return the units that have one expert each, of unit weight."""
    return make_units(None if groups is None else check_groups(groups, X), np.ones(n_rows(X)))
