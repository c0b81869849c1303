"""Estimators of scikit-learn that are written by converters of this package."""

from typing import Any

from sklearn import ensemble, tree
from sklearn.dummy import DummyClassifier, DummyRegressor

from . import _dummies, _ensembles
from ._shapes import set_output_types

_FORESTS = (
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeClassifier,
    tree.ExtraTreeRegressor,
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
)
_BOOSTING = (ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor)
_HISTOGRAMS = (
    ensemble.HistGradientBoostingClassifier,
    ensemble.HistGradientBoostingRegressor,
)
_DUMMIES = (DummyClassifier, DummyRegressor)

_OWN = {
    **dict.fromkeys(_FORESTS, _ensembles.convert_forest),
    **dict.fromkeys(_BOOSTING, _ensembles.convert_boosting),
    **dict.fromkeys(_HISTOGRAMS, _ensembles.convert_histogram_boosting),
    **dict.fromkeys(_DUMMIES, _dummies.convert_dummy),
}


def converters() -> dict[str, dict[Any, Any]]:
    """Return arguments of ``convert_sklearn``: converters of parts, for one conversion only."""
    return {
        "custom_conversion_functions": dict(_OWN),
        "custom_shape_calculators": dict.fromkeys(_OWN, set_output_types),
    }
