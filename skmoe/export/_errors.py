"""Errors that name the part that cannot be exported, and the reason."""

from types import TracebackType
from typing import Any

from .._errors import PartError, naming


class exporting(naming):
    """Context manager that adds the name of a part to every exception of its export.

    Parameters
    ----------
    part : str
        For instance ``"expert 'ridge'"``.
    model : estimator
    """

    def __init__(self, part: str, model: Any) -> None:
        super().__init__(f"{part} ({type(model).__name__})", "export to ONNX")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # An error that names its part is not named again.
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, PartError):
            return False
        raise PartError(f"{self.part} cannot be exported to ONNX: {_reason(error)}") from error


def _reason(error: BaseException | None) -> str:
    """Return the first line of an error; further lines may hold a whole graph."""
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    text = (str(error).splitlines() or [""])[0]
    if isinstance(error, MissingConverter | MissingShapeCalculator):
        return f"skl2onnx has no converter for it, or for a part of it. {text}"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
