"""Shares, ranges and entropies: regimes that x separates, and regimes that it does not."""

import matplotlib.pyplot as plt

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.inspection import ExpertUsageDisplay

fig, axes = plt.subplots(2, 1, figsize=(7, 4.8), layout="constrained")
for ax, separation in zip(axes, (8.0, 1.0), strict=True):
    X, y = make_moe_regression(1500, 2, n_experts=3, separation=separation, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(X, y)
    ExpertUsageDisplay.from_estimator(model, X, ax=ax)
