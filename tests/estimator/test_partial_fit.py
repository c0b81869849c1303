"""``partial_fit``: fixed points, full fits and a change of regime are its oracles."""

import copy
import pickle
from dataclasses import replace
from types import NoneType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._estimator.partial_fit import _online_fitting
from skmoe._fit.online import BatchRows, stored_state
from skmoe._fit.online._drift import Drift
from skmoe._fit.online._stream import RECENT_ROWS, ROWS_A_PARAMETER
from skmoe._fit.online._sums import HALF_LIFE, horizon, scaled, with_batch
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.gates import SoftmaxGate
from skmoe.responses import StudentT

TASKS = {
    "numbers": (MixtureOfExpertsRegressor, make_moe_regression),
    "labels": (MixtureOfExpertsClassifier, make_moe_classification),
}
EVERY_TASK = pytest.mark.parametrize("task", TASKS)
BATCH = 250
# Long streams that run with the slow tests.
LATER = [("numbers", 1), ("labels", 0), ("labels", 1)]

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")


def table(task, n, seed):
    more = {"n_classes": 3} if task == "labels" else {}
    return TASKS[task][1](n, 4, n_experts=3, random_state=seed, **more)


def make(task, **params):
    return TASKS[task][0](**{"n_experts": 3, "random_state": 0} | params)


def streamed(model, X, y, size=BATCH, **params):
    for start in range(0, len(X), size):
        model.partial_fit(X[start : start + size], y[start : start + size], **params)
    return model


def n_rows(model):
    """Rows since the model began, or began anew."""
    return model.learned_["n_rows"]


def gap(model, full, X, y):
    """By what share the log-score is below that of a full fit."""
    scores = [each.score_samples(X, y).mean() for each in (full, model)]
    return (scores[0] - scores[1]) / abs(scores[0])


# Sums in which old rows fade -----------------------------------------------------------------


def online(model, X, y):
    """The trainer of a batch, and the state that the model goes on from."""
    state, fitting = stored_state(model.learned_), _online_fitting(model)
    return fitting.trainer(state, X, BatchRows.of(X, y, np.ones(len(y)))), state


def sums_of(task, X, y, resp):
    """Sums over rows under the parameters of one model."""
    model = make(task, max_iter=5, n_init=1).partial_fit(*table(task, 300, seed=1))
    trainer, state = online(model, X, y)
    return trainer, state.parameters, trainer.statistics(state.parameters, resp)


@EVERY_TASK
def test_the_order_and_the_division_of_rows_into_batches_do_not_matter_to_the_sums(task, rng):
    X, y = table(task, 40, seed=2)
    resp, most = rng.dirichlet(np.ones(3), 40), 30.0
    all_rows = sums_of(task, X, y, resp)[2]
    before = sums_of(task, X[:7], y[:7], resp[:7])[2]
    at_once, one_by_one = with_batch(before, all_rows, most), before
    for k in range(40):
        row = slice(k, k + 1)
        one_by_one = with_batch(one_by_one, sums_of(task, X[row], y[row], resp[row])[2], most)
    assert_allclose(one_by_one.weight, at_once.weight)
    assert at_once.weight < most
    without_end = with_batch(before, all_rows, 1e9)
    assert_allclose(without_end.weight, 47.0, rtol=1e-6)
    assert_allclose(without_end.masses, before.masses + all_rows.masses, rtol=1e-6)


@EVERY_TASK
def test_sums_are_shifted_to_other_parameters(task, rng):
    X, y = table(task, 200, seed=2)
    trainer, old, sums = sums_of(task, X, y, resp := rng.dirichlet(np.ones(3), 200))
    change = 1e-3 * rng.standard_normal(old.experts.shape)
    new = replace(old, experts=old.experts + change)
    found = trainer.parts[1].shifted(sums.experts, sums, old.experts, new.experts)
    expected = trainer.statistics(new, resp).experts
    # Exactly for squares, to second order for labels.
    assert_allclose(found.first, expected.first, atol=1e-9 if task == "numbers" else 2e-4)
    assert np.abs(sums.experts.first - expected.first).max() > 1e-2
    for one, other in zip(found.further, expected.further, strict=True):
        assert_allclose(one, other)


@EVERY_TASK
def test_a_full_fit_is_a_fixed_point(task):
    X, y = table(task, 2000, seed=1)
    model = make(task, tol=1e-13, max_iter=5000).partial_fit(X, y)
    trainer, state = online(model, X, y)
    resp, scores = trainer.responsibilities(state.parameters, None)
    assert_allclose(scores, model.score_samples(X, y), atol=1e-9)
    # The rows before count for nothing, those of the batch as they do in the fit.
    parameters, _ = trainer.learn(state.parameters, scaled(state.statistics, 1e-9), resp, 1e12)
    after = trainer.responsibilities(parameters, None)
    assert_allclose(after[0], resp, atol=2e-4)
    assert_allclose(after[1], scores, atol=2e-4)


# Streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "seed"),
    [("numbers", 0), *(pytest.param(*each, marks=pytest.mark.slow) for each in LATER)],
)
def test_two_hundred_batches_are_worth_a_full_fit(task, seed):
    n = 200 * BATCH
    X, y = table(task, n + 5000, seed)
    full = make(task).fit(X[:n], y[:n])
    model = streamed(make(task), X[:n], y[:n])
    assert gap(model, full, X[n:], y[n:]) < 0.01
    assert model.n_iter_ == len(model.lower_bounds_) == 200
    assert model.lower_bounds_[-50:].mean() > model.lower_bounds_[1:6].mean()
    assert_allclose(model.expert_usage_.sum(), 1)


@pytest.mark.parametrize(
    ("task", "refits"),
    [
        ("numbers", 2**14),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [("numbers", 2**11), ("labels", 2**14), ("labels", 2**11)]
        ),
    ],
)
def test_a_change_of_regime_is_followed(task, refits, monkeypatch):
    # Without rows kept, too.
    monkeypatch.setattr("skmoe._fit.online._stream.REFIT_UNTIL", refits)
    model = streamed(make(task), *table(task, 40 * BATCH, seed=0))
    n = 20 * BATCH
    X, y = table(task, n + 5000, seed=100)
    full = make(task).fit(X[:n], y[:n])
    old = gap(model, full, X[n:], y[n:])
    streamed(model, X[:n], y[:n])
    assert old > 0.3
    assert gap(model, full, X[n:], y[n:]) < 0.05
    assert n_rows(model) <= 20 * BATCH


def test_a_slow_change_is_followed_without_beginning_anew(rng):
    model = make("numbers", n_experts=2)
    for step in range(120):
        X = rng.standard_normal((BATCH, 2))
        slope = 1 + step / 60
        y = np.where(X[:, 0] > 0, slope, -slope) * X[:, 1] + 0.3 * rng.standard_normal(BATCH)
        model.partial_fit(X, y)
    assert n_rows(model) == 120 * BATCH
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


@pytest.mark.slow
def test_two_classes_and_their_penalty():
    X, y = make_moe_classification(25_000, 4, n_experts=2, n_classes=2, random_state=1)
    model = make("labels", experts=LogisticRegression(C=0.5), n_experts=2)
    full = clone(model).fit(X[:20_000], y[:20_000])
    streamed(model, X[:20_000], y[:20_000])
    assert gap(model, full, X[20_000:], y[20_000:]) < 0.02
    assert model.experts_[0].coef_.shape == (1, 4)


def test_weights_of_classes_count():
    X, y = make_moe_classification(10_000, 4, n_experts=2, n_classes=2, random_state=1)
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
    assert len(model.learned_["rows"]["X"]) == RECENT_ROWS
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
    monkeypatch.setattr("skmoe._fit.online._stream.REFIT_UNTIL", 4 * BATCH)
    X, y = table("labels", 7 * BATCH, seed=0)
    model = streamed(make("labels"), X[: 4 * BATCH], y[: 4 * BATCH])
    assert len(model.learned_["rows"]["y"]) == 4 * BATCH
    streamed(model, X[4 * BATCH :], y[4 * BATCH :])
    kept = model.learned_["rows"]
    # Those of late that score low: they may be the first of another law.
    assert model.learned_["drift"]["n_pending"] == (0 if kept is None else len(kept["y"])) < BATCH


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
    # The order of the experts is that of the last fit, which is tried after so many rows.
    dispersions = [np.sort(each.dispersion_) for each in (weighted, repeated)]
    assert_allclose(*dispersions, rtol=1e-2)
    with pytest.raises(ValueError, match="feature names"):
        weighted.partial_fit(frame[list("bacd")], y)


def test_a_fitted_model_goes_on_from_what_it_is():
    X, y = table("numbers", 12_000, seed=0)
    model = make("numbers").fit(X[:5000], y[:5000])
    before = model.predict(X)
    model.partial_fit(X[5000:5250], y[5000:5250])
    assert_array_equal(model.predict(X), before)
    streamed(model, X[5250:10_000], y[5250:10_000])
    assert n_rows(model) == 5000
    assert model.weight_seen_ == 10_000
    full = make("numbers").fit(X[:10_000], y[:10_000])
    assert gap(model, full, X[10_000:], y[10_000:]) < 0.03


