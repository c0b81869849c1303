"""Experts of any kind: one clone and one fit per expert and iteration."""

from dataclasses import replace

import numpy as np
from sklearn.frozen import FrozenEstimator

from ..._data.pipelines import is_rigid
from ..._errors import naming
from ...em._protocols import ExpertBank
from .._linear_models import fitted_penalty, fitted_products
from ._cross_fitting import FitTask, InSample


class WrappedBank(ExpertBank):
    """K estimators; a state is a list of fitted experts.

    Parameters
    ----------
    named : list of (str, estimator)
    view : View of n rows
    target : Target or Labels
    pool : Pool
        One for the whole fit.
    offset : float
        Where the resampling of experts without sample weights begins.
    params : dict of str to dict
        Routed fit parameters of each expert, by name.
    honesty : CrossFitting
        Whether experts are asked about rows that they were fitted to.
    """

    cheap = False

    def __init__(self, named, view, target, pool, offset, params, cross_fitting):
        self.view, self.target, self.pool = view, target, pool
        self.tasks = [
            FitTask(name, estimator, view.X, target, offset, params.get(name, {}))
            for name, estimator in named
        ]
        self.strategies = [cross_fitting.strategy(estimator) for _, estimator in named]
        self._entries_for_jobs = pool.share(list(zip(self.tasks, self.strategies, strict=True)))

    def overfitting_experts(self):
        """Return numbers of the experts that are evaluated in sample and could overfit."""
        return [
            k
            for k, (strategy, task) in enumerate(zip(self.strategies, self.tasks, strict=True))
            if isinstance(strategy, InSample) and not is_rigid(task.estimator)
        ]

    def update(self, weights, state, alive, own_rows=False):
        """Fit every expert that is alive and whose weights have changed.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : list of FittedExpert or None
        alive : ndarray of shape (K,), bool
        own_rows : bool
            Whether to ask an expert only about rows in which it has weight.

        Returns
        -------
        list of FittedExpert
        """
        new = [None] * len(self.tasks) if state is None else list(state)
        changed = [
            k
            for k, old in enumerate(new)
            if old is None or (alive[k] and self._changed(k, old, weights[:, k]))
        ]
        jobs = {k: (np.ascontiguousarray(weights[:, k]), own_rows, _light(new[k])) for k in changed}
        for k, expert in self.pool.run(_fit, self._entries_for_jobs, jobs).items():
            frozen = isinstance(self.tasks[k].estimator, FrozenEstimator)
            new[k] = replace(expert, weights=None if frozen else jobs[k][0])
        return [
            self._for_the_end(k, expert, weights[:, k]) if alive[k] else expert
            for k, expert in enumerate(new)
        ]

    def _changed(self, k, old, weights):
        if old.weights is None or self.strategies[k].is_over(self.tasks[k], old):
            return False
        return not np.array_equal(old.weights, weights)

    def _for_the_end(self, k, expert, weights):
        """The expert, with what its fit to all rows is to be weighted with."""
        if expert.estimator is not None or not self.strategies[k].is_over(self.tasks[k], expert):
            return expert
        return replace(expert, weights=np.ascontiguousarray(weights))

    def predictions(self, state):
        """What the experts say of the training rows: (n, K, m), or (n, K) for labels."""
        return np.moveaxis(np.stack([expert.answer for expert in state]), 0, 1).copy(order="F")

    def own_densities(self, state):
        """Log-densities (n,) of the experts that bring their own, by number."""
        return {k: e.log_density for k, e in enumerate(state) if e.log_density is not None}

    def missing(self, state):
        """Where experts have not been asked, (n, K); None if they have been asked everything."""
        if all(expert.missing is None for expert in state):
            return None
        none = np.zeros(len(state[0].answer), dtype=bool)
        masks = [none if expert.missing is None else expert.missing for expert in state]
        return np.array(masks).T

    def evaluate_missing(self, state, wanted):
        """Ask experts about further rows, (n, K); each once.

        Parameters
        ----------
        state : list of FittedExpert
        wanted : ndarray of shape (n, K), bool

        Returns
        -------
        list of FittedExpert
        """
        new = list(state)
        asked = np.flatnonzero(wanted.any(axis=0)).tolist()
        jobs = {k: (state[k], np.flatnonzero(wanted[:, k])) for k in asked}
        for k, expert in self.pool.run(_evaluate_further, self._entries_for_jobs, jobs).items():
            new[k] = expert
        return new

    def penalties(self, state):
        """Penalties of the experts whose objective is known, (K,) or (K, m); else zero.

        An expert asked about rows it has not seen maximises nothing there, and has none.
        """
        scale = self.target.scale
        found = [fitted_penalty(expert.estimator) for expert in state]
        if scale is None:
            return np.array(found, dtype=float)
        return np.stack([np.broadcast_to(value, scale.shape) for value in found]) / scale / scale

    def penalty_products(self, state):
        """What `penalties` says of all pairs of outputs, (K, m, m)."""
        scale = self.target.scale
        found = np.zeros((len(state), len(scale), len(scale)))
        for products, task, expert in zip(found, self.tasks, state, strict=True):
            with naming(f"expert {task.name!r}", "fit"):
                products[:] = fitted_products(expert.estimator)
        return found / scale / scale[:, None]

    def settle(self, state):
        """The state with experts that are all fitted to all their rows."""
        late = {k: (e.weights,) for k, e in enumerate(state) if e.estimator is None}
        fitted = self.pool.run(_fit_to_all, self._entries_for_jobs, late)
        return [
            replace(expert, estimator=fitted.get(k, expert.estimator))
            for k, expert in enumerate(state)
        ]

    def finish(self, state):
        """The fitted estimators of a state, each fitted to all its rows."""
        return [expert.estimator for expert in self.settle(state)]


