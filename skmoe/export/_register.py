"""What skl2onnx is told: which function converts what, and the types of its answers."""

from sklearn import ensemble, tree
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from . import _dummies, _ensembles, _gates, _mixture
from ._labels import written

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

#: What is written in our own way wherever it stands within a mixture.
_OWN = {
    **dict.fromkeys(_FORESTS, _ensembles.convert_forest),
    **dict.fromkeys(_BOOSTING, _ensembles.convert_boosting),
    **dict.fromkeys(_HISTOGRAMS, _ensembles.convert_histogram_boosting),
    **dict.fromkeys(_DUMMIES, _dummies.convert_dummy),
}


def converters():
    """Arguments of ``convert_sklearn``: converters of parts, for one conversion only."""
    return {
        "custom_conversion_functions": dict(_OWN),
        "custom_shape_calculators": dict.fromkeys(_OWN, shape_of_answer),
    }


def register():
    """Make the mixtures and gates known to skl2onnx."""
    from skl2onnx import update_registered_converter

    kinds = {
        MixtureOfExpertsRegressor: _mixture.convert_regressor,
        MixtureOfExpertsClassifier: _mixture.convert_classifier,
        **dict.fromkeys(_gates.WRITERS, _gates.convert_gate),
    }
    for kind, convert in kinds.items():
        options = (
            {"zipmap": [True, False, "columns"], "nocl": [False]}
            if kind is MixtureOfExpertsClassifier
            else None
        )
        update_registered_converter(
            kind, f"Skmoe{kind.__name__}", shape_of_answer, convert, options=options
        )


def shape_of_answer(operator):
    """Set the types of the outputs of an operator."""
    from skl2onnx.common import data_types

    model = operator.raw_operator
    double = any(isinstance(each.type, data_types.DoubleTensorType) for each in operator.inputs)
    numbers = data_types.DoubleTensorType if double else data_types.FloatTensorType
    if is_classifier(model):
        text = written(model.classes_).dtype.kind == "U"
        labels = data_types.StringTensorType if text else data_types.Int64TensorType
        operator.outputs[0].type = labels([None])
        operator.outputs[1].type = numbers([None, len(model.classes_)])
    else:
        operator.outputs[0].type = numbers([None, None])
