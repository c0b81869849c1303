"""Fits to Dask collections on a cluster of processes: the fit in memory is the oracle."""

import os
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.dask import DaskChunks
from skmoe.datasets import make_moe_classification, make_moe_regression

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what comes with it, about what is to come
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")
    dd = pytest.importorskip("dask.dataframe")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def client():
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        distributed.LocalCluster(**settings, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def data():
    return make_moe_regression(6000, 3, n_experts=3, random_state=1)


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 3, "tol": 1e-12, "max_iter": 2000, "random_state": 0} | params
    )


@pytest.fixture(scope="module")
def memory(data):
    return regressor().fit(*data)


def test_arrays_on_a_cluster(client, data, memory):
    X, y = data
    lazy = da.from_array(X, chunks=(1500, 2)), da.from_array(y, chunks=1500)
    model = regressor().fit(*lazy)
    assert_allclose(model.lower_bound_, memory.lower_bound_, atol=1e-7)
    predicted = model.predict(lazy[0])
    assert isinstance(predicted, da.Array)
    assert predicted.shape == (6000,)
    assert_array_equal(predicted.compute(), model.predict(X))


def test_data_frames_and_weights_on_a_cluster(client, data, rng):
    X, y = data
    weights = rng.integers(0, 3, len(y))
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y, w=weights)
    lazy = dd.from_pandas(frame, npartitions=5)
    model = regressor().fit(lazy[["a", "b", "c"]], lazy["y"], sample_weight=lazy["w"])
    expected = regressor().fit(X, y, sample_weight=weights)
    assert_allclose(model.lower_bound_, expected.lower_bound_, atol=1e-7)
    assert list(model.experts_[0].feature_names_in_) == ["a", "b", "c"]
    predicted = model.predict(lazy[["a", "b", "c"]]).compute()
    assert_array_equal(predicted, model.predict(frame[["a", "b", "c"]]))


def test_labels_on_a_cluster(client):
    X, y = make_moe_classification(6000, 3, n_experts=2, n_classes=3, random_state=1)
    names = np.array(["x", "yy", "z"])[y]
    settings = {"n_experts": 2, "tol": 1e-12, "max_iter": 2000, "random_state": 0}
    memory = MixtureOfExpertsClassifier(**settings).fit(X, names)
    lazy = da.from_array(X, chunks=(1500, 3))
    model = MixtureOfExpertsClassifier(**settings).fit(lazy, da.from_array(names, chunks=1500))
    assert_allclose(model.lower_bound_, memory.lower_bound_, atol=1e-7)
    assert_array_equal(model.predict(lazy).compute(), model.predict(X))
    assert_array_equal(model.predict_proba(lazy).compute(), model.predict_proba(X))


def test_several_outputs_and_any_scheduler(data):
    X, y = data
    Y = np.column_stack([y, X @ [1.0, 2.0, 3.0]])
    lazy = da.from_array(X, chunks=(2500, 3)), da.from_array(Y, chunks=(2500, 1))
    model = regressor(tol=1e-6).fit(*lazy)
    assert model.predict(lazy[0]).shape == (6000, 2)
    assert_array_equal(model.predict(lazy[0]).compute(), model.predict(X))


def test_a_worker_that_dies_costs_no_fit(client, data, memory, monkeypatch):
    lazy = da.from_array(data[0], chunks=(1000, 3)), da.from_array(data[1], chunks=1000)
    lazy = [values.persist() for values in lazy]
    distributed.wait(lazy)
    fold, calls = DaskChunks.sum_of, []

    def mortal(self, function):
        calls.append(function)
        if len(calls) == 6:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
        return fold(self, function)

    monkeypatch.setattr(DaskChunks, "sum_of", mortal)
    model = regressor().fit(*lazy)
    assert len(calls) > 6
    assert_allclose(model.lower_bound_, memory.lower_bound_, atol=1e-7)
    assert_allclose(model.predict(data[0]), memory.predict(data[0]), atol=1e-3)


def test_what_has_no_sums_is_refused(data):
    X, y = data
    lazy = da.from_array(X, chunks=(3000, 3)), da.from_array(y, chunks=3000)
    with pytest.raises(TypeError, match="y must be a Dask collection, as X is; got ndarray"):
        regressor().fit(lazy[0], y)
    with pytest.raises(ValueError, match=r"same partitions; got \{'X': 2, 'y': 3\} of them"):
        regressor().fit(lazy[0], lazy[1].rechunk(2000))
    with pytest.raises(ValueError, match=r"partition [01] of X, y and sample_weight differ"):
        regressor().fit(lazy[0], lazy[1].rechunk(((2000, 4000),)))
    with pytest.raises(ValueError, match="Dask collections cannot be fitted so: experts must be"):
        regressor(experts=DecisionTreeRegressor()).fit(*lazy)
    with pytest.raises(NotFittedError):
        regressor().predict(lazy[0])
