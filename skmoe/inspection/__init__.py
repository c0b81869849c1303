"""Inspection of fitted mixtures: as text, as plots, and with standard errors."""

from ._bootstrap import bootstrap, likelihood_ratio_test
from ._convergence import ConvergenceDisplay
from ._density import PredictiveDensityDisplay
from ._gate_display import GateDisplay
from ._path import PathDisplay
from ._rules import Rule, expert_rules
from ._summary import Summary, summary
from ._tree import GateTreeDisplay, export_gate_text
from ._usage import ExpertUsageDisplay

__all__ = [
    "ConvergenceDisplay",
    "ExpertUsageDisplay",
    "GateDisplay",
    "GateTreeDisplay",
    "PathDisplay",
    "PredictiveDensityDisplay",
    "Rule",
    "Summary",
    "bootstrap",
    "expert_rules",
    "export_gate_text",
    "likelihood_ratio_test",
    "summary",
]
