"""A mixture as an expert of a mixture: its whole density counts."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsRegressor
from skmoe.experts import WrappedBank

N = 150


@pytest.mark.parametrize("seed", [0, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings(
    "ignore:EM did not converge",
    "ignore:no rows were left:UserWarning",
    "ignore:the experts .* repeat y:UserWarning",
)
def test_hard_training_evaluates_a_mixture_wherever_it_matters(seed, monkeypatch):
    """The same model, to the last digit, as when every expert is asked about every row."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((150, 2))
    # A mixture's density may be of any height: what a law of its own would allow is no bound.
    pieces = np.where(X[:, 0] > 0, 2 * X[:, 1], -2 * X[:, 1]) + 0.02 * rng.standard_normal(150)
    line = 3 * X[:, 0] + 0.5 * rng.standard_normal(150)
    y = np.where(rng.uniform(size=150) < 0.5, pieces, line)
    inner = MixtureOfExpertsRegressor(n_experts=2, n_init=2, random_state=0)
    model = MixtureOfExpertsRegressor(
        [("mixture", inner), ("line", Ridge())], cv=None, top_k=1, n_init=2, max_iter=20
    ).set_params(random_state=0)
    own = model.fit(X, y).lower_bounds_
    update = WrappedBank.update
    monkeypatch.setattr(
        WrappedBank, "update", lambda self, w, s, alive, own_rows: update(self, w, s, alive)
    )
    np.testing.assert_array_equal(own, model.fit(X, y).lower_bounds_)


# What a mixture with a mixture in it says, by hand ------------------------------------------


def make_table():
    """X (n, 2), and y that is either one line or one of two."""
    rng = np.random.default_rng(1)
    X = rng.normal(3, 2, size=(N, 2))
    pieces = np.where(X[:, 0] > 3, 2 * X[:, 1] + 4, -2 * X[:, 1]) + 0.3 * rng.normal(size=N)
    line = 3 * X[:, 0] + 0.5 * rng.normal(size=N)
    return X, np.where(rng.uniform(size=N) < 0.6, pieces, line)


X, Y = make_table()
ASKED = np.random.default_rng(2).normal(3, 2, size=(40, 2))
ANSWERS = np.random.default_rng(3).normal(3, 5, size=40)


