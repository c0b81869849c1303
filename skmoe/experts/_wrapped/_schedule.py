"""How much of an ensemble is fitted in one iteration of EM.

Responsibilities change from one iteration to the next, so that fitting a whole ensemble in each
iteration would waste most of the work. Boosting keeps its trees and adds a few in every iteration;
a forest, whose trees are independent, is fitted with fewer trees. At the end each expert is fitted
whole.
"""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

#: Share of the trees of boosting in the first iteration, and share that an iteration adds.
_FIRST, _STEP = 0.3, 0.1

#: Share of the members of a forest that are fitted in an iteration, and the fewest members.
_SAMPLE, _FEWEST = 0.2, 10

_BOOSTED = {
    GradientBoostingClassifier: "n_estimators",
    GradientBoostingRegressor: "n_estimators",
    HistGradientBoostingClassifier: "max_iter",
    HistGradientBoostingRegressor: "max_iter",
}
_BAGGED = (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)


class Schedule(ABC):
    """How much of an estimator is fitted at each stage, that is, in each iteration from the first.

    Attributes
    ----------
    resumes : bool
        Whether a stage continues the fit of the last one.
    """

    resumes: bool = False

    def is_over(self, stage: int) -> bool:
        """Return whether an expert is complete at this stage, and is fitted no further."""
        return False

    @abstractmethod
    def prepare(
        self, estimator: Any, previous: Any, stage: int, y: NDArray[Any]
    ) -> tuple[Any, bool]:
        """Return the estimator to fit, and whether it has to be cloned first.

        Parameters
        ----------
        estimator : estimator
            Unfitted.
        previous : estimator or None
            Fitted at the last stage.
        stage : int
        y : ndarray of shape (n,) or (n, m)
            Targets of the rows of the fit.
        """


class Whole(Schedule):
    """The whole estimator is fitted in every iteration."""

    def prepare(
        self, estimator: Any, previous: Any, stage: int, y: NDArray[Any]
    ) -> tuple[Any, bool]:
        return estimator, True


@dataclass(frozen=True)
class Growing(Schedule):
    """Boosting adds a few trees in every iteration.

    Attributes
    ----------
    parameter : str
        Name of the parameter that is the number of trees.
    """

    parameter: str

    resumes = True

    def is_over(self, stage: int) -> bool:
        return _FIRST + _STEP * (stage - 1) >= 1.0

    def prepare(
        self, estimator: Any, previous: Any, stage: int, y: NDArray[Any]
    ) -> tuple[Any, bool]:
        share = min(1.0, _FIRST + _STEP * (stage - 1))
        trees = {self.parameter: ceil(share * getattr(estimator, self.parameter))}
        classes = getattr(previous, "classes_", None)
        if previous is None or (classes is not None and not np.array_equal(classes, np.unique(y))):
            return copy.deepcopy(estimator).set_params(**trees), True
        return copy.deepcopy(previous).set_params(warm_start=True, **trees), False


class Sampled(Schedule):
    """A part of the trees of a forest is fitted, anew in every iteration."""

    def prepare(
        self, estimator: Any, previous: Any, stage: int, y: NDArray[Any]
    ) -> tuple[Any, bool]:
        members = max(_FEWEST, ceil(_SAMPLE * estimator.n_estimators))
        members = min(members, estimator.n_estimators)
        return copy.deepcopy(estimator).set_params(n_estimators=members), True


def schedule_of(estimator: Any) -> Schedule:
    """Return the schedule of an estimator."""
    if type(estimator) in _BOOSTED:
        return Growing(_BOOSTED[type(estimator)])
    return Sampled() if type(estimator) in _BAGGED else Whole()
