"""
Regression: a piecewise linear curve
====================================

The table has one feature and three regimes: the target rises, jumps, and falls again, and it is far
noisier on the right. A mixture of linear experts finds the regimes, and the line and the noise of
each.
"""

# %%
# The data
# --------
# No column contains the regime of a row.

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
x = rng.uniform(0, 10, size=600)
slopes, offsets = np.array([1.5, -0.5, -2.0]), np.array([0.0, 9.0, 20.0])
noise = np.array([0.2, 0.3, 1.5])
regime = np.digitize(x, [3.0, 7.0])
y = offsets[regime] + slopes[regime] * x + noise[regime] * rng.normal(size=x.size)
X = x[:, np.newaxis]

# %%
# Fit and compare
# ---------------
# The mixture is a regressor like any other, so `cross_val_score` accepts it.

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

from skmoe import MixtureOfExpertsRegressor

mixture = MixtureOfExpertsRegressor(n_experts=3, random_state=0)
folds = KFold(5, shuffle=True, random_state=0)
for model in (mixture, Ridge(), HistGradientBoostingRegressor(random_state=0)):
    scores = cross_val_score(model, X, y, cv=folds, scoring="neg_root_mean_squared_error")
    print(f"{type(model).__name__:<30} RMSE {-scores.mean():.3f}")

# %%
# Which expert handles which rows
# -------------------------------
# `expert_usage_` is the share of the rows, `dispersion_` the standard deviation around the expert's
# line in the units of y. Each expert is a fitted scikit-learn estimator.

mixture.fit(X, y)
print(f"EM took {mixture.n_iter_} iterations: {mixture.stop_reason_}")
for k in np.argsort(X[:, 0] @ mixture.gate_proba(X) / mixture.expert_usage_):
    line = mixture.experts_[k]
    print(
        f"expert {k}: {mixture.expert_usage_[k]:4.0%} of the rows, "
        f"y = {line.intercept_:6.2f} {line.coef_[0]:+.2f} x, spread {mixture.dispersion_[k]:.2f}"
    )

# %%
# A figure
# --------
# Above: the rows in the colour of the expert most responsible for them, the line of each expert
# where the gate gives it probability, and one standard deviation around the mixture. Below: the
# gate.

grid = np.linspace(0, 10, 500)[:, np.newaxis]
mean, std = mixture.predict(grid, return_std=True)
lines, gate = mixture.expert_predict(grid), mixture.gate_proba(grid)
responsible = mixture.responsibilities(X, y).argmax(axis=1)

fig, (top, bottom) = plt.subplots(
    2, 1, sharex=True, figsize=(7, 6), height_ratios=[3, 1], layout="constrained"
)
top.fill_between(grid[:, 0], mean - std, mean + std, color="0.85", label="mean ± std")
for k in range(mixture.n_experts_):
    top.scatter(x[responsible == k], y[responsible == k], s=8, alpha=0.5, color=f"C{k}")
    trusted = np.where(gate[:, k] > 0.05, lines[:, k], np.nan)
    top.plot(grid[:, 0], trusted, color=f"C{k}", linewidth=2, label=f"expert {k}")
    bottom.plot(grid[:, 0], gate[:, k], color=f"C{k}", linewidth=2)
top.set_ylabel("y")
top.legend()
bottom.set(xlabel="x", ylabel="gate", ylim=(-0.05, 1.05))
plt.show()
