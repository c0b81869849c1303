"""Looking into fitted mixtures: as text, and as plots."""

from ._tree import GateTreeDisplay, export_gate_text

__all__ = ["GateTreeDisplay", "export_gate_text"]
