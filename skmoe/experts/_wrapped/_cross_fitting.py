"""What an expert says of the training rows: what EM believes of it.

An expert that can learn its rows by heart repeats them: the gate trusts it blindly, and its
dispersion vanishes. Such an expert is asked about rows that it has not been fitted to.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator

from ..._data.pipelines import is_rigid, own_log_density, weight_parameter
from ..._data.weighted_fit import fit_further, fit_weighted, fitted_rows, rows_of
from ..._errors import naming
from ..._sklearn import take
from ._schedule import Growing, Whole, schedule_of

_WHOLE = Whole()

#: Members from which on an ensemble is asked out of bag: with fewer, some rows are in all bags.
_BAGS = 50


@dataclass(frozen=True)
class FittedExpert:
    """One expert of an iterate.

    Attributes
    ----------
    estimator : estimator or None
        Fitted to all its rows; None where that is left for the end.
    weights : ndarray of shape (n,) or None
        What it was fitted with.
    answer : ndarray of shape (n,) or (n, m)
        What it says of the training rows.
    missing : ndarray of shape (n,), bool, or None
        Rows that it has not been asked about; None for no row.
    log_density : ndarray of shape (n,) or None
        Of y, where the expert is a mixture that brings its own.
    without : tuple of estimators
        Fitted without each fold.
    stage : int
        How often it has been fitted.
    """

    estimator: BaseEstimator | None
    weights: np.ndarray | None
    answer: np.ndarray
    missing: np.ndarray | None = None
    log_density: np.ndarray | None = None
    without: tuple = ()
    stage: int = 0


@dataclass(frozen=True)
class FitTask:
    """An expert, and the rows it can be fitted to.

    Attributes
    ----------
    name : str
    estimator : estimator
        Unfitted.
    X : array, sparse matrix or data frame of shape (n, d)
    target : Target or Labels
    offset : float
        Where the resampling of an expert without sample weights begins.
    params : dict
        Further parameters of its ``fit``.
    """

    name: str
    estimator: BaseEstimator
    X: Any
    target: Any
    offset: float
    params: dict

    def fit(self, weights, rows=None, schedule=_WHOLE, previous=None, stage=1):
        """Fit to `rows`, or to all, with weights (n,); go on from `previous` at this pace."""
        if isinstance(self.estimator, FrozenEstimator):
            return self.estimator
        X, y, params = self.X, self.target.raw, self.params
        codes = self.target.codes
        if rows is not None:
            X, y, weights = take(X, rows), y[rows], weights[rows]
            codes = None if codes is None else codes[rows]
            params = {
                key: rows_of(value, rows, len(self.target.raw)) for key, value in params.items()
            }
        if not weights.any():
            # Without rows of its own among these, it learns a little from all.
            weights = np.ones_like(weights)
        with naming(f"expert {self.name!r}", "fit"):
            if _is_constant(self.estimator, codes, weights, self.offset):
                return fit_weighted(DummyClassifier(strategy="prior"), X, y, weights)
            if isinstance(previous, DummyClassifier):
                previous = None
            seen = y
            if previous is not None:
                # Rows of negligible weight are left out, and a rare class may go with them.
                seen = y[fitted_rows(self.estimator, weights, self.offset)]
            estimator, fresh = schedule.prepare(self.estimator, previous, stage, seen)
            fit = fit_weighted if fresh else fit_further
            return fit(estimator, X, y, weights, offset=self.offset, params=params)

    def evaluate(self, expert, fitted, rows=None):
        """Ask a fitted estimator about `rows`, or all; return `expert` with the answers."""
        X = self.X if rows is None else take(self.X, rows)
        with naming(f"expert {self.name!r}", "prediction"):
            answer = self.target.read(fitted, X, rows)
            density = None
            if self.target.classes is None:
                y = self.target.raw if rows is None else self.target.raw[rows]
                density = own_log_density(fitted, X, y)
        if rows is None:
            density = None if density is None else density + self.target.log_scale
            return replace(expert, answer=answer, log_density=density)
        answers, densities = expert.answer.copy(), expert.log_density
        answers[rows] = answer
        if density is not None:
            densities = np.zeros(len(answers)) if densities is None else densities.copy()
            densities[rows] = density + self.target.log_scale
        return replace(expert, answer=answers, log_density=densities)


def _is_constant(estimator, codes, weights, offset):
    """Whether the expert's rows carry a single class: a constant then takes its place."""
    if codes is None:
        return False
    seen = codes[fitted_rows(estimator, weights, offset)]
    return (seen == seen[0]).all()


