"""
Coefficients with standard errors
=================================

A mixture of linear experts can be interpreted like a regression: a table of coefficients for each
expert, and another one for the gate, all with standard errors.
"""

# %%
# Two regressions, and a gate
# ---------------------------
# The target is the progression of diabetes after one year. The columns are body mass index, blood
# pressure and a blood value (``s5``), scaled to a standard deviation of one, so that coefficients
# can be compared.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.inspection import bootstrap, summary

X, y = load_diabetes(return_X_y=True, as_frame=True)
X = X[["bmi", "bp", "s5"]]
model = MixtureOfExpertsRegressor(
    make_pipeline(StandardScaler(), LinearRegression()),
    n_experts=2,
    gate=make_pipeline(StandardScaler(), SoftmaxGate()),
    tol=1e-8,
    max_iter=2000,
    random_state=0,
).fit(X, y)
table = summary(model, X, y)
print(table)

# %%
# The effects as sentences
# ------------------------
# A coefficient of an expert is an effect among the patients of this expert. A coefficient of the
# gate is a change of the log-odds of the second expert against the first. Those more than two
# standard errors from zero are:

for (part, expert, name), coef, error in zip(table.labels, table.coef, table.std_err, strict=True):
    if name not in ("intercept", "sigma") and abs(coef) > 2 * error:
        what = "progression" if part == "expert" else "log-odds of belonging to it"
        print(f"{expert}: with {name} the {what} changes by {coef:.3g} (+- {error:.2g})")

# %%
# Comparison with the bootstrap
# -----------------------------
# The bootstrap needs no asymptotic theory. If its percentiles and the normal intervals differ, the
# log-likelihood is far from quadratic.

refits = bootstrap(model, X, y, n_resamples=50, random_state=0)
shown = [j for j, (part, _, name) in enumerate(table.labels) if part == "expert" and name in X]
places = np.arange(len(shown))
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for result, shift, label in [(table, -0.1, "information"), (refits, 0.1, "bootstrap")]:
    low, high = result.low[shown], result.high[shown]
    ax.hlines(places + shift, low, high, color="C0" if shift < 0 else "C1", label=label)
ax.plot(table.coef[shown], places, "ko", markersize=4)
ax.axvline(0, color="0.7", zorder=0)
ax.set_yticks(places, [" ".join(table.labels[j][1:]) for j in shown])
ax.set(xlabel="effect of one standard deviation", title="95 % intervals")
ax.legend()
plt.show()
