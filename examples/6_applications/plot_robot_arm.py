"""
The dynamics of a robot arm
===========================

The task is to predict the accelerations of four joints from their positions, velocities and
torques. Jordan and Jacobs (1994) applied their hierarchical mixture of experts to this problem.
"""

# %%
# Twelve columns and four outputs
# -------------------------------
# For a fixed posture accelerations are linear in torques, but the coefficients depend on the
# posture. This suggests a mixture of linear experts, each for its own postures. Each column has a
# name, so that the gate can be interpreted.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_robot_arm
from skmoe.gates import HierarchicalGate
from skmoe.inspection import export_gate_text

X, y = make_robot_arm(10_000, random_state=0)
joints = ["waist", "shoulder", "elbow", "wrist"]
X = pd.DataFrame(X, columns=[f"{of} {j}" for of in ("angle", "rate", "torque") for j in joints])
train, test = slice(None, 8000), slice(8000, None)

# %%
# Sixteen linear experts under a tree of gates
# --------------------------------------------
# The relative error is the mean squared error divided by the variance. Measurement errors are 0.08
# of it, which no model can predict.

network = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(60,), random_state=0))
mixture = MixtureOfExpertsRegressor(
    n_experts=16, gate=HierarchicalGate((2, 2, 2, 2)), tol=3e-3, random_state=0
)
models = {
    "linear": LinearRegression(),
    "additive splines": make_pipeline(SplineTransformer(), Ridge()),
    "a tree per joint": MultiOutputRegressor(DecisionTreeRegressor(min_samples_leaf=20)),
    "hierarchical mixture": mixture,
    "network, 60 units": TransformedTargetRegressor(network, transformer=StandardScaler()),
}
errors = {}
for name, model in models.items():
    model.fit(X[train], y[train])
    errors[name] = 1 - model.score(X[test], y[test])
    print(f"{name:20s} {errors[name]:.3f}")
print("EM iterations:", mixture.n_iter_)

# %%
# The mixture is far better than a single linear model, and a neural network is slightly better
# still. But the mixture consists of sixteen linear models that can be interpreted, and a tree that
# shows where each of them holds. The first splits use the angles:

print("\n".join(export_gate_text(mixture, max_features=2).splitlines()[:4]))

# %%
# The starts of EM
# ----------------
# A tree that is grown from its root, level by level, starts at an objective that the other starts
# have not yet reached. Only the best starts are continued to the end.

reached = [start["lower_bound"] for start in mixture.starts_]
kinds = [f"{number}: {start['kind']}" for number, start in enumerate(mixture.starts_)]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.scatter(reached, kinds, c=["C1" if start["chosen"] else "C0" for start in mixture.starts_])
left.set(xlabel="objective per row", ylabel="start")
left.invert_yaxis()
right.barh(list(errors), list(errors.values()), color="C0")
right.axvline(0.09 / 1.09, color="0.4", linestyle="--", label="measurement errors")
right.set(xlabel="relative error on new rows")
right.invert_yaxis()
right.legend(loc="lower right")
plt.show()