# Rows weigh, not batches ---------------------------------------------------------------------

KINDS = {
    "linear": ("numbers", {}),
    "Ridge": ("numbers", {"experts": Ridge(1.0)}),
    "SGD": ("numbers", {"experts": SGDRegressor()}),
    "two labels": ("labels", {"n_classes": 2}),
    "labels": ("labels", {}),
    "Bayes": ("labels", {"experts": GaussianNB()}),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
# One kind of numbers and one of labels by default, the others with the slow tests.
SOME = {"linear", "labels"}
SOME_KINDS = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in SOME else pytest.mark.slow) for kind in KINDS],
)


def kind_of(kind, n, seed=0):
    """A model of a kind, and a table for it."""
    task, params = KINDS[kind]
    more = {"n_classes": params.get("n_classes", 3)} if task == "labels" else {}
    given = {key: value for key, value in params.items() if key != "n_classes"}
    return make(task, n_init=4, **given), TASKS[task][1](
        n, 4, n_experts=3, random_state=seed, **more
    )


@SOME_KINDS
@pytest.mark.parametrize("first", [pytest.param("fit", marks=pytest.mark.slow), "partial_fit"])
def test_few_rows_of_the_same_law_change_little(kind, first):
    fitted, (X, y) = kind_of(kind, 7000)
    getattr(fitted, first)(X[:4000], y[:4000])
    new = X[5000:], y[5000:]
    score, log_score = fitted.score(*new), fitted.score_samples(*new).mean()
    for size in (1, 2, 5, 20):
        model, start = copy.deepcopy(fitted), 4000
        for calls in (1, 1, 8, 40):
            end = min(start + calls * size, 5000)
            streamed(model, X[start:end], y[start:end], size=size)
            assert model.score(*new) > score - 0.02
            assert model.score_samples(*new).mean() > log_score - 0.02
            start = end


@SOME_KINDS
def test_a_small_first_batch_is_no_trap(kind):
    model, (X, y) = kind_of(kind, 2400)
    model.partial_fit(X[:150], y[:150])
    before = model.score_samples(X[400:], y[400:]).mean()
    streamed(model, X[150:250], y[150:250], size=1)
    assert model.score_samples(X[400:], y[400:]).mean() > before - 0.02


@SOME_KINDS
def test_single_rows_are_worth_their_batch(kind):
    at_once, (X, y) = kind_of(kind, 3500)
    at_once.partial_fit(X[:1000], y[:1000])
    one_by_one = copy.deepcopy(at_once)
    at_once.partial_fit(X[1000:1200], y[1000:1200])
    streamed(one_by_one, X[1000:1200], y[1000:1200], size=1)
    assert_allclose(one_by_one.weight_seen_, 1200)
    assert_allclose(
        one_by_one.learned_["statistics"]["weight"], at_once.learned_["statistics"]["weight"]
    )
    scores = [each.score_samples(X[1500:], y[1500:]).mean() for each in (at_once, one_by_one)]
    assert_allclose(*scores, atol=0.02)


def test_the_share_of_a_batch_is_that_of_its_rows():
    X, y = table("numbers", 30_000, seed=0)
    model = make("numbers").fit(X[:4000], y[:4000])
    assert model.weight_seen_ == 4000
    model.partial_fit(X[4000:4002], y[4000:4002])
    assert model.learned_["parameters"] is None  # two rows do not tell how rows lie
    streamed(model, X[4002:4500], y[4002:4500], size=100)
    most = HALF_LIFE / np.log(2)
    kept = 4000 * np.exp(-500 / most)
    assert_allclose(model.learned_["statistics"]["weight"], kept + most * (1 - np.exp(-500 / most)))
    streamed(model, X[4500:], y[4500:], size=1500)
    assert_allclose(model.learned_["statistics"]["weight"], most, rtol=1e-3)
    assert model.weight_seen_ == 30_000
    assert horizon(1000) == 100_000 / np.log(2)


def test_a_model_whose_weight_is_unknown_goes_on_as_from_many_rows():
    X, y = table("numbers", 6000, seed=0)
    model = make("numbers").fit(X[:4000], y[:4000])
    del model.weight_seen_
    before = model.score_samples(X[5000:], y[5000:]).mean()
    streamed(model, X[4000:5000], y[4000:5000], size=50)
    assert model.score_samples(X[5000:], y[5000:]).mean() > before - 0.02
    # What an earlier version went on from was of another form.
    model.learned_ = {"gate": {"type": "Units"}, "stream": {"type": "Stream", "n_batches": 7}}
    model.partial_fit(X[:1000], y[:1000])
    assert model.n_iter_ == 1
    assert model.score_samples(X[5000:], y[5000:]).mean() > before - 0.02


