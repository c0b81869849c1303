"""The objective of the best start, and where the others ended."""

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.inspection import ConvergenceDisplay

X, y = make_moe_regression(1500, 2, n_experts=5, random_state=0)
model = MixtureOfExpertsRegressor(n_experts=5, random_state=0).fit(X, y)
ConvergenceDisplay.from_estimator(model)
