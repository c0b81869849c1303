"""``partial_fit`` of experts that have one, and of labels that come late."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import Ridge, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._estimator.partial_fit import _online_fitting
from skmoe._fit.online import HALF_LIFE, with_unseen
from skmoe.datasets import make_moe_classification, make_moe_regression

SGD = SGDClassifier(loss="log_loss")
KINDS = {
    "squares": (MixtureOfExpertsRegressor, SGDRegressor()),
    "logistic": (MixtureOfExpertsClassifier, SGD),
    "Bayes": (MixtureOfExpertsClassifier, GaussianNB()),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
# Long streams: one kind by default, the others with the slow tests.
LONG_STREAMS = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind == "squares" else pytest.mark.slow) for kind in KINDS],
)
BATCH = 100

pytestmark = pytest.mark.filterwarnings(
    "ignore:EM did not converge", "ignore:Maximum number of iteration", "ignore:Stochastic Optim"
)


def make(kind, **params):
    cls, experts = KINDS[kind]
    return cls(**{"experts": experts, "n_experts": 3, "random_state": 0} | params)


def table(kind, n, seed=0, n_classes=3):
    if KINDS[kind][0] is MixtureOfExpertsRegressor:
        return make_moe_regression(n, 4, n_experts=3, random_state=seed)
    return make_moe_classification(n, 4, n_experts=3, n_classes=n_classes, random_state=seed)


def streamed(model, X, y, **params):
    for start in range(0, len(y), BATCH):
        model.partial_fit(X[start : start + BATCH], y[start : start + BATCH], **params)
    return model


def gap(model, full, X, y):
    """By what share the log-score is below that of a full fit."""
    scores = [each.score_samples(X, y).mean() for each in (full, model)]
    return (scores[0] - scores[1]) / abs(scores[0])


# One batch, by hand ------------------------------------------------------------------------


@EVERY_KIND
def test_an_expert_gets_one_call_with_responsibilities_times_weights(kind, rng):
    X, y = table(kind, 600)
    weights = rng.uniform(0, 2, 300)
    model = make(kind).partial_fit(X[:300], y[:300])
    expected, resp = copy.deepcopy(model.experts_), model.responsibilities(X[300:], y[300:])
    classes = {} if kind == "squares" else {"classes": [0, 1, 2]}
    for expert, mass in zip(expected, (resp * weights[:, None]).T, strict=True):
        rows = mass > 1e-12 * mass.max()  # of the others nothing can be learned
        expert.partial_fit(X[300:][rows], y[300:][rows], sample_weight=mass[rows], **classes)
    model.partial_fit(X[300:], y[300:], sample_weight=weights)
    method = "predict" if kind == "squares" else "predict_proba"
    for found, expert in zip(model.experts_, expected, strict=True):
        assert_allclose(getattr(found, method)(X), getattr(expert, method)(X), rtol=1e-6)


def test_dispersions_are_of_the_errors_before_the_call():
    X, y = table("squares", 600)
    model = make("squares").partial_fit(X[:300], y[:300])
    first, then = (model.responsibilities(X[r], y[r]) for r in (slice(300), slice(300, 600)))
    old, unit = model.dispersion_, y[:300].std()
    errors = (y[300:, None] - model.expert_predict(X[300:])) / unit
    model.partial_fit(X[300:], y[300:])
    most = HALF_LIFE / np.log(2)
    kept, added = np.exp(-300 / most), most * (1 - np.exp(-300 / most)) / 300
    mass = kept * first.sum(axis=0) + added * then.sum(axis=0)
    squares = kept * (first * (old / unit) ** 2).sum(axis=0)
    squares += added * (then * errors**2).sum(axis=0)
    expected = unit * np.sqrt((squares + 0.1**2) / (mass + 1))
    assert_allclose(model.dispersion_, expected, rtol=1e-6)


# Streams -----------------------------------------------------------------------------------


@pytest.mark.slow
@EVERY_KIND
def test_two_hundred_batches_are_worth_a_full_fit(kind):
    n = 200 * BATCH
    X, y = table(kind, n + 5000, seed=1)
    full = make(kind, n_init=1, max_iter=20).fit(X[:n], y[:n])
    model = streamed(make(kind), X[:n], y[:n])
    assert gap(model, full, X[n:], y[n:]) < 0.02
    assert model.n_iter_ * BATCH == model.learned_["n_rows"] == n


@LONG_STREAMS
def test_a_change_of_regime_is_followed(kind):
    model = streamed(make(kind), *table(kind, 40 * BATCH))
    n = 40 * BATCH
    X, y = table(kind, n + 5000, seed=100)
    full = make(kind, n_init=1, max_iter=20).fit(X[:n], y[:n])
    assert gap(model, full, X[n:], y[n:]) > 0.5
    streamed(model, X[:n], y[:n])
    assert gap(model, full, X[n:], y[n:]) < 0.1
    assert model.learned_["n_rows"] <= n


def test_networks_learn_from_errors_that_they_have_not_seen():
    X, y = table("squares", 60 * BATCH)
    scale = y[:BATCH].std()
    net = MLPRegressor(
        hidden_layer_sizes=(8,), learning_rate_init=0.01, max_iter=40, random_state=0
    )
    experts = [("net", net), ("line", SGDRegressor())]
    model = streamed(make("squares", experts=experts, cv=2, n_init=1, max_iter=5), X, y / scale)
    assert not _online_fitting(model).is_cheap
    assert model.lower_bounds_[-20:].mean() > model.lower_bounds_[1:5].mean() + 0.05
    assert list(model.named_experts_) == ["net", "line"]


def test_frames_keep_their_names_and_single_precision_stays(rng):
    X, y = table("squares", 12 * BATCH)
    frame = pd.DataFrame(X.astype(np.float32), columns=list("abcd"))
    columns = {"gate_features": ["a", "b"], "expert_features": ["b", "c", "d"]}
    named, plain = make("squares", **columns), make("squares", gate_features=[0, 1])
    plain.set_params(expert_features=[1, 2, 3])
    streamed(named, frame, y)
    streamed(plain, X.astype(np.float32), y)
    assert named.experts_[0].feature_names_in_.tolist() == ["b", "c", "d"]
    assert plain.experts_[0].coef_.dtype == np.float32
    assert_allclose(named.predict(frame), plain.predict(X), rtol=1e-4, atol=1e-4)


def test_counts_of_words_stay_sparse(rng):
    n = 12 * BATCH
    topic = rng.integers(0, 2, n)
    rates = np.where(topic[:, None] == 1, np.linspace(0.1, 2, 30), np.linspace(2, 0.1, 30))
    words = rng.poisson(rates).astype(float)
    model = MixtureOfExpertsClassifier(
        MultinomialNB(), 2, gate_features=[0, 1], random_state=0, n_init=1
    )
    dense = copy.deepcopy(model)
    streamed(model, sparse.csr_matrix(words), topic)
    streamed(dense, words, topic)
    assert sparse.issparse(model.learned_["rows"]["X"])
    assert_allclose(model.predict_proba(words), dense.predict_proba(words), atol=0.02)
    assert model.score(words, topic) > 0.95


# Labels that come late ---------------------------------------------------------------------


def test_labels_that_are_lacking_get_a_thousandth_of_all_rows():
    X, y, weights = with_unseen(np.eye(2), np.array([5, 7]), np.array([1.0, 3.0]), [5, 6, 7, 8])
    assert_array_equal(X, np.tile(np.eye(2), (3, 1)))
    assert_array_equal(y, [5, 7, 6, 6, 8, 8])
    assert_allclose(weights, [1, 3, 0.001, 0.003, 0.001, 0.003])


# Experts that learn by small steps need more rows.
@pytest.mark.parametrize(
    ("experts", "n"),
    [
        (None, 5_000),
        pytest.param(SGD, 10_000, marks=pytest.mark.slow),
        pytest.param(GaussianNB(), 10_000, marks=pytest.mark.slow),
    ],
    ids=["solved", "SGD", "Bayes"],
)
def test_a_label_that_comes_late_is_learned(experts, n):
    X, y = table("logistic", n + 2_000, n_classes=4)
    y = np.array(["a", "b", "c", "d"])[y]
    first, later = np.flatnonzero(y[:400] < "c"), np.arange(400, n)
    early = later[y[later] < "d"][: 10 * BATCH]
    later = later[later > early.max()]
    model = make("logistic", experts=experts)
    model.partial_fit(X[first], y[first], classes=["d", "c", "b", "a"])
    assert model.classes_.tolist() == ["a", "b", "c", "d"]
    proba = model.predict_proba(X)[:, 2:]
    assert 0 < proba.mean() < 0.01
    streamed(model, X[early], y[early])
    assert model.predict_proba(X)[:, 3].max() < 0.1
    streamed(model, X[later], y[later])
    full = make("logistic", experts=experts, n_init=1, max_iter=20).fit(X[later], y[later])
    assert gap(model, full, X[n:], y[n:]) < 0.1
    assert_allclose(model.predict_proba(X)[:, 3].mean(), (y[later] == "d").mean(), atol=0.03)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 4.0}])
def test_a_first_batch_of_some_labels_is_a_fit_to_weighted_rows(class_weight):
    X, y = table("logistic", 400, n_classes=2)
    times = np.ones(400)
    if class_weight == "balanced":
        times = 400 / 2 / np.bincount(y)[y]
    elif class_weight is not None:
        times = np.where(y == 1, 4.0, 1.0)
    model = make("logistic", experts=None, class_weight=class_weight)
    model.partial_fit(X, y, classes=[0, 1, 2])
    written = make("logistic", experts=None).fit(*with_unseen(X, y, times, [0, 1, 2]))
    assert_allclose(model.predict_proba(X), written.predict_proba(X), atol=1e-9)
    assert model.class_weight == class_weight
    assert len(model.learned_["rows"]["y"]) == 400


def test_one_label_and_rows_without_weight_will_do_to_begin():
    X, y = table("logistic", 400, n_classes=2)
    model = make("logistic", experts=None, tol=1e-9)
    model.partial_fit(X, y, sample_weight=(y == 0).astype(float), classes=[0, 1])
    assert_allclose(model.predict_proba(X)[:, 1], 0.001, rtol=0.02)
    model.partial_fit(X, y)
    assert model.n_iter_ == 2


def test_an_expert_that_lacks_labels_begins_with_all():
    X, y = table("Bayes", 600)
    y = np.where(X[:, 0] > 0, np.where(y == 2, 1, y), 2)
    init = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0]).astype(float)
    params = {"n_experts": 2, "init": init[:300], "top_k": 1, "max_iter": 1}
    model = make("Bayes", **params).partial_fit(X[:300], y[:300])
    assert isinstance(model.experts_[1], DummyClassifier)
    model.partial_fit(X[300:], y[300:])
    assert [expert.classes_.tolist() for expert in model.experts_] == [[0, 1, 2]] * 2


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "experts",
    [
        make_pipeline(StandardScaler(), SGD),
        OneVsRestClassifier(SGD),
        [("sgd", SGD), ("other", DummyClassifier())],
    ],
    ids=["pipeline", "no sample_weight", "one of several"],
)
def test_experts_that_cannot_learn_so_are_refused(experts):
    with pytest.raises(AttributeError) as error:
        make("logistic", experts=experts).partial_fit(*table("logistic", 100))
    assert "or estimators with a partial_fit that takes sample_weight; got" in str(
        error.value.__cause__
    )


def test_a_mixture_is_no_expert_that_learns_so():
    assert not hasattr(make("squares", experts=make("squares")), "partial_fit")
    assert not hasattr(
        make("squares", experts=[("a", Ridge()), ("b", SGDRegressor())]), "partial_fit"
    )
    assert not hasattr(make("squares", specialize=False), "partial_fit")


def test_an_expert_that_fails_is_named_and_nothing_changes():
    class Tired(GaussianNB):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            raise ValueError("no more")

    X, y = table("logistic", 300)
    model = make("logistic", experts=Tired()).partial_fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="expert 'expert_0' failed in partial_fit: no more"):
        model.partial_fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


def test_classes_are_checked():
    X, y = table("squares", 200)
    model = make("squares")
    for _ in range(2):
        with pytest.raises(ValueError, match="classes must be None, as y is no label"):
            model.partial_fit(X, y, classes=[0, 1])
        model.partial_fit(X, y)
