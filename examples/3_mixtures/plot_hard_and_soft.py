"""
Hard and soft mixtures
======================

In a soft mixture every expert contributes to every row, weighted by the gate. With ``top_k=1`` each
row has one expert. A hard mixture is cheaper and easier to explain. It is also as good if the
regimes of the table are well separated.
"""

# %%
# Two tables
# ----------
# The irises belong to three species, one of them far from the others; here the length of a petal is
# predicted from the other measurements. The patients of the diabetes table form no such groups.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, load_iris

iris = load_iris().data
diabetes_X, diabetes_y = load_diabetes(return_X_y=True, scaled=False)
tables = {"iris": (iris[:, [0, 1, 3]], iris[:, 2]), "diabetes": (diabetes_X, diabetes_y)}

# %%
# Soft or hard in training and prediction
# ---------------------------------------
# ``top_k`` acts in ``fit``, and again at prediction. So a soft fit can predict as a soft or as a
# hard mixture, and a hard fit predicts as a hard one. The log-score is the mean log-density of rows
# that the model has not seen; higher is better.

from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold

from skmoe import MixtureOfExpertsRegressor

TOP_K = {"soft": (None, None), "soft, then hard": (None, 1), "hard": (1, 1)}


def cross_validated(model, X, y, in_fit, in_predict):
    """Mean over folds of error, log-score, dispersion of the experts and EM iterations."""
    values = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        fold = clone(model).set_params(top_k=in_fit).fit(X[train], y[train])
        fold.set_params(top_k=in_predict)
        error = root_mean_squared_error(y[test], fold.predict(X[test]))
        score = fold.score_samples(X[test], y[test]).mean()
        values.append([error, score, fold.expert_usage_ @ fold.dispersion_, fold.n_iter_])
    return np.mean(values, axis=0)


model = MixtureOfExpertsRegressor(Ridge(), n_experts=2, tol=1e-4, random_state=0)
for table, (X, y) in tables.items():
    print(f"{table}, {len(X)} rows")
    for name, top_k in TOP_K.items():
        error, score, dispersion, n_iter = cross_validated(model, X, y, *top_k)
        print(
            f"  {name:<16} RMSE {error:7.3f}   log-score {score:6.2f}   "
            f"dispersion of experts {dispersion:6.3f}   iterations {n_iter:3.0f}"
        )

# %%
# Interpretation
# --------------
# Where regimes are well separated, a hard fit is as good and needs far fewer iterations. Where they
# are not, a hard fit divides the rows by their errors: each expert keeps the rows that it happens
# to explain, its dispersion is too small, and the gate cannot predict from x which expert is
# better. RMSE and log-score of new rows both show this. A soft fit with hard prediction loses less
# there.

# %%
# The entropy of the gate
# -----------------------
# ``gate_entropy_`` of a soft fit indicates the case without new rows: it is near zero where each
# row has one expert anyway, and ``log(2)`` where the gate is uniform.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for ax, (name, (X, y)) in zip(axes, tables.items(), strict=True):
    model.fit(X, y)
    print(f"{name}: gate_entropy_ {model.gate_entropy_:.3f} of at most {np.log(2):.3f}")
    trust = model.gate_proba(X).max(axis=1)
    ax.hist(trust, bins=np.linspace(0.5, 1, 21), weights=np.full(len(X), 1 / len(X)))
    ax.set(title=f"{name}: entropy {model.gate_entropy_:.2f}", xlabel="largest gate probability")
axes[0].set_ylabel("share of the rows")
plt.show()
