"""Mixtures that learn batch by batch: stepwise EM on decayed sums."""

from ._parts import refusal, solved_at_once
from ._stream import Batch, Stream
from ._unseen import with_unseen

__all__ = ["Batch", "Stream", "refusal", "solved_at_once", "with_unseen"]
