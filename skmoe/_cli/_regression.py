"""Regression: the models, their scores, and what is worth saying about an expert."""

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


class RegressionTask:
    """What a comparison of regressors consists of."""

    error_name = "RMSE"
    error_meaning = "root mean squared error"
    log_score_meaning = "mean log density given to the values of unseen rows"
    expert_headings = ("spread", "mean")
    expert_meaning = (
        "spread: standard deviation of the target around this expert's prediction; "
        "mean: of the target in its rows"
    )
    splitter = KFold

    def smallest_group(self, y):
        """Return the size of the smallest group that every training set must hold: all rows."""
        return len(y)

    def mixture(self, n_experts, seed):
        """Return the mixture that is compared and then looked into."""
        return MixtureOfExpertsRegressor(n_experts=n_experts, random_state=seed)

    def models(self, n_experts, inner_folds, seed):
        """Return the models by name, the mixture first."""
        ridge = Ridge()
        forest = RandomForestRegressor(random_state=seed)
        boosting = HistGradientBoostingRegressor(random_state=seed)
        parts = [("ridge", ridge), ("forest", forest), ("boosting", boosting)]
        # Shuffled: a table sorted by its target would leave each fold without its like.
        folds = KFold(inner_folds, shuffle=True, random_state=seed)
        return {
            "Mixture of experts": self.mixture(n_experts, seed),
            "Ridge": ridge,
            "Random forest": forest,
            "Gradient boosting": boosting,
            "Stacking of these three": StackingRegressor(parts, cv=folds),
            "Always the mean": DummyRegressor(),
        }

    def error(self, y, prediction):
        """Return the root mean squared error."""
        return root_mean_squared_error(y, prediction)

    def log_score(self, model, X, y):
        """Return the mean log density of the target, None for models that have no density."""
        if not hasattr(model, "score_samples"):
            return None
        return float(model.score_samples(X, y).mean())

    def describe_experts(self, mixture, X, y):
        """Return, for each expert, the cells under `expert_headings`."""
        gate = mixture.gate_proba(X)
        means = y @ gate / gate.sum(axis=0)
        return [
            (f"{spread:.4g}", f"{mean:.4g}")
            for spread, mean in zip(mixture.dispersion_, means, strict=True)
        ]

    def best_expert(self, experts):
        """Return the line of the expert with the smallest spread."""
        return min(experts, key=lambda line: float(line.cells[0]))
