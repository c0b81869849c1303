"""One regime inside another: borders of the Gaussian gate can be closed curves."""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)


def within(n):
    inner = rng.uniform(size=n) < 0.4
    X = rng.standard_normal((n, 2)) * np.where(inner, 0.5, 2.0)[:, None]
    return X, np.where(inner, 3.0, -1.0) * X[:, 0] + 0.2 * rng.standard_normal(n), inner


X, y, inner = within(1000)
new_X, new_y, _ = within(2000)
side = np.linspace(-3, 3, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 4), layout="constrained")
for ax, gate in zip(axes, ("softmax", "gaussian"), strict=True):
    model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, random_state=0).fit(X, y)
    steep = np.argmax([abs(line.coef_[0]) for line in model.experts_])
    trust = model.gate_proba(grid)[:, steep].reshape(200, 200)
    shown = ax.imshow(trust, origin="lower", extent=(-3, 3, -3, 3), cmap="Blues", vmin=0, vmax=1)
    ax.scatter(*X[inner].T, s=4, color="C1", label="rows of the inner regime")
    ax.scatter(*X[~inner].T, s=4, color="0.4", label="of the outer")
    ax.set_title(f"{gate}\nlog-score on new rows {model.score_samples(new_X, new_y).mean():.2f}")
    ax.set(xlabel="$x_0$", xlim=(-3, 3), ylim=(-3, 3))
axes[0].set_ylabel("$x_1$")
axes[1].legend(loc="lower left", framealpha=0.9, markerscale=3)
fig.colorbar(shown, ax=axes, shrink=0.9, label="gate of the inner expert")
