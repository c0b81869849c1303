"""Weights in refits: what they are to a bootstrap, and what to a likelihood ratio."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.inspection import _bootstrap, bootstrap, likelihood_ratio_test
from skmoe.inspection._linear import read_parameters
from tests.inspection.test_bootstrap import draw, mixture


@pytest.fixture
def weighted(rng):
    """A mixture, its table, and weights of which some are zero."""
    X, y, init = draw(rng, 300)
    weights = rng.choice([0.0, 0.5, 2.0, 3.5], 300)
    return mixture(init).fit(X, y, sample_weight=weights), X, y, weights


# Rows are drawn with their weights ---------------------------------------------------------


@pytest.mark.slow
def test_errors_are_those_of_weighted_least_squares():
    """Rows are observations: their scores count by the square of their weights."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 1))
    weights = np.where(rng.random(600) < 0.2, 9.0, 1.0)
    y = 1.0 + 2.0 * X[:, 0] + rng.standard_normal(600)
    model = mixture(np.ones((600, 1))).fit(X, y, sample_weight=weights)
    table = bootstrap(model, X, y, weights, n_resamples=200, random_state=0)
    Z, errors = np.column_stack([np.ones(600), X]), y - model.predict(X)
    bread = np.linalg.inv((Z.T * weights) @ Z)
    expected = bread @ ((Z.T * (weights * errors) ** 2) @ Z) @ bread
    assert_allclose(table.std_err[:2], np.sqrt(np.diag(expected)), rtol=0.2)
    copies = bread @ ((Z.T * weights * errors**2) @ Z) @ bread
    assert (table.std_err[:2] > 1.3 * np.sqrt(np.diag(copies))).all()


def test_refits_are_weighted(weighted):
    """A resample is the weighted fit to the rows drawn, from their responsibilities."""
    model, X, y, weights = weighted
    table = bootstrap(model, X, y, weights, n_resamples=2, random_state=0)
    assert_array_equal(table.coef, read_parameters(model)[1])
    there = np.flatnonzero(weights)
    seed = np.random.RandomState(0).randint(2**31 - 1, size=2)[1]
    rows = there[np.random.RandomState(seed).randint(len(there), size=len(there))]
    start = {"init": model.responsibilities(X, y)[rows], "n_init": 1, "random_state": seed}
    again = clone(model).set_params(**start).fit(X[rows], y[rows], sample_weight=weights[rows])
    assert_allclose(table.samples[1], read_parameters(again)[1], rtol=1e-6)


def test_rows_without_weight_are_absent(weighted):
    model, X, y, weights = weighted
    there = weights > 0
    found = bootstrap(model, X, y, weights, n_resamples=3, random_state=0).samples
    expected = bootstrap(model, X[there], y[there], weights[there], n_resamples=3, random_state=0)
    assert_array_equal(found, expected.samples)


def test_a_constant_factor_changes_nothing(weighted):
    model, X, y, _ = weighted
    plain = bootstrap(model, X, y, n_resamples=3, random_state=0).samples
    ones = bootstrap(model, X, y, np.ones(300), n_resamples=3, random_state=0).samples
    assert_allclose(ones, plain, rtol=1e-6)


@pytest.mark.parametrize("form", [pd.DataFrame, sparse.csr_array, np.ndarray.tolist])
def test_form_of_the_table_does_not_matter(weighted, form):
    model, X, y, weights = weighted
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0, tol=1e-3)
    table = form(X)
    if form is pd.DataFrame:
        table.columns = ["a"]
    model.fit(table, y, sample_weight=weights)
    found = bootstrap(model, table, y.tolist(), weights.tolist(), n_resamples=2, random_state=0)
    plain = clone(model).fit(X, y, sample_weight=weights)
    expected = bootstrap(plain, X, y, weights, n_resamples=2, random_state=0)
    assert_allclose(found.samples, expected.samples, rtol=1e-4, atol=1e-4)


def test_experts_are_matched_by_weighted_rows(weighted, monkeypatch):
    """Refits that answer crosswise where next to nothing weighs have not changed places."""
    model, X, y, _ = weighted
    weights = np.where(np.arange(300) < 200, 1e-6, 1.0)
    model = clone(model).fit(X, y, sample_weight=weights)
    resp = model.responsibilities(X, y)
    crossed = np.where(weights[:, None] < 1, resp[:, ::-1], resp)
    orders, matched = [], _bootstrap._matched

    def spy(est, fitted, mass, others):
        orders.append(matched(est, fitted, mass, crossed).tolist())
        return matched(est, fitted, mass, others)

    monkeypatch.setattr(_bootstrap, "_matched", spy)
    bootstrap(model, X, y, weights, n_resamples=2, random_state=0)
    assert orders == [[0, 1]] * 2


def test_only_classes_with_weight_are_waited_for(rng):
    X, weights = rng.standard_normal((120, 1)), np.ones(120)
    y = np.where(X[:, 0] + rng.standard_normal(120) < 0, "a", "b")
    y[0], weights[0] = "c", 0.0
    model = MixtureOfExpertsClassifier(n_experts=1).fit(X[1:], y[1:])
    assert len(bootstrap(model, X, y, weights, n_resamples=2, random_state=0).samples) == 2


# Counts ------------------------------------------------------------------------------------


def test_whole_weights_are_rows_written_out(rng):
    X, y, _ = draw(rng, 120)
    weights = rng.integers(0, 3, 120)
    rows = np.repeat(np.arange(120), weights)
    model = mixture(np.ones((120, 1))).fit(X, y, sample_weight=weights)
    found = likelihood_ratio_test(model, X, y, weights, n_resamples=3, random_state=0)
    expected = likelihood_ratio_test(model, X[rows], y[rows], n_resamples=3, random_state=0)
    assert found.statistic == expected.statistic
    assert_array_equal(found.simulated, expected.simulated)
    plain = clone(model).set_params(init="auto").fit(X[rows], y[rows])
    two = clone(model).set_params(n_experts=2, init="auto", random_state=0).fit(X[rows], y[rows])
    gain = two.score_samples(X[rows], y[rows]).sum() - plain.score_samples(X[rows], y[rows]).sum()
    assert_allclose(found.statistic, 2 * gain, rtol=0.02)


def test_each_copy_of_a_row_has_a_draw_of_its_own(rng, monkeypatch):
    X, y, _ = draw(rng, 60)
    weights, drawn = rng.integers(0, 4, 60), []
    simulate = _bootstrap.simulate
    monkeypatch.setattr(
        _bootstrap, "simulate", lambda *args: drawn.append(simulate(*args)) or drawn[-1]
    )
    model = mixture(np.ones((60, 1))).fit(X, y, sample_weight=weights)
    likelihood_ratio_test(model, X, y, weights, n_resamples=1, random_state=0)
    assert len(np.unique(drawn[0])) == weights.sum()


# Refusals ----------------------------------------------------------------------------------


def test_weights_that_have_no_meaning_are_refused(weighted):
    model, X, y, weights = weighted
    with pytest.raises(ValueError, match="sample_weight must be None with kind='parametric'"):
        bootstrap(model, X, y, weights, kind="parametric")
    with pytest.raises(ValueError, match=r"whole numbers that count equal rows.*got (0.5|3.5)"):
        likelihood_ratio_test(model, X, y, weights)
    for wrong in (weights[:5], -weights, np.zeros(300), weights[:, None]):
        for function in (bootstrap, likelihood_ratio_test):
            with pytest.raises(ValueError, match=r"sample_weight|inconsistent"):
                function(model, X, y, wrong)
