"""
Figures of a mixture
====================

Four displays show the progress of EM, which expert handles which rows, how much each expert is
used, and the predicted distribution of y.
"""

# %%
# A table with text in it
# -----------------------
# The table contains wages in three kinds of shops. The effect of a year of experience depends on
# the kind, on the number of years, and a little on chance.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.inspection import (
    ConvergenceDisplay,
    ExpertUsageDisplay,
    GateDisplay,
    PredictiveDensityDisplay,
)

rng = np.random.default_rng(0)
n = 1500
X = pd.DataFrame({"years": rng.uniform(0, 30, n), "staff": rng.uniform(1, 40, n)})
X["kind"] = rng.choice(["bakery", "garage", "office"], n, p=[0.5, 0.3, 0.2])
grown = X["staff"] + 10 * (X["kind"] == "office") > 25
wage = np.where(grown, 14 + 0.7 * X["years"], 12 + 5 * np.tanh(X["years"] / 6))
wage += np.where(grown, 2.0, 0.7) * rng.standard_normal(n)


def encoder():
    scaled = (StandardScaler(), ["years", "staff"])
    return make_column_transformer((OneHotEncoder(), ["kind"]), scaled)


model = MixtureOfExpertsRegressor(
    make_pipeline(encoder(), LinearRegression()),
    n_experts=3,
    gate=make_pipeline(encoder(), SoftmaxGate()),
    random_state=0,
).fit(X, wage)
print(f"R2 {model.score(X, wage):.2f} after {model.n_iter_} iterations: {model.stop_reason_}")

# %%
# Progress of EM
# --------------
# The line is the objective of the best start. For the other starts, points show where they ended.

ConvergenceDisplay.from_estimator(model)

# %%
# Which expert handles which rows
# -------------------------------
# Two numeric columns vary; the kind of shop is constant in each figure.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for ax, kind in zip(axes, ["bakery", "office"], strict=True):
    display = GateDisplay.from_estimator(model, X, ["years", "staff"], at={"kind": kind}, ax=ax)
    ax.set_title(kind)
    ax.label_outer()
    if ax is axes[0]:
        display.legend_.remove()

# %%
# How much each expert is used
# ----------------------------
# The gate uses x alone. With the wage as well, the expert of a row is more certain.

for y in (None, wage):
    display = ExpertUsageDisplay.from_estimator(model, X, y)
    print(f"experts that share a row: {np.exp(display.entropy_):.2f}")

# %%
# Predicted distribution of y
# ---------------------------
# In a bakery with 24 employees both regimes are possible.

PredictiveDensityDisplay.from_estimator(
    model, X, "years", at={"staff": 24, "kind": "bakery"}, target_name="wage"
)
plt.show()
