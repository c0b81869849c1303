"""
Counts and positive amounts
===========================

Least squares assumes the same variance for every row. Counts are different: where their mean is
small, their variance is small too. The Poisson law has this property, and the gamma law a similar
one for positive amounts.
"""

# %%
# Arrivals by the hour
# --------------------
# The mean number of arrivals rises before noon and falls after it, each at a constant rate: two
# straight lines on the logarithmic scale, and a gate that changes between them at noon.

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfExpertsRegressor

rng = np.random.default_rng(0)
hour = rng.uniform(0, 24, size=(600, 1))
expected = np.exp(np.where(hour[:, 0] < 12, -2 + 0.5 * hour[:, 0], 7 - 0.25 * hour[:, 0]))
arrivals = rng.poisson(expected)

# %%
# Both mixtures have the same gate. The error is the mean squared difference from the expected
# counts, in units of their variance, so that rows with small means have the same influence.

grid = np.linspace(0, 24, 200)[:, None]
counted = MixtureOfExpertsRegressor(n_experts=2, response="poisson", random_state=0)
squared = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
for name, model in [("Poisson law", counted), ("Gaussian law", squared)]:
    prediction = model.fit(hour, arrivals).predict(hour)
    lowest = model.predict(grid).min()
    error = np.mean((prediction - expected) ** 2 / expected)
    print(f"{name}: mean error {error:.2f} variances, lowest prediction {lowest:.2f}")

# %%
# Amounts paid
# ------------
# The standard deviation of amounts is proportional to their mean. x does not separate the two kinds
# of customers, so the gate is constant. The coefficients of variation are the square roots of the
# dispersions.

size = rng.uniform(0, 3, size=(400, 1))
frequent = rng.random(400) < 0.5
mean = np.exp(np.where(frequent, 3 + 0.2 * size[:, 0], 1 + size[:, 0]))
paid = rng.gamma(1 / 0.15**2, mean * 0.15**2)

amounts = MixtureOfExpertsRegressor(n_experts=2, response="gamma", gate="constant", random_state=0)
amounts.fit(size, paid)
print("slopes on the logarithmic scale:", [round(float(e.coef_[0]), 2) for e in amounts.experts_])
print("coefficients of variation:", np.sqrt(amounts.dispersion_).round(2))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
mean, std = counted.predict(grid, return_std=True)
left.scatter(hour[:, 0], arrivals, s=6, color="0.7")
left.fill_between(grid[:, 0], np.maximum(mean - std, 0), mean + std, alpha=0.3)
left.plot(grid[:, 0], mean, label="Poisson law")
left.plot(grid[:, 0], squared.predict(grid), "--", label="Gaussian law")
left.set(xlabel="hour", ylabel="arrivals", title="mean and standard deviation")
left.legend()

responsible = amounts.responsibilities(size, paid)[:, 0]
right.scatter(size[:, 0], paid, s=8, c=responsible, cmap="coolwarm")
line = np.linspace(0, 3, 50)[:, None]
for expert, variation in zip(amounts.experts_, np.sqrt(amounts.dispersion_), strict=True):
    center = expert.predict(line)
    right.plot(line[:, 0], center, color="black")
    right.fill_between(line[:, 0], center * (1 - variation), center * (1 + variation), alpha=0.2)
right.set(xlabel="size", ylabel="paid", title="amounts by their expert")
plt.show()
