"""How much of an ensemble is fitted in one iteration of EM.

The responsibilities of the next iteration are others, so a whole ensemble in each would be
thrown away most of the time. Boosting goes on from the trees that it has, a few more in every
iteration; a forest, whose trees know nothing of each other, makes do with fewer. In the end each
expert is fitted whole.
"""

import copy
from dataclasses import dataclass
from math import ceil

import numpy as np
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

#: Share of its trees that boosting begins with, and share that it adds in an iteration.
_FIRST, _STEP = 0.3, 0.1

#: Share of its members that a forest makes do with, and the fewest of them.
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


class Whole:
    """All of the estimator, in every iteration."""

    def is_over(self, stage):
        """Whether an expert at this stage learns no more."""
        return False

    def prepare(self, estimator, previous, stage, y):
        """Return what is to be fitted, and whether it is to be cloned first."""
        return estimator, True


@dataclass(frozen=True)
class Growing:
    """Boosting: a few more trees in every iteration.

    Attributes
    ----------
    parameter : str
        Holds the number of trees.
    """

    parameter: str

    def is_over(self, stage):
        """Whether an expert at this stage has all its trees."""
        return _FIRST + _STEP * (stage - 1) >= 1.0

    def prepare(self, estimator, previous, stage, y):
        """Return what is to be fitted, and whether it is to be cloned first."""
        share = min(1.0, _FIRST + _STEP * (stage - 1))
        trees = {self.parameter: ceil(share * getattr(estimator, self.parameter))}
        classes = getattr(previous, "classes_", None)
        if previous is None or (classes is not None and not np.array_equal(classes, np.unique(y))):
            return copy.deepcopy(estimator).set_params(**trees), True
        return copy.deepcopy(previous).set_params(warm_start=True, **trees), False


class Sampled:
    """A forest: a part of its trees, new ones in every iteration."""

    def is_over(self, stage):
        """Whether an expert at this stage learns no more."""
        return False

    def prepare(self, estimator, previous, stage, y):
        """Return what is to be fitted, and whether it is to be cloned first."""
        members = max(_FEWEST, ceil(_SAMPLE * estimator.n_estimators))
        members = min(members, estimator.n_estimators)
        return copy.deepcopy(estimator).set_params(n_estimators=members), True


def schedule_of(estimator):
    """Return how much of an estimator is fitted in one iteration."""
    if type(estimator) in _BOOSTED:
        return Growing(_BOOSTED[type(estimator)])
    return Sampled() if type(estimator) in _BAGGED else Whole()
