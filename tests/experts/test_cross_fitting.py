"""Cross-fitting: experts predict rows that they were not fitted to, by ``cv``."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.pipelines import is_rigid
from skmoe._data.target import Labels
from skmoe._data.weighted_fit import fit_weighted
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.experts._wrapped._cross_fitting import FitTask
from skmoe.experts._wrapped._schedule import schedule_of
from skmoe.responses import Gaussian

ML = Gaussian(prior=0, floor=1e-6)


@pytest.fixture
def table():
    return make_moe_regression(240, 3, n_experts=2, random_state=1)


def regressor(experts, **params):
    return MixtureOfExpertsRegressor(experts, **{"n_experts": 2, "random_state": 0} | params)


@pytest.mark.parametrize("experts", [DecisionTreeRegressor(random_state=0), KNeighborsRegressor(1)])
@pytest.mark.parametrize("splitter", [KFold(4), KFold(3, shuffle=True, random_state=0)])
def test_one_expert_has_the_dispersion_of_cross_validation(table, experts, splitter):
    X, y = table
    model = regressor(experts, n_experts=1, cv=splitter, response=ML).fit(X, y)
    residual = y - cross_val_predict(experts, X, y, cv=splitter)
    np.testing.assert_allclose(model.dispersion_[0], np.sqrt(np.mean(residual**2)), rtol=1e-9)
    # The expert itself has seen all rows.
    np.testing.assert_array_equal(model.predict(X), experts.fit(X, y).predict(X))


def test_splits_and_splitter_are_the_same(table):
    X, y = table
    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    one = regressor(tree, cv=KFold(4)).fit(X, y)
    other = regressor(tree, cv=list(KFold(4).split(X))).fit(X, y)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize(
    "cv",
    [
        ShuffleSplit(3, random_state=0),
        [([0, 1], [2, 3])],
        [(np.arange(0), np.arange(240))],
        list(KFold(4).split(np.zeros(200))),
    ],
)
def test_what_is_no_partition_is_refused_by_name(table, cv):
    with pytest.raises(ValueError, match="cv must put every row in one test set"):
        regressor(DecisionTreeRegressor(), cv=cv).fit(*table)


@pytest.mark.parametrize("cv", ["atuo", 1, 0.5])
def test_a_typo_is_refused(table, cv):
    with pytest.raises(ValueError, match="'cv' parameter"):
        regressor(None, cv=cv).fit(*table)


def test_folds_do_not_depend_on_the_order_of_rows(table, rng):
    X, y = table
    order = rng.permutation(len(y))
    tree = DecisionTreeRegressor(min_samples_leaf=5, random_state=0)
    one = regressor(tree, n_experts=1).fit(X, y)
    other = regressor(tree, n_experts=1).fit(X[order], y[order])
    np.testing.assert_allclose(one.dispersion_, other.dispersion_, rtol=1e-9)


def test_folds_hold_whole_groups(table):
    X, y = table
    groups = np.arange(len(y)) % 24
    seen = []

    class Listening(DecisionTreeRegressor):
        def fit(self, X, y, sample_weight=None):
            seen.append(set(np.round(X[:, -1]).astype(int)))
            return super().fit(X, y, sample_weight=sample_weight)

    numbered = np.column_stack([X, groups])
    model = regressor(Listening(max_depth=2), n_experts=1, gate="constant")
    model.fit(numbered, y, groups=groups)
    without = [set(range(24)) - rows for rows in seen[:-1]]
    assert len(without) == 3
    assert seen[-1] == set(range(24))
    assert set.union(*without) == set(range(24))
    assert sum(len(held) for held in without) == 24


def test_a_splitter_receives_the_groups(table):
    X, y = table
    groups = np.arange(len(y)) // 10
    model = regressor(DecisionTreeRegressor(max_depth=2), gate="constant", cv=GroupKFold(4))
    assert np.isfinite(model.fit(X, y, groups=groups).lower_bound_)


def test_auto_leaves_linear_experts_in_sample(table):
    X, y = table
    for experts in (Ridge(), Lasso(alpha=0.01), make_pipeline(StandardScaler(), Lasso(alpha=0.01))):
        auto, none = (regressor(experts, cv=cv).fit(X, y) for cv in ("auto", None))
        np.testing.assert_array_equal(auto.predict(X), none.predict(X))


@pytest.mark.parametrize(
    ("estimator", "rigid"),
    [
        (Ridge(), True),
        (make_pipeline(StandardScaler(), Lasso()), True),
        (DecisionTreeRegressor(), False),
        (make_pipeline(StandardScaler(), KNeighborsRegressor()), False),
        (RandomForestClassifier(), False),
    ],
)
def test_estimators_that_can_overfit(estimator, rigid):
    assert is_rigid(estimator) == rigid


def test_batched_experts_out_of_fold_are_the_wrapped_ones(table):
    X, y = table
    start = np.random.default_rng(0).dirichlet(np.ones(2), len(y))
    params = {"cv": KFold(3), "init": start, "accelerate": False, "gate": "constant"}
    batched = regressor(LinearRegression(), **params).fit(X, y)
    same = [("a", LinearRegression()), ("b", LinearRegression())]
    wrapped = regressor(same, **params).fit(X, y)
    np.testing.assert_allclose(batched.lower_bound_, wrapped.lower_bound_, atol=1e-6)
    np.testing.assert_allclose(batched.predict(X), wrapped.predict(X), atol=1e-4)


@pytest.mark.parametrize(
    ("load", "repeats"),
    [(load_diabetes, 1), pytest.param(load_linnerud, 4, marks=pytest.mark.slow)],
)
@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
def test_trees_score_higher_out_of_fold_and_warn_in_sample(load, repeats):
    X, y = load(return_X_y=True)
    tree, scores = DecisionTreeRegressor(random_state=0), []
    # With a variance of its errors out of fold, one tree is a mixture of one.
    models = [regressor(tree, cv=5, n_experts=k, n_init=1) for k in (2, 1)]
    models.append(regressor(tree, cv=None, n_experts=2, n_init=1))
    for train, test in RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=0).split(X):
        scores.append([])
        for model in models:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(X[train], y[train])
            told = any("repeat y on the rows" in str(warning.message) for warning in caught)
            assert told == (model.cv is None)
            scores[-1].append(model.score_samples(X[test], y[test]).mean())
    mixture, one, rote = np.mean(scores, axis=0)
    assert min(mixture, one) > rote
    # Sixteen rows are too few to divide: there the two are as good, to within the error of this.
    assert mixture > one or len(y) < 100


def test_a_classifier_that_overfits_warns_too():
    X, y = make_moe_classification(200, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsClassifier(
        DecisionTreeClassifier(), n_experts=2, cv=None, n_init=1, random_state=0
    )
    with pytest.warns(UserWarning, match="repeat y"):
        model.fit(X, y)


def test_the_best_iterate_is_kept(table):
    model = regressor(DecisionTreeRegressor(min_samples_leaf=3), max_iter=15).fit(*table)
    assert model.lower_bound_ == model.lower_bounds_.max()


@pytest.mark.parametrize(
    "experts",
    [
        HistGradientBoostingRegressor(max_iter=40, random_state=0),
        GradientBoostingRegressor(n_estimators=40, random_state=0),
        RandomForestRegressor(50, random_state=0),
    ],
)
def test_ensembles_are_whole_in_the_end_and_cheap_on_the_way(table, experts, monkeypatch):
    X, y = table
    trees = []
    kind, fit = type(experts), type(experts).fit

    def counting(self, X, y, sample_weight=None):
        before = count(self) if self.warm_start and hasattr(self, "n_features_in_") else 0
        fitted = fit(self, X, y, sample_weight=sample_weight)
        trees.append(count(fitted) - before)
        return fitted

    def count(model):
        return len(getattr(model, "estimators_", getattr(model, "_predictors", ())))

    monkeypatch.setattr(kind, "fit", counting)
    model = regressor(experts).fit(X, y)
    whole = 40 if kind is not RandomForestRegressor else 50
    assert [count(expert) for expert in model.experts_] == [whole, whole]
    assert not any(expert.warm_start for expert in model.experts_)
    on_the_way = sum(trees) - 2 * whole
    if kind is RandomForestRegressor:
        assert set(trees[:-2]) == {10}
    else:
        assert on_the_way <= 2 * 3 * whole


@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(), HistGradientBoostingClassifier(max_iter=10, random_state=0)],
)
def test_a_class_whose_rows_lose_all_weight(classifier, rng):
    X = rng.normal(size=(60, 2))
    y = np.repeat(["a", "b", "rare"], 20)
    classes, codes = np.unique(y, return_inverse=True)
    target = Labels(y, codes, classes)
    task = FitTask("one", classifier, X, target, 0.5, {})
    schedule = schedule_of(classifier)
    before = task.fit(np.ones(60), schedule=schedule)
    weights = np.where(y == "rare", 1e-20, 1.0)
    after = task.fit(weights, schedule=schedule, previous=before, stage=2)
    resumed = fit_weighted(classifier, X, y, weights, previous=before)
    assert list(after.classes_) == list(resumed.classes_) == ["a", "b"]


def test_boosted_classifiers_that_miss_a_class_in_a_fold():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    y = np.where(X[:, 0] > 0, "a", "b")
    y[:3] = "rare"
    model = MixtureOfExpertsClassifier(
        HistGradientBoostingClassifier(max_iter=10, random_state=0), n_experts=2, random_state=0
    ).fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (150, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
