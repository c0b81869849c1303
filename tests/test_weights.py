"""Sample weights: two is the row written twice, zero is the row left out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gaussian

N = 90

REGRESSORS = {
    "default": {},
    "hard": {"top_k": 1},
    "sparse": {"top_k": 2},
    "ridge": {"experts": Ridge(alpha=2.0)},
    "constant-gate": {"gate": "constant"},
    "pipeline": {"experts": make_pipeline(MaxAbsScaler(), LinearRegression())},
    "kmeans": {"init": "kmeans", "n_init": 2},
    "random": {"init": "random", "n_init": 2},
    "one": {"n_experts": 1},
    "shared": {"response": Gaussian(shared=True)},
}
CLASSIFIERS = {
    "default": {},
    "hard": {"top_k": 1},
    "sparse": {"top_k": 2},
    "constant-gate": {"gate": "constant"},
    "pipeline": {"experts": make_pipeline(MaxAbsScaler(), LogisticRegression(C=0.5))},
    "one": {"n_experts": 1},
    "balanced": {"class_weight": "balanced"},
    "class-weight": {"class_weight": {"a": 2.0, "b": 1.0, "c": 0.5}},
}
VARIANTS = [
    *(
        pytest.param(MixtureOfExpertsRegressor, v, id=f"regressor-{k}")
        for k, v in REGRESSORS.items()
    ),
    *(
        pytest.param(MixtureOfExpertsClassifier, v, id=f"classifier-{k}")
        for k, v in CLASSIFIERS.items()
    ),
]
STARVED = "ignore:no rows were left for the experts:UserWarning"


@pytest.fixture
def table(rng):
    """X (n, 3) with many zeros, and y of two regimes: numbers, and three classes."""
    X = rng.normal(size=(N, 3)) * (rng.uniform(size=(N, 3)) < 0.7)
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N)
    labels = np.array(["a", "b", "c"])[np.digitize(numbers + 0.5 * rng.normal(size=N), [0, 2])]
    return X, numbers, labels


def make(Estimator, params):
    settings = {"n_experts": 3, "random_state": 0, "max_iter": 30, "tol": 0.0, **params}
    return Estimator(**settings)


def fit(model, *args, **kwargs):
    """Fit for a fixed number of iterations, whatever the rounding."""
    with pytest.warns(Warning) as _:
        return model.fit(*args, **kwargs)


def assert_same(one, other, X, tol=1e-7):
    assert_allclose(one.gate_proba(X), other.gate_proba(X), atol=tol, rtol=tol)
    assert_allclose(one.expert_predict(X), other.expert_predict(X), atol=tol, rtol=tol)
    assert_allclose(one.lower_bound_, other.lower_bound_, atol=tol, rtol=tol)
    assert_allclose(one.expert_usage_, other.expert_usage_, atol=tol, rtol=tol)
