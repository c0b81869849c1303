"""
Robust experts
==============

A few rows with gross errors distort a least-squares line. Under Student's law a row far from its
expert has a small weight, and the heaviness of the tails is estimated from the table itself.
"""

# %%
# Two lines, and gross errors in one row of fifteen
# -------------------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, size=(450, 1))
truth = np.where(X[:, 0] < 0, -X[:, 0], 2 * X[:, 0])
y = truth + rng.normal(scale=0.3, size=450)
gross = np.arange(450) % 15 == 0
y[gross] += rng.uniform(-25, 25, gross.sum())

# %%
# Three laws
# ----------

grid = np.linspace(-3, 3, 301)[:, None]
lines = np.where(grid[:, 0] < 0, -grid[:, 0], 2 * grid[:, 0])
models = {}
for response in ("gaussian", "student_t", "laplace"):
    model = MixtureOfExpertsRegressor(n_experts=2, response=response, random_state=0).fit(X, y)
    error = np.sqrt(np.mean((model.predict(grid) - lines) ** 2))
    print(f"{response:>10}: off the true lines by {error:.2f}, scales {model.dispersion_.round(2)}")
    models[response] = model

# %%
# The degrees of freedom indicate heavy tails; for Gaussian errors they would be large.

print("degrees of freedom:", models["student_t"].response_.df_.round(2))

# %%
# Predictions and weights
# -----------------------
# Left: all three predictions; the axis leaves out the gross errors. Right: the weight of a row for
# its expert, by its distance in units of the scale.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
left.plot(X[:, 0], y, ".", color="0.75", markersize=4)
styles = {"gaussian": "--", "student_t": "-", "laplace": ":"}
for response, model in models.items():
    left.plot(grid[:, 0], model.predict(grid), styles[response], label=response)
left.set(xlabel="x", ylabel="y", ylim=(-3, 9), title="predictions")
left.legend()

distance = np.linspace(0.05, 6, 200)
df = models["student_t"].response_.df_.mean()
right.plot(distance, np.ones_like(distance), styles["gaussian"], label="gaussian")
right.plot(distance, (df + 1) / (df + distance**2), styles["student_t"], label="student_t")
right.plot(distance, 1 / distance, styles["laplace"], label="laplace")
right.set(xlabel="error / scale", ylabel="working weight", ylim=(0, 2), title="weight of a row")
right.legend()
plt.show()

# %%
# Intervals with gross errors
# ---------------------------
# Both laws give intervals of 90 %. The Gaussian one assigns one expert to the rows with gross
# errors and to rows near them, and its intervals are too wide for the others; Student's law follows
# the majority of the rows.

for response in ("gaussian", "student_t"):
    low, high = models[response].predict_interval(grid).T
    inside = stats.norm.cdf(high, lines, 0.3) - stats.norm.cdf(low, lines, 0.3)
    print(
        f"{response:>10}: width {np.mean(high - low):.2f}, covers {inside.mean():.2f} of good rows"
    )
