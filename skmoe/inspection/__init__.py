"""Looking into fitted mixtures: as text, and as plots."""

from ._path import PathDisplay
from ._tree import GateTreeDisplay, export_gate_text

__all__ = ["GateTreeDisplay", "PathDisplay", "export_gate_text"]