class InSample:
    """The expert is asked about the rows that it was fitted to."""

    def is_over(self, task, expert):
        """Whether an expert learns no more."""
        return False

    def fit(self, task, weights, own_rows, old):
        """Return the expert, fitted and asked; runs in a worker.

        Parameters
        ----------
        lesson : FitTask
        weights : ndarray of shape (n,)
        own_rows : bool
            Whether to ask it only about rows in which it has weight.
        old : FittedExpert or None
            Of the last iteration.
        """
        fitted = task.fit(weights)
        frozen = isinstance(fitted, FrozenEstimator)
        expert = FittedExpert(fitted, None if frozen else weights, task.target.blank)
        rows = np.flatnonzero(weights > 0)
        if not own_rows or frozen or len(rows) == len(weights):
            return task.evaluate(expert, fitted)
        missing = np.ones(len(weights), dtype=bool)
        missing[rows] = False
        return replace(task.evaluate(expert, fitted, rows), missing=missing)


@dataclass(frozen=True)
class OutOfFold:
    """The expert is fitted once without each fold, and asked about it.

    Attributes
    ----------
    fold : ndarray of shape (n,), int
        Number of the fold of each row.
    once : bool
        Whether it is fitted a single time, and so whole.
    """

    fold: np.ndarray
    once: bool

    def is_over(self, task, expert):
        """Whether an expert learns no more."""
        return self._schedule(task).is_over(expert.stage)

    def fit(self, task, weights, own_rows, old):
        """Return the expert as asked, its fit to all rows left for the end; runs in a worker."""
        stage, schedule, without = 1 if old is None else old.stage + 1, self._schedule(task), []
        expert = FittedExpert(None, weights, task.target.blank, stage=stage)
        for number in np.unique(self.fold):
            rows = np.flatnonzero(self.fold != number)
            last = None if old is None else old.without[len(without)]
            without.append(task.fit(weights, rows, schedule, last, stage))
            expert = task.evaluate(expert, without[-1], np.flatnonzero(self.fold == number))
        goes_on = isinstance(schedule, Growing) and not schedule.is_over(stage)
        return replace(expert, without=tuple(without) if goes_on else (None,) * len(without))

    def _schedule(self, task):
        return _WHOLE if self.once else schedule_of(task.estimator)


class OutOfBag:
    """Each member of an ensemble is asked about the rows that it has not drawn."""

    def is_over(self, task, expert):
        """Whether an expert learns no more."""
        return False

    def fit(self, task, weights, own_rows, old):
        """Return the expert, fitted and asked; runs in a worker."""
        bagged = clone(task.estimator).set_params(oob_score=True)
        fitted = replace(task, estimator=bagged).fit(weights)
        rows = fitted_rows(bagged, weights, task.offset)
        expert = FittedExpert(fitted, weights, task.target.blank)
        if isinstance(fitted, DummyClassifier) or len(rows) < 2:
            return task.evaluate(expert, fitted)
        expert = task.evaluate(expert, _Bagged(fitted), rows)
        others = np.setdiff1d(np.arange(len(weights)), rows)
        expert = task.evaluate(expert, fitted, others) if len(others) else expert
        if not task.estimator.oob_score:
            _forget_bags(fitted)
        return expert


class _Bagged:
    """An ensemble whose answers about its training rows are out of bag."""

    def __init__(self, ensemble):
        self._ensemble = ensemble

    def __getattr__(self, name):
        return getattr(self._ensemble, name)

    def predict(self, X):
        return self._ensemble.oob_prediction_

    def predict_proba(self, X):
        return self._ensemble.oob_decision_function_


def _forget_bags(fitted):
    """Leave an ensemble as a fit without ``oob_score`` would have."""
    fitted.set_params(oob_score=False)
    for name in ("oob_score_", "oob_prediction_", "oob_decision_function_"):
        vars(fitted).pop(name, None)


def has_bags(estimator):
    """Tell whether an ensemble answers for each training row without the members that drew it."""
    params = estimator.get_params(deep=False)
    return (
        {"oob_score", "bootstrap", "n_estimators"} <= set(params)
        and bool(params["bootstrap"])
        and params["n_estimators"] >= _BAGS
        and weight_parameter(estimator) is not None
    )


@dataclass(frozen=True)
class CrossFitting:
    """Whether experts are asked about rows that they were fitted to.

    Attributes
    ----------
    fold : ndarray of shape (n,), int, or None
        None to ask all experts about their own rows.
    spare_rigid : bool
        Whether experts that cannot learn their rows by heart are asked about them all the same.
    once : bool
        Whether experts are fitted a single time.
    use_bags : bool
        Whether ensembles that have bags are asked out of bag. Where weights are uneven, as those
        of specialists are, rows of much weight are in nearly all bags.
    """

    fold: np.ndarray | None
    spare_rigid: bool = False
    once: bool = False
    use_bags: bool = False

    def strategy(self, estimator):
        """Return how one expert is fitted and asked."""
        if self.fold is None or isinstance(estimator, FrozenEstimator):
            return InSample()
        if self.spare_rigid and is_rigid(estimator):
            return InSample()
        if self.use_bags and has_bags(estimator):
            return OutOfBag()
        return OutOfFold(self.fold, self.once)
