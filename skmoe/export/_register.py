"""Registration of mixtures and gates in skl2onnx."""

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from . import _gates, _mixture
from ._shapes import set_output_types


def register() -> None:
    """Register the converters of mixtures and gates in skl2onnx."""
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
            kind, f"Skmoe{kind.__name__}", set_output_types, convert, options=options
        )
