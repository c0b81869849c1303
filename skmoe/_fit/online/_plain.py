"""What a stream goes on from, as a fitted model holds it: dictionaries, arrays and estimators."""

from dataclasses import fields, is_dataclass

from ..._data.moments import Standardisation
from ._decay import Decayed
from ._gate import GateStream
from ._linear import LinearStream
from ._logistic import LogisticStream
from ._logits import Softmax
from ._stream import ScoreBaseline, Stream
from ._wrapped import Spread, Sure, WrappedStream

_TYPES = {
    kind.__name__: kind
    for kind in (
        Decayed,
        GateStream,
        LinearStream,
        LogisticStream,
        Softmax,
        Spread,
        Stream,
        Sure,
        Standardisation,
        ScoreBaseline,
        WrappedStream,
    )
}


def as_plain(value):
    """The same with a dictionary for each dataclass: its fields, and its name as ``"type"``."""
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        known = {"type": type(value).__name__} if type(value).__name__ in _TYPES else {}
        return known | {name: as_plain(getattr(value, name)) for name in names}
    if isinstance(value, (tuple, list)):
        return type(value)(map(as_plain, value))
    return value


def from_plain(value):
    """What `as_plain` has made a dictionary of."""
    if isinstance(value, dict):
        given = {name: from_plain(each) for name, each in value.items() if name != "type"}
        return _TYPES[value["type"]](**given) if "type" in value else given
    if isinstance(value, (tuple, list)):
        return type(value)(map(from_plain, value))
    return value
