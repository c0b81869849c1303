"""
Rows that belong together
=========================

Each person belongs to one of two kinds, and all ten measurements of a person come from the expert
of that kind. With ``groups`` all rows of a group share their latent expert, and ten rows identify
the kind where one does not.
"""

# %%
# Two kinds of people
# -------------------
# The effect grows with the dose for some people, and falls for others. In a single measurement the
# noise hides the difference.

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
person = np.repeat(np.arange(80), 10)
kind = rng.random(80) < 0.4
dose = rng.uniform(0, 3, size=(800, 1))
effect = np.where(kind[person], 1.0, -1.0) * dose[:, 0] + rng.normal(scale=2.0, size=800)

# %%
# With and without groups
# -----------------------
# The columns of a row do not separate the kinds, so the gate is constant. The score is the share of
# people whose kind is found, by the responsibilities of their rows:

model = MixtureOfExpertsRegressor(n_experts=2, gate="constant", random_state=0)


def found(resp):
    """Share of people whose kind is correct, for the better order of the experts."""
    right = np.mean((resp[:, 0] > 0.5) == kind)
    return max(right, 1 - right)


alone = model.fit(dose, effect)
by_row = alone.responsibilities(dose, effect)
slopes_alone = [float(expert.coef_[0]) for expert in alone.experts_]
together = model.fit(dose, effect, groups=person)
by_person = together.responsibilities(dose, effect, groups=person)[::10]
slopes_together = [float(expert.coef_[0]) for expert in together.experts_]

print(f"expert per row:    {found(by_row[::10]):.0%} correct, slopes {np.round(slopes_alone, 2)}")
print(f"expert per person: {found(by_person):.0%} correct, slopes {np.round(slopes_together, 2)}")

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.scatter(dose[:, 0], effect, s=8, c=by_person[person, 0], cmap="coolwarm")
for expert in together.experts_:
    ax.plot([0, 3], expert.predict([[0.0], [3.0]]), color="black")
ax.set(xlabel="dose", ylabel="effect", title="rows by the kind of their person")
plt.show()
