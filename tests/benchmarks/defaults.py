"""Default mixtures against single linear models and ensembles, on tables of many kinds.

``python -m tests.benchmarks.defaults [table ...]`` prints, for each table, the mean over splits of
the negative log-score of new rows (of standardised y in regression) and of the root mean squared
error; the number of experts, and the seconds of a fit. Tables are those of a folder beside the
checkout, or those that scikit-learn embeds. Columns are one-hot coded, completed and standardised.
"""

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from tests.benchmarks._accuracy_tables import FOLDER

SPLITS = 3

#: CSV files with text and holes, and tables with published splits.
TABLES = {
    "regression": (
        ["low-birth-weight", "auto-price", "auto-mpg", "pbc", "sensory", "abalone"],
        ["yacht", "energy", "concrete", "airfoil", "kin8nm"],
    ),
    "classification": (
        ["hepatitis", "breast-cancer", "heart-disease", "credit-approval", "annealing", "cmc"],
        ["peterson-barney", "segment", "phoneme", "vowel"],
    ),
}
EMBEDDED = {
    "diabetes": ("regression", load_diabetes),
    "iris": ("classification", load_iris),
    "wine": ("classification", load_wine),
    "wdbc": ("classification", load_breast_cancer),
}


@dataclass(frozen=True)
class Split:
    """Training and test rows of one split; y is standardised in regression."""

    X: np.ndarray
    y: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray


def encoder():
    """Return a transformer that makes standardised numbers of any data frame."""
    text = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    numbers = SimpleImputer(add_indicator=True)
    columns = ColumnTransformer(
        [
            ("text", text, make_column_selector(dtype_exclude="number")),
            ("numbers", numbers, make_column_selector(dtype_include="number")),
        ]
    )
    return make_pipeline(columns, StandardScaler())


def read(name):
    """Return task, X, y and splits of a table."""
    if name in EMBEDDED:
        task, load = EMBEDDED[name]
        return task, *load(return_X_y=True), None
    task = next(task for task, (own, published) in TABLES.items() if name in own + published)
    if (FOLDER / "tables" / f"{name}.csv").is_file():
        import pandas as pd

        frame = pd.read_csv(FOLDER / "tables" / f"{name}.csv")
        return task, frame.iloc[:, :-1], frame.iloc[:, -1].to_numpy(), None
    with np.load(FOLDER / f"{name}.npz") as table:
        splits = [(table[f"train_{k}"], table[f"test_{k}"]) for k in range(SPLITS)]
        return task, table["X"].astype(float), table["y"], splits


def splits_of(name):
    """Yield the splits of a table, as numbers."""
    task, X, y, splits = read(name)
    if splits is None:
        kind = ShuffleSplit if task == "regression" else StratifiedShuffleSplit
        splits = kind(SPLITS, test_size=0.25, random_state=0).split(np.zeros((len(y), 1)), y)
    for train, test in splits:
        framed = hasattr(X, "iloc")
        given, new = (X.iloc[train], X.iloc[test]) if framed else (X[train], X[test])
        transform = encoder().fit(given) if framed else StandardScaler().fit(given)
        if task == "regression":
            mean, scale = y[train].mean(), y[train].std()
            pair = (y[train] - mean) / scale, (y[test] - mean) / scale
        else:
            pair = y[train], y[test]
        yield task, Split(transform.transform(given), pair[0], transform.transform(new), pair[1])


# Scores ----------------------------------------------------------------------------------------


def of_mixture(make: Callable[[], object]):
    """Return a function that fits and scores a mixture."""

    def scores(split):
        model = make().fit(split.X, split.y)
        found = {"nll": -model.score_samples(split.X_new, split.y_new).mean()}
        if hasattr(model, "predict_interval"):
            found["rmse"] = np.sqrt(np.mean((model.predict(split.X_new) - split.y_new) ** 2))
            low, high = model.predict_interval(split.X_new).T
            found["cover"] = np.mean((low <= split.y_new) & (split.y_new <= high))
        return found | {"K": model.n_experts_}

    return scores


