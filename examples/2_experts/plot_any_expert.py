"""
Any estimator as an expert
==========================

The energy that a building uses in a day depends on the weather in three ways: heating when it is
cold, nothing in between, cooling in steps when it is hot. The table has a text column, so the
experts are pipelines. The regimes differ in kind, so the experts may differ too.
"""

# %%
# The data
# --------
# The text column matters only while heating: the insulation determines how fast heat is lost.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 600
X = pd.DataFrame(
    {
        "temperature": rng.uniform(-10, 38, size=n),
        "area": rng.uniform(50, 250, size=n),
        "insulation": rng.choice(["none", "walls", "full"], size=n),
    }
)
loss = X["insulation"].map({"none": 1.0, "walls": 0.6, "full": 0.2}).to_numpy()
heating = loss * np.clip(15 - X["temperature"], 0, None)
cooling = np.array([0, 6, 9, 14, 17])[np.digitize(X["temperature"], [24, 28, 31, 35])]
y = 5 + heating + cooling + np.where(heating > 0, 1.0, 0.3) * rng.normal(size=n)

# %%
# One pipeline, cloned
# --------------------
# The experts see all columns; the gate sees only the temperature, selected by name. Every part can
# be searched: the number of experts, the penalty of the gate, and the steps of a pipeline.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate

columns = make_column_transformer(
    (OneHotEncoder(), ["insulation"]), (StandardScaler(), ["temperature", "area"])
)
products = PolynomialFeatures(2, interaction_only=True, include_bias=False)
linear = make_pipeline(columns, products, Ridge())

search = GridSearchCV(
    MixtureOfExpertsRegressor(
        linear, gate=SoftmaxGate(), gate_features=["temperature"], random_state=0
    ),
    {"n_experts": [1, 2, 3], "gate__alpha": [0.01, 1.0]},
    cv=KFold(3, shuffle=True, random_state=0),
    scoring="neg_root_mean_squared_error",
)
search.fit(X, y)
print("best:", search.best_params_, f"RMSE {-search.best_score_:.3f}")

# %%
# Experts of different kinds
# --------------------------
# The experts are a list of names and estimators: a linear model, a constant for the mild days, and
# a small tree for the steps. Parameters are set by name, as in `VotingRegressor`. Such experts
# cannot exchange their roles, so the initial division of the rows matters: a rough guess, given as
# initial responsibilities, replaces many random starts.

from sklearn.dummy import DummyRegressor
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
cold_mild_hot = np.digitize(X_train["temperature"], [10, 25])

tree = make_pipeline(columns, DecisionTreeRegressor(max_leaf_nodes=4, min_samples_leaf=10))
mixed = MixtureOfExpertsRegressor(
    [("linear", linear), ("constant", DummyRegressor()), ("tree", tree)],
    gate_features=["temperature"],
    init=np.eye(3)[cold_mild_hot],
    random_state=0,
)
mixed.set_params(linear__ridge__alpha=0.1)
for name, model in {"mixture": mixed, "linear alone": linear, "tree alone": tree}.items():
    prediction = model.fit(X_train, y_train).predict(X_test)
    print(f"{name:<13} RMSE {root_mean_squared_error(y_test, prediction):.3f}")

# %%
# Which expert handles which rows
# -------------------------------
# The lower figure shows that the tree takes over exactly where the steps begin.

for name, share, spread in zip(
    mixed.named_experts_, mixed.expert_usage_, mixed.dispersion_, strict=True
):
    print(f"{name:<8} {share:4.0%} of the rows, spread {spread:.2f}")

order = np.argsort(X["temperature"].to_numpy())
gate = mixed.gate_proba(X)[order]
fig, (top, bottom) = plt.subplots(
    2, 1, sharex=True, figsize=(7, 6), height_ratios=[2, 1], layout="constrained"
)
for insulation, rows in X.groupby("insulation").groups.items():
    top.scatter(X.loc[rows, "temperature"], y[rows], s=8, label=f"insulation: {insulation}")
top.set_ylabel("use")
top.legend()
for k, name in enumerate(mixed.named_experts_):
    bottom.plot(X["temperature"].iloc[order], gate[:, k], label=name)
bottom.set(xlabel="temperature", ylabel="gate", ylim=(-0.05, 1.05))
bottom.legend()
plt.show()
