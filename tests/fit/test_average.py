"""Several starts as one predictive mixture: computed by hand from the parts of each."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
N = 120
REGRESSORS = {
    "linear": {},
    "starts": {"n_init": 5},
    "hard": {"top_k": 1, "n_init": 5},
    "sparse": {"top_k": 2, "n_init": 5},
    "trees": {"experts": DecisionTreeRegressor(max_depth=2), "max_iter": 6, "n_init": 3},
    "number chosen": {"n_experts": "auto", "n_init": 5},
    "columns": {"n_init": 4, "gate_features": [0, 1], "expert_features": [1, 2]},
}


def make_table():
    """X (n, 3), and y with many optima: numbers, and three classes."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, 3))
    y = np.sin(2 * X[:, 0]) * 3 + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=N)
    return X, y, np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]


X, Y, LABELS = make_table()
ASKED = np.random.default_rng(4).normal(size=(40, 3))
ANSWERS = np.random.default_rng(5).normal(size=40)


def regressor(**params):
    return MixtureOfExpertsRegressor(
        **{"n_experts": 3, "average": 3, "random_state": 0, "max_iter": 60, **params}
    )


def classifier(**params):
    return MixtureOfExpertsClassifier(
        **{"n_experts": 2, "average": 3, "n_init": 4, "random_state": 0, "max_iter": 60, **params}
    )


@pytest.fixture(scope="module", params=REGRESSORS)
def fitted(request):
    return regressor(**REGRESSORS[request.param]).fit(X, Y)


@pytest.fixture(scope="module")
def labelled():
    return classifier().fit(X, LABELS)


# By hand -----------------------------------------------------------------------------------


def members(model):
    """Gate, experts and laws of each start, the best first."""
    own = {"gate": model.gate_, "experts": model.experts_}
    own["law_parameters"] = getattr(model, "law_parameters_", None)
    return [own, *model.averaged_]


def columns(chosen):
    return slice(None) if chosen is None else chosen


def weights_of(model, member, X):
    """Gate probabilities of one start, of which `top_k` are kept."""
    proba = member["gate"].predict_proba(X[:, columns(model.gate_columns_)])
    k = model.top_k or proba.shape[1]
    kept = np.argsort(-proba, axis=1, kind="stable")[:, :k]
    out = np.zeros_like(proba)
    np.put_along_axis(out, kept, np.take_along_axis(proba, kept, axis=1), axis=1)
    return out / out.sum(axis=1, keepdims=True)


def means_of(model, member, X):
    seen = X[:, columns(model.expert_columns_)]
    return np.column_stack([expert.predict(seen) for expert in member["experts"]])


def density_of(model, member, X, y):
    density = norm.pdf(y[:, None], means_of(model, member, X), member["law_parameters"][:, 0])
    return (weights_of(model, member, X) * density).sum(axis=1)


def flattened(model, X):
    """Weights, means and standard deviations (n, C) of all components of all starts."""
    parts = members(model)
    weights = np.hstack([weights_of(model, part, X) for part in parts]) / len(parts)
    means = np.hstack([means_of(model, part, X) for part in parts])
    scales = np.concatenate([part["law_parameters"][:, 0] for part in parts])
    return weights, means, np.broadcast_to(scales, means.shape)


# Regressor ---------------------------------------------------------------------------------


def test_starts_are_averaged_at_all(fitted):
    """Else what follows says nothing: their predictions differ too."""
    assert len(fitted.averaged_) >= 1
    _, means, _ = flattened(fitted, ASKED)
    best = (weights_of(fitted, members(fitted)[0], ASKED) * means[:, : fitted.n_experts_]).sum(1)
    assert np.abs(fitted.predict(ASKED) - best).max() > 0.01


def test_density_is_the_mean_of_the_members_densities(fitted):
    expected = np.mean([density_of(fitted, m, ASKED, ANSWERS) for m in members(fitted)], axis=0)
    score = fitted.score_samples(ASKED, ANSWERS)
    assert_allclose(score[expected > 0], np.log(expected[expected > 0]), rtol=1e-7, atol=1e-9)


def test_density_integrates_to_one(fitted):
    grid = np.linspace(-60, 60, 12001)
    for row in ASKED[:3]:
        density = np.exp(fitted.score_samples(np.tile(row, (len(grid), 1)), grid))
        assert_allclose(trapezoid(density, grid), 1.0, atol=1e-4)


