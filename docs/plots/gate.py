"""The gate over one column and over two."""

import matplotlib.pyplot as plt

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.inspection import GateDisplay

X, y = make_moe_regression(1500, 2, n_experts=5, random_state=0)
model = MixtureOfExpertsRegressor(n_experts=5, random_state=0).fit(X, y)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
GateDisplay.from_estimator(model, X, "x1", at={"x0": 1.0}, ax=left).legend_.remove()
GateDisplay.from_estimator(model, X, ["x0", "x1"], ax=right)
right.axvline(1.0, color="black", linestyle=":")
