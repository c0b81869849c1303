"""Mixtures that learn batch by batch: online EM on sums in which old rows fade."""

from ._batch import BatchRows
from ._parts import refusal
from ._plain import as_plain, stored_state
from ._stream import OnlineFitting, OnlineState
from ._sums import HALF_LIFE
from ._unseen import with_unseen

__all__ = [
    "HALF_LIFE",
    "BatchRows",
    "OnlineFitting",
    "OnlineState",
    "as_plain",
    "refusal",
    "stored_state",
    "with_unseen",
]
