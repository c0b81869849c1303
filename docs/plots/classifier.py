"""A gate with a curved border: softmax, and a neural network."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPClassifier

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)


def bent(n):
    X = rng.uniform(-1, 1, size=(n, 2))
    above = X[:, 1] > 0.6 * np.sin(4 * X[:, 0])
    return X, np.where(above, 2 + X[:, 0], X[:, 0] - 2) + rng.standard_normal(n)


X, y = bent(500)
new_X, new_y = bent(2000)
network = MLPClassifier((20,), solver="lbfgs", alpha=1.0, max_iter=500)
side = np.linspace(-1, 1, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.8), layout="constrained")
for ax, (name, gate) in zip(axes, {"softmax": None, "neural": network}.items(), strict=True):
    model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, tol=1e-3, random_state=0).fit(X, y)
    upper = np.argmax([line.intercept_ for line in model.experts_])
    trust = model.gate_proba(grid)[:, upper].reshape(200, 200)
    shown = ax.imshow(trust, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmin=0, vmax=1)
    ax.plot(side, 0.6 * np.sin(4 * side), "k--", linewidth=1)
    ax.set_title(f"{name}\nlog-score on new rows {model.score_samples(new_X, new_y).mean():.2f}")
    ax.set_xlabel("$x_0$")
axes[0].set_ylabel("$x_1$")
fig.colorbar(shown, ax=axes, shrink=0.9, label="gate of the upper expert")
