"""Calibration on few rows: dispersions are scaled by the likelihood of rows left out."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, Ridge

from skmoe import MixtureOfExpertsRegressor
from skmoe._data.splits import row_folds
from skmoe._fit.calibration import FEW, FOLDS
from skmoe._fit.fitting import AGAIN
from skmoe.datasets import make_moe_regression
from skmoe.responses import Gaussian
from tests.benchmarks.coverage import ALLOWED, read, scores

# Thirty iterations of a fold may not be enough for it, and eighteen rows leave experts without.
pytestmark = pytest.mark.filterwarnings(
    "ignore:EM did not converge", "ignore:no rows were left:UserWarning"
)


def regressor(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": 3, "n_init": 2, "random_state": 0} | params)


@pytest.fixture(params=[1, 2])
def table(request):
    """Ninety rows of four columns: with three experts a mixture of 28 or 43 parameters."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((90, 4))
    y = X[:, :1] + rng.standard_normal((90, request.param))
    return X, y[:, 0] if request.param == 1 else y


@pytest.mark.parametrize(
    ("name", "n_splits"),
    [
        ("diabetes", 10),
        pytest.param("diabetes", 50, marks=pytest.mark.slow),
        pytest.param("linnerud", 50, marks=pytest.mark.slow),
    ],
)
def test_intervals_of_small_tables_have_their_coverage(name, n_splits):
    X, y, splits = read(name)
    found = []
    for train, test in splits[:n_splits]:
        model = MixtureOfExpertsRegressor(random_state=0).fit(X[train], y[train])
        found.append(scores(model, X[test], y[test], y.std(axis=0))["coverage"])
    assert ALLOWED[0] <= np.mean(found) <= ALLOWED[1]


def held_out(model, X, y):
    """Log mixing weights and predictions of each row by a mixture fitted without its fold."""
    y = y.reshape(len(y), -1)
    table = np.column_stack([X, (y - y.mean(axis=0)) / y.std(axis=0)])
    fold = row_folds(table, np.ones(len(X)), FOLDS)
    resp = model.responsibilities(X, y)
    log_gate = np.empty(resp.shape)
    means = np.empty((*resp.shape, y.shape[1]))
    for number in range(FOLDS):
        rest, rows = fold != number, fold == number
        other = regressor(init=resp[rest], cv=None, max_iter=AGAIN).fit(X[rest], y[rest])
        log_gate[rows] = np.log(other.gate_proba(X[rows]))
        means[rows] = other.expert_predict(X[rows]).reshape(rows.sum(), -1, y.shape[1])
    return log_gate, means


def test_the_factor_makes_rows_left_out_likeliest(table):
    X, y = table
    model, plain = regressor().fit(X, y), regressor(cv=None).fit(X, y)
    log_gate, means = held_out(plain, X, y)
    spread = plain.dispersion_.reshape(3, -1)

    def loss(log_factor):
        law = norm(means, np.exp(log_factor) * spread)
        density = law.logpdf(y.reshape(len(y), 1, -1)).sum(axis=2)
        return -logsumexp(log_gate + density, axis=1).sum()

    best = minimize_scalar(loss, bounds=(0.0, 3.0), method="bounded", options={"xatol": 1e-7})
    assert model.widening_ > 1.05
    assert_allclose(model.widening_, np.exp(best.x), rtol=1e-4)


def test_all_else_is_what_em_made_of_all_rows(table):
    X, y = table
    model, plain = regressor().fit(X, y), regressor(cv=None).fit(X, y)
    assert plain.widening_ == 1.0
    assert_allclose(model.dispersion_, model.widening_ * plain.dispersion_, rtol=1e-12)
    assert_array_equal(model.gate_proba(X), plain.gate_proba(X))
    assert_array_equal(model.expert_predict(X), plain.expert_predict(X))
    assert_array_equal(model.lower_bounds_, plain.lower_bounds_)
    assert model.lower_bound_ == plain.lower_bound_ == model.lower_bounds_.max()
    usage = model.responsibilities(X, y).mean(axis=0)
    assert_allclose(model.expert_usage_, usage, rtol=1e-9)


@pytest.mark.parametrize(
    "params", [{"cv": None}, {"cv": 3}, {"experts": Ridge()}, {"specialize": False}], ids=str
)
def test_dispersions_stay_under_other_cross_fitting(params, table):
    assert regressor(**params).fit(*table).widening_ == 1.0


@pytest.mark.parametrize("few", [True, False])
def test_dispersions_stay_where_rows_are_many(few):
    # Two experts with two coefficients, a gate with two weights, two dispersions.
    n = int(FEW * 8) - few
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, 1)), rng.standard_normal(n)
    assert (regressor(n_experts=2).fit(X, y).widening_ > 1.0) == few


def test_dispersions_are_never_narrowed():
    X, y = make_moe_regression(60, 3, n_experts=2, noise=0.0, random_state=0)
    assert regressor(n_experts=2).fit(X, y).widening_ >= 1.0


