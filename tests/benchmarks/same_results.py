"""Whether two versions of the package fit the same mixtures.

A change that is not meant to change any result is checked so::

    python -m tests.benchmarks.same_results record before.npz    # in the version before
    python -m tests.benchmarks.same_results compare before.npz   # in the version after

Each configuration is fitted to a small table that it draws itself. Predictions, objectives and
what every start reached are compared to a relative error of 1e-10.
"""

import argparse
import sys
import warnings

import numpy as np
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import (
    ClassifierGate,
    ConstantGate,
    GaussianGate,
    HierarchicalGate,
    SoftmaxGate,
)
from skmoe.responses import Gaussian, Laplace, MultivariateGaussian, Poisson, StudentT

RELATIVE_ERROR = 1e-10

N_ROWS = 240


def table():
    """Draw rows and, by name, targets.

    Returns
    -------
    X : ndarray of shape (240, 3)
    targets : dict of str to ndarray of shape (240,) or (240, 2)
    weights : ndarray of shape (240,)
    groups : ndarray of shape (240,)
    """
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N_ROWS, 3))
    numbers = np.where(X[:, 0] > 0.2, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N_ROWS)
    amounts = np.exp(0.4 * numbers) * rng.gamma(5.0, 0.2, size=N_ROWS)
    targets = {
        "numbers": numbers,
        "pairs": np.column_stack([numbers, X[:, 2] - numbers + rng.normal(size=N_ROWS)]),
        "amounts": amounts,
        "counts": rng.poisson(np.exp(0.4 * numbers)).astype(float),
        "labels": np.array(["low", "middle", "high"])[np.digitize(numbers, [0, 2])],
        "binary": (numbers > 1).astype(int),
    }
    weights = rng.integers(0, 4, size=N_ROWS).astype(float)
    return X, targets, weights, np.arange(N_ROWS) // 4


