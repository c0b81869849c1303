"""What the command line needs of a task: its models, its scores, and a description of experts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class ExpertLine:
    """The printed description of one expert.

    Attributes
    ----------
    number : int
        Number of the expert, from one.
    share : float
        Its mean gate probability.
    cells : tuple of str
        Cells below the task's `expert_headings`.
    leanings : list of (str, float)
        The features with the largest gate weights, and these weights.
    """

    number: int
    share: float
    cells: tuple[str, ...]
    leanings: list[tuple[str, float]]


class Task(Protocol):
    """Regression or classification, as the comparison of models uses it.

    Attributes
    ----------
    error_name, error_meaning, log_score_meaning : str
        Name of the error, and what error and log-score mean.
    expert_headings : tuple of str
        Headings of the columns that describe an expert.
    expert_meaning : str
        What these columns mean.
    splitter : type
        Class of the cross-validation splitter.
    """

    error_name: str
    error_meaning: str
    log_score_meaning: str
    expert_headings: tuple[str, ...]
    expert_meaning: str
    splitter: Any

    def smallest_group(self, y: Any) -> int:
        """Return the size of the smallest group that every training set must hold."""
        ...

    def mixture(self, n_experts: int, seed: int) -> Any:
        """Return the unfitted mixture that is compared and then described."""
        ...

    def models(self, n_experts: int, inner_folds: int, seed: int) -> dict[str, Any]:
        """Return the unfitted models by name, the mixture first."""
        ...

    def error(self, y: Any, prediction: Any) -> float:
        """Return the error of predictions."""
        ...

    def log_score(self, model: Any, X: Any, y: Any) -> float | None:
        """Return the mean log-density or log-probability of y; None for models without one."""
        ...

    def describe_experts(self, mixture: Any, X: Any, y: Any) -> list[tuple[str, ...]]:
        """Return, for each expert, the cells below `expert_headings`."""
        ...

    def best_expert(self, experts: Sequence[ExpertLine]) -> ExpertLine:
        """Return the line of the expert with the smallest error."""
        ...
