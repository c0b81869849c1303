"""
A clinical table
================

How far will diabetes have progressed in a year? A mixture of two regressions can be explained to
somebody who knows patients, not statistics.
"""

# %%
# Comparison with one regression
# ------------------------------
# The columns are body mass index, blood pressure and ``s5``, the logarithm of triglycerides, of 442
# people, in their own units. Five folds are repeated twice. The log score is the mean log-density
# of the observed values, and rates the predicted distribution as a whole; that of ridge regression
# is computed with one standard deviation for all rows.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.inspection import GateDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["bmi", "bp", "s5"]]

ridge = make_pipeline(StandardScaler(), Ridge())
mixture = MixtureOfExpertsRegressor(
    make_pipeline(StandardScaler(), Ridge(30)),
    n_experts=2,
    gate=make_pipeline(StandardScaler(), SoftmaxGate(alpha=3)),
    random_state=0,
)


def half_width(X_train, y_train):
    """Of the interval around ridge regression's prediction with 90 % of normal errors."""
    spread = np.std(y_train - ridge.predict(X_train), ddof=X.shape[1] + 1)
    return norm.ppf(0.95) * spread


def scores(X_train, y_train, X_test, y_test):
    """R2, log score and coverage, of mixture and ridge regression."""
    mixture.fit(X_train, y_train)
    ridge.fit(X_train, y_train)
    low, high = mixture.predict_interval(X_test, coverage=0.9).T
    reach, error = half_width(X_train, y_train), y_test - ridge.predict(X_test)
    density = norm.logpdf(error, scale=reach / norm.ppf(0.95))
    within = (low <= y_test) & (y_test <= high)
    return [
        [
            mixture.score(X_test, y_test),
            mixture.score_samples(X_test, y_test).mean(),
            within.mean(),
        ],
        [ridge.score(X_test, y_test), density.mean(), np.mean(np.abs(error) <= reach)],
    ]


folds = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0).split(X)
results = [scores(X.iloc[a], y.iloc[a], X.iloc[b], y.iloc[b]) for a, b in folds]
for name, row in zip(["mixture", "ridge"], np.mean(results, axis=0), strict=True):
    print("{:8s} R2 {:.3f}   log score {:.3f}   within 90 % intervals {:.1%}".format(name, *row))

# %%
# The predictions are hardly better: the gain in R2 is far less than its variation between folds.
# But the uncertainty that the mixture gives depends on the patient.

# %%
# The experts in words
# --------------------
# The effects of both regressions, and the average patient of each, are:

mixture.fit(X, y)
ridge.fit(X, y)
steps = {"bmi": (5, "kg/m2 of body mass index"), "bp": (10, "mmHg of blood pressure")}
for k, (name, expert) in enumerate(mixture.named_experts_.items()):
    slopes = dict(zip(X.columns, expert[-1].coef_ / expert[0].scale_, strict=True))
    typical = np.average(X, axis=0, weights=mixture.gate_proba(X)[:, k])
    means = ", ".join(f"{c} {v:.1f}" for c, v in zip(X.columns, typical, strict=True))
    print(f"{name}: {mixture.expert_usage_[k]:.0%} of people, on average {means}")
    for column, (amount, words) in steps.items():
        print(f"  {amount} {words} more: progression {amount * slopes[column]:+.0f}")
    print(f"  people differ from this by about {mixture.dispersion_[k]:.0f}")

# %%
# The disease progresses little, and similarly, in most people with a low body mass index, low blood
# pressure and low triglycerides, whatever their exact values. Among the others the values matter,
# and people differ much. These are associations in one table, shrunk by the penalty, and not
# effects of a treatment.

# %%
# A figure
# --------
# Left: the probability of each regression, at the mean of blood pressure. Right: the interval that
# contains the progression of nine in ten people: narrow where little progression is predicted, wide
# where much is. One regression gives the same width for all.

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
GateDisplay.from_estimator(mixture, X, ["bmi", "s5"], at={"bp": X["bp"].mean()}, ax=left)
low, high = mixture.predict_interval(X, coverage=0.9).T
right.scatter(mixture.predict(X), (high - low) / 2, s=10, color="#0072B2", label="mixture")
right.axhline(half_width(X, y), color="#D55E00", linestyle="--", label="one ridge regression")
right.set(xlabel="predicted progression", ylabel="half the width of the interval", ylim=(0, None))
right.legend()
plt.show()