def mixture(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": 2, "random_state": 0, "n_init": 2, **params})


def frozen(estimator):
    return FrozenEstimator(fit_quietly(estimator, X[::2], Y[::2]))


INNER = {
    "plain": mixture,
    "averaged": lambda: mixture(n_init=2, average=2, max_iter=20),
    "hard": lambda: mixture(top_k=1),
    "pipeline": lambda: make_pipeline(StandardScaler(), mixture()),
    "frozen": lambda: frozen(mixture()),
    "frozen pipeline": lambda: frozen(make_pipeline(StandardScaler(), mixture())),
    "pipeline of frozen": lambda: make_pipeline(StandardScaler(), FrozenEstimator(scaled())),
    "twice": lambda: frozen(mixture(experts=[("a", frozen(mixture())), ("b", Ridge())])),
}
OUTER = {
    "specialised": {"cv": None},
    "folds": {"cv": 2},
    "pooled": {"specialize": False},
    "hard": {"cv": None, "top_k": 1},
}
CASES = [(inner, "specialised") for inner in INNER]
CASES += [(inner, "pooled") for inner in ("plain", "pipeline", "frozen")]
CASES += [("plain", "folds"), ("plain", "hard")]


def scaled():
    return mixture().fit(StandardScaler().fit_transform(X[::2]), Y[::2])


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def fitted(request):
    inner, outer = request.param
    experts = [("line", Ridge()), ("mixture", INNER[inner]())]
    return fit_quietly(mixture(experts=experts, max_iter=5, n_init=1, **OUTER[outer]), X, Y)


def fit_quietly(model, X, Y):
    """Fit without the warnings of so few iterations."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "EM did not converge")
        warnings.filterwarnings("ignore", "no rows were left", UserWarning)
        return model.fit(X, Y)


def unwrapped(expert, X):
    """The mixture behind pipelines and frozen estimators, and X as it sees it."""
    if isinstance(expert, FrozenEstimator):
        return unwrapped(expert.estimator, X)
    if hasattr(expert, "steps"):
        return unwrapped(expert[-1], expert[:-1].transform(X))
    return expert, X


def weights_of(model, gate, X):
    proba = gate.predict_proba(X)
    if model.top_k == 1:
        proba = np.eye(proba.shape[1])[proba.argmax(axis=1)]
    return proba


def components(model, X):
    """Weights, means and standard deviations (n, C) of y in each row, down to plain experts."""
    starts = [(model.gate_, model.experts_, model.law_parameters_)]
    starts += [(m["gate"], m["experts"], m["law_parameters"]) for m in model.averaged_]
    parts = []
    for gate, experts, dispersion in starts:
        weights = weights_of(model, gate, X) / len(starts)
        for weight, expert, scale in zip(weights.T, experts, dispersion, strict=True):
            bare, seen = unwrapped(expert, X)
            if isinstance(bare, MixtureOfExpertsRegressor):
                inner, means, scales = components(bare, seen)
                parts.append((weight[:, None] * inner, means, scales))
            else:
                mean = bare.predict(seen)[:, None]
                parts.append((weight[:, None], mean, np.full_like(mean, scale)))
    return tuple(np.hstack(part) for part in zip(*parts, strict=True))


def log_densities(model, X, y):
    """Log-densities (n, 2) under the line, and under the mixture as it gives them itself."""
    line, expert = model.experts_
    bare, seen = unwrapped(expert, X)
    own = norm.logpdf(y, line.predict(X), model.dispersion_[0])
    return np.column_stack([own, bare.score_samples(seen, y)])


def log_joint(model, X, y):
    with np.errstate(divide="ignore"):
        return np.log(weights_of(model, model.gate_, X)) + log_densities(model, X, y)


def test_bayes_rule_takes_the_density_of_the_mixture(fitted):
    for Z, y in [(X, Y), (ASKED, ANSWERS)]:
        joint = log_joint(fitted, Z, y)
        expected = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        assert_allclose(fitted.responsibilities(Z, y), expected, rtol=1e-6, atol=1e-9)


def test_density_is_the_sum_over_the_gate(fitted):
    for Z, y in [(X, Y), (ASKED, ANSWERS)]:
        expected = logsumexp(log_joint(fitted, Z, y), axis=1)
        assert_allclose(fitted.score_samples(Z, y), expected, rtol=1e-6, atol=1e-6)


def test_density_is_that_of_the_flattened_mixture(fitted):
    weights, means, scales = components(fitted, ASKED)
    assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-10)
    logs = logsumexp(norm.logpdf(ANSWERS[:, None], means, scales), b=weights, axis=1)
    assert_allclose(fitted.score_samples(ASKED, ANSWERS), logs, rtol=1e-6, atol=1e-6)


def test_density_integrates_to_one(fitted):
    grid = np.linspace(-80, 80, 4001)
    for row in ASKED[:2]:
        density = np.exp(fitted.score_samples(np.tile(row, (len(grid), 1)), grid))
        assert_allclose(trapezoid(density, grid), 1.0, atol=1e-4)


def test_mean_and_spread_are_those_of_the_flattened_mixture(fitted):
    weights, means, scales = components(fitted, ASKED)
    mean = (weights * means).sum(axis=1)
    variance = (weights * (scales**2 + (means - mean[:, None]) ** 2)).sum(axis=1)
    prediction, std = fitted.predict(ASKED, return_std=True)
    assert_allclose(prediction, mean, rtol=1e-6, atol=1e-8)
    assert_allclose(std, np.sqrt(variance), rtol=1e-6)
    assert_allclose(fitted.predict(ASKED), mean, rtol=1e-6, atol=1e-8)


def test_median_halves_the_flattened_mixture(fitted):
    weights, means, scales = components(fitted, ASKED)
    median = recombined(fitted, "median").predict(ASKED)
    below = (weights * norm.cdf(median[:, None], means, scales)).sum(axis=1)
    assert_allclose(below, 0.5, atol=1e-6)


def test_top_evaluates_the_most_probable_expert_alone(fitted):
    line, expert = fitted.experts_
    bare, seen = unwrapped(expert, ASKED)
    first = fitted.gate_.predict_proba(ASKED).argmax(axis=1) == 0
    expected = np.where(first, line.predict(ASKED), bare.predict(seen))
    assert_allclose(recombined(fitted, "top").predict(ASKED), expected, rtol=1e-6, atol=1e-8)


def test_dispersion_is_nan_where_the_expert_has_a_density_of_its_own(fitted):
    assert_array_equal(np.isnan(fitted.dispersion_), [False, True])


@pytest.mark.parametrize("top_k", [None, 1])
def test_no_nan_leaves(fitted, top_k):
    for combine in ("mean", "median", "top"):
        model = recombined(fitted, combine).set_params(top_k=top_k)
        prediction, std = model.predict(ASKED, return_std=True)
        assert np.isfinite(prediction).all()
        assert np.isfinite(std).all()
        assert (std > 0).all()
        assert_allclose(model.predict(ASKED), prediction, rtol=1e-10, atol=1e-12)
    assert not np.isnan(model.score_samples(ASKED, ANSWERS)).any()
    assert np.isfinite(model.score_samples(ASKED)).all()
    assert np.isfinite(model.responsibilities(ASKED, ANSWERS)).all()
    assert np.isfinite(model.expert_predict(ASKED)).all()


def recombined(model, combine):
    return pickle.loads(pickle.dumps(model)).set_params(combine=combine)
