"""Experts of any kind on a cluster: what a fit in one process makes of them is the oracle."""

import os
import signal

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.experts._wrapped import _bank as _wrapped
from skmoe.experts._wrapped._workers import _LOSSES, ClusterEntries, Workers
from tests.data.test_dask import client  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data():
    return make_moe_regression(1500, 4, n_experts=2, random_state=0)


def regressor(experts=None, **params):
    experts = DecisionTreeRegressor(max_depth=4) if experts is None else experts
    settings = {"n_experts": 2, "n_init": 1, "max_iter": 4, "tol": 0, "random_state": 0}
    return MixtureOfExpertsRegressor(experts, **settings | params)


def on_cluster(model, X, y):
    with parallel_config(backend="dask"):
        return model.fit(X, y)


class Traveller(DecisionTreeRegressor):
    """Notes in its process how often it has arrived there."""

    arrivals = 0

    def __setstate__(self, state):
        super().__setstate__(state)
        type(self).arrivals += 1


def arrivals():
    return Traveller.arrivals


@pytest.mark.parametrize(
    "experts",
    [
        pytest.param(RandomForestRegressor(10, max_depth=4), marks=pytest.mark.slow),
        [("neighbours", KNeighborsRegressor()), ("tree", DecisionTreeRegressor(max_depth=4))],
    ],
    ids=["forests", "two kinds"],
)
def test_a_cluster_fits_what_one_process_fits(client, data, experts):  # noqa: F811
    alone = regressor(experts).fit(*data)
    model = on_cluster(regressor(experts), *data)
    assert_array_equal(model.lower_bounds_, alone.lower_bounds_)
    assert_array_equal(model.predict(data[0]), alone.predict(data[0]))


def test_labels_and_hard_mixtures_too(client, data):  # noqa: F811
    y = np.where(data[1] > np.median(data[1]), "high", "low")
    model = MixtureOfExpertsClassifier(
        DecisionTreeClassifier(max_depth=3), 2, cv=None, top_k=1, n_init=1, random_state=0
    )
    alone = model.fit(data[0], y).predict_proba(data[0])
    assert_array_equal(on_cluster(model, data[0], y).predict_proba(data[0]), alone)


@pytest.mark.parametrize("max_iter", [2, 6])
def test_rows_travel_once_to_each_worker(client, data, max_iter):  # noqa: F811
    before = client.run(arrivals)
    on_cluster(regressor(Traveller(max_depth=4), max_iter=max_iter), *data)
    # Both experts are entries of the one board, beside the rows.
    assert {after - before[worker] for worker, after in client.run(arrivals).items()} == {2}


def test_a_worker_that_dies_costs_no_fit(client, data, monkeypatch):  # noqa: F811
    alone = regressor().fit(*data)
    calls, handed_out = ClusterEntries.calls, []

    def mortal(self, function, jobs):
        found = calls(self, function, jobs)
        handed_out.append(function)
        if len(handed_out) == 2:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
        return found

    monkeypatch.setattr(ClusterEntries, "calls", mortal)
    model = on_cluster(regressor(), *data)
    assert_array_equal(model.predict(data[0]), alone.predict(data[0]))
    assert len(handed_out) > 2
    client.wait_for_workers(2)


def test_searches_on_a_cluster_fit_mixtures(client, data):  # noqa: F811
    alone = cross_val_score(regressor(), *data, cv=2)
    with parallel_config(backend="dask"):
        found = cross_val_score(regressor(), *data, cv=2)
    assert_array_equal(found, alone)


def test_an_expert_that_fails_is_named(client, data):  # noqa: F811
    with pytest.raises(ValueError, match=r"expert 'expert_[01]' failed in fit"):
        on_cluster(regressor(KNeighborsRegressor(n_neighbors=0)), *data)


class Deserted(ClusterEntries):
    """Loses what it was to look up, time and again."""

    def __init__(self, entries, losses):
        super().__init__(entries, client=None)
        self.losses = losses

    def calls(self, function, jobs):
        if self.losses:
            self.losses -= 1
            raise OSError("nobody there")
        return [(function, (self.entries[k], *rest), {}) for k, rest in jobs.items()]


def test_jobs_are_handed_out_anew_but_not_for_ever():
    pool = Workers(lambda calls: [function(*arguments) for function, arguments, _ in calls])
    jobs = {1: (10,), 0: (20,)}
    found = pool.run(max, Deserted([5, 30], losses=_LOSSES), jobs)
    assert found == {1: 30, 0: 20}
    with pytest.raises(OSError, match="nobody there"):
        pool.run(max, Deserted([5, 30], losses=_LOSSES + 1), jobs)


def test_experts_kept_for_the_next_fit_hold_no_rows(data):
    model = regressor(DecisionTreeRegressor(max_depth=4), cv=None, max_iter=1)
    seen, light = [], _wrapped._for_next_fit

    def watched(expert):
        seen.append(light(expert))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_wrapped, "_for_next_fit", watched)
        model.set_params(max_iter=3).fit(*data)
    kept = [expert for expert in seen if expert is not None]
    assert kept
    assert all(e.estimator is e.weights is e.predictions is None for e in kept)
