"""Types of the outputs of a graph."""

from typing import Any

from sklearn.base import is_classifier

from ._labels import written


def set_output_types(operator: Any) -> None:
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
