"""Experts of any kind: one clone and one fit per expert and iteration."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from ..._data.design import View
from ..._data.pipelines import is_rigid
from ..._errors import naming
from ...em._protocols import Bools, ExpertBank, Floats, Ints, Target
from .._linear_models import counted, fitted_penalty, fitted_products
from ._cross_fitting import CrossFitting, FitTask, FittedExpert, Strategy
from ._workers import Workers

#: A task and the strategy by which it is fitted.
Entry = tuple[FitTask, Strategy]


class WrappedBank(ExpertBank):
    """K estimators; a state is a list of `FittedExpert`.

    Parameters
    ----------
    named : list of (str, estimator)
    view : View of n rows
    target : Target or Labels
    workers : Workers
        Of the whole fit.
    offset : float
        Offset in [0, 1) of the systematic resampling that replaces sample weights for
        estimators that take none.
    params : dict of str to dict
        Routed fit parameters of each expert, by name.
    cross_fitting : CrossFitting
        Chooses how each expert is fitted and evaluated.
    """

    def __init__(
        self,
        named: list[tuple[str, Any]],
        view: View,
        target: Target,
        workers: Workers,
        offset: float,
        params: dict[str, dict[str, Any]],
        cross_fitting: CrossFitting,
    ) -> None:
        self.view: View = view
        self.target: Target = target
        self.workers: Workers = workers
        self.tasks: list[FitTask] = [
            FitTask(name, estimator, view.X, target, offset, params.get(name, {}))
            for name, estimator in named
        ]
        self.strategies: list[Strategy] = [
            cross_fitting.strategy(estimator) for _, estimator in named
        ]
        self._entries = workers.share(list(zip(self.tasks, self.strategies, strict=True)))

    def overfitting_experts(self) -> list[int]:
        """Return numbers of the experts that are evaluated in sample and could overfit."""
        return [
            k
            for k, (strategy, task) in enumerate(zip(self.strategies, self.tasks, strict=True))
            if strategy.in_sample and not is_rigid(task.estimator)
        ]

    def update(
        self,
        weights: Floats,
        state: list[FittedExpert] | None,
        alive: Bools,
        own_rows: bool = False,
    ) -> list[FittedExpert]:
        """Fit every expert that is alive and whose weights have changed.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : list of FittedExpert or None
        alive : ndarray of shape (K,), bool
        own_rows : bool
            Whether an expert need be evaluated only in rows in which it has weight.

        Returns
        -------
        list of FittedExpert
        """
        new: list[Any] = [None] * len(self.tasks) if state is None else list(state)
        changed = [
            k
            for k, old in enumerate(new)
            if old is None or (alive[k] and self._changed(k, old, weights[:, k]))
        ]
        jobs = {
            k: (np.ascontiguousarray(weights[:, k]), own_rows, _for_next_fit(new[k]))
            for k in changed
        }
        for k, expert in self.workers.run(_fit, self._entries, jobs).items():
            frozen = isinstance(self.tasks[k].estimator, FrozenEstimator)
            new[k] = replace(expert, weights=None if frozen else jobs[k][0])
        return [
            self._with_final_weights(k, expert, weights[:, k]) if alive[k] else expert
            for k, expert in enumerate(new)
        ]

    def _changed(self, k: int, old: FittedExpert, weights: Floats) -> bool:
        """Return whether an expert is not complete, and its weights have changed."""
        if old.weights is None or self.strategies[k].is_over(self.tasks[k], old):
            return False
        return not np.array_equal(old.weights, weights)

    def _with_final_weights(self, k: int, expert: FittedExpert, weights: Floats) -> FittedExpert:
        """Return the expert with the weights of its fit to all rows, where that is to come."""
        if expert.estimator is not None or not self.strategies[k].is_over(self.tasks[k], expert):
            return expert
        return replace(expert, weights=np.ascontiguousarray(weights))

    def predictions(self, state: list[FittedExpert]) -> Floats:
        """Return predictions for the training rows: (n, K, m), or (n, K) for labels."""
        return np.moveaxis(np.stack([e.predictions for e in state]), 0, 1).copy(order="F")

    def own_densities(self, state: list[FittedExpert]) -> dict[int, Floats]:
        """Return log-densities (n,) of the experts that are mixtures, by number."""
        return {k: e.log_density for k, e in enumerate(state) if e.log_density is not None}

    def missing(self, state: list[FittedExpert]) -> Bools | None:
        """Return where experts have not been evaluated, (n, K); None where all have been."""
        if all(expert.missing is None for expert in state):
            return None
        none = np.zeros(len(state[0].predictions), dtype=bool)
        masks = [none if expert.missing is None else expert.missing for expert in state]
        return np.array(masks).T

    def evaluate_missing(self, state: list[FittedExpert], wanted: Any) -> list[FittedExpert]:
        """Evaluate experts in the missing rows that are wanted, with one call of each expert.

        Parameters
        ----------
        state : list of FittedExpert
        wanted : ndarray of shape (n, K), bool

        Returns
        -------
        list of FittedExpert
        """
        new = list(state)
        experts = np.flatnonzero(wanted.any(axis=0)).tolist()
        jobs = {k: (state[k], np.flatnonzero(wanted[:, k])) for k in experts}
        for k, expert in self.workers.run(_evaluate_rows, self._entries, jobs).items():
            new[k] = expert
        return new

    def penalties(self, state: list[FittedExpert]) -> Floats:
        """Return penalties of the experts whose objective is known, (K,) or (K, m), else zero.

        An expert that is evaluated out of fold has none: its predictions maximise nothing.
        """
        scale = self.target.scale
        found = [fitted_penalty(expert.estimator) for expert in state]
        if scale is None:
            return np.array(found, dtype=float)
        return np.stack([np.broadcast_to(value, scale.shape) for value in found]) / scale / scale

    def penalty_products(self, state: list[FittedExpert]) -> Floats:
        """Return the penalties of all pairs of outputs, (K, m, m)."""
        scale = self.target.scale
        found = np.zeros((len(state), len(scale), len(scale)))
        for products, task, expert in zip(found, self.tasks, state, strict=True):
            with naming(f"expert {task.name!r}", "fit"):
                products[:] = fitted_products(expert.estimator)
        return found / scale / scale[:, None]

    def settle(self, state: list[FittedExpert]) -> list[FittedExpert]:
        """Return the state with all experts fitted to all their rows."""
        late = {k: (e.weights,) for k, e in enumerate(state) if e.estimator is None}
        fitted = self.workers.run(_fit_to_all, self._entries, late)
        return [
            replace(expert, estimator=fitted.get(k, expert.estimator))
            for k, expert in enumerate(state)
        ]

    def finish(self, state: list[FittedExpert]) -> list[Any]:
        """Return the estimators, each fitted to all its rows."""
        return [counted(expert.estimator, self.view) for expert in self.settle(state)]


class PooledBank(WrappedBank):
    """Experts that do not specialise: each is fitted once, with the sample weights.

    Parameters
    ----------
    named, view, target, workers, offset, params, cross_fitting
        Parameters of `WrappedBank`.
    fits : list of int, of K entries
        Number of the expert among `named` of each of the K components.
    """

    cheap: bool = True

    #: A component without rows keeps its fit, like all components.
    fixed: bool = True

    def __init__(self, *args: Any, fits: list[int]) -> None:
        super().__init__(*args)
        self.fits: list[int] = fits
        # None until the first call of `update`.
        self._fitted: Any = None

    def update(
        self,
        weights: Floats,
        state: list[FittedExpert] | None,
        alive: Bools,
        own_rows: bool = False,
    ) -> list[FittedExpert]:
        """Fit all experts in the first call; later calls return the same."""
        if self._fitted is None:
            once = np.repeat(self.view.weights[:, None], len(self.tasks), axis=1)
            self._fitted = super().update(once, None, alive)
        return [self._fitted[number] for number in self.fits]

    def penalties(self, state: list[FittedExpert]) -> Floats:
        """Return zeros: no iteration maximises penalised terms of experts."""
        outputs = () if self.target.scale is None else self.target.scale.shape
        return np.zeros((len(self.fits), *outputs))

    def penalty_products(self, state: list[FittedExpert]) -> Floats:
        """Return zeros, as `penalties`."""
        return np.zeros((len(self.fits), len(self.target.scale), len(self.target.scale)))

    def pack(self, state: list[FittedExpert]) -> Floats:
        """Return an empty vector: the experts do not change."""
        return np.empty(0)

    def unpack(self, vector: Floats, like: list[FittedExpert]) -> list[FittedExpert]:
        """Return the same experts."""
        return like

    def settle(self, state: list[FittedExpert]) -> list[FittedExpert]:
        """Return the state with all experts fitted to all rows, each of them once."""
        self._fitted = super().settle(self._fitted)
        return [self._fitted[number] for number in self.fits]


def _for_next_fit(expert: FittedExpert | None) -> FittedExpert | None:
    """Return what of an expert its next fit needs; the rest is not sent to workers."""
    if expert is None:
        return None
    return replace(expert, estimator=None, weights=None, predictions=None, missing=None)


def _fit(entry: Entry, weights: Floats, own_rows: bool, old: FittedExpert | None) -> FittedExpert:
    """Fit and evaluate an expert; runs in a worker, which does not send the weights back."""
    task, strategy = entry
    return replace(strategy.fit(task, weights, own_rows, old), weights=None)


def _fit_to_all(entry: Entry, weights: Floats) -> Any:
    """Return an expert fitted to all rows; runs in a worker."""
    return entry[0].fit(weights)


def _evaluate_rows(entry: Entry, expert: FittedExpert, rows: Ints) -> FittedExpert:
    """Evaluate a fitted expert in `rows`, which are missing; runs in a worker."""
    missing = expert.missing.copy()
    missing[rows] = False
    evaluated = entry[0].evaluate(expert, expert.estimator, rows)
    return replace(evaluated, missing=missing if missing.any() else None)
