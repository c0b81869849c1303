"""Tables of the accuracy benchmark: those of a folder beside the checkout, or embedded ones."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"

#: Tables of the folder; "letter" runs for hours, and only where it is named.
FILES = {
    "regression": ("yacht", "energy", "concrete", "airfoil", "kin8nm", "puma8nh", "power-plant"),
    "classification": ("peterson-barney", "vowel", "segment", "phoneme"),
}
EMBEDDED = {
    "diabetes": load_diabetes,
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
}

#: Tables with fewer rows are run on ten of their splits, others on three.
SMALL = 2000
QUICK_ROWS = 150


@dataclass(frozen=True)
class Problem:
    """A table, and the rows that train and test.

    Attributes
    ----------
    name : str
    X, y : ndarray
    labels : bool
        Whether y holds classes.
    groups : ndarray of shape (n,) or None
        Rows of one speaker never stand on both sides of a fold.
    splits : list of (train, test)
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    labels: bool
    groups: np.ndarray | None
    splits: list

    def folds(self, train):
        """Five folds of training rows, as row numbers among them."""
        X, y = self.X[train], self.y[train]
        if self.groups is not None:
            return list(GroupKFold(5).split(X, y, self.groups[train]))
        kind = StratifiedKFold if self.labels else KFold
        return list(kind(5, shuffle=True, random_state=0).split(X, y))


def names():
    """Tables that are run where none is named."""
    return sum(FILES.values(), ()) if FOLDER.is_dir() else tuple(EMBEDDED)


def load(name, n_splits=None, quick=False):
    """Read a table.

    Parameters
    ----------
    name : str
    n_splits : int, optional
        Number of splits, at most as many as the table has.
    quick : bool
        Whether to keep few rows, and one split.

    Returns
    -------
    Problem
    """
    problem = _embedded(name) if name in EMBEDDED else _from_file(name)
    many = 10 if len(problem.y) < SMALL else 3
    splits = problem.splits[: 1 if quick else n_splits or many]
    if quick:
        splits = [(train[:QUICK_ROWS], test[:QUICK_ROWS]) for train, test in splits]
    return replace(problem, splits=splits)


def _embedded(name):
    X, y = EMBEDDED[name](return_X_y=True)
    labels = name != "diabetes"
    kind = StratifiedKFold if labels else KFold
    splits = list(kind(5, shuffle=True, random_state=0).split(X, y))
    return Problem(name, X, y, labels, None, splits)


def _from_file(name):
    with np.load(FOLDER / f"{name}.npz") as table:
        splits = [(table[f"train_{i}"], table[f"test_{i}"]) for i in range(table["n_splits"])]
        return Problem(
            name,
            table["X"].astype(float),
            table["y"],
            str(table["task"]) == "classification",
            table.get("groups"),
            splits,
        )
