"""Regression: the models, their scores, and the description of experts."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold

from skmoe import MixtureOfExpertsRegressor

from ._task import ExpertLine


class RegressionTask:
    """The task of a comparison of regressors; implements `Task`."""

    error_name = "RMSE"
    error_meaning = "root mean squared error"
    log_score_meaning = "mean log density given to the values of unseen rows"
    expert_headings: tuple[str, ...] = ("spread", "mean")
    expert_meaning = (
        "spread: standard deviation of the target around this expert's prediction; "
        "mean: of the target in its rows"
    )
    splitter: Any = KFold

    def smallest_group(self, y: NDArray[Any]) -> int:
        """Return the number of rows, as there are no classes that a training set must hold."""
        return len(y)

    def mixture(self, n_experts: int, seed: int) -> Any:
        """Return the unfitted mixture that is compared and then described."""
        return MixtureOfExpertsRegressor(n_experts=n_experts, random_state=seed)

    def models(self, n_experts: int, inner_folds: int, seed: int) -> dict[str, Any]:
        """Return the unfitted models by name, the mixture first."""
        ridge = Ridge()
        forest = RandomForestRegressor(random_state=seed)
        boosting = HistGradientBoostingRegressor(random_state=seed)
        parts = [("ridge", ridge), ("forest", forest), ("boosting", boosting)]
        # Rows are shuffled, as folds of a table sorted by its target would be unlike the others.
        folds = KFold(inner_folds, shuffle=True, random_state=seed)
        return {
            "Mixture of experts": self.mixture(n_experts, seed),
            "Ridge": ridge,
            "Random forest": forest,
            "Gradient boosting": boosting,
            "Stacking of these three": StackingRegressor(parts, cv=folds),
            "Always the mean": DummyRegressor(),
        }

    def error(self, y: NDArray[Any], prediction: NDArray[Any]) -> float:
        """Return the root mean squared error."""
        return root_mean_squared_error(y, prediction)

    def log_score(self, model: Any, X: NDArray[Any], y: NDArray[Any]) -> float | None:
        """Return the mean log density of the target, None for models that have no density."""
        if not hasattr(model, "score_samples"):
            return None
        return float(model.score_samples(X, y).mean())

    def describe_experts(
        self, mixture: Any, X: NDArray[Any], y: NDArray[Any]
    ) -> list[tuple[str, ...]]:
        """Return, for each expert, the cells below `expert_headings`."""
        gate = mixture.gate_proba(X)
        means = y @ gate / gate.sum(axis=0)
        return [
            (f"{spread:.4g}", f"{mean:.4g}")
            for spread, mean in zip(mixture.dispersion_, means, strict=True)
        ]

    def best_expert(self, experts: Sequence[ExpertLine]) -> ExpertLine:
        """Return the line of the expert with the smallest spread."""
        return min(experts, key=lambda line: float(line.cells[0]))