def test_prediction_is_the_mean_of_the_members_means(fitted):
    means = [
        (weights_of(fitted, m, ASKED) * means_of(fitted, m, ASKED)).sum(axis=1)
        for m in members(fitted)
    ]
    assert_allclose(fitted.predict(ASKED), np.mean(means, axis=0), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("combine", ["mean", "median", "top"])
def test_spread_is_that_of_the_whole_mixture(fitted, combine):
    """Law of total variance, whatever is made the prediction."""
    weights, means, scales = flattened(fitted, ASKED)
    mean = (weights * means).sum(axis=1)
    variance = (weights * (scales**2 + (means - mean[:, None]) ** 2)).sum(axis=1)
    model = pickle.loads(pickle.dumps(fitted)).set_params(combine=combine)
    prediction, std = model.predict(ASKED, return_std=True)
    assert_allclose(std, np.sqrt(variance), rtol=1e-8)
    assert_allclose(prediction, model.predict(ASKED), rtol=1e-10, atol=1e-12)


def test_median_halves_the_whole_mixture(fitted):
    weights, means, scales = flattened(fitted, ASKED)
    median = pickle.loads(pickle.dumps(fitted)).set_params(combine="median").predict(ASKED)
    below = (weights * norm.cdf(median[:, None], means, scales)).sum(axis=1)
    assert_allclose(below, 0.5, atol=1e-6)
    asked = weights > 0
    assert (median >= np.where(asked, means, np.inf).min(axis=1)).all()
    assert (median <= np.where(asked, means, -np.inf).max(axis=1)).all()


def test_top_averages_the_most_probable_expert_of_each_start(fitted):
    tops = []
    for member in members(fitted):
        best = weights_of(fitted, member, ASKED).argmax(axis=1)
        tops.append(means_of(fitted, member, ASKED)[np.arange(len(best)), best])
    model = pickle.loads(pickle.dumps(fitted)).set_params(combine="top")
    assert_allclose(model.predict(ASKED), np.mean(tops, axis=0), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("top_k", [1, 2])
def test_routing_set_after_fit_holds_for_every_start(top_k):
    model = regressor().fit(X, Y).set_params(top_k=top_k)
    expected = np.mean([density_of(model, m, X, Y) for m in members(model)], axis=0)
    assert_allclose(np.exp(model.score_samples(X, Y)), expected, rtol=1e-7, atol=1e-12)
    weights, means, _ = flattened(model, X)
    assert_array_equal((weights > 0).sum(axis=1), top_k * len(members(model)))
    assert_allclose(model.predict(X), (weights * means).sum(axis=1), rtol=1e-9, atol=1e-10)


def test_every_start_is_kept_in_the_units_of_y():
    one, hundred = (regressor(n_init=4).fit(X, scale * Y) for scale in (1.0, 128.0))
    assert one.averaged_
    for small, large in zip(members(one), members(hundred), strict=True):
        assert_allclose(large["law_parameters"], 128 * small["law_parameters"], rtol=1e-6)
        assert_allclose(means_of(hundred, large, X), 128 * means_of(one, small, X), rtol=1e-5)


def test_several_outputs():
    both = np.column_stack([Y, X[:, 1] - 2 * Y])
    model = regressor().fit(X, both)
    assert model.averaged_
    densities, answers = [], []
    for member in members(model):
        assert member["law_parameters"].shape == (3, 2)
        weights = member["gate"].predict_proba(X)
        means = np.stack([expert.predict(X) for expert in member["experts"]], axis=1)
        logs = norm.logpdf(both[:, None], means, member["law_parameters"]).sum(axis=2)
        densities.append(logsumexp(np.log(weights) + logs, axis=1))
        answers.append(np.einsum("nk,nkm->nm", weights, means))
    expected = logsumexp(densities, axis=0) - np.log(len(densities))
    assert_allclose(model.score_samples(X, both), expected, rtol=1e-7, atol=1e-9)
    assert_allclose(model.predict(X), np.mean(answers, axis=0), rtol=1e-9, atol=1e-10)


def test_groups_have_the_mean_of_joint_densities():
    """Each start gives a group one density; averaging row by row would be another model."""
    groups = np.repeat(np.arange(N // 4), 4)
    model = regressor().fit(X, Y, groups=groups)
    assert model.averaged_
    logs = []
    for member in members(model):
        table = X.reshape(-1, 4, 3).mean(axis=1)
        rows = norm.logpdf(Y[:, None], means_of(model, member, X), member["law_parameters"][:, 0])
        joint = rows.reshape(-1, 4, 3).sum(axis=1)
        logs.append(logsumexp(np.log(member["gate"].predict_proba(table)) + joint, axis=1))
    expected = logsumexp(logs, axis=0) - np.log(len(logs))
    assert_allclose(model.score_samples(X, Y, groups=groups), expected, rtol=1e-7, atol=1e-8)


# What is averaged --------------------------------------------------------------------------


@pytest.mark.parametrize("average", [1, 2, 4])
@pytest.mark.parametrize("n_init", [6, "auto"])
def test_the_best_starts_are_kept_in_order(average, n_init):
    model = regressor(average=average, n_init=n_init).fit(X, Y)
    assert len(model.averaged_) <= average - 1
    bounds = [model.lower_bound_, *(m["lower_bound"] for m in model.averaged_)]
    assert (np.diff(bounds) < 0).all()
    reached = [s["lower_bound"] for s in model.starts_ if s["averaged"]]
    assert sorted(reached, reverse=True) == (bounds if average > 1 else [])


@pytest.mark.parametrize("average", [1, 3])
def test_starts_record_which_was_chosen_and_which_averaged(average):
    model = regressor(average=average, n_init=6).fit(X, Y)
    (chosen,) = [s for s in model.starts_ if s["chosen"]]
    assert chosen["lower_bound"] == model.lower_bound_
    assert chosen["averaged"] == (average > 1)
    assert sum(s["averaged"] for s in model.starts_) == (
        1 + len(model.averaged_) if average > 1 else 0
    )


def test_starts_that_end_alike_count_once():
    """Two lines far apart have one optimum worth the name: its copies are not averaged."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(N, 1))
    y = np.where(Z[:, 0] > 0, 5 + Z[:, 0], -5 - Z[:, 0]) + 0.1 * rng.normal(size=N)
    model = regressor(n_experts=2, average=8, n_init=8, tol=1e-9, max_iter=300).fit(Z, y)
    assert len(model.averaged_) < 7
    bounds = [model.lower_bound_, *(m["lower_bound"] for m in model.averaged_)]
    assert (np.diff(bounds) < -1e-9).all()


@pytest.mark.parametrize(
    "params",
    [
        {"n_experts": 1},
        {"n_init": 1},
        {"init": np.eye(3)[np.arange(N) % 3]},
        {"specialize": False, "experts": [(n, DecisionTreeRegressor(max_depth=2)) for n in "abc"]},
    ],
    ids=["one expert", "one start", "given", "pooled"],
)
def test_one_start_is_averaged_with_nothing(params):
    alone, model = (regressor(average=a, **params).fit(X, Y) for a in (1, 5))
    assert model.averaged_ == []
    assert_array_equal(model.predict(ASKED), alone.predict(ASKED))
    assert_array_equal(model.score_samples(X, Y), alone.score_samples(X, Y))


# Of a number that is chosen, the grown mixture competes with drawn starts only for an average.
@pytest.mark.parametrize("name", sorted(REGRESSORS.keys() - {"number chosen"}))
def test_the_best_start_does_not_depend_on_average(name):
    params = {"n_init": 4, **REGRESSORS[name]}
    alone, both = (regressor(average=a, **params).fit(X, Y) for a in (1, 2))
    assert [len(alone.averaged_), len(both.averaged_)] == [0, 1]
    assert alone.lower_bound_ == both.lower_bound_
    assert_array_equal(alone.lower_bounds_, both.lower_bounds_)
    assert_array_equal(alone.dispersion_, both.dispersion_)
    assert_array_equal(alone.gate_proba(ASKED), both.gate_proba(ASKED))
    assert_array_equal(alone.expert_predict(ASKED), both.expert_predict(ASKED))


@pytest.mark.parametrize("labels", [False, True], ids=["numbers", "labels"])
def test_attributes_of_experts_are_those_of_the_best_start(labels):
    make, y = (classifier, LABELS) if labels else (regressor, Y)
    alone, model = (make(average=a, n_init=4).fit(X, y) for a in (1, 3))
    assert model.averaged_
    for ask in ("gate_proba", "apply", "expert_predict"):
        assert_array_equal(getattr(model, ask)(X), getattr(alone, ask)(X), err_msg=ask)
    for ask in ("responsibilities", "aic", "bic", "icl"):
        assert_array_equal(getattr(model, ask)(X, y), getattr(alone, ask)(X, y), err_msg=ask)


def test_attributes_of_the_last_average_are_forgotten():
    model = regressor(n_init=4).fit(X, Y)
    assert model.averaged_
    assert model.set_params(average=1).fit(X, Y).averaged_ == []


# Classifier --------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["mean", "vote", "top"])
@pytest.mark.parametrize("top_k", [None, 1])
def test_probabilities_are_the_mean_of_the_members(labelled, combine, top_k):
    model = pickle.loads(pickle.dumps(labelled)).set_params(combine=combine, top_k=top_k)
    assert model.averaged_
    total = np.zeros((len(ASKED), 3))
    for member in members(model):
        weights = weights_of(model, member, ASKED)
        answers = np.stack([e.predict_proba(ASKED) for e in member["experts"]], axis=1)
        if combine == "vote":
            answers = np.eye(3)[answers.argmax(axis=2)]
        if combine == "top":
            weights = np.eye(weights.shape[1])[weights.argmax(axis=1)]
        total += np.einsum("nk,nkc->nc", weights, answers)
    expected = total / len(members(model))
    assert_allclose(model.predict_proba(ASKED), expected, rtol=1e-8, atol=1e-12)
    assert_array_equal(model.predict(ASKED), model.classes_[expected.argmax(axis=1)])


def test_log_probability_of_labels_is_that_of_the_average(labelled):
    """What `predict_proba` says of the labels, and `score_samples`, are the same."""
    assert len(labelled.averaged_) <= 2
    assert all(set(m) == {"gate", "experts", "lower_bound"} for m in labelled.averaged_)
    codes = np.searchsorted(labelled.classes_, LABELS)
    proba = labelled.predict_proba(X)[np.arange(N), codes]
    assert_allclose(labelled.score_samples(X, LABELS), np.log(proba), rtol=1e-7, atol=1e-9)


# Conventions -------------------------------------------------------------------------------


def test_pickle_keeps_what_is_averaged(fitted):
    copied = pickle.loads(pickle.dumps(fitted))
    assert len(copied.averaged_) == len(fitted.averaged_)
    for ours, theirs in zip(
        copied.predict(ASKED, return_std=True), fitted.predict(ASKED, return_std=True), strict=True
    ):
        assert_array_equal(ours, theirs)
    assert_array_equal(copied.score_samples(ASKED, ANSWERS), fitted.score_samples(ASKED, ANSWERS))


def test_pickle_of_a_classifier_keeps_what_is_averaged(labelled):
    copied = pickle.loads(pickle.dumps(labelled))
    assert_array_equal(copied.predict_proba(ASKED), labelled.predict_proba(ASKED))


def test_single_precision_in_and_out():
    narrow = X.astype(np.float32)
    model = regressor(n_init=4).fit(narrow, Y.astype(np.float32))
    assert model.averaged_
    mean, std = model.predict(narrow, return_std=True)
    score = model.score_samples(narrow, Y)
    assert {a.dtype for a in (mean, std, score)} == {np.dtype(np.float32)}
    weights, means, _ = flattened(model, narrow)
    assert_allclose(mean, (weights * means).sum(axis=1), rtol=1e-4, atol=1e-4)
    expected = np.mean([density_of(model, m, narrow, Y) for m in members(model)], axis=0)
    assert_allclose(score, np.log(expected), rtol=1e-3, atol=1e-3)
    proba = classifier().fit(narrow, LABELS).predict_proba(narrow)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("fitted", ["trees"], indirect=True)
def test_wrapped_experts_of_the_starts_are_of_their_own(fitted):
    experts = [expert for member in members(fitted) for expert in member["experts"]]
    assert len({id(expert) for expert in experts}) == len(experts)
    assert all(expert.get_depth() <= 2 for expert in experts)