def test_the_factor_belongs_to_what_rows_hold(table):
    X, y = table
    rng = np.random.default_rng(0)
    init = rng.dirichlet(np.ones(3), len(X))
    expected = regressor(init=init).fit(X, y).widening_
    assert expected > 1.05
    rows = rng.permutation(len(X))
    permuted = regressor(init=init[rows]).fit(X[rows], y[rows])
    moved = regressor(init=init).fit(X * [1e-3, 1.0, 5.0, 1e3] + 7.0, 1e6 * y - 3.0)
    assert_allclose([permuted.widening_, moved.widening_], expected, rtol=1e-4)


def test_a_weight_of_two_is_two_rows(table):
    X, y = table
    rng = np.random.default_rng(0)
    init, times = rng.dirichlet(np.ones(3), len(X)), rng.integers(1, 4, len(X))
    weighted = regressor(init=init).fit(X, y, sample_weight=times)
    repeated = regressor(init=init.repeat(times, axis=0))
    repeated.fit(X.repeat(times, axis=0), y.repeat(times, axis=0))
    assert weighted.widening_ > 1.05
    assert_allclose(weighted.widening_, repeated.widening_, rtol=1e-4)


@pytest.mark.parametrize(
    ("params", "table"),
    [
        ({"average": 2}, 1),
        ({"top_k": 1}, 2),
        ({"n_experts": 1, "gate": "constant"}, 1),
        ({"n_experts": 1, "gate": "constant"}, 2),
        pytest.param({"n_experts": "auto"}, 1, marks=pytest.mark.slow),
        pytest.param({"n_experts": "auto"}, 2, marks=pytest.mark.slow),
        ({"experts": [("a", LinearRegression()), ("b", LinearRegression(fit_intercept=False))]}, 2),
        ({"response": "student_t"}, 1),
        ({"gate": "gaussian"}, 2),
    ],
    indirect=["table"],
    ids=str,
)
def test_new_rows_are_no_less_likely_in_any_mixture(params, table):
    X, y = table
    better, factors = [], []
    # Twenty rows are few for a single expert too.
    for train in np.arange(80).reshape(4, 20):
        test = np.setdiff1d(np.arange(len(X)), train)
        model = regressor(**params).fit(X[train], y[train])
        plain = regressor(**params, cv=None).fit(X[train], y[train])
        gain = model.score_samples(X[test], y[test]) - plain.score_samples(X[test], y[test])
        better.append(gain.mean())
        factors.append(model.widening_)
    assert max(factors) > 1.0
    assert np.mean(better) > 0.0


def test_groups_are_left_out_whole(table):
    X, y = table
    person = np.arange(len(X)) // 3
    model = regressor().fit(X, y, groups=person)
    labels = np.array([f"p{number:02}" for number in person])
    assert model.widening_ > 1.0
    assert_allclose(regressor().fit(X, y, groups=labels).widening_, model.widening_, rtol=1e-6)


class Shifted(LinearRegression):
    """A line around a number that comes with each row."""

    def fit(self, X, y, sample_weight=None, origin=None):
        assert len(origin) == len(y)
        return super().fit(X, y - origin, sample_weight)


def test_few_rows_in_blocks_are_calibrated_as_in_memory(table):
    X, y = table
    memory = regressor().fit(X, y)
    blocks = regressor().fit([(X[:50], y[:50]), (X[50:], y[50:])])
    assert memory.widening_ > 1.0
    assert_allclose(blocks.widening_, memory.widening_, rtol=1e-9)
    assert_allclose(blocks.dispersion_, memory.dispersion_, rtol=1e-2)
    assert blocks.lower_bound_ == blocks.lower_bounds_.max()


def test_fit_parameters_of_rows_left_out_stay_with_them():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.standard_normal(40)
    with sklearn.config_context(enable_metadata_routing=True):
        expert = Shifted().set_fit_request(origin=True, sample_weight=True)
        model = regressor(experts=expert, n_experts=2)
        assert model.fit(X, y, origin=np.zeros(40)).widening_ > 1.0


def test_nothing_is_printed_of_the_fits_without_a_fold(table, capsys):
    model = regressor(n_init=1, verbose=1).fit(*table)
    assert model.widening_ > 1.0
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_


def test_dispersions_that_depend_on_x_are_calibrated_too():
    X, y = make_moe_regression(60, 3, n_experts=3, random_state=0)
    law = Gaussian(dispersion="linear")
    wide, plain = (regressor(response=law, cv=cv).fit(X, y) for cv in ("auto", None))
    assert wide.widening_ > 1.05
    assert_allclose(wide.dispersion_, wide.widening_ * plain.dispersion_, rtol=1e-9)
    assert_allclose(wide.dispersion_coef_, plain.dispersion_coef_)
    new, target = make_moe_regression(2000, 3, n_experts=3, random_state=0)
    assert wide.score_samples(new, target).mean() > plain.score_samples(new, target).mean()
