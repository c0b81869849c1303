"""``partial_fit``: fixed points, full fits and a change of regime are its oracles."""

import pickle
from dataclasses import replace
from types import NoneType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._estimator.partial_fit import RECENT_ROWS, known_of
from skmoe._fit.online._decay import Decayed, best_of
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.gates import SoftmaxGate
from skmoe.responses import StudentT

TASKS = {
    "numbers": (MixtureOfExpertsRegressor, make_moe_regression),
    "labels": (MixtureOfExpertsClassifier, make_moe_classification),
}
EVERY_TASK = pytest.mark.parametrize("task", TASKS)
BATCH = 250

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")


def table(task, n, seed):
    more = {"n_classes": 3} if task == "labels" else {}
    return TASKS[task][1](n, 4, n_experts=3, random_state=seed, **more)


def make(task, **params):
    return TASKS[task][0](**{"n_experts": 3, "n_init": 2, "random_state": 0} | params)


def streamed(model, X, y):
    for start in range(0, len(X), BATCH):
        model.partial_fit(X[start : start + BATCH], y[start : start + BATCH])
    return model


def gap(model, full, X, y):
    """By what share the log-score is below that of a full fit."""
    scores = [each.score_samples(X, y).mean() for each in (full, model)]
    return (scores[0] - scores[1]) / abs(scores[0])


# Sums that forget --------------------------------------------------------------------------


def test_shares_of_one_over_the_number_are_plain_averages(rng):
    sums, weights = rng.standard_normal((6, 3)), rng.uniform(1, 2, 6)
    decayed = Decayed.of((sums[0],), weights[0])
    for k in range(1, 6):
        rate = weights[k] / weights[: k + 1].sum()
        decayed = decayed.with_batch((sums[k],), weights[k], rate)
    assert_allclose(decayed.sums[0], sums.sum(axis=0))
    assert_allclose(decayed.weight, weights.sum())


def test_a_share_of_one_forgets_all(rng):
    decayed = Decayed.of((np.ones(2),), 5.0).with_batch((np.array([3.0, 4.0]),), 2.0, 1.0)
    assert_allclose(decayed.sums[0], [3.0, 4.0])
    assert_allclose(decayed.weight, 2.0)


def test_the_top_of_a_parabola_is_found(rng):
    half = rng.standard_normal((2, 4, 6))
    curvature, tangent = half @ half.swapaxes(1, 2), rng.standard_normal((2, 4))
    ridge = np.array([0.0, 1.0, 2.0, 0.5])
    found = best_of(curvature, tangent, ridge, rng.standard_normal((2, 4)))
    slope = tangent - np.einsum("gij,gj->gi", curvature, found) - ridge * found
    assert_allclose(slope, 0, atol=1e-9)


@EVERY_TASK
def test_a_full_fit_is_a_fixed_point(task):
    X, y = table(task, 2000, seed=1)
    model = make(task, tol=1e-13, max_iter=5000).partial_fit(X, y)
    learned = known_of(model)
    batch = model._batch(learned.gate, learned.experts, X, y, np.ones(2000))
    resp, scores = learned.stream.expect(batch, None)
    assert_allclose(scores, model.score_samples(X, y), atol=1e-9)
    gate = learned.stream.gate.learned(batch.gate.design, resp, batch.weights, 1.0)
    parts = batch.experts.design, batch.target, resp, batch.weights, 1.0
    experts = learned.stream.experts.learned(*parts)
    after = replace(learned.stream, gate=gate, experts=experts).expect(batch, None)
    assert_allclose(after[0], resp, atol=2e-4)
    assert_allclose(after[1], scores, atol=2e-4)


# Streams -----------------------------------------------------------------------------------


@EVERY_TASK
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_hundred_batches_score_as_well_as_a_full_fit(task, seed):
    n = 100 * BATCH
    X, y = table(task, n + 5000, seed)
    full = make(task).fit(X[:n], y[:n])
    model = streamed(make(task), X[:n], y[:n])
    assert gap(model, full, X[n:], y[n:]) < 0.01
    assert model.n_iter_ == len(model.lower_bounds_) == 100
    assert model.lower_bounds_[-50:].mean() > model.lower_bounds_[1:6].mean()
    assert_allclose(model.expert_usage_.sum(), 1)


