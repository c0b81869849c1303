"""The golden values agree with themselves: tables, parameters, log-likelihoods."""

import numpy as np
import pytest

from tests.golden.polish import maximum_likelihood
from tests.golden.problems import (
    PROBLEMS,
    TABLES,
    columns,
    golden,
    log_gate,
    log_likelihood,
    problem,
    read_table,
)


def _classics():
    return [pytest.param(entry, id=_label(entry)) for entry in golden()["classics"]]


def _label(entry):
    gate = "gate" if entry["gate"] else "constant"
    return f"{entry['file']}-{'+'.join(entry['experts'])}-{gate}-{entry['n_experts']}"


@pytest.mark.parametrize("name", PROBLEMS)
def test_generator_has_not_drifted(name):
    X, y, _ = problem(name)
    entry = golden()["simulated"][name]
    assert entry["settings"] == PROBLEMS[name]
    np.testing.assert_allclose([X.sum(), y.sum()], [entry["sum_X"], entry["sum_y"]], rtol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_gate_is_neither_flat_nor_separable(name):
    X, _, truth = problem(name)
    largest = np.exp(log_gate(X, truth)).max(axis=1)
    assert 0.5 < largest.mean() < 0.8
    assert np.quantile(largest, 0.05) < 0.5 < 0.85 < np.quantile(largest, 0.95)


@pytest.mark.parametrize("name", PROBLEMS)
def test_stored_parameters_have_the_stored_likelihood(name):
    X, y, truth = problem(name)
    entry = golden()["simulated"][name]
    flexmix = log_likelihood(X, y, entry["parameters"])
    maximum = log_likelihood(X, y, entry["maximum"]["parameters"])
    np.testing.assert_allclose(flexmix, entry["log_likelihood"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(maximum, entry["maximum"]["log_likelihood"], atol=1e-6, rtol=0)
    assert log_likelihood(X, y, truth) < flexmix < maximum < flexmix + 0.01


def test_maximum_is_found_again():
    X, y, truth = problem("small")
    value, _, slope = maximum_likelihood(X, y, truth)
    assert slope < 1e-6
    expected = golden()["simulated"]["small"]["maximum"]["log_likelihood"]
    np.testing.assert_allclose(value, expected, atol=1e-5, rtol=0)


@pytest.mark.skipif(not TABLES.exists(), reason="the classic tables are not here")
@pytest.mark.parametrize("entry", _classics())
def test_classic_tables(entry):
    table = read_table(entry["file"])
    X, Z, y = (
        columns(table, entry["experts"]),
        columns(table, entry["gate"]),
        table[entry["response"]],
    )
    for found in (entry, entry["maximum"]):
        value = log_likelihood(X, y, found["parameters"], Z)
        np.testing.assert_allclose(value, found["log_likelihood"], atol=1e-4, rtol=0)
    if entry["best_known"] is not None:
        best = entry["maximum"]["log_likelihood"]
        np.testing.assert_allclose(best, entry["best_known"], atol=1e-4, rtol=0)
