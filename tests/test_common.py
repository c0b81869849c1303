"""scikit-learn's own checks, and the parameter conventions that its searches rely on."""


import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gaussian

# The checks fit tables of pure noise, some with fewer distinct rows than experts: a warning
# that an expert has no rows, or that EM would go on, is the right answer there.
pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

Regressor, Classifier = MixtureOfExpertsRegressor, MixtureOfExpertsClassifier
TREES = {
    Regressor: DecisionTreeRegressor(max_depth=2),
    # The leaf of this size is what scikit-learn's checks ask of its own trees.
    Classifier: DecisionTreeClassifier(max_depth=2, min_weight_fraction_leaf=0.01),
}

QUICK = [
    Regressor(),
    Classifier(n_experts=2, n_init=2),
    Regressor([("scaled", make_pipeline(MaxAbsScaler(), Ridge())), ("plain", Ridge())]),
    Classifier(TREES[Classifier], n_experts=2, top_k=1, n_init=1, max_iter=20),
]
THOROUGH = [
    Classifier(),
    Regressor(top_k=1),
    Classifier(top_k=1),
    Regressor(top_k=2),
    Classifier(top_k=2),
    Regressor(gate="constant"),
    Classifier(gate="constant"),
    Regressor(gate=LogisticRegression(), max_iter=20),
    Classifier(gate=LogisticRegression(), max_iter=20),
    Regressor(TREES[Regressor], n_experts=2),
    Classifier(TREES[Classifier], n_experts=2),
    Regressor(Ridge(alpha=0.5), combine="median"),
    Regressor(combine="top"),
    Classifier(combine="vote", class_weight="balanced"),
    Classifier(
        [
            ("scaled", make_pipeline(MaxAbsScaler(), LogisticRegression())),
            ("strict", LogisticRegression(C=0.1)),
        ]
    ),
    Regressor(n_experts=1),
    Classifier(n_experts=1),
    Regressor(warm_start=True, response=Gaussian(shared=True)),
]


@pytest.fixture(autouse=True)
def global_random_state():
    """Put the state back, in place of failing: some of the checks draw from it."""
    before = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002


def expected_failures(estimator):
    """Trees are grown from counts of rows, whatever their weights: nothing else may fail."""
    if not isinstance(estimator.experts, tuple(type(tree) for tree in TREES.values())):
        return {}
    reason = "a tree of its own fails it: equal splits are drawn by row"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@parametrize_with_checks(QUICK, expected_failed_checks=expected_failures)
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(THOROUGH, expected_failed_checks=expected_failures)
def test_checks_of_more_variants(estimator, check):
    check(estimator)
