"""Cross-fitting: which predictions of experts EM uses for the training rows.

An expert that overfits reproduces y in the rows that it was fitted to: the gate then prefers it
there, and its dispersion vanishes. For such an expert EM uses predictions for rows that it was
not fitted to.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator

from ..._data.pipelines import is_rigid, own_log_density, weight_parameter
from ..._data.weighted_fit import fit_further, fit_weighted, fitted_rows, rows_of
from ..._errors import naming
from ..._sklearn import take
from ...em._protocols import Floats, Ints, Target
from ._schedule import Schedule, Whole, schedule_of

_WHOLE = Whole()

#: Fewest members of an ensemble for predictions out of bag: with fewer, rows may be in all bags.
_BAGS = 50


@dataclass(frozen=True)
class FittedExpert:
    """One expert of an iterate.

    Attributes
    ----------
    estimator : estimator or None
        Fitted to all its rows; None where this fit is left for the end.
    weights : ndarray of shape (n,) or None
        Weights of the fit; None where the expert never has to be fitted again.
    predictions : ndarray of shape (n,) or (n, m), or None
        Predictions for the training rows; None where they are left out to be sent to a worker.
    missing : ndarray of shape (n,), bool, or None
        Rows without predictions; None for no row.
    log_density : ndarray of shape (n,) or None
        Log-density of y where the expert is itself a mixture.
    without : tuple of estimators
        Estimators that are fitted without one fold each.
    stage : int
        Number of fits so far.
    """

    estimator: Any
    weights: Floats | None
    predictions: Any
    missing: Any = None
    log_density: Floats | None = None
    without: tuple[Any, ...] = ()
    stage: int = 0


@dataclass(frozen=True)
class FitTask:
    """An expert and the rows that it can be fitted to.

    Attributes
    ----------
    name : str
    estimator : estimator
        Unfitted.
    X : array, sparse matrix or data frame of shape (n, d)
    target : Target or Labels
    offset : float
        Offset in [0, 1) of the systematic resampling that replaces sample weights for an
        estimator that takes none.
    params : dict
        Further parameters of its ``fit``.
    """

    name: str
    estimator: Any
    X: Any
    target: Target
    offset: float
    params: dict[str, Any]

    def fit(
        self,
        weights: Floats,
        rows: Ints | None = None,
        schedule: Schedule = _WHOLE,
        previous: Any = None,
        stage: int = 1,
    ) -> Any:
        """Return the estimator fitted with weights (n,).

        Parameters
        ----------
        weights : ndarray of shape (n,)
        rows : ndarray of int, optional
            Rows of the fit; all by default.
        schedule : Schedule
            How much is fitted at this stage.
        previous : estimator, optional
            Fit of the last stage, to be continued where the schedule allows it.
        stage : int
        """
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
            # Where none of these rows has weight, the expert is fitted to all of them.
            weights = np.ones_like(weights)
        with naming(f"expert {self.name!r}", "fit"):
            if _is_constant(self.estimator, codes, weights, self.offset):
                return fit_weighted(DummyClassifier(strategy="prior"), X, y, weights)
            if isinstance(previous, DummyClassifier):
                previous = None
            seen = y
            if previous is not None:
                # Rows of negligible weight are left out, and with them perhaps a rare class.
                seen = y[fitted_rows(self.estimator, weights, self.offset)]
            estimator, fresh = schedule.prepare(self.estimator, previous, stage, seen)
            fit = fit_weighted if fresh else fit_further
            return fit(estimator, X, y, weights, offset=self.offset, params=params)

    def evaluate(self, expert: FittedExpert, fitted: Any, rows: Ints | None = None) -> FittedExpert:
        """Return `expert` with predictions of a fitted estimator for `rows`, or for all rows."""
        X = self.X if rows is None else take(self.X, rows)
        with naming(f"expert {self.name!r}", "prediction"):
            found = self.target.read(fitted, X, rows)
            density = None
            if self.target.classes is None:
                y = self.target.raw if rows is None else self.target.raw[rows]
                density = own_log_density(fitted, X, y)
        if rows is None:
            density = None if density is None else density + self.target.log_scale
            return replace(expert, predictions=found, log_density=density)
        predictions, densities = expert.predictions.copy(), expert.log_density
        predictions[rows] = found
        if density is not None:
            densities = np.zeros(len(predictions)) if densities is None else densities.copy()
            densities[rows] = density + self.target.log_scale
        return replace(expert, predictions=predictions, log_density=densities)


def _is_constant(estimator: Any, codes: Ints | None, weights: Floats, offset: float) -> bool:
    """Return whether all rows of the fit have one class: a constant then replaces the expert."""
    if codes is None:
        return False
    seen = codes[fitted_rows(estimator, weights, offset)]
    return (seen == seen[0]).all()


class Strategy(ABC):
    """How an expert is fitted and evaluated in the training rows.

    Attributes
    ----------
    in_sample : bool
        Whether the expert is evaluated in the rows that it was fitted to.
    """

    in_sample: bool = False

    def is_over(self, task: FitTask, expert: FittedExpert) -> bool:
        """Return whether an expert is complete, and is fitted no further."""
        return False

    @abstractmethod
    def fit(
        self, task: FitTask, weights: Floats, own_rows: bool, old: FittedExpert | None
    ) -> FittedExpert:
        """Return the expert, fitted and evaluated; runs in a worker.

        Parameters
        ----------
        task : FitTask
        weights : ndarray of shape (n,)
        own_rows : bool
            Whether the expert need be evaluated only in rows in which it has weight.
        old : FittedExpert or None
            The expert of the last iteration.
        """


class InSample(Strategy):
    """The expert is evaluated in the rows that it was fitted to."""

    in_sample = True

    def fit(
        self, task: FitTask, weights: Floats, own_rows: bool, old: FittedExpert | None
    ) -> FittedExpert:
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
class OutOfFold(Strategy):
    """The expert is fitted without each fold, and evaluated in that fold.

    The fit to all rows is left for the end.

    Attributes
    ----------
    fold : ndarray of shape (n,), int
        Number of the fold of each row.
    once : bool
        Whether it is fitted a single time, and therefore whole.
    """

    fold: Ints
    once: bool

    def is_over(self, task: FitTask, expert: FittedExpert) -> bool:
        return self._schedule(task).is_over(expert.stage)

    def fit(
        self, task: FitTask, weights: Floats, own_rows: bool, old: FittedExpert | None
    ) -> FittedExpert:
        stage, schedule, without = 1 if old is None else old.stage + 1, self._schedule(task), []
        expert = FittedExpert(None, weights, task.target.blank, stage=stage)
        for number in np.unique(self.fold):
            rows = np.flatnonzero(self.fold != number)
            last = None if old is None else old.without[len(without)]
            without.append(task.fit(weights, rows, schedule, last, stage))
            expert = task.evaluate(expert, without[-1], np.flatnonzero(self.fold == number))
        resumes = schedule.resumes and not schedule.is_over(stage)
        return replace(expert, without=tuple(without) if resumes else (None,) * len(without))

    def _schedule(self, task: FitTask) -> Schedule:
        return _WHOLE if self.once else schedule_of(task.estimator)


class OutOfBag(Strategy):
    """Each member of an ensemble is evaluated in the rows that it has not drawn."""

    def fit(
        self, task: FitTask, weights: Floats, own_rows: bool, old: FittedExpert | None
    ) -> FittedExpert:
        bagged = clone(task.estimator).set_params(oob_score=True)
        fitted = replace(task, estimator=bagged).fit(weights)
        rows = fitted_rows(bagged, weights, task.offset)
        expert = FittedExpert(fitted, weights, task.target.blank)
        if isinstance(fitted, DummyClassifier) or len(rows) < 2:
            return task.evaluate(expert, fitted)
        expert = task.evaluate(expert, _OutOfBagPredictions(fitted), rows)
        others = np.setdiff1d(np.arange(len(weights)), rows)
        expert = task.evaluate(expert, fitted, others) if len(others) else expert
        if not task.estimator.oob_score:
            _remove_oob_attributes(fitted)
        return expert


class _OutOfBagPredictions:
    """An ensemble that predicts its training rows out of bag."""

    def __init__(self, ensemble: Any) -> None:
        self._ensemble = ensemble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ensemble, name)

    def predict(self, X: Any) -> NDArray[Any]:
        return self._ensemble.oob_prediction_

    def predict_proba(self, X: Any) -> NDArray[Any]:
        return self._ensemble.oob_decision_function_


def _remove_oob_attributes(fitted: Any) -> None:
    """Remove from an ensemble what a fit without ``oob_score`` would not have set."""
    fitted.set_params(oob_score=False)
    for name in ("oob_score_", "oob_prediction_", "oob_decision_function_"):
        vars(fitted).pop(name, None)


def has_bags(estimator: Any) -> bool:
    """Tell whether an estimator is an ensemble that can predict its training rows out of bag."""
    params = estimator.get_params(deep=False)
    return (
        {"oob_score", "bootstrap", "n_estimators"} <= set(params)
        and bool(params["bootstrap"])
        and params["n_estimators"] >= _BAGS
        and weight_parameter(estimator) is not None
    )


@dataclass(frozen=True)
class CrossFitting:
    """Chooses the strategy by which each expert is fitted and evaluated.

    Attributes
    ----------
    fold : ndarray of shape (n,), int, or None
        Fold of each row; None to evaluate all experts in sample.
    spare_rigid : bool
        Whether experts that cannot overfit are evaluated in sample.
    once : bool
        Whether experts are fitted a single time.
    use_bags : bool
        Whether ensembles that have bags are evaluated out of bag. Where weights are uneven, as
        for specialised experts, rows of large weight are in nearly all bags.
    """

    fold: Ints | None
    spare_rigid: bool = False
    once: bool = False
    use_bags: bool = False

    def strategy(self, estimator: Any) -> Strategy:
        """Return the strategy of one expert."""
        if self.fold is None or isinstance(estimator, FrozenEstimator):
            return InSample()
        if self.spare_rigid and is_rigid(estimator):
            return InSample()
        if self.use_bags and has_bags(estimator):
            return OutOfBag()
        return OutOfFold(self.fold, self.once)

    def holds_out(self, estimator: Any) -> bool:
        """Tell whether rows are predicted by fits of an expert that have not seen them."""
        return not isinstance(self.strategy(estimator), InSample)
