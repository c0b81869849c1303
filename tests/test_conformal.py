"""Split conformal prediction by MAPIE, of a fitted mixture."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.metrics import interval_coverage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    regression = pytest.importorskip("mapie.regression")


@pytest.fixture(autouse=True)
def as_mapie_is():
    """It draws from the global random state, and warns of what is to come."""
    before = np.random.get_state()  # noqa: NPY002 - put back below
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    np.random.set_state(before)  # noqa: NPY002


def test_intervals_of_too_few_experts_are_made_to_hold(rng):
    X = rng.uniform(-3, 3, (4500, 2))
    y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) + 0.2 * np.exp(X[:, 1]) * rng.standard_t(2.5, 4500)
    fit, calibrate, test = slice(500), slice(500, 2500), slice(2500, None)
    model = make_pipeline(StandardScaler(), MixtureOfExpertsRegressor(n_experts=2, random_state=0))
    model.fit(X[fit], y[fit])
    conformal = regression.SplitConformalRegressor(model, confidence_level=0.8, prefit=True)
    predicted, ends = conformal.conformalize(X[calibrate], y[calibrate]).predict_interval(X[test])
    np.testing.assert_array_equal(predicted, model.predict(X[test]))
    own = interval_coverage(y[test], model[-1].predict_interval(model[0].transform(X[test]), 0.8))
    assert abs(interval_coverage(y[test], ends[:, :, 0]) - 0.8) < 0.03 < abs(own - 0.8)
