"""
Segments of customers
=====================

How much does a customer spend on an offer? Customers differ in what influences them, and the
segment of a customer is not recorded.
"""

# %%
# Three segments
# --------------
# Age and visits per month are known for a person, price and novelty for an offer. The spending of
# bargain hunters depends on the price, that of fans on the novelty, and that of regulars on
# neither. The segment of a person depends on age and visits, and a little on chance. There are
# eight offers per person, and no person is on both sides of the split.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from skmoe import MixtureOfExpertsRegressor

SEGMENTS = ["bargain hunters", "fans", "regulars"]
EFFECTS = np.array([[-8.0, 0.5], [-1.0, 7.0], [-0.5, 0.5]])

rng = np.random.default_rng(0)
people, offers = 600, 8
age, visits = rng.uniform(18, 80, people), rng.gamma(3, 2, people)
pull = np.column_stack([0 * age, (45 - age) / 4, (age - 45) / 4 + 2 * (visits - 6)])
segment = np.argmax(pull + rng.gumbel(size=pull.shape), axis=1)
person = np.repeat(np.arange(people), offers)
offer = rng.standard_normal((people * offers, 2))
spend = 30 + np.sum(EFFECTS[segment[person]] * offer, axis=1) + 3 * rng.standard_normal(len(person))
X = pd.DataFrame({"age": age[person], "visits": visits[person]})
X["price"], X["novelty"] = offer.T
train = person < 400
test = ~train

# %%
# One segment per person
# ----------------------
# With ``groups`` all rows of a person share one expert. The gate sees the person, the experts see
# the offer.

mixture = MixtureOfExpertsRegressor(
    n_experts=3,
    gate_features=["age", "visits"],
    expert_features=["price", "novelty"],
    random_state=0,
)
models = {
    "mixture of 3": mixture,
    "one linear model": LinearRegression(),
    "boosting": HistGradientBoostingRegressor(random_state=0),
}
for name, model in models.items():
    known = {"groups": person[train]} if model is mixture else {}
    model.fit(X[train], spend[train], **known)
    rmse = np.sqrt(np.mean((model.predict(X[test]) - spend[test]) ** 2))
    print(f"{name:18s} RMSE {rmse:.2f}   R2 {model.score(X[test], spend[test]):.2f}")

# %%
# On new people the mixture is better than boosting, which has to approximate products of person and
# offer by many splits, and far better than one linear model, which describes only the average
# customer. The data are of the kind that the mixture assumes.

# %%
# The segment of each person
# --------------------------
# An expert is named after the segment with the nearest effects. The gate alone predicts the segment
# of a new person from age and visits; responsibilities also use the spending on eight offers.

coef = np.array([expert.coef_ for expert in mixture.experts_])
nearest = np.array([np.argmin(np.linalg.norm(EFFECTS - c, axis=1)) for c in coef])
names = [SEGMENTS[k] for k in nearest]
print(pd.DataFrame(coef.round(1), index=names, columns=["price", "novelty"]))

new = mixture.gate_proba(X[test])[::offers]
served = mixture.responsibilities(X[test], spend[test], groups=person[test])[::offers]
for label, belief in {"age and visits": new, "eight offers too": served}.items():
    right = nearest[belief.argmax(axis=1)] == segment[400:]
    print(f"segment by {label:17s} {right.mean():.0%} correct")

# %%
# The map of customers
# --------------------
# Areas show the most probable segment by the gate, marks the true segments of new people.

ages, counts = np.meshgrid(np.linspace(18, 80, 200), np.linspace(0, visits.max(), 200))
plane = pd.DataFrame({"age": ages.ravel(), "visits": counts.ravel(), "price": 0.0, "novelty": 0.0})
area = nearest[mixture.apply(plane)].reshape(ages.shape)
colors = ["#0072B2", "#E69F00", "#009E73"]
shades = plt.matplotlib.colors.ListedColormap(colors)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
extent = (18, 80, 0, visits.max())
left.imshow(
    area, origin="lower", extent=extent, aspect="auto", cmap=shades, vmin=0, vmax=2, alpha=0.3
)
for k, (name, marker) in enumerate(zip(SEGMENTS, "o^s", strict=True)):
    rows = np.flatnonzero(segment[400:] == k) + 400
    left.scatter(age[rows], visits[rows], s=18, color=colors[k], marker=marker, label=name)
    fitted = coef[nearest == k].mean(axis=0)
    right.barh(np.arange(2) + 0.25 * (k - 1), fitted, height=0.22, color=colors[k], label=name)
left.set(xlabel="age", ylabel="visits per month")
right.axvline(0, color="0.3", linewidth=0.8)
right.set_yticks([0, 1], ["price", "novelty"])
right.set(xlabel="effect on spending")
right.legend()
plt.show()
