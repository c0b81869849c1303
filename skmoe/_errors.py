"""Errors that name the part they come from."""

from types import TracebackType
from typing import Literal, Self

_NAN_REMEDY = (
    "put a SimpleImputer before it in a Pipeline, leave such columns to the other side with "
    "gate_features / expert_features, or use an estimator that takes missing values"
)
_TEXT_REMEDY = (
    "encode such columns in a Pipeline (for instance ColumnTransformer with OneHotEncoder), or "
    "select numeric ones with gate_features / expert_features"
)


class PartError(ValueError):
    """An expert or gate failed; the message names it."""


class PartTypeError(TypeError):
    """An expert or gate was handed a type it cannot use; the message names it."""


class naming:
    """Context manager that adds the name of a part to every exception raised inside it.

    Parameters
    ----------
    part : str
        For instance ``"expert 'ridge'"``.
    doing : str
        What the part was doing, for instance ``"fit"``.
    """

    def __init__(self, part: str, doing: str) -> None:
        self.part: str = part
        self.doing: str = doing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        # Interrupts and exits pass unchanged. An error that names its part is not named again.
        if kind is None or not issubclass(kind, Exception):
            return False
        if issubclass(kind, (PartError, PartTypeError)):
            return False
        text = str(error)
        message = f"{self.part} failed in {self.doing}: {text or kind.__name__}"
        if kind not in (ValueError, TypeError):
            message = f"{self.part} failed in {self.doing}: {kind.__name__}: {text}"
        if "NaN" in text:
            message += f"\nRemedy: {_NAN_REMEDY}."
        elif "could not convert string" in text:
            message += f"\nRemedy: {_TEXT_REMEDY}."
        # scikit-learn's errors of parameters are both a TypeError and a ValueError. They become
        # a ValueError.
        only_type = issubclass(kind, TypeError) and not issubclass(kind, ValueError)
        raise (PartTypeError if only_type else PartError)(message) from error
