"""Experts of any kind: one clone and one fit per expert and iteration."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import delayed

from .._delegate import fit_weighted, taught_rows
from .._errors import naming
from .._sklearn import take
from ._penalty import fitted_penalty


@dataclass(frozen=True)
class FittedExpert:
    """One expert of an iterate.

    Attributes
    ----------
    estimator : estimator
        Fitted.
    weights : ndarray of shape (n,) or None
        What it was fitted with.
    answer : ndarray of shape (n,) or (n, m)
        What it says of the training rows.
    missing : ndarray of shape (n,), bool, or None
        Rows that it has not been asked about; None for no row.
    """

    estimator: BaseEstimator
    weights: np.ndarray | None
    answer: np.ndarray
    missing: np.ndarray | None = None


class WrappedBank:
    """K estimators; a state is a list of fitted experts.

    Parameters
    ----------
    named : list of (str, estimator)
    view : View of n rows
    target : Target or Labels
    parallel : joblib.Parallel
        One pool for the whole fit.
    offset : float
        Where the resampling of experts without sample weights begins.
    params : dict of str to dict
        Routed fit parameters of each expert, by name.
    """

    cheap = False

    def __init__(self, named, view, target, parallel, offset, params):
        self.named, self.view, self.target = named, view, target
        self.parallel, self.offset, self.params = parallel, offset, params

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
        new = [None] * len(self.named) if state is None else list(state)
        changed = [
            k
            for k, old in enumerate(new)
            if old is None or (alive[k] and self._changed(old, weights[:, k]))
        ]
        jobs = (
            delayed(_fit_expert)(
                *self.named[k],
                self.view.X,
                self.target,
                np.ascontiguousarray(weights[:, k]),
                self.offset,
                self.params.get(self.named[k][0], {}),
                own_rows,
            )
            for k in changed
        )
        for k, expert in zip(changed, self.parallel(jobs), strict=True):
            new[k] = expert
        return new

    def _changed(self, old, weights):
        return old.weights is not None and not np.array_equal(old.weights, weights)

    def predictions(self, state):
        """What the experts say of the training rows: (n, K, m), or (n, K) for labels."""
        return np.moveaxis(np.stack([expert.answer for expert in state]), 0, 1).copy(order="F")

    def missing(self, state):
        """Where experts have not been asked, (n, K); None if they have been asked everything."""
        if all(expert.missing is None for expert in state):
            return None
        none = np.zeros(len(state[0].answer), dtype=bool)
        masks = [none if expert.missing is None else expert.missing for expert in state]
        return np.array(masks).T

    def ask(self, state, wanted):
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
        rows = {k: np.flatnonzero(wanted[:, k]) for k in np.flatnonzero(wanted.any(axis=0))}
        jobs = (
            delayed(_ask)(f"expert {self.named[k][0]!r}", state[k], self.view.X, self.target, these)
            for k, these in rows.items()
        )
        for k, expert in zip(rows, self.parallel(jobs), strict=True):
            new[k] = expert
        return new

    def penalties(self, state):
        """Penalties of the experts whose objective is known, (K,) or (K, m); else zero."""
        scale = getattr(self.target, "scale", None)
        found = [fitted_penalty(expert.estimator) for expert in state]
        if scale is None:
            return np.array(found, dtype=float)
        return np.stack([np.broadcast_to(value, scale.shape) for value in found]) / scale / scale

    def strip(self, state):
        """The state as it is: to fit the experts again would cost more than to keep it."""
        return state

    def restore(self, state):
        """The state that `strip` was given."""
        return state

    def finish(self, state):
        """The fitted estimators of a state."""
        return [expert.estimator for expert in state]


def _fit_expert(name, estimator, X, target, weights, offset, params, own_rows):
    """Fit one expert and ask it about the training rows; runs in a worker."""
    part = f"expert {name!r}"
    if isinstance(estimator, FrozenEstimator):
        return _ask(part, FittedExpert(estimator, None, target.blank), X, target)
    with naming(part, "fit"):
        fitted = fit_weighted(
            _substitute(estimator, target, weights, offset),
            X,
            target.raw,
            weights,
            offset=offset,
            params=params,
        )
    expert = FittedExpert(fitted, weights, target.blank)
    rows = np.flatnonzero(weights > 0) if own_rows else None
    return _ask(part, expert, X, target, rows)


def _ask(part, expert, X, target, rows=None):
    """Ask a fitted expert about `rows`, or about all; runs in a worker."""
    with naming(part, "prediction"):
        if rows is None or len(rows) == len(expert.answer):
            return replace(expert, answer=target.read(expert.estimator, X), missing=None)
        answer = expert.answer.copy()
        answer[rows] = target.read(expert.estimator, take(X, rows), rows)
    missing = np.ones(len(answer), dtype=bool) if expert.missing is None else expert.missing.copy()
    missing[rows] = False
    return replace(expert, answer=answer, missing=missing if missing.any() else None)


def _substitute(estimator, target, weights, offset):
    """Return a constant classifier where the expert's rows carry a single class."""
    if not hasattr(target, "codes"):
        return estimator
    seen = target.codes[taught_rows(estimator, weights, offset)]
    return estimator if (seen != seen[0]).any() else DummyClassifier(strategy="prior")