@pytest.mark.parametrize(
    ("task", "refits"),
    [("numbers", (4, 8)), ("labels", (4, 8)), ("labels", (4, 8, 16, 32, 64))],
)
def test_a_change_of_regime_is_followed(task, refits, monkeypatch):
    # After the last refit no rows are kept.
    monkeypatch.setattr("skmoe._estimator.partial_fit.REFIT_AT", refits)
    model = streamed(make(task), *table(task, 40 * BATCH, seed=0))
    n = 20 * BATCH
    X, y = table(task, n + 5000, seed=100)
    full = make(task).fit(X[:n], y[:n])
    old = gap(model, full, X[n:], y[n:])
    streamed(model, X[:n], y[:n])
    assert old > 0.3
    assert gap(model, full, X[n:], y[n:]) < 0.05
    assert known_of(model).stream.n_batches <= 20


def test_a_slow_change_is_followed_without_beginning_anew(rng):
    model = make("numbers", n_experts=2)
    for step in range(120):
        X = rng.standard_normal((BATCH, 2))
        slope = 1 + step / 60
        y = np.where(X[:, 0] > 0, slope, -slope) * X[:, 1] + 0.3 * rng.standard_normal(BATCH)
        model.partial_fit(X, y)
    assert known_of(model).stream.n_batches == 120
    slopes = sorted(expert.coef_[1] for expert in model.experts_)
    assert_allclose(slopes, [-slope, slope], atol=0.4)


def test_hard_mixtures_penalties_and_several_outputs_learn_too():
    X, y = make_moe_regression(5000, 4, n_experts=3, n_targets=2, random_state=1)
    model = make("numbers", experts=Ridge(10.0), top_k=1)
    full = clone(model).fit(X[:4000], y[:4000])
    streamed(model, X[:4000], y[:4000])
    assert gap(model, full, X[4000:], y[4000:]) < 0.1
    assert model.dispersion_.shape == (3, 2)
    assert model.predict(X).shape == (5000, 2)


def test_two_classes_and_their_penalty():
    X, y = make_moe_classification(25_000, 4, n_experts=2, n_classes=2, random_state=1)
    model = make("labels", experts=LogisticRegression(C=0.5), n_experts=2)
    full = clone(model).fit(X[:20_000], y[:20_000])
    streamed(model, X[:20_000], y[:20_000])
    assert gap(model, full, X[20_000:], y[20_000:]) < 0.02
    assert model.experts_[0].coef_.shape == (1, 4)


def test_weights_of_classes_count():
    X, y = make_moe_classification(5000, 4, n_experts=2, n_classes=2, random_state=1)
    times = np.where(y == 1, 5.0, 1.0)
    weighted = streamed(make("labels", n_experts=2, class_weight={0: 1.0, 1: 5.0}), X, y)
    written = make("labels", n_experts=2)
    for start in range(0, len(X), BATCH):
        rows = slice(start, start + BATCH)
        written.partial_fit(X[rows], y[rows], sample_weight=times[rows])
    assert_allclose(weighted.predict_proba(X), written.predict_proba(X), atol=1e-6)
    assert weighted.predict_proba(X)[:, 1].mean() > (y == 1).mean() + 0.05


@EVERY_TASK
def test_memory_stays_bounded_and_models_can_be_kept(task):
    X, y = table(task, 30 * BATCH, seed=0)
    model = streamed(make(task), X, y)
    assert len(known_of(model).recent[0]) == RECENT_ROWS
    twin = pickle.loads(pickle.dumps(model))
    for each in (model, twin):
        each.partial_fit(X[:BATCH], y[:BATCH])
    assert_array_equal(model.predict(X), twin.predict(X))


