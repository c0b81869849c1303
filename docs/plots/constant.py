"""Two crossing lines: the gate gives shares only, responsibilities separate the lines."""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, size=400)
slope = np.where(rng.uniform(size=x.size) < 0.3, 2.0, -2.0)
y = slope * x + 0.5 * rng.standard_normal(x.size)
X = x[:, None]
model = MixtureOfExpertsRegressor(n_experts=2, gate="constant", random_state=0).fit(X, y)

grid = np.linspace(-3, 3, 100)[:, None]
responsible = model.responsibilities(X, y)[:, 1]
fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
shown = ax.scatter(x, y, c=responsible, cmap="coolwarm", s=12, vmin=0, vmax=1)
for k, line in enumerate(model.expert_predict(grid).T):
    share = model.gate_proba(grid[:1])[0, k]
    ax.plot(grid, line, color=["C0", "C3"][k], label=f"expert {k}: share {share:.2f}")
ax.plot(grid, model.predict(grid), "k--", label="prediction (mean)")
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper center")
fig.colorbar(shown, label="responsibility of expert 1")
