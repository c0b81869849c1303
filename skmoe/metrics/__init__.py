"""Scores of predictive distributions, and scorers for model selection."""

from ._scorers import crps_scorer, log_score_scorer
from ._scores import crps, interval_coverage, log_score, pit

__all__ = [
    "crps",
    "crps_scorer",
    "interval_coverage",
    "log_score",
    "log_score_scorer",
    "pit",
]
