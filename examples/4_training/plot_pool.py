"""
A pool of experts that do not specialise
========================================

Stacking gives its members the same weights in every row. A mixture with ``specialize=False`` fits
each member once, like stacking, but its weights depend on x, and so do its errors: it gives a
standard deviation for every prediction.
"""

# %%
# Members and pool
# ----------------
# Predictions of the training rows are out of fold, and out of bag for the forest. With two
# dispersions each, a member may have small errors in one region and large ones in another.

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor, StackingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian

members = [
    ("ridge", RidgeCV(np.logspace(-3, 1, 9))),
    ("forest", RandomForestRegressor(100, min_samples_leaf=3, random_state=0)),
    ("extra", ExtraTreesRegressor(100, min_samples_leaf=3, random_state=0)),
]
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
pool = MixtureOfExpertsRegressor(
    members,
    specialize=False,
    gate=SoftmaxGate(alpha=10),
    response=Gaussian(n_scales=2),
    random_state=0,
).fit(X_train, y_train)

# %%
# Which expert handles which rows
# -------------------------------
# Components that share a member have its name and a number.

for name, share, dispersion in zip(
    pool.named_experts_, pool.expert_usage_, pool.dispersion_, strict=True
):
    print(f"{name:10s} share {share:.2f}, dispersion {dispersion:5.1f}")

# %%
# Its RMSE is about that of stacking, and it also gives a standard deviation for every row.

stack = StackingRegressor(members).fit(X_train, y_train)
for name, model in {"pool": pool, "stacking": stack}.items():
    print(f"{name:9s} RMSE {root_mean_squared_error(y_test, model.predict(X_test)):.2f}")

import matplotlib.pyplot as plt

mean, std = pool.predict(X_test, return_std=True)
order = np.argsort(std)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.errorbar(np.arange(len(order)), (y_test - mean)[order], yerr=std[order], fmt=".", lw=0.5)
ax.axhline(0, color="black", lw=0.8)
ax.set(xlabel="test rows, by standard deviation", ylabel="error, and one standard deviation")
plt.show()
