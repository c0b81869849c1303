"""
Sixteen forests, of which a few are evaluated
=============================================

Prediction by a mixture costs as much as all its experts together, unless only the most probable
experts are evaluated. ``top_k`` is their number, and can be changed at every prediction.
"""

# %%
# The data
# --------
# The data are handwritten digits. Errors are measured on the rows held out. These are too few to
# measure times: times are taken on many rows drawn from them with replacement, with a little noise.
# Such rows contain no information on accuracy and are not used for it.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)

rng = np.random.default_rng(0)
drawn = X_test[rng.integers(len(X_test), size=20_000)]
many = drawn + rng.normal(scale=0.1, size=drawn.shape)

# %%
# Fit
# ---
# The fit is soft, with sixteen small forests as experts.

from time import perf_counter

from sklearn.ensemble import RandomForestClassifier

from skmoe import MixtureOfExpertsClassifier
from skmoe.gates import SoftmaxGate

forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
mixture = MixtureOfExpertsClassifier(
    forest, n_experts=16, gate=SoftmaxGate(alpha=10), max_iter=30, tol=1e-2, random_state=0
)
mixture.fit(X_train, y_train)
print(f"EM took {mixture.n_iter_} iterations: {mixture.stop_reason_}")
print("shares of the experts:", *(f"{share:.2f}" for share in np.sort(mixture.expert_usage_)))
print(f"one such forest alone: error {1 - forest.fit(X_train, y_train).score(X_test, y_test):.3f}")

# %%
# Predict with fewer experts
# --------------------------
# The fit stays the same; only ``top_k`` changes. The shortest of three times is used.


def seconds():
    start = perf_counter()
    mixture.predict(many)
    return perf_counter() - start


evaluated = [None, 8, 4, 2, 1]
times, errors, scores = [], [], []
for top_k in evaluated:
    mixture.set_params(top_k=top_k)
    times.append(min(seconds() for _ in range(3)))
    errors.append(1 - mixture.score(X_test, y_test))
    scores.append(mixture.score_samples(X_test, y_test).mean())
    print(
        f"top_k={top_k!s:<5} {times[-1]:.3f} s, {times[-1] / times[0]:4.0%} of the time of all   "
        f"error {errors[-1]:.3f}   log-score {scores[-1]:6.2f}"
    )

# %%
# The error hardly changes, while time falls with every expert that is not evaluated. It does not
# fall to a sixteenth: the gate is evaluated for every row in any case, and each forest still has to
# be called. The log-score shows a disadvantage: a forest trained on few kinds of digits gives the
# others a probability of zero, and the fewer forests are evaluated, the more often the true digit
# is among those. If you need probabilities, and not labels only, use a larger ``top_k``.

# %%
# A figure
# --------

labels = ["all" if top_k is None else str(top_k) for top_k in evaluated]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
left.bar(labels, times)
left.set(xlabel="top_k", ylabel=f"seconds for {len(many)} rows")
right.bar(labels, errors, color="C1")
right.set(xlabel="top_k", ylabel="error on rows held out")
plt.show()