def leaves(value):
    """All that dictionaries, lists and tuples hold."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


@EVERY_TASK
def test_what_it_goes_on_from_is_plain(task):
    model = streamed(make(task), *table(task, 3 * BATCH, seed=0))
    for leaf in leaves(model.learned_):
        assert isinstance(leaf, (np.ndarray, np.generic, int, float, str, BaseEstimator, NoneType))


def test_rows_are_kept_only_while_the_model_may_be_fitted_to_them(monkeypatch):
    monkeypatch.setattr("skmoe._estimator.partial_fit.REFIT_AT", (2, 4))
    X, y = table("labels", 6 * BATCH, seed=0)
    model = streamed(make("labels"), X[: 4 * BATCH], y[: 4 * BATCH])
    assert known_of(model).recent is not None
    streamed(model, X[4 * BATCH :], y[4 * BATCH :])
    assert known_of(model).recent is None


def test_frames_columns_and_weights(rng):
    X, y = table("numbers", 3000, seed=0)
    frame = pd.DataFrame(X, columns=list("abcd"))
    params = {"gate_features": ["a", "b"], "expert_features": ["b", "c", "d"]}
    weights = rng.integers(0, 3, 3000)
    weighted, repeated = make("numbers", **params), make("numbers", **params)
    for start in range(0, 3000, 600):
        rows = slice(start, start + 600)
        weighted.partial_fit(frame[rows], y[rows], sample_weight=weights[rows])
        times = np.arange(start, start + 600).repeat(weights[rows])
        repeated.partial_fit(frame.iloc[times], y[times])
    assert list(weighted.gate_.feature_names_in_) == ["a", "b"]
    assert_allclose(weighted.dispersion_, repeated.dispersion_, rtol=1e-2)
    with pytest.raises(ValueError, match="feature names"):
        weighted.partial_fit(frame[list("bacd")], y)


def test_a_fitted_model_goes_on_from_what_it_is():
    X, y = table("numbers", 12_000, seed=0)
    model = make("numbers").fit(X[:5000], y[:5000])
    before = model.predict(X)
    model.partial_fit(X[5000:5250], y[5000:5250])
    assert_array_equal(model.predict(X), before)
    streamed(model, X[5250:10_000], y[5250:10_000])
    assert known_of(model).stream.n_batches == 20
    full = make("numbers").fit(X[:10_000], y[:10_000])
    assert gap(model, full, X[10_000:], y[10_000:]) < 0.03


def test_fit_begins_anew():
    X, y = table("numbers", 1000, seed=0)
    model = streamed(make("numbers"), X, y)
    assert model.fit(X, y).predict(X).tolist() == make("numbers").fit(X, y).predict(X).tolist()
    assert not hasattr(model, "learned_")


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"experts": DecisionTreeRegressor()}, "experts must be two or more clones of Linear"),
        ({"gate": "gaussian"}, "the gate must be SoftmaxGate"),
        ({"gate": SoftmaxGate(balance=2.0)}, "the gate must be SoftmaxGate without balance"),
        ({"response": StudentT()}, "the response must be Gaussian"),
        ({"average": 2}, "average must be 1; got 2"),
    ],
)
def test_parts_that_cannot_learn_so_are_refused(params, match):
    model = make("numbers", **params)
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as error:
        model.partial_fit(*table("numbers", 100, seed=0))
    assert f"partial_fit cannot learn so: {match}" in str(error.value.__cause__)
    assert not hasattr(model, "partial_fit")


def test_a_wrong_parameter_is_named():
    with pytest.raises(ValueError, match="'n_init' parameter"):
        make("numbers", n_init=0).partial_fit(*table("numbers", 100, seed=0))


def test_labels_are_checked():
    X, y = table("labels", 600, seed=0)
    with pytest.raises(ValueError, match=r"labels in classes, \[0, 1\]; got also \[2\]"):
        make("labels").partial_fit(X, y, classes=[0, 1])
    model = make("labels").partial_fit(X, y, classes=[2, 1, 0])
    assert_array_equal(model.predict(X), make("labels").partial_fit(X, y).predict(X))
    with pytest.raises(ValueError, match=r"those of the first batch, \[0, 1, 2\]; got \[0, 1\]"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="labels known from fit; got also"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes must be None"):
        make("numbers").partial_fit(X, y, classes=[0])
    one = model.partial_fit(X[y == 1], y[y == 1])
    assert one.n_iter_ == 2


def test_a_batch_that_fails_changes_nothing():
    X, y = table("numbers", 1000, seed=0)
    model = streamed(make("numbers"), X, y)
    before, spoilt = model.predict(X), X.copy()
    spoilt[3, 1] = np.nan
    for bad in [(spoilt, y), (X[:, :2], y), (X, y[:-1])]:
        with pytest.raises(ValueError, match=r"NaN|features|inconsistent"):
            model.partial_fit(*bad)
    assert_array_equal(model.predict(X), before)
    assert model.n_iter_ == 4
