"""
A tree of gates for digits
==========================

A hierarchical mixture divides the rows step by step: the root divides them in two, each node below
divides its own part again, and a logistic regression at every leaf predicts the digit.
"""

# %%
# The data
# --------
# The data are small images of handwritten digits, scaled to between 0 and 1. A second version has
# only their first ten principal components, which contain less information for a linear model.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

digits = load_digits()
X, y = digits.data / 16, digits.target

# %%
# Compare
# -------
# The tree is compared by accuracy and by log-score (mean log probability of the true class of rows
# that the model has not seen), with one logistic regression with the same penalty, and with a flat
# gate with as many experts. A gate on many pixels needs a strong penalty, one on a few components a
# weaker one.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline

from skmoe import MixtureOfExpertsClassifier
from skmoe.gates import HierarchicalGate, SoftmaxGate

logistic = LogisticRegression(C=10, max_iter=1000)


def mixture(gate):
    return MixtureOfExpertsClassifier(
        logistic, n_experts=4, gate=gate, max_iter=60, tol=1e-3, random_state=0
    )


components = PCA(10, random_state=0)
folds = StratifiedKFold(3, shuffle=True, random_state=0)
for columns, before, alpha in (("64 pixels", "passthrough", 30), ("10 components", components, 1)):
    node = SoftmaxGate(alpha)
    flat, tree = mixture(node), mixture(HierarchicalGate((2, 2), node))
    print(columns)
    for name, last in {"one logistic": logistic, "flat gate": flat, "tree": tree}.items():
        model = make_pipeline(before, last)
        scores = cross_validate(model, X, y, cv=folds, scoring=["accuracy", "neg_log_loss"])
        print(
            f"  {name:<13} accuracy {scores['test_accuracy'].mean():.3f}   "
            f"log-score {scores['test_neg_log_loss'].mean():.3f}   "
            f"seconds to fit {scores['fit_time'].mean():.2f}"
        )

# %%
# On the pixels one logistic regression is sufficient: the mixtures are no more accurate, their
# log-score is lower, and they take many times as long. On the components one linear model is too
# simple, and several are better. Tree and flat gate are close; the advantage of the tree is that it
# can be interpreted.

# %%
# The tree as text
# ----------------
# Each node shows the pixels with the largest weights, and each expert its share of the rows.

from skmoe.inspection import GateTreeDisplay, export_gate_text

tree = mixture(HierarchicalGate((2, 2), SoftmaxGate(alpha=30))).fit(X, y)
print(f"\nEM took {tree.n_iter_} iterations: {tree.stop_reason_}\n")
names = digits.feature_names
print(export_gate_text(tree, feature_names=names, max_features=2))

# %%
# The table shows the digits of each expert.

print("\ndigit   " + " ".join(f"{k:4d}" for k in range(10)))
handled = tree.apply(X)
for k, name in enumerate(tree.named_experts_):
    print(name, *(f"{count:4d}" for count in np.bincount(y[handled == k], minlength=10)))

# %%
# The tree as a figure
# --------------------
# The width of a line is the share of the rows that pass along it.

GateTreeDisplay.from_estimator(tree, feature_names=names, max_features=2)
plt.show()
