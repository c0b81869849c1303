"""The predictive mixture: single components, integrals, draws and grids are its oracles."""

import copy
import pickle
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_regression
from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian, Laplace, MultivariateGaussian, StudentT
from tests.benchmarks.quantiles import components, peak_bytes

# Laws of scipy's, so that the mixture is tested with laws of every kind ---------------------


class ScipyLaw:
    """A law whose components are scipy's, of which `frozen` makes an array."""

    discrete = False
    support = (-np.inf, np.inf)

    def frozen(self, mean, scale):
        return stats.norm(mean, scale)

    def _of(self, mean, parameters):
        return self.frozen(mean, parameters[..., : mean.shape[-1]])

    def logpdf(self, y, mean, parameters):
        frozen = self._of(mean, parameters)
        log = frozen.logpmf if self.discrete else frozen.logpdf
        return log(y[:, None]).sum(axis=2)

    def cdf(self, y, mean, parameters):
        return self._of(mean, parameters).cdf(y[:, None])

    def ppf(self, q, mean, parameters):
        return self._of(mean, parameters).ppf(q[:, None])

    def variance(self, mean, parameters):
        return self._of(mean, parameters).var()

    def std(self, mean, parameters):
        return np.sqrt(self.variance(mean, parameters))

    def mode(self, mean, parameters):
        return mean

    def sample(self, mean, parameters, rng):
        return self._of(mean, parameters).rvs(size=mean.shape, random_state=rng)


class HeavyTails(ScipyLaw):
    def frozen(self, mean, scale):
        return stats.t(2.5, mean, scale)


class Pointed(ScipyLaw):
    def frozen(self, mean, scale):
        return stats.laplace(mean, scale)


class Positive(ScipyLaw):
    """Gamma with a shape of 4."""

    support = (0.0, np.inf)

    def frozen(self, mean, scale):
        return stats.gamma(4.0, scale=mean / 4.0)

    def mode(self, mean, parameters):
        return 0.75 * mean


class Counts(ScipyLaw):
    discrete = True
    support = (0.0, np.inf)

    def frozen(self, mean, scale):
        return stats.poisson(mean)

    def mode(self, mean, parameters):
        return np.floor(mean)


LAWS = [
    Gaussian(),
    MultivariateGaussian(),
    ScipyLaw(),
    HeavyTails(),
    Pointed(),
    Positive(),
    Counts(),
]
CONTINUOUS = [law for law in LAWS if not law.discrete]
EVERY_LAW = pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
EVERY_CONTINUOUS_LAW = pytest.mark.parametrize(
    "law", CONTINUOUS, ids=lambda law: type(law).__name__
)


def mixture(law, rng, n=7, n_components=3, m=1, single=True):
    """A distribution whose means are positive, so that every law can have them."""
    return MixtureDistribution(
        law,
        rng.dirichlet(np.ones(n_components), size=n),
        rng.uniform(1.0, 12.0, size=(n, n_components, m)),
        rng.uniform(0.3, 2.0, size=(n_components, m)),
        single,
    )


def row(dist, i):
    """Weights and frozen scipy components of row i."""
    law = ScipyLaw() if isinstance(dist.law, Gaussian | MultivariateGaussian) else dist.law
    pairs = zip(dist.means[i], dist.parameters, strict=True)
    return dist.weights[i], [law.frozen(mean, scale) for mean, scale in pairs]


def row_cdf(dist, i, y):
    weights, components = row(dist, i)
    total = sum(w * c.cdf(y) for w, c in zip(weights, components, strict=True))
    return total if np.ndim(y) else total.item()


