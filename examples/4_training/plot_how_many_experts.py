"""
How many experts?
=================

Too few experts miss a regime, and too many split one without need. ``n_experts="auto"`` adds
experts one by one and stops when another one no longer improves the criterion.
"""

# %%
# Three regimes
# -------------
# Three linear experts and a softmax gate generated the table. A single linear model fits it poorly.

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
# Each size begins with the previous mixture, in which one expert is split in two; its gate and the
# other experts are kept. The criterion is BIC, because the parameters of linear experts can be
# counted.

for step in model.path_:
    print(
        f"{step['n_experts']} experts: log-likelihood {step['log_likelihood']:8.1f}, "
        f"BIC {step['bic']:8.1f}{'  <- chosen' if step['chosen'] else ''}"
    )

# %%
# The parameters of trees cannot be counted, but trees are cross-fitted. One, two and four of them
# are compared by the likelihood of the predictions out of fold.

from sklearn.datasets import load_diabetes
from sklearn.tree import DecisionTreeRegressor

table, target = load_diabetes(return_X_y=True)
trees = MixtureOfExpertsRegressor(
    DecisionTreeRegressor(max_depth=3, min_samples_leaf=10), n_experts="auto", random_state=0
).fit(table, target)
for step in trees.path_:
    print(
        f"{step['n_experts']} trees: out-of-fold log-score {step['out_of_fold']:.3f}"
        f"{'  <- chosen' if step['chosen'] else ''}"
    )

plt.show()
