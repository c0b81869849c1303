"""Regimes within regimes: a flat softmax gate and a tree of two levels."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import HierarchicalGate, SoftmaxGate

rng = np.random.default_rng(0)
slopes = np.array([[4, 0], [0, 4], [-4, 0], [0, -4]])


def nested(n):
    X = rng.uniform(-1, 1, size=(n, 2))
    # The left half is split low, the right half high.
    cell = np.where(X[:, 0] < 0, X[:, 1] > -0.5, 2 + (X[:, 1] > 0.5)).astype(int)
    return X, (X * slopes[cell]).sum(axis=1) + 0.1 * rng.standard_normal(n)


X, y = nested(1200)
new_X, new_y = nested(2000)
side = np.linspace(-1, 1, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
colours = ListedColormap([f"C{k}" for k in range(4)])
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
gates = {"flat softmax": SoftmaxGate(), "tree (2, 2)": HierarchicalGate((2, 2))}
for ax, (name, gate) in zip(axes, gates.items(), strict=True):
    model = MixtureOfExpertsRegressor(n_experts=4, gate=gate, random_state=0).fit(X, y)
    best = model.apply(grid).reshape(200, 200)
    ax.imshow(best, origin="lower", extent=(-1, 1, -1, 1), cmap=colours, vmin=0, vmax=3, alpha=0.6)
    ax.plot([0, 0], [-1, 1], "k--", linewidth=1)
    ax.plot([-1, 0], [-0.5, -0.5], "k--", linewidth=1)
    ax.plot([0, 1], [0.5, 0.5], "k--", linewidth=1)
    ax.set_title(f"{name}\nlog-score on new rows {model.score_samples(new_X, new_y).mean():.2f}")
    ax.set(xlabel="$x_0$", ylabel="$x_1$")
