"""The border with scikit-learn: few classes, tasks, combinations, and where warnings point."""

import inspect
import warnings

import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.pipelines import is_distribution
from skmoe._estimator.tasks import ClassificationTask, RegressionTask
from skmoe._fit.combination import COMBINATIONS
from skmoe.datasets import make_moe_regression
from skmoe.em._protocols import Task

ESTIMATORS = [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier]


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_has_three_classes_of_ours(kind):
    ours = [each for each in kind.__mro__ if each.__module__.startswith("skmoe")]
    assert len(ours) <= 3


@pytest.mark.parametrize("kind", [RegressionTask, ClassificationTask])
def test_tasks_have_all_members_of_the_protocol(kind):
    wanted = {name for name in vars(Task) if not name.startswith("_")}
    assert wanted <= set(vars(kind))
    for name in wanted:
        method = getattr(Task, name)
        if inspect.isfunction(method):
            given = inspect.signature(getattr(kind, name)).parameters
            assert list(given) == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_combination_is_an_object(kind):
    (options,) = kind._parameter_constraints["combine"]
    assert options.options <= set(COMBINATIONS)


MIXTURE = MixtureOfExpertsRegressor()


@pytest.mark.parametrize(
    ("expert", "expected"),
    [
        (MIXTURE, True),
        (make_pipeline(StandardScaler(), MIXTURE), True),
        (FrozenEstimator(MIXTURE), True),
        (MixtureOfExpertsClassifier(), False),
        (LinearRegression(), False),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
        (BaseEstimator(), False),
    ],
)
def test_an_expert_is_a_distribution_by_its_members(expert, expected):
    assert is_distribution(expert) is expected


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_warnings_point_at_the_line_of_the_user(method):
    X, y = make_moe_regression(200, 2, random_state=0)
    model = MixtureOfExpertsRegressor(max_iter=2, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(model, method)(X, y)
    files = {each.filename for each in caught if each.category is ConvergenceWarning}
    assert files == {__file__}


def test_the_law_is_resolved_once_a_fit(monkeypatch):
    X, y = make_moe_regression(100, 2, random_state=0)
    resolve, seen = RegressionTask._law.func, []
    monkeypatch.setattr(RegressionTask._law, "func", lambda task: seen.append(0) or resolve(task))
    MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    assert len(seen) == 1


def test_annotations_of_fitted_attributes_add_none():
    for kind in ESTIMATORS:
        names = [name for base in kind.__mro__ for name in vars(base).get("__annotations__", {})]
        assert {"gate_", "experts_", "n_iter_"} <= set(names)
        assert not any(hasattr(kind(), name) for name in names if name.endswith("_"))
