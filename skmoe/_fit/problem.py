"""Inputs of a fit: the training rows, and the specification of the mixture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from .._data.groups import Groups, Rows
from .._data.numerics import Floats, Ints
from .._data.pipelines import last_step
from .._data.target import Labels, Target
from .._data.weighted_fit import rows_of
from .._sklearn import take
from ..experts import (
    CrossFitting,
    batch_of,
    count_parameters,
)

#: The scales of components that share an expert begin between its own divided by, and times, this.
_WIDEST = 2.0


def count_free_parameters(gate: Any, experts: list[Any], law: Any, dispersion: Any) -> float:
    """Return the number of free parameters of gate, experts and law; NaN where one is unknown.

    Parameters
    ----------
    gate : fitted gate
    experts : list of fitted estimators
        One that several components share is counted once.
    law : Law
    dispersion : ndarray of shape (K, q) or None
        Its parameters.
    """
    # A user's gate need not have a number of parameters.
    count = getattr(last_step(gate), "n_parameters_", np.nan)
    distinct = {id(expert): expert for expert in experts}.values()
    return float(count + sum(map(count_parameters, distinct)) + law.count_parameters(dispersion))


@dataclass(frozen=True)
class Data:
    """Training rows, all of positive weight.

    Attributes
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    target : Target or Labels
    weights : ndarray of shape (n,)
    units : Rows or Groups
        Observational units with one latent expert each.
    fold : ndarray of shape (n,), int, or None
        Fold of each row, where experts are evaluated out of fold.
    gate_columns, expert_columns : list of int, or None for all
    """

    X: Any
    target: Target | Labels
    weights: Floats
    units: Rows | Groups
    fold: Ints | None
    gate_columns: list[int] | None
    expert_columns: list[int] | None

    def rows(self, rows: Ints) -> Data:
        """Return the data of some rows, which hold whole units."""
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
    """Unfitted gate, experts and law, and how experts are fitted.

    Attributes
    ----------
    gate : gate
    named : list of (str, estimator)
        The experts that are fitted.
    components : list of (str, int)
        Name of each component of the mixture, and number of its expert.
    clones : bool
        Whether the experts are clones of one estimator.
    specialize : bool
        Whether experts are fitted to rows of their own.
    auto : bool
        Whether the cross-fitting strategy is chosen for each expert.
    law : Law
    params : dict of str to dict
        Routed fit parameters of each expert.
    """

    gate: Any
    named: list[tuple[str, Any]]
    components: list[tuple[str, int]]
    clones: bool
    specialize: bool
    auto: bool
    law: Any
    params: dict[str, dict[str, Any]]

    def sized(self, n_experts: int) -> Specification:
        """Return the specification with another number of clones of the one expert."""
        name, template = self.named[0]
        named = [(f"expert_{k}", clone(template)) for k in range(n_experts)]
        components = [(name, k) for k, (name, _) in enumerate(named)]
        params = {each: self.params.get(name, {}) for each, _ in named}
        return replace(self, named=named, components=components, params=params)

    def rows(self, rows: Ints, n: int) -> Specification:
        """Return the specification with the fit parameters of some of n rows."""
        params = {
            name: {key: rows_of(value, rows, n) for key, value in routed.items()}
            for name, routed in self.params.items()
        }
        return replace(self, params=params)

    @property
    def names(self) -> list[str]:
        """Names of the components."""
        return [name for name, _ in self.components]

    def batched(self, cross_fitting: CrossFitting) -> bool:
        """Tell whether the experts are solved in one batch, be it a batch of one."""
        template = self.named[0][1]
        alike = self.specialize and (self.clones or len(self.named) == 1)
        if not alike or batch_of(template, self.law.loss) is None:
            return False
        # In a batch the transformers of a pipeline are fitted once, to all rows.
        return last_step(template) is template or not cross_fitting.holds_out(template)

    def factors(self) -> Floats:
        """Return factors (K,) of starting scales, by which components of one expert differ."""
        experts = np.array([number for _, number in self.components])
        out = np.ones(len(experts))
        for number in np.unique(experts):
            sharing = np.flatnonzero(experts == number)
            if len(sharing) > 1:
                out[sharing] = np.geomspace(1.0 / _WIDEST, _WIDEST, len(sharing))
        return out
