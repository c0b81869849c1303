"""
Classification: boundaries that depend on the region
====================================================

Each of three experts draws labels by its own linear boundary, and the region of the plane
determines the expert. No single line separates such classes; a mixture of logistic experts does.
"""

# %%
# The data
# --------
# The data come from a known mixture, whose parameters are returned as well.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from skmoe.datasets import make_moe_classification

X, y, truth = make_moe_classification(
    1500, n_features=2, n_experts=3, sharpness=6.0, return_params=True, random_state=2
)
print(f"rows per class: {np.bincount(y)}, rows per true expert: {np.bincount(truth.expert)}")

# %%
# Fit and compare
# ---------------
# Two scores are compared: the accuracy, and the log-score, the mean log probability of the true
# class of rows that the model has not seen. Both are better when higher.

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate

from skmoe import MixtureOfExpertsClassifier

mixture = MixtureOfExpertsClassifier(n_experts=3, random_state=0)
for model in (mixture, LogisticRegression(), HistGradientBoostingClassifier(random_state=0)):
    scores = cross_validate(model, X, y, scoring=["accuracy", "neg_log_loss"])
    print(
        f"{type(model).__name__:<31} accuracy {scores['test_accuracy'].mean():.3f}   "
        f"log-score {scores['test_neg_log_loss'].mean():.3f}"
    )

# %%
# Which expert handles which rows
# -------------------------------
# The order of experts has no meaning, so each one is matched with the true expert whose rows it
# handles most.

mixture.fit(X, y)
handled = mixture.apply(X)
for k in range(mixture.n_experts_):
    rows = handled == k
    counts = np.bincount(truth.expert[rows], minlength=3)
    print(
        f"expert {k}: {mixture.expert_usage_[k]:4.0%} of the rows, accuracy "
        f"{mixture.score(X[rows], y[rows]):.3f}, "
        f"{counts.max() / counts.sum():.0%} of them made by true expert {counts.argmax()}"
    )

# %%
# A figure
# --------
# Left: the probability of class 1. Right: the most probable expert by the gate, paler where its
# probability is lower.

side = np.linspace(-3, 3, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
extent = (-3, 3, -3, 3)
probability = mixture.predict_proba(grid)[:, 1].reshape(200, 200)
gate = mixture.gate_proba(grid)
trusted, trust = gate.argmax(axis=1).reshape(200, 200), gate.max(axis=1).reshape(200, 200)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
shown = left.imshow(probability, origin="lower", extent=extent, cmap="RdBu_r", vmin=0, vmax=1)
left.scatter(*X.T, c=y, s=10, cmap="RdBu_r", edgecolors="w", linewidths=0.3)
left.set(title="P(class 1 | x)", xlabel="$x_0$", ylabel="$x_1$", xlim=(-3, 3), ylim=(-3, 3))
fig.colorbar(shown, ax=left, shrink=0.7)
colours = ListedColormap([f"C{k}" for k in range(mixture.n_experts_)])
right.imshow(trusted, origin="lower", extent=extent, cmap=colours, alpha=(trust - 1 / 3) * 1.5)
right.set(title="most probable expert", xlabel="$x_0$", ylabel="$x_1$")
plt.show()