def of_bayesian_ridge(split):
    """Return the scores of Bayesian linear regression."""
    mean, std = BayesianRidge().fit(split.X, split.y).predict(split.X_new, return_std=True)
    return {"nll": -norm(mean, std).logpdf(split.y_new).mean(), "rmse": _rmse(split, mean)}


def of_regressor(make):
    """Return a function that fits and scores a regressor without a distribution."""
    return lambda split: {"rmse": _rmse(split, make().fit(split.X, split.y).predict(split.X_new))}


def of_classifier(make):
    """Return a function that fits and scores a classifier."""

    def scores(split):
        model = make().fit(split.X, split.y)
        proba = model.predict_proba(split.X_new)
        return {"nll": log_loss(split.y_new, proba, labels=model.classes_)}

    return scores


def _rmse(split, mean):
    return np.sqrt(np.mean((mean - split.y_new) ** 2))


def methods(task):
    """Return functions that fit and score a method, by its name."""
    learned = {"gate": SoftmaxGate(alpha="auto"), "random_state": 0}
    if task == "regression":
        found = {
            "Bayesian ridge": of_bayesian_ridge,
            "forest": of_regressor(lambda: RandomForestRegressor(random_state=0)),
            "boosting": of_regressor(lambda: HistGradientBoostingRegressor(random_state=0)),
        }
        mixture, boosts, of = MixtureOfExpertsRegressor, "Regressor", of_regressor
    else:
        found = {
            "logistic": of_classifier(_logistic),
            "forest": of_classifier(lambda: RandomForestClassifier(random_state=0)),
            "boosting": of_classifier(lambda: HistGradientBoostingClassifier(random_state=0)),
        }
        mixture, boosts, of = MixtureOfExpertsClassifier, "Classifier", of_classifier
    found |= {name: of(make) for name, make in installed(boosts).items()}
    return found | {
        "fixed, K = 4": of_mixture(lambda: mixture(n_experts=4, random_state=0)),
        "learned, K = 4": of_mixture(lambda: mixture(n_experts=4, **learned)),
        "learned, auto": of_mixture(lambda: mixture(n_experts="auto", **learned)),
    }


def _logistic():
    return LogisticRegressionCV(scoring="neg_log_loss", max_iter=1000)


def installed(task):
    """Return makers of the boosting libraries that are installed, by name."""
    found = {}
    try:
        import lightgbm

        found["LightGBM"] = lambda: getattr(lightgbm, f"LGBM{task}")(verbose=-1, n_jobs=1)
    except ImportError:
        pass
    try:
        import catboost

        found["CatBoost"] = lambda: getattr(catboost, f"CatBoost{task}")(verbose=0, thread_count=1)
    except ImportError:
        pass
    return found


def run(name, only=None):
    """Print the scores of all methods on one table."""
    results = {}
    for task, split in splits_of(name):
        for method, scores in methods(task).items():
            if only and method not in only:
                continue
            began = time.perf_counter()
            found = scores(split) | {"seconds": time.perf_counter() - began}
            results.setdefault(method, []).append(found)
    for method, found in results.items():
        means = {key: np.mean([each[key] for each in found]) for key in found[0] if key != "K"}
        line = "".join(f"  {key} {value:8.4f}" for key, value in means.items())
        sizes = ",".join(str(each["K"]) for each in found) if "K" in found[0] else ""
        print(f"{name:18}{method:16}{line}  {sizes}", flush=True)


def main(arguments):
    """Run the tables that are named, or all."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", "Skipping features without any observed values")
    only = [each[2:] for each in arguments if each.startswith("--")]
    names = [each for each in arguments if not each.startswith("--")]
    if not names:
        names = list(EMBEDDED)
        if FOLDER.is_dir():
            names += [name for lists in TABLES.values() for part in lists for name in part]
    for name in names:
        run(name, only)


if __name__ == "__main__":
    main(sys.argv[1:])
