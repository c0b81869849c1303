"""The state of a stream as a fitted model stores it: dictionaries, arrays and estimators."""

from dataclasses import fields, is_dataclass
from typing import Any

from ..._data.moments import Standardisation
from ...em._row_trainer import Parameters
from ...em._sums import Statistics, Sums
from ._batch import BatchRows
from ._drift import Drift
from ._stream import OnlineState

_TYPES = {
    kind.__name__: kind
    for kind in (BatchRows, Drift, OnlineState, Parameters, Standardisation, Statistics, Sums)
}


def as_plain(value: Any) -> Any:
    """Return the same with a dictionary for each dataclass: its fields, and its name as "type"."""
    if is_dataclass(value):
        named = {each.name: as_plain(getattr(value, each.name)) for each in fields(value)}
        return {"type": type(value).__name__} | named
    if isinstance(value, (tuple, list)):
        return type(value)(map(as_plain, value))
    return value


def from_plain(value: Any) -> Any:
    """Return the object from which `as_plain` made dictionaries."""
    if isinstance(value, dict):
        given = {name: from_plain(each) for name, each in value.items() if name != "type"}
        return _TYPES[value["type"]](**given)
    if isinstance(value, (tuple, list)):
        return type(value)(map(from_plain, value))
    return value


def stored_state(value: dict[str, Any]) -> OnlineState | None:
    """Return the state of a plain one; None where an earlier version stored another kind."""
    return from_plain(value) if value.get("type") == OnlineState.__name__ else None
