"""
Hard and soft: when may a row have one expert only?
===================================================

In a soft mixture every expert answers for every row, weighted by the gate. With ``top_k=1`` each
row has one expert. That is cheaper and easier to explain. Whether it is also as good depends on
the table: on whether its regimes lie apart.
"""

# %%
# Two tables
# ----------
# The irises are of three species, one of them far from the others: here a petal's length is
# predicted from the other measurements. The patients of the diabetes table are of no such groups.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, load_iris

iris = load_iris().data
diabetes_X, diabetes_y = load_diabetes(return_X_y=True, scaled=False)
tables = {"iris": (iris[:, [0, 1, 3]], iris[:, 2]), "diabetes": (diabetes_X, diabetes_y)}

# %%
# Fit soft or hard, read soft or hard
# -----------------------------------
# ``top_k`` counts twice: in ``fit``, and again at prediction. So a soft fit can be read softly or
# hard, and a hard fit is read hard. The log-score is the mean log-density of rows that the model
# has not seen; higher is better.

from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold

from skmoe import MixtureOfExpertsRegressor

WAYS = {"soft": (None, None), "soft, read hard": (None, 1), "hard": (1, 1)}


def cross_validated(model, X, y, fitted, read):
    """Mean over folds of error, log-score, spread of the experts and EM iterations."""
    values = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        fold = clone(model).set_params(top_k=fitted).fit(X[train], y[train])
        fold.set_params(top_k=read)
        error = root_mean_squared_error(y[test], fold.predict(X[test]))
        score = fold.score_samples(X[test], y[test]).mean()
        values.append([error, score, fold.expert_usage_ @ fold.dispersion_, fold.n_iter_])
    return np.mean(values, axis=0)


model = MixtureOfExpertsRegressor(Ridge(), n_experts=2, tol=1e-4, random_state=0)
for name, (X, y) in tables.items():
    print(f"{name}, {len(X)} rows")
    for way, (fitted, read) in WAYS.items():
        error, score, spread, n_iter = cross_validated(model, X, y, fitted, read)
        print(
            f"  {way:<16} RMSE {error:7.3f}   log-score {score:6.2f}   "
            f"spread of experts {spread:6.3f}   iterations {n_iter:3.0f}"
        )

# %%
# What to make of it
# ------------------
# Where regimes are apart, nothing is lost, and a hard fit needs far fewer iterations. Where they
# are not, a hard fit splits the rows by their errors: each expert keeps the rows that it happens to
# explain, its spread comes out too small, and the gate cannot tell from x who will be right. RMSE
# and log-score of new rows both say so. Reading a soft fit hard is the milder mistake there.

# %%
# How sure the gate is
# --------------------
# ``gate_entropy_`` of a soft fit tells beforehand, without new rows: it is near zero where each row
# has one expert anyway, and ``log(2)`` where the gate knows nothing.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for ax, (name, (X, y)) in zip(axes, tables.items(), strict=True):
    model.fit(X, y)
    print(f"{name}: gate_entropy_ {model.gate_entropy_:.3f} of at most {np.log(2):.3f}")
    trust = model.gate_proba(X).max(axis=1)
    ax.hist(trust, bins=np.linspace(0.5, 1, 21), weights=np.full(len(X), 1 / len(X)))
    ax.set(title=f"{name}: entropy {model.gate_entropy_:.2f}", xlabel="gate of the best expert")
axes[0].set_ylabel("share of the rows")
plt.show()