# Drift ---------------------------------------------------------------------------------------


@EVERY_TASK
@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 20])
def test_an_unchanged_law_does_not_begin_anew(task, size):
    for seed in range(1 if size == 1 else 5):
        X, y = table(task, 650, seed)
        model = streamed(make(task, n_init=2), X[:350], y[:350], size=350)
        streamed(model, X[350:], y[350:], size=size)
        assert n_rows(model) == 650


@EVERY_TASK
def test_a_change_is_found_in_small_batches_once_there_are_rows_enough(task):
    X, y = table(task, 1500, seed=0)
    model = streamed(make(task, n_init=4), X, y)
    X, y = table(task, 2400, seed=100)
    least, rows = _online_fitting(model).least, []
    assert least == ROWS_A_PARAMETER * (28 if task == "numbers" else 40)
    for start in range(0, 400, 10):
        model.partial_fit(X[start : start + 10], y[start : start + 10])
        rows.append(n_rows(model))
    first = np.argmin(rows)
    assert least <= rows[first] <= 10 * (first + 1) <= least + 50
    assert (np.diff(rows[first:]) == 10).all()
    full = make(task, n_init=4).fit(X[:400], y[:400])
    assert gap(model, full, X[400:], y[400:]) < 0.3


@pytest.mark.parametrize("name", ["normal", "chi2", "labels", "outliers"])
def test_scores_of_an_unchanged_law_are_no_drift(name):
    rng = np.random.default_rng(0)
    draw = {
        "normal": lambda n: rng.standard_normal(n),
        "chi2": lambda n: -0.5 * rng.standard_normal(n) ** 2,
        "labels": lambda n: np.where(rng.random(n) < 0.03, -3.5, -0.03),
        "outliers": lambda n: -(np.abs(rng.standard_cauchy(n)) ** 2),
    }[name]
    drift = Drift().with_scores(draw(200), 100, 4000)
    scores, alarms, pending = draw(200_000), 0, 0
    for start in range(0, len(scores), 500):
        drift = drift.with_scores(scores[start : start + 500], 100, 4000)
        alarms, pending = alarms + drift.found, max(pending, drift.n_pending)
    assert alarms == 0
    assert pending < 500
    assert drift.n > 3000


def test_scores_that_fall_are_drift_whatever_the_batches(rng):
    before, after = rng.standard_normal(400), rng.standard_normal(100) - 1.5
    base = Drift().with_scores(before, 100, 4000)
    at_once = base.with_scores(after, 100, 4000)
    one_by_one = base
    for score in after:
        one_by_one = one_by_one.with_scores(np.array([score]), 100, 4000)
    assert at_once.found
    assert_allclose(one_by_one.level, at_once.level, rtol=1e-2)
    assert one_by_one.n_pending == at_once.n_pending >= 95
    assert not base.with_scores(np.full(8, -1e9), 100, 4000).found  # a few outliers


def test_one_outlier_is_no_drift():
    X, y = table("numbers", 3000, seed=0)
    model = streamed(make("numbers"), X[:1000], y[:1000])
    twin = copy.deepcopy(model).partial_fit(X[:1], y[:1] + 5 * y.std())
    streamed(twin, X[1000:1500], y[1000:1500], size=50)
    streamed(model, X[1000:1500], y[1000:1500], size=50)
    assert n_rows(twin) == n_rows(model) + 1


# Labels that are rare at first -------------------------------------------------------------


@pytest.mark.parametrize("experts", [None, GaussianNB()], ids=["solved", "Bayes"])
@pytest.mark.parametrize(
    "batches",
    [
        1,
        pytest.param(5, marks=pytest.mark.slow),
        pytest.param(9, marks=pytest.mark.slow),
        pytest.param(17, marks=pytest.mark.slow),
        pytest.param(64, marks=pytest.mark.slow),
    ],
)
def test_first_batches_may_hold_one_label(batches, experts):
    X, y = table("labels", 6000, seed=0)
    first, later = np.flatnonzero(y == 1)[: 20 * batches], np.flatnonzero(y != 1)[:600]
    model = make("labels", experts=experts, n_init=2)
    streamed(model, X[first], y[first], size=20, classes=[0, 1, 2])
    streamed(model, X[later], y[later], size=60)
    assert np.isfinite(model.score_samples(X[5000:], y[5000:])).all()
    assert model.predict_proba(X[later]).sum(axis=0).argmin() == 1 or batches > 30


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
