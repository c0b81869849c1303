"""Small mixtures of every kind, fitted: what may be stored, and what is stored with a version.

Those of `portable_models` hold parts of ours, and of scikit-learn only linear models, whose
attributes stay what they are from one release to the next. Trees and generalised linear models
hold compiled objects, which another release of scikit-learn refuses.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import GaussianGate, HierarchicalGate, SoftmaxGate
from skmoe.responses import (
    Gamma,
    Gaussian,
    Laplace,
    MultivariateGaussian,
    Poisson,
    StudentT,
)

N_ROWS = 103


def table():
    """Draw rows and, by name, targets that two experts share.

    Returns
    -------
    X : ndarray of shape (103, 3)
    targets : dict of str to ndarray of shape (103,) or (103, 2)
    """
    rng = np.random.default_rng(11)
    X = rng.normal(size=(N_ROWS, 3))
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N_ROWS)
    amounts = np.exp(0.4 * numbers)
    return X, {
        "numbers": numbers,
        "pairs": np.column_stack([numbers, X[:, 2] - numbers + rng.normal(size=N_ROWS)]),
        "amounts": amounts,
        "counts": rng.poisson(amounts).astype(float),
        "labels": np.array(["low", "middle", "high"])[np.digitize(numbers, [0, 2])],
    }


def _regressor(target="numbers", **params):
    params = {"n_experts": 2, "n_init": 2, "max_iter": 40, "random_state": 0} | params
    return MixtureOfExpertsRegressor(**params), target


def _classifier(**params):
    params = {"n_experts": 2, "n_init": 2, "max_iter": 40, "random_state": 0} | params
    return MixtureOfExpertsClassifier(**params), "labels"


def _portable():
    """Unfitted models, and the names of their targets."""
    return {
        "linear": _regressor(),
        "ridge-constant": _regressor(experts=Ridge(), gate="constant"),
        "gaussian-gate": _regressor(gate=GaussianGate()),
        "gaussian-gate-tied": _regressor(gate=GaussianGate(covariance="tied")),
        "tree-of-gates": _regressor(gate=HierarchicalGate(branching=(2, 2)), n_experts=4),
        "sparse": _regressor(n_experts=3, top_k=2, combine="median"),
        "hard": _regressor(top_k=1, gate=SoftmaxGate(alpha=1.0)),
        "columns": _regressor(gate_features=[0], expert_features=[1, 2]),
        "student": _regressor(response=StudentT()),
        "laplace": _regressor(response=Laplace()),
        "linear-dispersion": _regressor(response=Gaussian(dispersion="linear")),
        "outputs": _regressor("pairs"),
        "correlated-outputs": _regressor("pairs", response=MultivariateGaussian()),
        "averaged": _regressor(average=2),
        "grown": _regressor(n_experts="auto"),
        "classifier": _classifier(),
        "vote": _classifier(top_k=1, combine="vote", class_weight="balanced"),
        "logistic-list": _classifier(
            experts=[("weak", LogisticRegression(C=0.1)), ("strong", LogisticRegression())]
        ),
    }


def _wrapped():
    """Models with experts or gates that scikit-learn may store otherwise in another release."""
    trees = {"cv": 3, "max_iter": 5}
    pool = [("tree", DecisionTreeRegressor(max_depth=2)), ("line", Ridge())]
    return {
        "trees": _regressor(experts=DecisionTreeRegressor(max_depth=2), **trees),
        "classifier-trees": _classifier(experts=DecisionTreeClassifier(max_depth=2), **trees),
        "pool": _regressor(experts=pool, specialize=False),
        "scales": _regressor(experts=pool, specialize=False, response=Gaussian(n_scales=2)),
        "nested": _regressor(experts=[("inner", _regressor()[0]), ("line", Ridge())], cv=None),
        "classifier-gate": _regressor(gate=make_pipeline(StandardScaler(), LogisticRegression())),
        "tree-gate": _classifier(gate=DecisionTreeClassifier(max_depth=2), max_iter=5),
        # scikit-learn's own losses are kept in them.
        "poisson": _regressor("counts", response=Poisson()),
        "gamma": _regressor("amounts", response=Gamma()),
        "pipelines": _regressor(experts=make_pipeline(StandardScaler(), Ridge())),
    }


def _learning():
    """Models that learn batch by batch."""
    return {
        "batches": _regressor(),
        "labels-batches": _classifier(),
        "wrapped-batches": _regressor(experts=SGDRegressor()),
        "wrapped-labels-batches": _classifier(experts=GaussianNB()),
    }


def _fitted(models):
    X, targets = table()
    with warnings.catch_warnings():
        # Short fits of small tables; what they have come to is all that is asked of them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        return {name: (model.fit(X, targets[kind]), kind) for name, (model, kind) in models.items()}


def portable_models():
    """Fit the models that are stored with a version: name to (model, name of its target)."""
    return _fitted(_portable())


def fitted_models():
    """Fit models of all kinds: name to (model, name of its target)."""
    models = _fitted(_portable() | _wrapped())
    X, targets = table()
    for name, (model, kind) in _learning().items():
        for rows in (slice(0, 60), slice(60, None)):
            model.set_params(n_init="auto").partial_fit(X[rows], targets[kind][rows])
        models[name] = model, kind
    return models
