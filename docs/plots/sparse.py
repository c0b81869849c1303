"""The error of sixteen linear experts against the number evaluated for a row."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import root_mean_squared_error

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)


def waves(n):
    X = rng.uniform(-2, 2, size=(n, 2))
    return X, np.sin(2 * X[:, 0]) * np.cos(2 * X[:, 1]) + 0.1 * rng.standard_normal(n)


X, y = waves(800)
new_X, new_y = waves(2000)
model = MixtureOfExpertsRegressor(n_experts=16, n_init=1, tol=1e-2, random_state=0).fit(X, y)

evaluated = [1, 2, 4, 8, 16]
predicted, fitted = [], []
for top_k in evaluated:
    predicted.append(root_mean_squared_error(new_y, model.set_params(top_k=top_k).predict(new_X)))
for top_k in evaluated:
    model.set_params(top_k=top_k).fit(X, y)
    fitted.append(root_mean_squared_error(new_y, model.predict(new_X)))

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(evaluated, fitted, "s--", color="C1", label="fitted with top_k")
ax.plot(evaluated, predicted, "o-", color="C0", label="soft fit, predicted with top_k")
ax.axhline(0.1, color="0.6", linewidth=1, label="noise of the data")
ax.set(xscale="log", xlabel="top_k", ylabel="RMSE on new rows", ylim=(0, None))
ax.set_xticks(evaluated, labels=map(str, evaluated))
ax.minorticks_off()
ax.legend()
