"""Scores against the integrals and sums that define them; scorers in scikit-learn's searches."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import fixed_quad
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.distributions import MixtureDistribution
from skmoe.metrics import (
    crps,
    crps_scorer,
    interval_coverage,
    log_score,
    log_score_scorer,
    pit,
)
from skmoe.responses import Gaussian, MultivariateGaussian
from tests.distributions.test_mixture import (
    Counts,
    HeavyTails,
    Pointed,
    Positive,
    ScipyLaw,
    mixture,
    row_cdf,
)

CONTINUOUS = [Gaussian(), MultivariateGaussian(), ScipyLaw(), HeavyTails(), Pointed(), Positive()]


def by_name(law):
    return type(law).__name__


def row_of(dist, i):
    return dist.take(slice(i, i + 1))


# CRPS --------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", CONTINUOUS, ids=by_name)
def test_crps_is_the_integral_that_defines_it(law, rng):
    dist = mixture(law, rng, n=4)
    # The last lies far out, where nothing else is.
    y = np.append(rng.uniform(1, 12, size=3), 40.0)
    tail = 10.0 ** np.arange(-10, 0)
    levels = np.concatenate([tail, np.arange(0.2, 0.9, 0.1), 1 - tail[::-1]])
    for i, cuts in enumerate(dist.ppf(levels[:, None]).T):
        # Means are where a density may have a corner.
        edges = np.sort(np.concatenate([cuts, dist.means[i, :, 0], [y[i]]]))
        below, above = edges[edges <= y[i]], edges[edges >= y[i]]
        expected = integral(lambda t, i=i: row_cdf(dist, i, t) ** 2, below)
        expected += integral(lambda t, i=i: (1 - row_cdf(dist, i, t)) ** 2, above)
        assert crps(y[[i]], row_of(dist, i)) == pytest.approx(expected, rel=1e-5)


def integral(function, edges):
    return sum(fixed_quad(function, *pair, n=40)[0] for pair in pairwise(edges))


def test_closed_form_and_integration_agree(rng):
    for m, single in ((1, True), (2, False)):
        closed = mixture(Gaussian(), rng, n=50, n_components=5, m=m, single=single)
        numerical = MixtureDistribution(
            ScipyLaw(), closed.weights, closed.means, closed.parameters, single
        )
        y = rng.uniform(-3, 20, size=closed.shape)
        assert crps(y, numerical) == pytest.approx(crps(y, closed), rel=1e-6)


def test_scales_far_apart_are_integrated_as_well(rng):
    means = rng.normal(size=(20, 2, 1))
    scales = np.array([[1e-6], [1e3]])
    parts = np.full((20, 2), 0.5), means, scales, True
    y = rng.normal(size=20)
    expected = crps(y, MixtureDistribution(Gaussian(), *parts))
    assert crps(y, MixtureDistribution(ScipyLaw(), *parts)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("law", [Gaussian(), ScipyLaw()], ids=by_name)
def test_crps_without_spread_is_the_absolute_error(law, rng):
    y, mean = rng.normal(size=(2, 10))
    dist = MixtureDistribution(law, np.ones((10, 1)), mean[:, None, None], np.array([[1e-9]]), True)
    assert crps(y, dist) == pytest.approx(np.abs(y - mean).mean(), abs=1e-8)


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_crps_of_whole_numbers_is_a_sum(rng, factor):
    dist = mixture(Counts(), rng, n=4)
    dist.means = dist.means * factor
    y = np.array([0.0, 3.0, 7.0, 200.0])
    t = np.arange(400.0)
    terms = (dist.cdf(t[:, None]) - (t[:, None] >= y)) ** 2
    for i in range(4):
        assert crps(y[[i]], row_of(dist, i)) == pytest.approx(terms[:, i].sum(), rel=1e-6)


def test_crps_of_a_wide_range_of_whole_numbers(rng):
    weights, means = np.array([[0.3, 0.7]]), np.array([[[20.0], [10_000.0]]])
    dist = MixtureDistribution(Counts(), weights, means, np.ones((2, 1)), True)
    t = np.arange(12_000.0)
    steps = dist.cdf(t[:, None])[:, 0]
    for y in (18.0, 5_000.0, 10_100.0):
        expected = ((steps - (t >= y)) ** 2).sum()
        assert crps([y], dist) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("law", [*CONTINUOUS, Counts()], ids=by_name)
def test_components_without_weight_do_not_matter(law, rng):
    dist = mixture(law, rng)
    routed = MixtureDistribution(
        law,
        np.insert(dist.weights, 1, 0.0, axis=1),
        np.insert(dist.means, 1, 0.0, axis=1),
        np.insert(dist.parameters, 1, 1e3, axis=0),
        True,
    )
    y = np.arange(7.0)
    assert crps(y, routed) == pytest.approx(crps(y, dist), rel=1e-6)


def test_crps_does_not_depend_on_blocks(rng):
    dist = mixture(Gaussian(), rng, n=5000)
    y = rng.uniform(1, 12, size=5000)
    halves = [slice(0, 1700), slice(1700, None)]
    parts = [
        crps(
            y[h], MixtureDistribution(dist.law, dist.weights[h], dist.means[h], dist.parameters, 1)
        )
        for h in halves
    ]
    assert np.average(parts, weights=[1700, 3300]) == pytest.approx(crps(y, dist), rel=1e-12)


# Other scores ------------------------------------------------------------------------------


def test_log_score_is_the_mean_log_density(rng):
    dist = mixture(Gaussian(), rng, m=2, single=False)
    y = rng.uniform(1, 12, size=(7, 2))
    assert log_score(y, dist) == pytest.approx(dist.logpdf(y).mean())


def test_the_truth_scores_best(rng):
    truth = mixture(Gaussian(), rng, n=4000)
    wider = MixtureDistribution(truth.law, truth.weights, truth.means, 1.5 * truth.parameters, True)
    y = truth.sample(1, 0)[:, 0]
    assert log_score(y, truth) > log_score(y, wider)
    assert crps(y, truth) < crps(y, wider)


@pytest.mark.parametrize("score", [log_score, crps, interval_coverage])
def test_integer_weights_are_repeated_rows(score, rng):
    dist = mixture(Gaussian(), rng)
    y, weights = rng.uniform(1, 12, size=7), np.array([1, 2, 0, 3, 1, 0, 1])
    rows = np.repeat(np.arange(7), weights)
    repeated = MixtureDistribution(
        dist.law, dist.weights[rows], dist.means[rows], dist.parameters, True
    )
    expected = score(y[rows], repeated)
    assert score(y, dist, sample_weight=weights) == pytest.approx(expected)
    y[2] = 1e200  # a row without weight, whatever its score
    assert score(y, dist, sample_weight=weights) == pytest.approx(expected)


def test_coverage_of_intervals_and_of_distributions(rng):
    dist = mixture(Gaussian(), rng, n=5000)
    y = dist.sample(1, 0)[:, 0]
    assert interval_coverage(y, dist) == interval_coverage(y, dist.interval(0.9))
    assert interval_coverage(y, dist, 0.6) == pytest.approx(0.6, abs=0.03)
    assert interval_coverage([1, 2, 3], [[1, 2], [1, 2], [1, 2]]) == pytest.approx(2 / 3)
    assert interval_coverage([1.0], [[-np.inf, np.inf]]) == 1
    several = mixture(Gaussian(), rng, n=2000, m=2, single=False)
    drawn = several.sample(1, 0)[..., 0]
    assert interval_coverage(drawn, several) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("law", [Gaussian(), HeavyTails(), Counts()], ids=by_name)
def test_pit_of_what_a_distribution_draws_is_uniform(law, rng):
    dist = mixture(law, rng, n=5000)
    y = dist.sample(1, 0)[:, 0]
    found = pit(y, dist, random_state=1)
    assert found.shape == (5000,)
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert_array_equal(found, pit(y, dist, random_state=1))


def test_pit_fills_the_steps_of_whole_numbers():
    ones = np.ones((5000, 1))
    dist = MixtureDistribution(Counts(), ones, ones[:, None], np.ones((1, 1)), True)
    found = pit(dist.sample(1, 0)[:, 0], dist, random_state=1)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


# What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("score", [log_score, crps, pit])
def test_something_that_is_no_distribution(score):
    with pytest.raises(TypeError, match=r"dist must be .*predict_dist.* got LinearRegression"):
        score([1.0], LinearRegression())


@pytest.mark.parametrize("score", [log_score, crps, pit, interval_coverage])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(6), r"y_true must have the shape \(7,\), got \(6,\)"),
        (np.ones((7, 2)), r"y_true must have the shape \(7,\), got \(7, 2\)"),
        (np.full(7, np.nan), "y_true contains NaN"),
        (np.full(7, np.inf), "y_true contains infinity"),
    ],
)
def test_y_that_does_not_fit(score, y, message, rng):
    with pytest.raises(ValueError, match=message):
        score(y, mixture(Gaussian(), rng))


@pytest.mark.parametrize("score", [log_score, crps, interval_coverage])
@pytest.mark.parametrize("weights", [-np.ones(7), np.zeros(7), np.ones((7, 1))])
def test_weights_that_cannot_be(score, weights, rng):
    with pytest.raises(ValueError, match="sample_weight must"):
        score(np.ones(7), mixture(Gaussian(), rng), sample_weight=weights)


@pytest.mark.parametrize("ends", [np.ones((7, 3)), np.full((7, 2), np.nan), np.ones((7, 2, 2, 2))])
def test_intervals_that_cannot_be(ends):
    with pytest.raises(ValueError, match="intervals must have the shape"):
        interval_coverage(np.ones(7), ends)


def test_a_column_of_y_is_one_output(rng):
    dist, y = mixture(Gaussian(), rng), np.arange(7.0)
    assert crps(y[:, None], dist) == crps(y, dist)


# Scorers -----------------------------------------------------------------------------------

TABLE = make_moe_regression(120, 2, n_experts=2, random_state=0)


class Normal(RegressorMixin, BaseEstimator):
    """A line and its error: the least that has a distribution."""

    def __init__(self, inflation=1.0):
        self.inflation = inflation

    def fit(self, X, y, sample_weight=None):
        self.line_ = LinearRegression().fit(X, y, sample_weight)
        self.scale_ = self.inflation * np.std(y - self.line_.predict(X))
        return self

    def predict(self, X):
        return self.line_.predict(X)

    def predict_dist(self, X):
        means = self.predict(X)[:, None, None]
        ones = np.ones((len(means), 1))
        return MixtureDistribution(Gaussian(), ones, means, np.array([[self.scale_]]), True)


def test_scorers_are_greater_for_the_better():
    X, y = TABLE
    model = Normal().fit(X, y)
    dist = model.predict_dist(X)
    assert log_score_scorer(model, X, y) == log_score(y, dist)
    assert crps_scorer(model, X, y) == -crps(y, dist)
    weights = np.arange(120.0)
    assert crps_scorer(model, X, y, sample_weight=weights) == -crps(y, dist, weights)


@pytest.mark.parametrize("scorer", [log_score_scorer, crps_scorer])
def test_a_search_finds_the_right_width(scorer):
    search = GridSearchCV(Normal(), {"inflation": [0.2, 1.0, 5.0]}, scoring=scorer, cv=3)
    assert clone(search).fit(*TABLE).best_params_ == {"inflation": 1.0}
    several = {"a": scorer, "b": "r2"}
    scores = cross_validate(Normal(), *TABLE, scoring=several, cv=3)
    assert_array_equal(scores["test_a"], cross_val_score(Normal(), *TABLE, scoring=scorer, cv=3))


@pytest.mark.parametrize("scorer", [log_score_scorer, crps_scorer])
def test_pipelines_are_scored_by_their_last_step(scorer):
    X, y = TABLE
    piped = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Normal())).fit(X, y)
    assert scorer(piped, X, y) == pytest.approx(scorer(Normal().fit(X, y), X, y))
    alone = make_pipeline(Normal()).fit(X, y)
    assert scorer(alone, X, y) == scorer(Normal().fit(X, y), X, y)


@pytest.mark.parametrize("scorer", [log_score_scorer, crps_scorer])
def test_scorers_are_pickled_and_cloned(scorer):
    X, y = TABLE
    model = Normal().fit(X, y)
    for other in (pickle.loads(pickle.dumps(scorer)), clone(scorer)):
        assert other(model, X, y) == scorer(model, X, y)


def test_weights_reach_scorers_by_metadata_routing():
    X, y = TABLE
    weights = np.where(np.arange(120) % 2, 1.0, 1e-9)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = clone(crps_scorer).set_score_request(sample_weight=True)
        model = Normal().set_fit_request(sample_weight=False)
        found = cross_val_score(
            model, X, y, scoring=scorer, cv=[(np.arange(120), np.arange(120))],
            params={"sample_weight": weights},
        )  # fmt: skip
    dist = Normal().fit(X, y).predict_dist(X)
    assert_allclose(found, -crps(y, dist, weights))
    # The one that all share has asked for nothing.
    assert crps_scorer.get_metadata_routing().score.requests["sample_weight"] is None


@pytest.mark.parametrize("scorer", [log_score_scorer, crps_scorer])
def test_an_estimator_without_a_distribution(scorer):
    X, y = TABLE
    with pytest.raises(TypeError, match=r"needs an estimator with .*predict_dist.* got Linear"):
        scorer(LinearRegression().fit(X, y), X, y)


def test_the_log_score_of_a_classifier():
    X, y = make_moe_classification(200, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, y)
    own = model.predict_proba(X)[np.arange(200), np.searchsorted(model.classes_, y)]
    assert log_score_scorer(model, X, y) == pytest.approx(np.log(own).mean())
    weights = np.arange(200)
    expected = np.average(np.log(own), weights=weights)
    assert log_score_scorer(model, X, y, weights) == pytest.approx(expected)


def test_the_log_score_of_a_regressor_is_that_of_its_samples():
    X, y = TABLE
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert log_score_scorer(model, X, y) == pytest.approx(model.score_samples(X, y).mean())


@pytest.mark.skipif(not hasattr(MixtureOfExpertsRegressor, "predict_dist"), reason="not built yet")
def test_a_search_over_mixtures_by_crps():
    X, y = TABLE
    model = MixtureOfExpertsRegressor(random_state=0)
    search = GridSearchCV(model, {"n_experts": [1, 2]}, scoring=crps_scorer, cv=3).fit(X, y)
    assert search.best_params_ == {"n_experts": 2}
