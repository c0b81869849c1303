"""
A room whose window is opened
=============================

A heater, a thermometer, and now and then an open window: what will the temperature be in five
minutes? Who knows both ways in which the room behaves can say which of them holds now.
"""

# %%
# Two regimes that nobody records
# -------------------------------
# A shut room loses 2 % of its difference to the outside in five minutes, an open one 15 %, and
# heating does half as much. What is known: temperatures inside and outside, heating, and the
# last change of temperature with the heating at that time. The change to come is to be predicted.
# The first 3000 steps train, the last 1000 test.

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
# Two linear models, and one
# --------------------------
# When the window is opened or shut, no model can foresee it, and squared errors are mostly about
# those few steps; the median is about all the others.

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
# Physics read off the experts
# ----------------------------
# Coefficients of the room's temperature, the outside and the heating: losses and powers as above.

for name, expert in mixture.named_experts_.items():
    print(name, expert.coef_[:3].round(3))

# %%
# The window, recovered
# ---------------------
# Responsibilities know what came of a step, the gate does not yet: it has the last change alone.
# So the gate is late by one step, as anybody would be.

loses_more = np.argmin([expert.coef_[0] for expert in mixture.experts_])
afterwards = mixture.responsibilities(X[test], y[test])[:, loses_more]
beforehand = mixture.gate_proba(X[test])[:, loses_more]
truth = opened[test]
for name, belief in {"responsibilities": afterwards, "gate": beforehand}.items():
    print(f"{name:18s} right about the window in {np.mean((belief > 0.5) == truth):.1%} of steps")

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