def regressors():
    """Parameters, target, and arguments of ``fit``, by name."""
    scaled = make_pipeline(StandardScaler(), Ridge(alpha=0.5))
    X, targets, _, _ = table()
    frozen = [
        ("a", FrozenEstimator(LinearRegression().fit(X, targets["numbers"]))),
        ("b", FrozenEstimator(DecisionTreeRegressor(max_depth=3).fit(X, targets["numbers"]))),
    ]
    return {
        "default": ({}, "numbers", {}),
        "ridge": ({"experts": Ridge(), "n_experts": 3}, "numbers", {}),
        "weights": ({"n_experts": 2}, "numbers", {"sample_weight": True}),
        "groups": ({"n_experts": 2}, "numbers", {"groups": True}),
        "pairs": ({"n_experts": 2}, "pairs", {}),
        "auto": ({"n_experts": "auto"}, "numbers", {}),
        "average": ({"average": 3}, "numbers", {}),
        "one": ({"n_experts": 1}, "numbers", {}),
        "hard": ({"top_k": 1, "n_experts": 3}, "numbers", {}),
        "sparse routing": ({"top_k": 2, "n_experts": 4}, "numbers", {}),
        "median": ({"combine": "median"}, "numbers", {}),
        "top": ({"combine": "top"}, "numbers", {}),
        "columns": ({"gate_features": [0], "expert_features": [1, 2]}, "numbers", {}),
        "gaussian gate": ({"gate": "gaussian"}, "numbers", {}),
        "tied gate": ({"gate": GaussianGate(covariance="tied")}, "numbers", {}),
        "diagonal gate": ({"gate": GaussianGate(covariance="diag")}, "numbers", {}),
        "constant gate": ({"gate": ConstantGate(prior=1.0), "n_experts": 2}, "numbers", {}),
        "tree of gates": ({"gate": HierarchicalGate()}, "numbers", {}),
        "balanced gate": ({"gate": SoftmaxGate(balance=5.0)}, "numbers", {}),
        "gate behind polynomials": (
            {"gate": make_pipeline(PolynomialFeatures(2), SoftmaxGate(alpha=1.0))},
            "numbers",
            {},
        ),
        "tree gate": ({"gate": DecisionTreeClassifier(max_depth=3), "n_experts": 2}, "numbers", {}),
        "neural gate": (
            {"gate": MLPClassifier((4,), max_iter=30, random_state=0), "n_experts": 2},
            "numbers",
            {"max_iter": 4},
        ),
        "gate in sample": (
            {"gate": ClassifierGate(LogisticRegression(), cv=None), "n_experts": 2},
            "numbers",
            {},
        ),
        "student": ({"response": "student_t", "n_experts": 2}, "numbers", {}),
        "student fixed": ({"response": StudentT(df=4.0), "n_experts": 2}, "pairs", {}),
        "laplace": ({"response": Laplace(shared=True), "n_experts": 2}, "numbers", {}),
        "poisson": ({"response": "poisson", "n_experts": 2}, "counts", {}),
        "poisson, ridge": ({"response": Poisson(), "experts": Ridge()}, "counts", {}),
        "gamma": ({"response": "gamma", "n_experts": 2}, "amounts", {}),
        "covariance": ({"response": MultivariateGaussian(), "n_experts": 2}, "pairs", {}),
        "linear dispersion": (
            {"response": Gaussian(dispersion="linear"), "n_experts": 2},
            "numbers",
            {},
        ),
        "pipeline": ({"experts": scaled, "n_experts": 2}, "numbers", {}),
        "batch by folds": ({"cv": 4, "n_experts": 2}, "numbers", {}),
        "trees": ({"experts": DecisionTreeRegressor(max_depth=4), "n_experts": 2}, "numbers", {}),
        "boosting": (
            {"experts": HistGradientBoostingRegressor(max_iter=12), "n_experts": 2},
            "numbers",
            {},
        ),
        "neighbours": ({"experts": KNeighborsRegressor(), "n_experts": 2}, "numbers", {}),
        "kinds": (
            {"experts": [("line", LinearRegression()), ("robust", HuberRegressor())]},
            "numbers",
            {},
        ),
        "kinds of counts": (
            {
                "experts": [("p", PoissonRegressor()), ("g", GammaRegressor())],
                "response": "gamma",
            },
            "amounts",
            {},
        ),
        "hard trees": (
            {"experts": DecisionTreeRegressor(max_depth=2), "n_experts": 3, "top_k": 1},
            "numbers",
            {},
        ),
        "pool": (
            {
                "experts": [("f", RandomForestRegressor(50)), ("l", LinearRegression())],
                "specialize": False,
            },
            "numbers",
            {},
        ),
        "scales of a pool": (
            {
                "experts": [("t", DecisionTreeRegressor(max_depth=3)), ("l", Ridge())],
                "specialize": False,
                "response": Gaussian(n_scales=2),
            },
            "numbers",
            {},
        ),
        "frozen": ({"experts": frozen}, "numbers", {}),
        "nested": (
            {
                "experts": [
                    ("mixture", MixtureOfExpertsRegressor(n_experts=2, random_state=1)),
                    ("line", LinearRegression()),
                ]
            },
            "numbers",
            {},
        ),
        "sparse table": ({"n_experts": 2}, "numbers", {"sparse": True}),
        "blocks": ({"n_experts": 2}, "numbers", {"blocks": True}),
        "blocks, gaussian gate": (
            {"n_experts": 2, "gate": "gaussian"},
            "numbers",
            {"blocks": True},
        ),
        "blocks, poisson": ({"n_experts": 2, "response": "poisson"}, "counts", {"blocks": True}),
    }


