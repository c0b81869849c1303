"""
Intervals and densities
=======================

An ensemble predicts a number, and a mixture a distribution. Where y has two branches, the number is
between them, where y never is. Where errors are larger, the intervals of a mixture are wider.
"""

# %%
# Two branches, and errors that grow
# ----------------------------------
# To the right of zero y follows one of two lines, and no column determines which. To the left there
# is one line, whose errors grow with the distance from zero.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.metrics import crps, interval_coverage, log_score, pit
from skmoe.responses import Gaussian


def draw(n, rng):
    """Rows (n, 1), and y."""
    x = rng.uniform(-3, 3, size=n)
    branch = np.where(rng.random(n) < 0.6, 1.0, -1.0)
    mean = np.where(x < 0, 0.5 * x, 1.5 * branch * x)
    return x[:, None], mean + np.where(x < 0, 0.1 - 0.4 * x, 0.3) * rng.normal(size=n)


rng = np.random.default_rng(0)
X, y = draw(1500, rng)
X_test, y_test = draw(1500, rng)

# %%
# Fit both
# --------
# The intervals of the forest use the standard deviation of its out-of-bag errors, the same for all
# rows.

model = MixtureOfExpertsRegressor(n_experts=5, random_state=0).fit(X, y)
forest = RandomForestRegressor(200, min_samples_leaf=20, oob_score=True, random_state=0).fit(X, y)
spread = np.std(y - forest.oob_prediction_)

dist = model.predict_dist(X_test)
half = 1.645 * spread
around = forest.predict(X_test)[:, None] + [-half, half]
for name, ends in {"mixture": dist.interval(0.9), "forest": around}.items():
    covered = interval_coverage(y_test, ends)
    left = interval_coverage(y_test[X_test[:, 0] < -2], ends[X_test[:, 0] < -2])
    close = np.abs(X_test[:, 0] + 0.25) < 0.25
    print(
        f"{name:8s} 90% intervals cover {covered:.0%}; {left:.0%} where x < -2; "
        f"width just left of zero {np.diff(ends[close]).mean():.1f}"
    )
print(f"log-score {log_score(y_test, dist):.2f} nats per row, CRPS {crps(y_test, dist):.2f}")

# %%
# Dispersions that depend on x
# ----------------------------
# An expert with a constant dispersion is too wide in one place and too narrow in another; the model
# above spends two additional experts on the left branch alone. Three experts are enough where
# dispersions depend on x.

for dispersion in ("constant", "linear"):
    law = Gaussian(dispersion=dispersion)
    three = MixtureOfExpertsRegressor(n_experts=3, response=law, random_state=0).fit(X, y)
    ends = three.predict_interval(X_test)
    far, near = X_test[:, 0] < -2, np.abs(X_test[:, 0] + 0.5) < 0.5
    print(
        f"{dispersion:8s} log-score {log_score(y_test, three.predict_dist(X_test)):.2f}; 90% "
        f"intervals cover {interval_coverage(y_test[far], ends[far]):.0%} where x < -2, "
        f"{interval_coverage(y_test[near], ends[near]):.0%} between -1 and 0"
    )

# %%
# Mean and mode
# -------------
# The mean of two branches is a value that y hardly takes. The mode is on one of the branches.

at = np.array([[2.0]])
there = model.predict_dist(at)
for name, value in {"mean": there.mean(), "mode": there.mode()}.items():
    print(f"at x = 2 the {name} is {value[0]:5.2f}, of density {there.pdf(value)[0]:.3f}")

# %%
# A figure
# --------
# Left: the density of y for every x, intervals, and the prediction of the forest. Right: the
# predicted distribution function at y of each test row; the histogram of a correct model is flat.

grid = np.linspace(-3, 3, 200)
levels = np.linspace(-6, 6, 240)
predicted = model.predict_dist(grid[:, None])
density = predicted.pdf(levels[:, None])
low, high = predicted.interval(0.9).T

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), width_ratios=[2, 1], layout="constrained"
)
left.pcolormesh(grid, levels, np.sqrt(density), cmap="Blues", shading="auto")
left.scatter(X_test[:400, 0], y_test[:400], s=4, color="black", alpha=0.4)
left.plot(grid, low, grid, high, color="tab:blue", lw=1)
left.plot(grid, forest.predict(grid[:, None]), color="tab:orange", label="forest")
left.plot(grid, predicted.mode(), ".", ms=3, color="tab:red", label="mode of the mixture")
left.set(xlabel="x", ylabel="y", ylim=(-6, 6), title="density and 90% intervals")
left.legend(loc="lower left")
right.hist(pit(y_test, dist), bins=20, density=True, color="tab:blue")
right.axhline(1, color="black", lw=0.8)
right.set(xlabel="predicted distribution function at y", title="test rows")
plt.show()

# %%
# Draws
# -----
# A draw for each row gives a table that the model considers possible.

drawn = dist.sample(1, random_state=0)[:, 0]
for name, values in {"observed": y_test, "drawn": drawn}.items():
    print(f"{name:8s} quartiles of y: {np.quantile(values, [0.25, 0.5, 0.75]).round(2)}")
