"""Classifiers as gates within EM: folds, predictions out of fold, and refits that go on."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.design import View
from skmoe._data.splits import row_folds
from skmoe.gates import ClassifierGate


@pytest.fixture
def table(rng):
    X = rng.standard_normal((90, 3))
    return X, np.asfortranarray(rng.dirichlet([1.0, 2.0, 0.5], 90)), rng.uniform(0.5, 2.0, 90)


# Folds -------------------------------------------------------------------------------------


def test_folds_belong_to_what_rows_hold(table, rng):
    X, _, weights = table
    expected = row_folds(X, weights, 3)
    assert np.bincount(expected).tolist() == [30, 30, 30]
    rows, columns = rng.permutation(90), rng.permutation(3)
    moved = X[rows][:, columns] * [1e6, 1e-6, 3.0] + [5.0, 0.0, -1e3]
    np.testing.assert_array_equal(row_folds(moved, weights[rows], 3), expected[rows])
    times = rng.integers(1, 4, 90)
    repeated = row_folds(X.repeat(times, axis=0), np.ones(times.sum()), 3)
    np.testing.assert_array_equal(repeated, row_folds(X, times.astype(float), 3).repeat(times))


def test_folds_of_any_table(rng):
    weights = np.ones(60)
    frame = pd.DataFrame({"a": rng.standard_normal(60), "b": rng.choice(["x", "y"], 60)})
    frame.loc[3, "a"] = np.nan
    assert set(row_folds(frame, weights, 3)) == {0, 1, 2}
    columns = sparse.random(60, 40, density=0.3, format="csr", random_state=0)
    assert set(row_folds(columns, weights, 3)) == {0, 1, 2}
    assert set(row_folds(np.ones((60, 2)), weights, 3)) == {0}


# One iteration -----------------------------------------------------------------------------


@pytest.mark.parametrize("classifier", [KNeighborsClassifier(1), GaussianNB()])
def test_a_row_is_predicted_by_the_classifier_fitted_without_its_fold(classifier, table):
    X, targets, weights = table
    gate = ClassifierGate(classifier, floor=1e-3)
    trainer = gate.em_trainer(View(X, weights), weights, 3)
    state = trainer.update(targets * weights[:, None], None)
    fold = row_folds(X, weights, 3)
    for number in range(3):
        out, held = fold != number, fold == number
        alone = clone(gate).fit(X[out], targets[out], weights[out])
        np.testing.assert_allclose(
            trainer.log_proba(state)[held], alone.predict_log_proba(X[held]), atol=1e-9
        )
    whole = clone(gate).fit(X, targets, weights).predict_log_proba(X)
    np.testing.assert_allclose(trainer.finish(state).predict_log_proba(X), whole, atol=1e-9)
    assert abs(trainer.log_proba(state) - whole).max() > 0.01


@pytest.mark.parametrize(
    ("classifier", "cv", "n_fits"),
    [
        (LogisticRegression(), "auto", 1),
        (make_pipeline(StandardScaler(), LogisticRegression()), "auto", 1),
        (LogisticRegression(), 4, 4),
        (DecisionTreeClassifier(random_state=0), "auto", 3),
        (DecisionTreeClassifier(random_state=0), None, 1),
        (DecisionTreeClassifier(random_state=0), 2, 2),
    ],
)
def test_how_many_folds(classifier, cv, n_fits, table):
    X, targets, weights = table
    trainer = ClassifierGate(classifier, cv=cv).em_trainer(View(X, weights), weights, 3)
    assert len(trainer.update(targets, None).gates) == n_fits


@pytest.mark.parametrize("cv", [1, 0, "three", 2.5])
def test_cv_is_checked(cv, table):
    X, targets, _ = table
    with pytest.raises(ValueError, match="cv"):
        ClassifierGate(DecisionTreeClassifier(random_state=0), cv=cv).fit(X, targets)


def test_equal_rows_and_folds_without_an_expert(table, rng):
    _, targets, weights = table
    trainer = ClassifierGate(DecisionTreeClassifier(random_state=0)).em_trainer(
        View(np.ones((90, 1)), weights), weights, 3
    )
    assert np.isfinite(trainer.log_proba(trainer.update(targets, None))).all()
    # All that the last expert has lies in one fold.
    X = rng.standard_normal((90, 2))
    fold = row_folds(X, weights, 3)
    rare = np.tile([0.5, 0.5, 0.0], (90, 1))
    rare[np.flatnonzero(fold == 1)[:3]] = [0.0, 0.0, 1.0]
    trainer = ClassifierGate(DecisionTreeClassifier(random_state=0)).em_trainer(
        View(X, weights), weights, 3
    )
    answers = np.exp(trainer.log_proba(trainer.update(np.asfortranarray(rare), None)))
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, rtol=1e-12)
    assert answers[fold == 1, 2].max() < 1e-5


# What folds are for ------------------------------------------------------------------------


def regimes(rng, n):
    X = rng.uniform(-1, 1, (n, 3))
    return X, np.where(X[:, 0] > 0, 4.0, -4.0) * X[:, 2] + 0.3 * rng.standard_normal(n)


@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
def test_a_gate_that_overfits_is_worse_on_new_rows(rng):
    """A full-grown tree repeats the wrong third of the responsibilities that it starts from."""
    tests, optimism = {None: [], "auto": []}, {None: [], "auto": []}
    for _ in range(4):
        X, y = regimes(rng, 400)
        X_new, y_new = regimes(rng, 2000)
        first = np.where((X[:, 0] > 0) ^ (rng.uniform(size=400) < 0.35), 0.9, 0.1)
        for cv, scores in tests.items():
            gate = ClassifierGate(DecisionTreeClassifier(random_state=0), cv=cv, floor=1e-3)
            model = MixtureOfExpertsRegressor(
                n_experts=2, gate=gate, init=np.column_stack([first, 1 - first])
            ).fit(X, y)
            scores.append(model.score_samples(X_new, y_new).mean())
            optimism[cv].append(model.lower_bound_ - scores[-1])
    assert np.mean(tests["auto"]) > np.mean(tests[None]) + 0.03
    assert np.mean(optimism[None]) > 0.08 > 2 * abs(np.mean(optimism["auto"]))


# Going on where a fit stopped --------------------------------------------------------------


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize(
    "classifier",
    [
        MLPClassifier((8,), max_iter=1, random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=1, random_state=0)),
        LogisticRegression(max_iter=1),
    ],
    ids=["network", "pipeline", "logistic"],
)
def test_training_goes_on_from_iteration_to_iteration(classifier, cv, table):
    X, targets, weights = table
    targets = np.asfortranarray(np.exp(np.c_[X[:, 0], -X[:, 0], X[:, 1] ** 2]))
    targets /= targets.sum(axis=1, keepdims=True)
    trainer = ClassifierGate(classifier, cv=cv).em_trainer(View(X, weights), weights, 3)
    state, terms = None, []
    for _ in range(8):
        state = trainer.update(targets, state)
        terms.append((targets * trainer.log_proba(state)).sum())
    assert (np.diff(terms) > 0).all() if cv is None else terms[-1] > terms[0]
    classifier_ = trainer.finish(state).classifier_
    last = classifier_[-1] if hasattr(classifier_, "steps") else classifier_
    assert last.warm_start is False


@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(5, warm_start=True, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
    ],
    ids=["forest", "boosting"],
)
def test_ensembles_are_fitted_anew(classifier, table):
    X, targets, weights = table
    trainer = ClassifierGate(classifier, cv=None).em_trainer(View(X, weights), weights, 3)
    once = trainer.update(targets, None)
    other = np.asfortranarray(targets[::-1])
    again, anew = trainer.update(other, once), trainer.update(other, None)
    np.testing.assert_array_equal(trainer.log_proba(again), trainer.log_proba(anew))


def test_a_network_begins_anew_when_an_expert_has_lost_its_rows(table):
    X, targets, weights = table
    network = MLPClassifier((4,), max_iter=2, random_state=0)
    trainer = ClassifierGate(network, cv=None).em_trainer(View(X, weights), weights, 3)
    once = trainer.update(targets, None)
    two = np.asfortranarray(np.column_stack([targets[:, :2], np.zeros(90)]))
    again, anew = trainer.update(two, once), trainer.update(two, None)
    np.testing.assert_array_equal(trainer.log_proba(again), trainer.log_proba(anew))


def test_a_neural_gate_finds_what_no_line_can(rng):
    X = rng.uniform(-1, 1, (600, 2))
    inside = (X**2).sum(axis=1) < 0.6
    y = np.where(inside, 3.0 * X[:, 0] + 2.0, -3.0 * X[:, 0] - 2.0) + 0.3 * rng.standard_normal(600)
    network = make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=0))
    # No warning that the network has not converged: the next iteration goes on from there.
    neural = MixtureOfExpertsRegressor(n_experts=2, n_init=1, gate=network, random_state=0)
    neural.fit(X, y)
    linear = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert neural.score(X, y) > 0.8 > linear.score(X, y) + 0.1


@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_text_and_missing_values_reach_a_flexible_gate(task, rng):
    frame = pd.DataFrame(
        {"size": rng.standard_normal(150), "kind": rng.choice(["a", "b", "c"], 150)}
    )
    frame.loc[:9, "size"] = np.nan
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough"
    )
    gate = make_pipeline(
        encode, HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5, random_state=0)
    )
    y = np.where(frame["kind"] == "a", 2.0, -2.0) * np.nan_to_num(frame["size"])
    params = {"n_experts": 2, "gate": gate, "expert_features": ["size"], "n_init": 1}
    if task == "regression":
        model = MixtureOfExpertsRegressor(make_pipeline(SimpleImputer(), Ridge()), **params)
    else:
        expert = make_pipeline(SimpleImputer(), LogisticRegression())
        model, y = MixtureOfExpertsClassifier(expert, **params), y > 0
    model.fit(frame, y)
    assert np.isfinite(model.gate_proba(frame)).all()
    assert model.score(frame, y) > 0.6