def classifiers():
    """Parameters, target, and arguments of ``fit``, by name."""
    return {
        "default": ({}, "labels", {}),
        "two classes": ({"experts": LogisticRegression(C=0.5), "n_experts": 3}, "binary", {}),
        "weights": (
            {"n_experts": 2, "class_weight": "balanced"},
            "labels",
            {"sample_weight": True},
        ),
        "groups": ({"n_experts": 2}, "labels", {"groups": True}),
        "auto": ({"n_experts": "auto"}, "labels", {}),
        "average": ({"average": 2, "n_experts": 2}, "labels", {}),
        "hard": ({"top_k": 1, "n_experts": 2, "combine": "top"}, "labels", {}),
        "vote": ({"combine": "vote"}, "labels", {}),
        "gaussian gate": ({"gate": "gaussian", "n_experts": 2}, "labels", {}),
        "tree of gates": ({"gate": HierarchicalGate()}, "binary", {}),
        "bayes": ({"experts": GaussianNB(), "n_experts": 2}, "labels", {}),
        "boosting": (
            {"experts": GradientBoostingClassifier(n_estimators=10), "n_experts": 2},
            "labels",
            {},
        ),
        "pool": (
            {
                "experts": [("e", ExtraTreesClassifier(50)), ("l", LogisticRegression())],
                "specialize": False,
            },
            "labels",
            {},
        ),
        "blocks": ({"n_experts": 2}, "labels", {"blocks": True}),
    }


def fitted(kind, params, y, X, weights, groups, extra):
    """Return the fitted estimator of a configuration."""
    params, extra = dict(params), dict(extra)
    params.setdefault("max_iter", extra.pop("max_iter", 60))
    model = kind(random_state=0, **params)
    given = {}
    if extra.pop("sample_weight", False):
        given["sample_weight"] = weights
    if extra.pop("groups", False):
        given["groups"] = groups
    if extra.pop("blocks", False):
        return model.fit([(X[:100], y[:100]), (X[100:], y[100:])])
    if extra.pop("sparse", False):
        X = sparse.csr_matrix(np.where(np.abs(X) < 0.5, 0.0, X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, **given)


def answers(model, X, y):
    """Return arrays that tell two fits apart, by name."""
    out = {
        "lower_bounds": model.lower_bounds_,
        "starts": np.array([entry["lower_bound"] for entry in model.starts_]),
        "iterations": np.array([entry["n_iter"] for entry in model.starts_]),
        "gate": model.gate_proba(X),
        "usage": model.expert_usage_,
        "experts": model.expert_predict(X),
        "scores": model.score_samples(X, y),
    }
    if hasattr(model, "predict_proba"):
        return out | {"predict": model.predict_proba(X)}
    mean, std = model.predict(X, return_std=True)
    out |= {"predict": model.predict(X), "mean": mean, "std": std}
    return out | {"interval": model.predict_interval(X[:40]), "dispersion": model.dispersion_}


def all_answers():
    """Fit every configuration; return one dict of arrays."""
    X, targets, weights, groups = table()
    found = {}
    for kind, configurations in [
        (MixtureOfExpertsRegressor, regressors()),
        (MixtureOfExpertsClassifier, classifiers()),
    ]:
        for name, (params, target, extra) in configurations.items():
            y = targets[target]
            model = fitted(kind, params, y, X, weights, groups, extra)
            for key, values in answers(model, X, y).items():
                found[f"{kind.__name__} / {name} / {key}"] = np.asarray(values, dtype=float)
    return found


def differences(before, after):
    """Return what differs, as lines."""
    lines = [f"{key}: only in one" for key in sorted(set(before) ^ set(after))]
    for key in sorted(set(before) & set(after)):
        old, new = before[key], after[key]
        if old.shape != new.shape:
            lines.append(f"{key}: {old.shape} and {new.shape}")
        elif not np.allclose(old, new, rtol=RELATIVE_ERROR, atol=RELATIVE_ERROR, equal_nan=True):
            gap = np.nanmax(np.abs(old - new) / (1 + np.abs(old)))
            lines.append(f"{key}: relative difference up to {gap:.1e}")
    return lines


def main():
    """Record, or compare and exit with an error where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file")
    given = parser.parse_args()
    found = all_answers()
    configurations = len({key.rsplit(" / ", 1)[0] for key in found})
    if given.action == "record":
        np.savez_compressed(given.file, **found)
        print(f"{configurations} configurations recorded in {given.file}")
        return
    with np.load(given.file) as stored:
        lines = differences(dict(stored), found)
    print("\n".join([*lines, f"{configurations} configurations, {len(lines)} differences"]))
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
