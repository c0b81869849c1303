"""
How many experts?
=================

Too few experts miss a regime, too many split one for nothing. ``n_experts="auto"`` grows a mixture
from one expert and stops when another no longer pays.
"""

# %%
# Three regimes
# -------------
# The table was made by three linear experts behind a softmax gate. One linear fit sees a cloud.

import matplotlib.pyplot as plt

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.inspection import PathDisplay

X, y = make_moe_regression(800, 1, n_experts=3, random_state=4)
model = MixtureOfExpertsRegressor(n_experts="auto", random_state=0).fit(X, y)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.scatter(X[:, 0], y, s=6, c=model.apply(X), cmap="viridis")
left.set(xlabel="x", ylabel="y", title=f"{model.n_experts_} experts found")
PathDisplay.from_estimator(model, ax=right)
right.set_title("what every size reached")

# %%
# The path
# --------
# Each size begins as the last one with one expert cut in two; its gate and the others are kept. The
# criterion is BIC, for linear experts have parameters that can be counted.

for step in model.path_:
    print(
        f"{step['n_experts']} experts: log-likelihood {step['log_likelihood']:8.1f}, "
        f"BIC {step['bic']:8.1f}{'  <- chosen' if step['chosen'] else ''}"
    )

# %%
# Trees have no such number. Sizes are then judged by rows that were held out, and by answers about
# rows that a tree has not seen.

from sklearn.datasets import load_diabetes
from sklearn.tree import DecisionTreeRegressor

table, target = load_diabetes(return_X_y=True)
trees = MixtureOfExpertsRegressor(
    DecisionTreeRegressor(max_depth=3, min_samples_leaf=10), n_experts="auto", random_state=0
).fit(table, target)
for step in trees.path_:
    print(
        f"{step['n_experts']} trees: held-out log-score {step['held_out']:.3f}"
        f"{'  <- chosen' if step['chosen'] else ''}"
    )

plt.show()
