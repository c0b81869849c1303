"""Hard and soft mixtures where regimes are separated, and where one gradually replaces another."""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)


def separated(n):
    x = rng.uniform(-3, 3, size=n)
    return x[:, None], np.abs(x) + 0.15 * rng.standard_normal(n)


def gradual(n):
    x = rng.uniform(-3, 3, size=n)
    upper = rng.uniform(size=n) < 1 / (1 + np.exp(-1.5 * x))
    return x[:, None], np.where(upper, 2 + 0.3 * x, -2 + 0.3 * x) + 0.5 * rng.standard_normal(n)


grid = np.linspace(-3, 3, 1000)[:, None]
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, draw in zip(axes, (separated, gradual), strict=True):
    X, y = draw(400)
    new_X, new_y = draw(2000)
    ax.scatter(X, y, s=5, color="0.75")

    def show(model, name, style, ax=ax, X=new_X, y=new_y):
        score = model.score_samples(X, y).mean()
        ax.plot(
            grid, model.predict(grid), style, label=f"{name}: log-score on new rows {score:.2f}"
        )

    soft = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    hard = MixtureOfExpertsRegressor(n_experts=2, top_k=1, random_state=0).fit(X, y)
    show(soft, "soft", "C0-")
    show(hard, "hard fit", "C1-")
    show(soft.set_params(top_k=1), "soft fit, top_k=1", "k:")
    ax.set(title=draw.__name__, xlabel="x", ylabel="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
