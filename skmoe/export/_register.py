"""Mixtures and gates made known to skl2onnx."""

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from . import _gates, _mixture
from ._shapes import shape_of_answer


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
