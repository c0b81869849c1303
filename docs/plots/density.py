"""One line that becomes two: density, experts and interval."""

import numpy as np

from skmoe import MixtureOfExpertsRegressor
from skmoe.inspection import PredictiveDensityDisplay

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, size=800)
branch = np.where(rng.random(800) < 0.6, 1.0, -1.0)
mean = np.where(x < 0, 0.5 * x, 1.5 * branch * x)
y = mean + np.where(x < 0, 0.6, 0.3) * rng.normal(size=800)
model = MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(x[:, None], y)
PredictiveDensityDisplay.from_estimator(model, x[:, None], "x0")