class PooledBank(WrappedBank):
    """Experts that do not specialise: each is fitted once, with the sample weights.

    Parameters
    ----------
    named, view, target, pool, offset, params, honesty
        As of `WrappedBank`.
    fits : list of int, of K entries
        Number of the expert among `named` that each of the K components asks.
    """

    cheap = True

    #: A component without rows starves of nothing: it keeps its fit, as all do.
    fixed = True

    def __init__(self, *args, fits):
        super().__init__(*args)
        self.fits, self._fitted = fits, None

    def update(self, weights, state, alive, own_rows=False):
        """Fit all experts when first called; they stay as they are."""
        if self._fitted is None:
            once = np.repeat(self.view.weights[:, None], len(self.tasks), axis=1)
            self._fitted = super().update(once, None, alive)
        return [self._fitted[number] for number in self.fits]

    def penalties(self, state):
        """Nothing: no iteration maximises them."""
        outputs = () if self.target.scale is None else self.target.scale.shape
        return np.zeros((len(self.fits), *outputs))

    def penalty_products(self, state):
        """Nothing: no iteration maximises them."""
        return np.zeros((len(self.fits), len(self.target.scale), len(self.target.scale)))

    def pack(self, state):
        """No numbers: nothing is left to be learned."""
        return np.empty(0)

    def unpack(self, vector, like):
        """The same experts."""
        return like

    def settle(self, state):
        """The state with experts that are all fitted to all rows; each is, once."""
        self._fitted = super().settle(self._fitted)
        return [self._fitted[number] for number in self.fits]

    def finish(self, state):
        """The fitted estimators; components that share a fit share the estimator."""
        return [expert.estimator for expert in self.settle(state)]


def _light(expert):
    """What the next fit of an expert goes on from."""
    if expert is None:
        return None
    return replace(expert, estimator=None, weights=None, answer=None, missing=None)


def _fit(entry, weights, own_rows, old):
    """Fit an expert and ask it, in a worker; the weights are known to who asked."""
    task, strategy = entry
    return replace(strategy.fit(task, weights, own_rows, old), weights=None)


def _fit_to_all(entry, weights):
    """Fit an expert to all rows; runs in a worker."""
    return entry[0].fit(weights)


def _evaluate_further(entry, expert, rows):
    """Ask a fitted expert about `rows` that are missing; runs in a worker."""
    missing = expert.missing.copy()
    missing[rows] = False
    evaluate = entry[0].evaluate(expert, expert.estimator, rows)
    return replace(evaluate, missing=missing if missing.any() else None)
