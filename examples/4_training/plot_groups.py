"""
Rows that belong together
=========================

Ten measurements of one person are made by one kind of person. With ``groups`` all rows of a group
share their latent expert, and ten rows tell what one does not.
"""

# %%
# Two kinds of people
# -------------------
# Some respond to a dose, others the other way round. The noise hides it in a single measurement.

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
# Nothing in a row's own columns tells the kinds apart, so the gate is constant. The share of people
# whose kind is found, by the responsibilities of their rows:

model = MixtureOfExpertsRegressor(n_experts=2, gate="constant", random_state=0)


def found(resp):
    """Share of people whose kind is told right, whatever the experts are called."""
    right = np.mean((resp[:, 0] > 0.5) == kind)
    return max(right, 1 - right)


alone = model.fit(dose, effect)
by_row = alone.responsibilities(dose, effect)
slopes_alone = [float(expert.coef_[0]) for expert in alone.experts_]
together = model.fit(dose, effect, groups=person)
by_person = together.responsibilities(dose, effect, groups=person)[::10]
slopes_together = [float(expert.coef_[0]) for expert in together.experts_]

print(f"one expert a row:    {found(by_row[::10]):.0%} right, slopes {np.round(slopes_alone, 2)}")
print(f"one expert a person: {found(by_person):.0%} right, slopes {np.round(slopes_together, 2)}")

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.scatter(dose[:, 0], effect, s=8, c=by_person[person, 0], cmap="coolwarm")
for expert in together.experts_:
    ax.plot([0, 3], expert.predict([[0.0], [3.0]]), color="black")
ax.set(xlabel="dose", ylabel="effect", title="rows by the kind of their person")
plt.show()
