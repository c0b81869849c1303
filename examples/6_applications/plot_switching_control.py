"""
A room whose window is opened
=============================

A room has a heater, a thermometer, and a window that is open now and then. The task is to predict
the temperature in five minutes. A mixture learns both regimes of the room, and the probability of
each.
"""

# %%
# Two unrecorded regimes
# ----------------------
# With the window shut the room loses 2 % of its difference to the outside in five minutes, with the
# window open 15 %, and heating is half as effective. The columns are the temperatures inside and
# outside, the heating, and the last change of temperature with the heating at that time. The target
# is the next change. The first 3000 steps are for training, the last 1000 for testing.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
steps = 4000
opened = np.cumsum(rng.random(steps) < 0.02) % 2 == 1
outside = 5 + 5 * np.sin(np.arange(steps) * 2 * np.pi / 288) + 0.1 * rng.standard_normal(steps)
heating = rng.choice([0.0, 0.5, 1.0], steps)
loss, power = np.where(opened, 0.15, 0.02), np.where(opened, 0.3, 0.6)
room = np.full(steps + 1, 18.0)
for t in range(steps):
    change = loss[t] * (outside[t] - room[t]) + power[t] * heating[t]
    room[t + 1] = room[t] + change + 0.05 * rng.standard_normal()

last = np.diff(room, prepend=room[0])[:-1]
X = np.column_stack([room[:-1], outside, heating, last, np.roll(heating, 1)])
y = np.diff(room)
train, test = slice(None, 3000), slice(3000, None)

# %%
# One or two linear models
# ------------------------
# No model can predict when the window is opened or shut. Squared errors depend mostly on these few
# steps; the median depends on all the others.

mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
models = {
    "mixture of 2": mixture,
    "one linear model": LinearRegression(),
    "tree": DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
    "boosting": HistGradientBoostingRegressor(random_state=0),
}
for name, model in models.items():
    error = np.abs(model.fit(X[train], y[train]).predict(X[test]) - y[test])
    print(f"{name:18s} RMSE {np.sqrt(np.mean(error**2)):.3f}   median {np.median(error):.3f}")

# %%
# The physics of each expert
# --------------------------
# The coefficients of the room's temperature, the outside temperature and the heating are the losses
# and powers above.

for name, expert in mixture.named_experts_.items():
    print(name, expert.coef_[:3].round(3))

# %%
# The state of the window
# -----------------------
# Responsibilities use the change after a step. The gate does not know it yet and uses the last
# change alone, so it is late by one step.

loses_more = np.argmin([expert.coef_[0] for expert in mixture.experts_])
afterwards = mixture.responsibilities(X[test], y[test])[:, loses_more]
beforehand = mixture.gate_proba(X[test])[:, loses_more]
truth = opened[test]
for name, belief in {"responsibilities": afterwards, "gate": beforehand}.items():
    print(f"{name:18s} correct about the window in {np.mean((belief > 0.5) == truth):.1%} of steps")

figure, axes = plt.subplots(3, 1, figsize=(9, 5), layout="constrained", sharex=True)
hours = np.arange(400) / 12
curves = [room[3000:3400], beforehand[:400], afterwards[:400]]
labels = ["room, degrees", "gate", "responsibility"]
for ax, curve, label in zip(axes, curves, labels, strict=True):
    ax.plot(hours, curve, color="#0072B2", linewidth=1.2)
    ax.fill_between(
        hours, 0, 1, where=truth[:400], transform=ax.get_xaxis_transform(), step="post",
        color="#E69F00", alpha=0.35, linewidth=0, label="window open",
    )  # fmt: skip
    ax.set_ylabel(label)
axes[0].legend(loc="upper right")
axes[-1].set_xlabel("hours")
plt.show()
