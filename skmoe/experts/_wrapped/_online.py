"""Experts that learn from a stream by a ``partial_fit`` of their own."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from ..._data.design import View
from ..._data.pipelines import is_rigid
from ..._data.weighted_fit import partial_fit_weighted
from ..._errors import naming
from ..._sklearn import as_numeric
from ...em._protocols import Bools, ExpertBank, Floats, Law, Target
from ...em._sums import Statistics, Sums

#: Least responsibility with which a new expert is fitted to a row, so that its first rows have all
#: labels.
FROM_ALL = 1e-3


class OnlineBank(ExpertBank):
    """K estimators on one batch; a state is the list of them.

    They see numbers without names of columns; `finish` gives names back.

    Parameters
    ----------
    named : list of (str, estimator)
        Unfitted.
    view : View of n rows
    target : Target or Labels
    """

    def __init__(self, named: list[tuple[str, Any]], view: View, target: Any):
        self.named: list[tuple[str, Any]] = named
        self.view: View = view
        self.target: Target = target
        self.X = as_numeric(view.X, (np.float64, np.float32))

    @property
    def cheap(self) -> bool:
        """Whether a fit to some thousand rows costs little: it needs no folds."""
        return all(is_rigid(estimator) for _, estimator in self.named)

    def reading(self, experts: list[Any]) -> list[Any]:
        """Return the state of fitted experts."""
        state = [copy.copy(expert) for expert in experts]
        for expert in state:
            vars(expert).pop("feature_names_in_", None)
        return state

    def update(
        self, weights: Floats, state: Any, alive: Bools, own_rows: bool = False
    ) -> list[Any]:
        """Return the state after one ``partial_fit`` of each expert that is alive."""
        return [
            self._partial_fit(k, copy.deepcopy(expert), weights[:, k]) if alive[k] else expert
            for k, expert in enumerate(state)
        ]

    def _partial_fit(self, k: int, expert: Any, weights: Floats) -> Any:
        with naming(f"expert {self.named[k][0]!r}", "partial_fit"):
            classes = self.target.classes
            return partial_fit_weighted(expert, self.X, self.target.raw, weights, classes)

    def completed(self, state: list[Any], resp: Floats, weights: Floats) -> list[Any]:
        """Return the state; an expert that lacks labels is fitted anew, with weight in all rows.

        Parameters
        ----------
        state : list of estimator
        resp : ndarray of shape (n, K)
        weights : ndarray of shape (n,)
            Of rows that hold all labels.
        """
        classes = self.target.classes
        return [
            expert
            if classes is None or np.array_equal(expert.classes_, classes)
            else self._partial_fit(
                k, clone(self.named[k][1]), np.maximum(resp[:, k], FROM_ALL) * weights
            )
            for k, expert in enumerate(state)
        ]

    def predictions(self, state: list[Any]) -> Floats:
        """Return predictions (n, K, m), standardised; log-probabilities (n, K) of labels."""
        found = []
        for (name, _), expert in zip(self.named, state, strict=True):
            with naming(f"expert {name!r}", "prediction"):
                found.append(self.target.read(expert, self.X))
        return np.stack(found, axis=1)

    def penalties(self, state: list[Any]) -> Floats:
        """Return zeros: no step of the experts maximises the objective."""
        outputs = () if self.target.scale is None else self.target.scale.shape
        return np.zeros((len(state), *outputs))

    def finish(self, state: list[Any]) -> list[Any]:
        """Return the experts with the names of the columns."""
        experts = [copy.copy(expert) for expert in state]
        for expert in experts:
            validate_data(expert, self.view.X, skip_check_array=True)
        return experts

    def sums_part(self, law: Law) -> Any:
        """Return the part of sums over rows: for numbers, the squares of the errors of experts.

        It has only those members of `ExpertSums` that online EM uses.
        """
        return PredictedSums(None if self.target.scale is None else len(self.target.scale))


class PredictedSums:
    """The part of sums over rows of experts that are not solved for.

    The `further` sums are those of responsibilities × weights × deviances (K, m); none for labels.

    Parameters
    ----------
    n_outputs : int or None
        None for labels.
    """

    size = 0
    first_steps = 1

    def __init__(self, n_outputs: int | None):
        self.n_outputs = n_outputs

    def form(self, iterate: list[Any], dispersion: Any = None) -> None:
        """Return None: experts are no linear forms."""

    def state(self, iterate: list[Any]) -> list[Any]:
        """Return the iterate as the bank has it."""
        return iterate

    def inverse(self, sums: Sums, statistics: Statistics, dispersion: Any) -> None:
        """Return None: no curvature is needed."""

    def propose(
        self, old: list[Any], sums: Sums, statistics: Statistics, inverse: Any
    ) -> list[Any]:
        """Return the experts as they are."""
        return old

    def deviances(
        self, old: list[Any], new: list[Any], sums: Sums, statistics: Statistics
    ) -> Floats | None:
        """Return sums (K, m) of deviances; None for labels."""
        return None if self.n_outputs is None else sums.further[0]

    def stationary(self, iterate: list[Any], sums: Sums, mass: Floats, dispersion: Any) -> Sums:
        """Return sums of which dispersions (K, m) are the optimum."""
        squares = [] if dispersion is None else [dispersion**2 * mass[:, None]]
        return replace(sums, further=squares)
