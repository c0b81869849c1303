"""
Penalties that the table decides
================================

Where columns are many and rows are few, a mixture with fixed penalties fits noise. With
``SoftmaxGate(alpha="auto")`` the penalties of gate and experts are those under which y is most
probable, and the number of experts is that of the largest evidence.
"""

# %%
# A wide table
# ------------
# Tumours, thirty measurements each. Only 140 of them train, so that there are few rows for each
# coefficient of four logistic experts and a gate.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate

X, y = load_breast_cancer(return_X_y=True)
X, X_new, y, y_new = train_test_split(X, y, train_size=140, stratify=y, random_state=0)
scaler = StandardScaler().fit(X)
X, X_new = scaler.transform(X), scaler.transform(X_new)

fixed, learned = SoftmaxGate(alpha=0.1), SoftmaxGate(alpha="auto")
for name, gate, n_experts in [
    ("fixed penalties, four experts", fixed, 4),
    ("learned penalties, four experts", learned, 4),
    ("learned penalties and number", learned, "auto"),
]:
    model = MixtureOfExpertsClassifier(n_experts=n_experts, gate=gate, random_state=0).fit(X, y)
    score = model.score_samples(X_new, y_new).mean()
    print(f"{name}: log-score {score:.3f}, {model.n_experts_} experts")

# %%
# What was learned
# ----------------
# Progression of diabetes, 442 patients. Each expert has a penalty of its own: an expert with a
# large ``alpha`` says that its rows depend little on the measurements. The evidence of each size is
# in ``path_``.

X, y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
model = MixtureOfExpertsRegressor(n_experts="auto", gate=learned, random_state=0).fit(X, y)
print("experts:", model.n_experts_, " gate:", round(model.gate_.alpha_, 1))
print("penalties of the experts:", [round(expert.alpha, 1) for expert in model.experts_])
for step in model.path_:
    print(step["n_experts"], "experts, log-evidence", round(step["log_evidence"], 1))

# %%
# Experts are uncertain of their coefficients, and the predictive distribution says so: it is wider
# for patients unlike those of the training rows.

distance = np.linalg.norm(X, axis=1)
std = model.predict(X, return_std=True)[1]
plt.scatter(distance, std, s=8)
plt.xlabel("distance from the mean patient, standard deviations")
plt.ylabel("predictive standard deviation")
plt.show()
