"""Calls as the documentation shows them: a type checker must find no error in this file.

`.ci/run` checks it with the package; nothing here runs in a test.
"""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.distributions import MixtureDistribution
from skmoe.gates import GaussianGate, HierarchicalGate, SoftmaxGate
from skmoe.metrics import crps, interval_coverage, log_score
from skmoe.responses import Gaussian, StudentT

X: NDArray[np.float64] = np.zeros((20, 2))
y: NDArray[np.float64] = np.zeros(20)


def regressors() -> None:
    """Constructor parameters of every documented kind."""
    MixtureOfExpertsRegressor()
    MixtureOfExpertsRegressor(n_experts="auto")
    MixtureOfExpertsRegressor(cv=5)
    MixtureOfExpertsRegressor(cv=KFold(4))
    MixtureOfExpertsRegressor(response=Gaussian())
    MixtureOfExpertsRegressor(response="student_t", gate="gaussian", top_k=1)
    MixtureOfExpertsRegressor(Ridge(), 3, gate=SoftmaxGate(alpha=1.0), random_state=0)
    MixtureOfExpertsRegressor(experts=DecisionTreeRegressor(), gate=MLPClassifier(), n_jobs=2)
    MixtureOfExpertsRegressor(experts=[("line", Ridge()), ("tree", DecisionTreeRegressor())])
    MixtureOfExpertsRegressor(gate=HierarchicalGate(branching=(2, 2)), response=StudentT(df=4.0))
    MixtureOfExpertsRegressor(gate_features=["a"], expert_features=[0, 1], init=np.ones((20, 4)))


def regression() -> None:
    """What a fitted regressor returns."""
    model = MixtureOfExpertsRegressor(n_experts=2).fit(X, y)
    assert_type(model, MixtureOfExpertsRegressor)
    float(model.predict(X).mean())
    mean, std = model.predict(X, return_std=True)
    float(mean.mean() + std.mean())
    dist = model.predict_dist(X)
    assert_type(dist, MixtureDistribution)
    float(dist.logpdf(y).mean())
    model.predict_interval(X, coverage=0.8)[:, 0].min()
    model.gate_proba(X).sum(axis=1)
    model.responsibilities(X, y, groups=np.arange(20)).argmax(axis=1)
    model.score_samples(X, y).mean()
    float(model.bic(X, y) + model.aic(X, y) + model.icl(X, y))
    model.expert_usage_.round(2)
    len(model.experts_)
    model.lower_bounds_[-1]
    log_score(y, dist)
    crps(y, dist)
    interval_coverage(y, dist, coverage=0.9)


def classification() -> None:
    """What a fitted classifier returns."""
    model = MixtureOfExpertsClassifier(LogisticRegression(C=1.0), gate=GaussianGate())
    model.fit(X, y > 0, sample_weight=np.ones(20)).predict_proba(X).argmax(axis=1)
    model.partial_fit(X, y > 0, classes=[False, True])
    model.predict_log_proba(X).max()
    float(model.score(X, y > 0))
