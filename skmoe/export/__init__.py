"""Fitted mixtures, taken elsewhere: as ONNX graphs."""

from ._door import to_onnx

__all__ = ["to_onnx"]
