"""What is to be fitted: the training rows, and the parts of the mixture."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from .._data.pipelines import last_step
from .._data.weighted_fit import rows_of
from .._sklearn import take
from ..experts import InSample, batch_of, count_parameters

#: Components that share an expert begin with scales up to this factor below and above its own.
_WIDEST = 2.0


def count_free_parameters(training, state):
    """Number of free parameters of gate, experts and law of a state; NaN where one is unknown.

    Parameters
    ----------
    training : Trainer
    state : State
    """
    gate, experts = training.finish(state)
    # A user's gate need not say how many parameters it has.
    count = getattr(last_step(gate), "n_parameters_", np.nan)
    dispersion = training.law.count_parameters(state.parameters.dispersion)
    return float(count + sum(map(count_parameters, experts)) + dispersion)


@dataclass(frozen=True)
class Data:
    """Training rows, all of positive weight.

    Attributes
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    target : Target or Labels
    weights : ndarray of shape (n,)
    units : Rows or Groups
        What has one latent expert each.
    fold : ndarray of shape (n,), int, or None
        Fold of each row, where experts are asked about rows they have not seen.
    gate_columns, expert_columns : list of int, or None for all
    """

    X: Any
    target: Any
    weights: np.ndarray
    units: Any
    fold: np.ndarray | None
    gate_columns: list | None
    expert_columns: list | None

    def rows(self, rows):
        """The data of some rows, which hold whole units."""
        weights = self.weights[rows]
        return replace(
            self,
            X=take(self.X, rows),
            target=self.target.rows(rows, weights),
            weights=weights,
            units=self.units.rows(rows, weights),
            fold=None if self.fold is None else self.fold[rows],
        )


@dataclass(frozen=True)
class Specification:
    """Unfitted parts.

    Attributes
    ----------
    gate : gate
    named : list of (str, estimator)
        The experts that are fitted.
    components : list of (str, int)
        Name of each component of the mixture, and number of the expert it asks.
    clones : bool
        Whether the experts are clones of one estimator.
    specialize : bool
        Whether experts are fitted to rows of their own.
    auto : bool
        Whether each expert is asked about the training rows in the way that suits it.
    law : response
    params : dict of str to dict
        Routed fit parameters of each expert.
    """

    gate: Any
    named: list
    components: list
    clones: bool
    specialize: bool
    auto: bool
    law: Any
    params: dict

    def sized(self, n_experts):
        """The same parts with another number of clones of the one expert."""
        name, template = self.named[0]
        named = [(f"expert_{k}", clone(template)) for k in range(n_experts)]
        components = [(name, k) for k, (name, _) in enumerate(named)]
        params = {each: self.params.get(name, {}) for each, _ in named}
        return replace(self, named=named, components=components, params=params)

    def rows(self, rows, n):
        """The same parts, with fit parameters of some of n rows."""
        params = {
            name: {key: rows_of(value, rows, n) for key, value in routed.items()}
            for name, routed in self.params.items()
        }
        return replace(self, params=params)

    @property
    def names(self):
        """Names of the components."""
        return [name for name, _ in self.components]

    def batched(self, cross_fitting):
        """Whether the experts are solved in one batch.

        One expert alone is fitted as it would be without a mixture.
        """
        template = self.named[0][1]
        alike = self.specialize and self.clones and len(self.named) > 1
        if not alike or batch_of(template, self.law.loss) is None:
            return False
        # A batch has one fit of the transformers of a pipeline, to all rows.
        return last_step(template) is template or isinstance(
            cross_fitting.strategy(template), InSample
        )

    def factors(self):
        """What tells components that share an expert apart at first: factors (K,) of its scale."""
        experts = np.array([number for _, number in self.components])
        out = np.ones(len(experts))
        for number in np.unique(experts):
            sharing = np.flatnonzero(experts == number)
            if len(sharing) > 1:
                out[sharing] = np.geomspace(1.0 / _WIDEST, _WIDEST, len(sharing))
        return out
