"""Mixtures that learn batch by batch: stepwise EM on decayed sums."""

from ._parts import refusal, solved_at_once
from ._plain import as_plain, from_plain
from ._stream import Batch, Stream
from ._unseen import with_unseen

__all__ = [
    "Batch",
    "Stream",
    "as_plain",
    "from_plain",
    "refusal",
    "solved_at_once",
    "with_unseen",
]
