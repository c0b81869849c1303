"""Rules in words: on gates whose regions are known, and by recounting their rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.inspection import expert_rules


@pytest.fixture
def people(rng):
    """Spending that depends on age and city: three regions."""
    n = 800
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(float),
            "city": rng.choice(["Paris", "Rome", "Oslo"], n),
            "income": rng.normal(30, 8, n),
        }
    )
    young, paris = X["age"] < 35, X["city"] == "Paris"
    slope = np.where(young & paris, 3.0, np.where(young, -2.0, 0.2))
    return X, slope * X["income"] + rng.normal(0, 3, n)


def pipeline(**params):
    columns = make_column_transformer(
        (OneHotEncoder(), ["city"]), (StandardScaler(), ["age", "income"])
    )
    return make_pipeline(columns, MixtureOfExpertsRegressor(random_state=0, **params))


def test_regions_are_described_by_the_columns_of_the_table(people):
    X, y = people
    rules = expert_rules(pipeline(n_experts=3).fit(X, y), X)
    found = {tuple(sorted(rule.conditions)) for rule in rules}
    assert found == {
        ("age <= 34.5", "city is Paris"),
        ("age <= 34.5", "city is not Paris"),
        ("age > 34.5",),
    }
    assert min(rule.covered for rule in rules) > 0.95
    assert min(rule.purity for rule in rules) > 0.95
    assert_allclose(sum(rule.share for rule in rules), 1.0)
    assert "(holds 100% of its rows" in str(rules[0])


def test_a_missing_category_is_described_as_missing(rng):
    known = rng.random(400) < 0.6
    X = pd.DataFrame({"city": np.where(known, "Rome", None), "x": rng.normal(size=400)})
    X["city"] = X["city"].astype(object)
    y = np.where(known, 5.0, -5.0) * X["x"] + 0.1 * rng.normal(size=400)
    columns = make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["x"]))
    mixture = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    rules = expert_rules(make_pipeline(columns, mixture).fit(X, y), X)
    said = {condition for rule in rules for condition in rule.conditions}
    assert said <= {"city is Rome", "city is not Rome", "city is missing", "city is not missing"}
    assert any("missing" in condition for condition in said)


def holds(condition, X):
    """Recount a condition from its words."""
    words = condition.split()
    if words[1] == "is":
        is_it = X[words[0]].astype(str) == words[-1]
        return ~is_it if words[2] == "not" else is_it
    if len(words) == 5:
        return (float(words[0]) < X[words[2]]) & (X[words[2]] <= float(words[4]))
    return X[words[0]] <= float(words[2]) if words[1] == "<=" else X[words[0]] > float(words[2])


@pytest.mark.parametrize("max_depth", [1, 2, 5])
def test_figures_are_those_of_a_recount(people, max_depth):
    X, y = people
    X = X.assign(age=X["age"].round(0), income=X["income"].round(2))
    model = pipeline(n_experts=4).fit(X, y)
    assigned = model[-1].apply(model[0].transform(X))
    for k, rule in enumerate(expert_rules(model, X, max_depth=max_depth)):
        own = assigned == k
        assert rule.expert == f"expert_{k}"
        assert_allclose(rule.share, own.mean())
        if not own.any():
            assert str(rule).endswith("most probable in no row")
            continue
        inside = np.ones(len(X), dtype=bool)
        for condition in rule.conditions:
            inside &= np.asarray(holds(condition, X))
        assert len(rule.conditions) <= max_depth
        assert_allclose(rule.purity, own[inside].mean(), atol=0.01)
        assert_allclose(rule.covered, inside[own].mean(), atol=0.01)


def test_arrays_names_and_the_classifier(rng):
    X = rng.uniform(-1, 1, (600, 2))
    y = np.where(X[:, 0] > 0, X[:, 1] > 0, X[:, 1] <= 0)
    model = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, y)
    named = expert_rules(model, X, feature_names=["left", "up"], max_depth=1)
    plain = expert_rules(model, X, max_depth=1)
    for one, other in zip(named, plain, strict=True):
        assert [c.replace("left", "x0") for c in one.conditions] == list(other.conditions)
        assert one.conditions[0].startswith("left")


def test_a_mixture_of_one_is_everywhere(rng):
    X = rng.standard_normal((50, 2))
    model = MixtureOfExpertsRegressor(n_experts=1).fit(X, X[:, 0])
    (rule,) = expert_rules(model, X)
    assert rule.conditions == ()
    assert "100% of rows: everywhere" in str(rule)


def test_missing_values_are_no_hindrance(rng):
    X = rng.standard_normal((300, 2))
    X[rng.random(300) < 0.2, 1] = np.nan
    trees = HistGradientBoostingRegressor(max_iter=5)
    gate = HistGradientBoostingClassifier(max_iter=5)
    model = MixtureOfExpertsRegressor(trees, n_experts=2, gate=gate, max_iter=20, tol=10.0)
    model.fit(X, np.abs(X[:, 0]))
    assert {len(rule.conditions) > 0 for rule in expert_rules(model, X, max_depth=1)} == {True}


def test_what_cannot_be_described_is_refused(rng):
    X = rng.standard_normal((50, 2))
    model = MixtureOfExpertsRegressor(n_experts=2)
    with pytest.raises(NotFittedError):
        expert_rules(model, X)
    model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="max_depth must be an integer >= 1; got 0"):
        expert_rules(model, X, max_depth=0)
    with pytest.raises(ValueError, match="feature_names must have 2 names"):
        expert_rules(model, X, feature_names=["a"])
    with pytest.raises(TypeError, match="X must be dense"):
        expert_rules(model, sparse.csr_array(X))
