"""Errors that say which part cannot be exported, and why."""

from .._errors import PartError, naming


class exporting(naming):
    """Context manager: an exception raised inside names the part that cannot be exported.

    Parameters
    ----------
    part : str
        For instance ``"expert 'ridge'"``.
    model : estimator
    """

    def __init__(self, part, model):
        super().__init__(f"{part} ({type(model).__name__})", "export to ONNX")

    def __exit__(self, kind, error, traceback):
        # An error that names its part already is not named twice.
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, PartError):
            return False
        raise PartError(f"{self.part} cannot be exported to ONNX: {_reason(error)}") from error


def _reason(error):
    """The first line of an error; the lines after it may be those of a whole graph."""
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    said = (str(error).splitlines() or [""])[0]
    if isinstance(error, MissingConverter | MissingShapeCalculator):
        return f"skl2onnx has no converter for it, or for a part of it. {said}"
    return said if isinstance(error, ValueError) else f"{type(error).__name__}: {said}"
