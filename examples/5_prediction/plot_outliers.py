"""
Experts that gross errors do not bend
=====================================

A few rows that are far off draw a least-squares line to themselves. Under Student's law a row far
from its expert counts little, and how heavy the tails are is learned from the table itself.
"""

# %%
# Two lines, and one row in fifteen spoilt
# ----------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, size=(450, 1))
truth = np.where(X[:, 0] < 0, -X[:, 0], 2 * X[:, 0])
y = truth + rng.normal(scale=0.3, size=450)
spoilt = np.arange(450) % 15 == 0
y[spoilt] += rng.uniform(-25, 25, spoilt.sum())

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
# The degrees of freedom say that the tails are heavy; of a Gaussian they would be large.

print("degrees of freedom:", models["student_t"].response_.df_.round(2))

# %%
# What they say
# -------------
# On the left all three predictions, with the table cut off where errors are gross; on the right how
# much a row counts for its expert, by its distance in units of the scale.

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
right.set(
    xlabel="error / scale", ylabel="working weight", ylim=(0, 2), title="how much a row counts"
)
right.legend()
plt.show()

# %%
# An interval that counts on gross errors
# ---------------------------------------
# Both laws claim 90 %. The Gaussian gives one expert to the spoilt rows and all that is near them,
# and its intervals are too wide for the others; Student's law stays near what most rows do.

for response in ("gaussian", "student_t"):
    low, high = models[response].predict_interval(grid).T
    inside = stats.norm.cdf(high, lines, 0.3) - stats.norm.cdf(low, lines, 0.3)
    print(
        f"{response:>10}: width {np.mean(high - low):.2f}, covers {inside.mean():.2f} of good rows"
    )
