"""Shares of six experts on two lines, with and without a prior on usage."""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate

rng = np.random.default_rng(1)


def two_lines(n):
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, np.where(X[:, 0] > 0, 4.0, -4.0) * X[:, 1] + 0.3 * rng.standard_normal(n)


X, y = two_lines(400)
new_X, new_y = two_lines(2000)
fig, ax = plt.subplots(figsize=(6.5, 3.3), layout="constrained")
for shift, balance in ((-0.2, 0), (0.2, 30)):
    model = MixtureOfExpertsRegressor(n_experts=6, gate=SoftmaxGate(balance=balance), tol=1e-4)
    model.set_params(random_state=0).fit(X, y)
    score = model.score_samples(new_X, new_y).mean()
    label = (
        f"balance={balance}: entropy {model.gate_entropy_:.2f}, log-score on new rows {score:.2f}"
    )
    ax.bar(np.arange(1, 7) + shift, np.sort(model.expert_usage_)[::-1], width=0.4, label=label)
ax.axhline(1 / 6, color="0.5", linewidth=1)
ax.set(xlabel="experts, largest share first", ylabel="expert_usage_", xticks=range(1, 7))
ax.legend()
