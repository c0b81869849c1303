"""Mixtures that learn batch by batch: stepwise EM on decayed sums."""

from ._stream import Batch, Stream

__all__ = ["Batch", "Stream"]
