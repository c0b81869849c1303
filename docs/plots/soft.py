"""A smooth curve from four lines, and the gate that weights them."""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, size=400)
y = np.sin(1.5 * x) + 0.15 * rng.standard_normal(x.size)
model = MixtureOfExpertsRegressor(n_experts=4, random_state=0).fit(x[:, None], y)

grid = np.linspace(-3, 3, 400)
mean, std = model.predict(grid[:, None], return_std=True)
gate, lines = model.gate_proba(grid[:, None]), model.expert_predict(grid[:, None])

fig, (top, bottom) = plt.subplots(
    2, 1, sharex=True, figsize=(7, 4.5), height_ratios=[2, 1], layout="constrained"
)
top.scatter(x, y, s=6, color="0.7")
top.fill_between(grid, mean - std, mean + std, color="0.9", label="mean ± std")
top.plot(grid, mean, color="black", linewidth=2, label="mean")
for k in range(model.n_experts_):
    trusted = np.where(gate[:, k] > 0.1, lines[:, k], np.nan)
    top.plot(grid, trusted, color=f"C{k}", linewidth=1.5)
    bottom.plot(grid, gate[:, k], color=f"C{k}", label=f"expert {k}")
top.set(ylabel="y")
bottom.set(xlabel="x", ylabel="gate")
for ax in (top, bottom):
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
