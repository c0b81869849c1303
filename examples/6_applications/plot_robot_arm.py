"""
The dynamics of a robot arm
===========================

Given positions, velocities and torques of four joints: which accelerations follow? On this problem
Jordan and Jacobs (1994) tried their hierarchical mixture of experts.
"""

# %%
# Twelve numbers in, four out
# ---------------------------
# In any one posture accelerations are linear in torques, but how much a torque moves depends on the
# posture: a mixture of linear experts, each for its own postures, suggests itself. One column is
# named for each number, so that the gate can be read.

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
# The relative error is the mean squared error in parts of the variance. Errors of measurement make
# up 0.08 of it, which no model can learn.

network = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(60,), random_state=0))
mixture = MixtureOfExpertsRegressor(
    n_experts=16, gate=HierarchicalGate((2, 2, 2, 2)), tol=3e-3, random_state=0
)
models = {
    "linear": LinearRegression(),
    "additive splines": make_pipeline(SplineTransformer(), Ridge()),
    "a tree a joint": MultiOutputRegressor(DecisionTreeRegressor(min_samples_leaf=20)),
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
# The mixture does what a single linear model cannot, and a network of today does a little better
# still. In exchange the mixture is sixteen linear models that can be read, and a tree that says
# when each of them holds. It is the angles that it cuts at first:

print("\n".join(export_gate_text(mixture, max_features=2).splitlines()[:4]))

# %%
# Where EM began
# --------------
# A tree that is grown from its root, level by level, begins where others are still on their way.
# Only the best starts are followed to the end.

reached = [start["lower_bound"] for start in mixture.starts_]
kinds = [f"{number}: {start['kind']}" for number, start in enumerate(mixture.starts_)]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.scatter(reached, kinds, c=["C1" if start["chosen"] else "C0" for start in mixture.starts_])
left.set(xlabel="objective per row", ylabel="start")
left.invert_yaxis()
right.barh(list(errors), list(errors.values()), color="C0")
right.axvline(0.09 / 1.09, color="0.4", linestyle="--", label="errors of measurement")
right.set(xlabel="relative error on new rows")
right.invert_yaxis()
right.legend(loc="lower right")
plt.show()
