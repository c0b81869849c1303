"""Classification: the models, their scores, and what is worth saying about an expert."""

import numpy as np
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


class ClassificationTask:
    """What a comparison of classifiers consists of."""

    error_name = "error rate"
    error_meaning = "share of unseen rows given the wrong class"
    log_score_meaning = "mean log probability given to the true class of unseen rows"
    expert_headings = ("accuracy", "mostly")
    expert_meaning = (
        "accuracy: of this expert alone, in its rows; mostly: the commonest class among them"
    )
    splitter = StratifiedKFold

    def smallest_group(self, y):
        """Return the size of the smallest class, which every training set must hold."""
        return int(np.unique(y, return_counts=True)[1].min())

    def mixture(self, n_experts, seed):
        """Return the mixture that is compared and then looked into."""
        return MixtureOfExpertsClassifier(n_experts=n_experts, random_state=seed)

    def models(self, n_experts, inner_folds, seed):
        """Return the models by name, the mixture first."""
        logistic = LogisticRegression(max_iter=1000)
        forest = RandomForestClassifier(random_state=seed)
        boosting = HistGradientBoostingClassifier(random_state=seed)
        parts = [("logistic", logistic), ("forest", forest), ("boosting", boosting)]
        # Shuffled: a table sorted by its target would leave each fold without its like.
        folds = StratifiedKFold(inner_folds, shuffle=True, random_state=seed)
        return {
            "Mixture of experts": self.mixture(n_experts, seed),
            "Logistic regression": logistic,
            "Random forest": forest,
            "Gradient boosting": boosting,
            "Stacking of these three": StackingClassifier(parts, cv=folds),
            "Always the shares": DummyClassifier(),
        }

    def error(self, y, prediction):
        """Return the share of wrong classes."""
        return zero_one_loss(y, prediction)

    def log_score(self, model, X, y):
        """Return the mean log probability of the true class."""
        return -log_loss(y, model.predict_proba(X), labels=model.classes_)

    def describe_experts(self, mixture, X, y):
        """Return, for each expert, the cells under `expert_headings`."""
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

    def best_expert(self, experts):
        """Return the line of the most accurate expert."""
        return max(experts, key=lambda line: float(line.cells[0]))