@pytest.mark.parametrize(
    ("law", "known", "extra"),
    [
        (Gaussian(), ScipyLaw(), ()),
        (StudentT(), HeavyTails(), (2.5,)),
        (Laplace(), Pointed(), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_our_laws_make_the_mixtures_that_scipys_make(law, known, extra, rng):
    expected = mixture(known, rng)
    parameters = np.column_stack([expected.parameters, *(np.full(3, value) for value in extra)])
    dist = MixtureDistribution(law, expected.weights, expected.means, parameters, True)
    y, q = rng.uniform(1, 12, size=7), rng.random(7)
    for found, oracle in [
        (dist.mean(), expected.mean()),
        (dist.std(), expected.std()),
        (dist.logpdf(y), expected.logpdf(y)),
        (dist.cdf(y), expected.cdf(y)),
        (dist.ppf(q), expected.ppf(q)),
    ]:
        assert_allclose(found, oracle, rtol=1e-9)
    assert_allclose(dist.mode(), expected.mode(), rtol=1e-6)
    for i, draws in enumerate(dist.sample(20_000, 1)):
        assert stats.kstest(draws, lambda t, i=i: at_row(expected, i, t)).pvalue > 1e-3


# Single components and integrals -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_component_is_the_law_itself(rng, dtype):
    means, scale, y, q = rng.normal(size=20), 0.7, rng.normal(size=20), rng.random(20)
    dist = MixtureDistribution(
        Gaussian(), np.ones((20, 1)), means[:, None, None], np.array([[scale]]), True, dtype
    )
    known = stats.norm(means, scale)
    found = {
        "mean": (dist.mean(), means),
        "std": (dist.std(), np.full(20, scale)),
        "var": (dist.var(), np.full(20, scale**2)),
        "mode": (dist.mode(), means),
        "pdf": (dist.pdf(y), known.pdf(y)),
        "logpdf": (dist.logpdf(y), known.logpdf(y)),
        "cdf": (dist.cdf(y), known.cdf(y)),
        "ppf": (dist.ppf(q), known.ppf(q)),
        "interval": (dist.interval(0.8), np.transpose(known.interval(0.8))),
    }
    for name, (said, expected) in found.items():
        assert said.dtype == dtype
        tolerance = 1e-10 if dtype == np.float64 else 1e-5
        assert_allclose(said, expected, rtol=tolerance, atol=tolerance, err_msg=name)


@EVERY_LAW
def test_weighted_sums_of_scipys_components(law, rng):
    dist = mixture(law, rng)
    y = np.round(rng.uniform(0.5, 12.0, size=len(dist)))
    for i in range(len(dist)):
        weights, components = row(dist, i)
        means = np.array([c.mean() for c in components])[:, 0]
        seconds = np.array([c.var() for c in components])[:, 0] + means**2
        density = [c.pmf(y[i]) if law.discrete else c.pdf(y[i]) for c in components]
        assert dist.mean()[i] == pytest.approx(weights @ means, rel=1e-10)
        assert dist.var()[i] == pytest.approx(weights @ seconds - (weights @ means) ** 2, rel=1e-8)
        assert dist.pdf(y)[i] == pytest.approx((weights @ np.array(density)).item(), rel=1e-10)
        assert dist.cdf(y)[i] == pytest.approx(row_cdf(dist, i, y[i]), rel=1e-10)


@EVERY_CONTINUOUS_LAW
def test_density_integrates_to_one_and_to_the_distribution_function(law, rng):
    dist = mixture(law, rng, n=1)
    low, middle, high = dist.ppf(np.array([1e-9, 0.4, 1 - 1e-9])[:, None])[:, 0]
    edges = np.unique(np.concatenate([[low, middle, high], dist.means.ravel()]))

    def integral(start, end):
        cuts = [start, *edges[(edges > start) & (edges < end)], end]
        parts = pairwise(cuts)
        return sum(
            quad(lambda t: dist.pdf(t)[0], *part, epsabs=1e-9, limit=400)[0] for part in parts
        )

    assert integral(low, high) == pytest.approx(1.0, abs=1e-6)
    assert integral(low, middle) == pytest.approx(0.4, abs=1e-6)


def test_probabilities_of_whole_numbers_sum_to_one_and_to_the_distribution_function(rng):
    dist = mixture(Counts(), rng)
    probabilities = dist.pdf(np.arange(100.0)[:, None])
    assert_allclose(probabilities.sum(axis=0), 1.0, rtol=1e-10)
    steps = dist.cdf(np.arange(100.0)[:, None])
    assert_allclose(probabilities.cumsum(axis=0), steps, rtol=1e-10)


def test_density_of_several_outputs_is_joint_within_each_component(rng):
    dist = mixture(Gaussian(), rng, m=2, single=False)
    y = rng.uniform(1, 12, size=(len(dist), 2))
    expected = [
        sum(
            w * stats.multivariate_normal(mean, np.diag(scale**2)).pdf(at)
            for w, mean, scale in zip(weights, means, dist.parameters, strict=True)
        )
        for weights, means, at in zip(dist.weights, dist.means, y, strict=True)
    ]
    assert_allclose(dist.pdf(y), expected, rtol=1e-10)


def test_outputs_have_margins_of_their_own(rng):
    dist = mixture(Gaussian(), rng, m=2, single=False)
    q, y = rng.random((len(dist), 2)), rng.uniform(1, 12, size=(len(dist), 2))
    for j in range(2):
        alone = MixtureDistribution(
            dist.law, dist.weights, dist.means[:, :, [j]], dist.parameters[:, [j]], True
        )
        assert_allclose(dist.mean()[:, j], alone.mean())
        assert_allclose(dist.std()[:, j], alone.std())
        assert_allclose(dist.cdf(y)[:, j], alone.cdf(y[:, j]))
        assert_allclose(dist.ppf(q)[:, j], alone.ppf(q[:, j]), rtol=1e-8)
        assert_allclose(dist.interval(0.5)[:, j], alone.interval(0.5), rtol=1e-8)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_parameters_may_differ_between_rows(law, rng):
    dist = mixture(law, rng)
    each = np.repeat(dist.parameters[None], len(dist), axis=0)
    varied = each * rng.uniform(0.5, 2, size=(len(dist), 1, 1))
    several = MixtureDistribution(law, dist.weights, dist.means, varied, True)
    for i in range(len(dist)):
        one = MixtureDistribution(law, dist.weights[[i]], dist.means[[i]], varied[i], True)
        for name in ("mean", "std", "mode"):
            assert_allclose(getattr(several, name)()[i], getattr(one, name)()[0], rtol=1e-6)
        assert_allclose(several.logpdf(3.0)[i], one.logpdf(3.0)[0])
        assert_allclose(several.ppf(0.3)[i], one.ppf(0.3)[0], rtol=1e-8)
    same = MixtureDistribution(law, dist.weights, dist.means, each, True)
    assert_array_equal(same.sample(3, 0), dist.sample(3, 0))


# Quantiles ---------------------------------------------------------------------------------

LEVELS = [1e-12, 1e-6, 0.05, 0.5, 0.77, 1 - 1e-6]


@EVERY_CONTINUOUS_LAW
def test_distribution_function_of_a_quantile_is_its_level(law, rng):
    dist = mixture(law, rng, n=60)
    levels = np.array(LEVELS)[:, None]
    found = dist.cdf(dist.ppf(levels))
    tails = np.minimum(levels, 1 - levels)
    assert (np.abs(found - levels) <= np.maximum(1e-10 * tails, 1e-15)).all()
    q = rng.random(60)
    assert_allclose(dist.cdf(dist.ppf(q)), q, atol=1e-8, rtol=0)


def test_quantiles_agree_with_brent(rng):
    dist = mixture(HeavyTails(), rng)
    for i, x in enumerate(dist.ppf(0.03)):
        expected = brentq(lambda t, i=i: row_cdf(dist, i, t) - 0.03, -1e3, 1e3, xtol=1e-13)
        assert x == pytest.approx(expected, rel=1e-9)


def test_quantiles_of_scales_far_apart(rng):
    scales = np.array([[1e-9], [1e9]])
    dist = MixtureDistribution(
        Gaussian(), np.full((1, 2), 0.5), np.array([[[1.0], [-1e9]]]), scales, True
    )
    for q in (0.01, 0.4, 0.5, 0.6, 0.99):
        # A step of one unit in the last place of 1 is a tenth of a millionth of 1e-9.
        assert dist.cdf(dist.ppf(q))[0] == pytest.approx(q, abs=1e-6)


@EVERY_LAW
def test_ends_of_the_support(law, rng):
    dist = mixture(law, rng)
    for q, end in zip((0, 1), law.support, strict=True):
        assert_array_equal(dist.ppf(q), end)
    mixed = dist.ppf(np.where(np.arange(len(dist)) == 2, 0.0, 0.5))
    assert mixed[2] == law.support[0]
    assert_array_equal(np.delete(mixed, 2), np.delete(dist.ppf(0.5), 2))
    assert_array_equal(dist.interval(1.0), [law.support] * len(dist))


def test_quantiles_of_whole_numbers_are_the_smallest_that_reach_the_level(rng):
    dist = mixture(Counts(), rng, n=40)
    for q in (1e-3, 0.2, 0.5, 0.9, 0.999):
        x = dist.ppf(q)
        assert_array_equal(x, np.round(x))
        assert (dist.cdf(x) >= q).all()
        assert (dist.cdf(x - 1) < q).all()


def test_levels_broadcast_as_numpy_does(rng):
    dist = mixture(Gaussian(), rng)
    n, levels = len(dist), np.array([0.1, 0.5, 0.9, 0.95])
    table = dist.ppf(levels[:, None])
    assert table.shape == (4, n)
    for level, found in zip(levels, table, strict=True):
        assert_array_equal(dist.ppf(level), found)
    q = rng.random(n)
    assert_allclose(dist.cdf(dist.ppf(q)), q, atol=1e-8)
    assert dist.logpdf(levels[:, None]).shape == dist.cdf(levels[:, None]).shape == (4, n)
    several = mixture(Gaussian(), rng, m=2, single=False)
    assert several.ppf(levels[:, None, None]).shape == (4, n, 2)
    assert several.ppf([0.1, 0.9]).shape == (n, 2)
    assert several.logpdf(np.ones((4, 1, 2))).shape == (4, n)


@pytest.mark.parametrize("n", [1, 7])
def test_a_shape_that_does_not_fit_says_how_to_ask_for_levels(rng, n):
    dist = mixture(Gaussian(), rng, n=n)
    with pytest.raises(ValueError, match=r"pass q\[:, None\] for several levels in every row"):
        dist.ppf([0.1, 0.5, 0.9])
    with pytest.raises(ValueError, match=r"y must .* got the shape \(3,\)"):
        dist.pdf([0.1, 0.5, 0.9])


@pytest.mark.parametrize("q", [-0.1, 1.1, np.nan])
def test_levels_must_be_probabilities(rng, q):
    with pytest.raises(ValueError, match="q must be probabilities"):
        mixture(Gaussian(), rng).ppf(q)


@pytest.mark.parametrize("coverage", [0, -1, 1.5, np.nan, "0.9"])
def test_coverage_must_be_a_share(rng, coverage):
    with pytest.raises(ValueError, match="coverage must"):
        mixture(Gaussian(), rng).interval(coverage)


def test_intervals_have_equal_tails(rng):
    dist = mixture(Gaussian(), rng)
    low, high = dist.interval(0.7).T
    assert_allclose(dist.cdf(low), 0.15, atol=1e-9)
    assert_allclose(dist.cdf(high), 0.85, atol=1e-9)


# Moments and draws -------------------------------------------------------------------------


@EVERY_LAW
def test_draws_follow_the_distribution_function(law, rng):
    dist = mixture(law, rng, n=2)
    for i, draws in enumerate(dist.sample(100_000, 3)):
        if law.discrete:
            values, counts = np.unique(draws, return_counts=True)
            expected = dist.pdf(values[:, None])[:, i] * draws.size
            kept = expected > 20
            error = (counts[kept] - expected[kept]) ** 2 / expected[kept]
            assert stats.chi2(kept.sum()).sf(error.sum()) > 1e-3
        else:
            assert stats.kstest(draws, lambda t, i=i: at_row(dist, i, t)).pvalue > 1e-3


def at_row(dist, i, t):
    """Distribution function of row i at many points."""
    return dist.cdf(np.asarray(t)[:, None])[:, i]


def test_variance_is_that_of_draws(rng):
    dist = mixture(Gaussian(), rng, m=2, single=False)
    draws = dist.sample(100_000, 1)
    squares = (draws - dist.mean()[:, :, None]) ** 2
    error = squares.std(axis=2) / np.sqrt(draws.shape[2])
    assert (np.abs(squares.mean(axis=2) - dist.var()) < 4.5 * error).all()
    assert_allclose(dist.var(), dist.std() ** 2)


def test_spread_of_huge_numbers_does_not_overflow():
    dist = MixtureDistribution(
        Gaussian(), np.full((1, 2), 0.5), np.array([[[1e200], [-1e200]]]), np.ones((2, 1)), True
    )
    assert dist.std()[0] == pytest.approx(1e200)
    assert dist.mean()[0] == 0
    assert abs(dist.ppf(0.25)[0]) <= 1e200
    assert np.isfinite(dist.mode()).all()


def test_what_single_precision_cannot_hold_is_infinite():
    dist = MixtureDistribution(
        Gaussian(), np.ones((2, 1)), np.zeros((2, 1, 1)), np.array([[1e38]]), True, np.float32
    )
    assert_array_equal(dist.ppf(1e-9), -np.inf)
    assert_array_equal(dist.var(), np.inf)
    assert np.isfinite(dist.std()).all()


def test_outputs_are_drawn_from_one_component():
    means = np.array([[[-9.0, -9.0], [9.0, 9.0]]])
    dist = MixtureDistribution(Gaussian(), np.full((1, 2), 0.5), means, np.ones((2, 2)), False)
    draws = dist.sample(1000, 0)
    assert draws.shape == (1, 2, 1000)
    assert_array_equal(draws[0, 0] > 0, draws[0, 1] > 0)


def test_seeds(rng):
    dist = mixture(Gaussian(), rng)
    assert_array_equal(dist.sample(4, 5), dist.sample(4, 5))
    assert_array_equal(dist.sample(4, 5), dist.sample(4, np.random.default_rng(5)))
    legacy = np.random.RandomState(5), np.random.RandomState(5)
    assert_array_equal(dist.sample(4, legacy[0]), dist.sample(4, legacy[1]))
    assert not np.array_equal(dist.sample(4, 5), dist.sample(4, 6))
    assert not np.array_equal(dist.sample(4), dist.sample(4))
    assert dist.sample().shape == (len(dist), 1)
    with pytest.raises(ValueError, match="random_state must"):
        dist.sample(1, "seed")
    with pytest.raises(ValueError, match="n must"):
        dist.sample(1.5)


# Modes -------------------------------------------------------------------------------------


@EVERY_CONTINUOUS_LAW
@pytest.mark.parametrize("seed", range(3))
def test_mode_is_the_best_of_a_fine_grid(law, seed):
    dist = mixture(law, np.random.default_rng(seed), n=20)
    grid = np.linspace(0.1, 15, 20_001)
    heights = dist.logpdf(grid[:, None])
    mode = dist.mode()
    assert (dist.logpdf(mode) >= heights.max(axis=0) - 1e-12).all()
    assert (np.abs(mode - grid[heights.argmax(axis=0)]) < 2e-3).all()


def test_mode_of_two_normals_that_melt_into_one():
    dist = MixtureDistribution(
        Gaussian(), np.full((1, 2), 0.5), np.array([[[-0.9], [0.9]]]), np.ones((2, 1)), True
    )
    assert dist.mode()[0] == pytest.approx(0, abs=1e-5)


def test_mode_of_several_outputs_is_joint(rng):
    dist = mixture(Gaussian(), rng, n=10, n_components=3, m=2, single=False)
    side = np.linspace(0.5, 12.5, 241)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 1, 2)
    heights = dist.logpdf(grid)
    mode = dist.mode()
    assert mode.shape == (10, 2)
    assert (dist.logpdf(mode) >= heights.max(axis=0) - 1e-12).all()
    for j in range(2):
        for step in (-1e-3, 1e-3):
            beside = mode + step * (np.arange(2) == j)
            assert (dist.logpdf(beside) <= dist.logpdf(mode)).all()


@pytest.mark.parametrize("apart", [1.2, 60.0])
def test_mode_of_whole_numbers(rng, apart):
    means = rng.uniform(1, 12, size=(30, 3, 1)) * apart
    dist = MixtureDistribution(
        Counts(), rng.dirichlet(np.ones(3), size=30), means, np.ones((3, 1)), True
    )
    heights = dist.pdf(np.arange(1200.0)[:, None])
    assert_allclose(dist.pdf(dist.mode()), heights.max(axis=0), rtol=1e-12)
    assert_array_equal(dist.mode(), np.round(dist.mode()))


# Routing, memory, objects ------------------------------------------------------------------


@EVERY_LAW
@pytest.mark.parametrize("idle", [0.0, 1e250])
def test_components_without_weight_do_not_matter(law, rng, idle):
    dist = mixture(law, rng)
    weights = np.insert(dist.weights, 1, 0.0, axis=1)
    means = np.insert(dist.means, 1, idle, axis=1)
    parameters = np.insert(dist.parameters, 1, 1e3, axis=0)
    routed = MixtureDistribution(law, weights, means, parameters, True)
    for name in ("mean", "std", "mode"):
        assert_array_equal(getattr(routed, name)(), getattr(dist, name)())
    assert_allclose(routed.ppf([[0.1], [0.6]]), dist.ppf([[0.1], [0.6]]), rtol=1e-9)
    assert_allclose(routed.logpdf(3.0), dist.logpdf(3.0), rtol=1e-12)
    assert_array_equal(routed.cdf(3.0), dist.cdf(3.0))
    assert_array_equal(routed.sample(50, 0), dist.sample(50, 0))


def test_an_infinite_density_without_weight_does_not_matter():
    class Shaped(ScipyLaw):
        def frozen(self, mean, shape):
            return stats.gamma(shape, scale=mean / shape)

    means, shapes = np.ones((1, 2, 1)), np.array([[1.0], [0.5]])
    dist = MixtureDistribution(Shaped(), np.array([[1.0, 0.0]]), means, shapes, True)
    assert dist.pdf(0.0)[0] == pytest.approx(1.0)


def test_components_are_drawn_as_often_as_they_weigh(rng):
    weights = np.array([[0.0, 0.3, 0.0, 0.7, 0.0]])
    means = np.arange(5.0)[None, :, None]
    dist = MixtureDistribution(Gaussian(), weights, means, np.full((5, 1), 1e-6), True)
    values, counts = np.unique(np.round(dist.sample(100_000, 2)), return_counts=True)
    assert_array_equal(values, [1, 3])
    assert_allclose(counts / 100_000, [0.3, 0.7], atol=0.006)


def test_rows_do_not_depend_on_the_block_they_are_in(rng):
    dist = mixture(Gaussian(), rng, n=9000, n_components=4)
    some = slice(4090, 4100)
    part = MixtureDistribution(
        dist.law, dist.weights[some], dist.means[some], dist.parameters, True
    )
    for ask in (lambda d: d.ppf(0.3), lambda d: d.mode(), lambda d: d.cdf(2.0)):
        assert_array_equal(ask(dist)[some], ask(part))


def test_quantiles_of_a_hundred_thousand_rows_take_little_memory():
    dist, _ = components(100_000, 8)
    for ask in (lambda: dist.ppf(0.3), lambda: dist.interval(0.9), lambda: dist.logpdf(0.0)):
        assert peak_bytes(ask) < 20e6


def test_memory_of_levels_is_that_of_the_result():
    dist, _ = components(20_000, 4)
    tracemalloc.start()
    held = dist.ppf(np.linspace(0.1, 0.9, 9)[:, None])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < held.nbytes + 5e6


@pytest.mark.parametrize("single", [True, False])
def test_no_rows(single):
    dist = MixtureDistribution(
        Gaussian(), np.empty((0, 2)), np.empty((0, 2, 1)), np.ones((2, 1)), single
    )
    shape = (0,) if single else (0, 1)
    assert dist.mean().shape == dist.ppf(0.5).shape == dist.mode().shape == shape
    assert dist.sample(3, 0).shape == (*shape, 3)
    assert dist.interval().shape == (*shape, 2)


def test_some_rows(rng):
    dist = mixture(Gaussian(), rng)
    for rows in (slice(2, 5), np.array([6, 0]), np.arange(7) > 4):
        assert_array_equal(dist.take(rows).ppf(0.3), dist.ppf(0.3)[rows])
    with pytest.raises(IndexError):
        dist.take(np.array([7]))


def test_length_text_and_copies(rng):
    dist = mixture(Gaussian(), rng)
    assert len(dist) == 7
    assert repr(dist) == (
        "MixtureDistribution(law=Gaussian, n_rows=7, n_components=3, n_outputs=1)"
    )
    for other in (pickle.loads(pickle.dumps(dist)), copy.deepcopy(dist)):
        assert_array_equal(other.ppf(0.3), dist.ppf(0.3))


# The distribution of a fitted regressor ----------------------------------------------------

NEEDS_METHOD = pytest.mark.skipif(
    not hasattr(MixtureOfExpertsRegressor, "predict_dist"), reason="not built yet"
)


@NEEDS_METHOD
@pytest.mark.parametrize("params", [{}, {"top_k": 1}, {"average": 2, "n_init": 4}])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_regressors_distribution_is_its_prediction_and_score(params, n_targets):
    X, y = make_moe_regression(200, 2, n_experts=2, n_targets=n_targets, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=3, max_iter=30, random_state=0, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    dist = model.predict_dist(X)
    mean, std = model.predict(X, return_std=True)
    assert_allclose(dist.mean(), mean, rtol=1e-9, atol=1e-12)
    assert_allclose(dist.std(), std, rtol=1e-9)
    assert_allclose(dist.logpdf(y), model.score_samples(X, y), rtol=1e-9)
    assert_array_equal(model.predict_interval(X, coverage=0.8), dist.interval(0.8))
    median = model.set_params(combine="median").predict(X)
    assert_allclose(median, dist.ppf(0.5), rtol=1e-9, atol=1e-12)


@NEEDS_METHOD
def test_nine_tenths_of_new_rows_are_in_their_intervals():
    X, y = make_moe_regression(4000, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X[:2000], y[:2000])
    low, high = model.predict_interval(X[2000:]).T
    inside = (low <= y[2000:]) & (y[2000:] <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.025)


@NEEDS_METHOD
def test_single_precision_stays():
    X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert model.predict_dist(X.astype(np.float32)).mean().dtype == np.float32
