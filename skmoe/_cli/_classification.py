"""Classification: the models, their scores, and the description of experts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, zero_one_loss
from sklearn.model_selection import StratifiedKFold

from skmoe import MixtureOfExpertsClassifier

from ._task import ExpertLine


class ClassificationTask:
    """The task of a comparison of classifiers; implements `Task`."""

    error_name = "error rate"
    error_meaning = "share of unseen rows given the wrong class"
    log_score_meaning = "mean log probability given to the true class of unseen rows"
    expert_headings: tuple[str, ...] = ("accuracy", "mostly")
    expert_meaning = (
        "accuracy: of this expert alone, in its rows; mostly: the commonest class among them"
    )
    splitter: Any = StratifiedKFold

    def smallest_group(self, y: NDArray[Any]) -> int:
        """Return the size of the smallest class, as every training set must hold all classes."""
        return int(np.unique(y, return_counts=True)[1].min())

    def mixture(self, n_experts: int, seed: int) -> Any:
        """Return the unfitted mixture that is compared and then described."""
        return MixtureOfExpertsClassifier(n_experts=n_experts, random_state=seed)

    def models(self, n_experts: int, inner_folds: int, seed: int) -> dict[str, Any]:
        """Return the unfitted models by name, the mixture first."""
        logistic = LogisticRegression(max_iter=1000)
        forest = RandomForestClassifier(random_state=seed)
        boosting = HistGradientBoostingClassifier(random_state=seed)
        parts = [("logistic", logistic), ("forest", forest), ("boosting", boosting)]
        # Rows are shuffled, as folds of a table sorted by its target would be unlike the others.
        folds = StratifiedKFold(inner_folds, shuffle=True, random_state=seed)
        return {
            "Mixture of experts": self.mixture(n_experts, seed),
            "Logistic regression": logistic,
            "Random forest": forest,
            "Gradient boosting": boosting,
            "Stacking of these three": StackingClassifier(parts, cv=folds),
            "Always the shares": DummyClassifier(),
        }

    def error(self, y: NDArray[Any], prediction: NDArray[Any]) -> float:
        """Return the share of wrong classes."""
        return zero_one_loss(y, prediction)

    def log_score(self, model: Any, X: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the mean log probability of the true class."""
        return -log_loss(y, model.predict_proba(X), labels=model.classes_)

    def describe_experts(
        self, mixture: Any, X: NDArray[Any], y: NDArray[Any]
    ) -> list[tuple[str, ...]]:
        """Return, for each expert, the cells below `expert_headings`."""
        gate = mixture.gate_proba(X)
        gate = gate / gate.sum(axis=0)
        is_class = y[:, np.newaxis] == mixture.classes_
        is_right = mixture.classes_[mixture.expert_predict(X).argmax(axis=2)] == y[:, np.newaxis]
        accuracies = np.sum(gate * is_right, axis=0)
        shares = gate.T @ is_class
        return [
            (f"{accuracy:.3f}", f"{mixture.classes_[share.argmax()]} ({share.max():.0%})")
            for accuracy, share in zip(accuracies, shares, strict=True)
        ]

    def best_expert(self, experts: Sequence[ExpertLine]) -> ExpertLine:
        """Return the line of the most accurate expert."""
        return max(experts, key=lambda line: float(line.cells[0]))
