"""How many new rows the 90 % intervals of default mixtures cover, on tables of real data.

Run ``python -m tests.benchmarks.coverage`` or ``python tests/benchmarks/coverage.py``, with
``--tables yacht linnerud`` for some of the tables. With the folder ``shared/data`` beside the
checkout its regression tables and their splits are taken too; those that scikit-learn embeds are
split in ten folds, the smallest in several shufflings. Every output of every row counts. Widths
and RMSE are in standard deviations of y, NLL is the negative log-likelihood of a row.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.model_selection import KFold

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._accuracy_tables import FILES, FOLDER, load
from tests.benchmarks._timing import seconds, table

LEVEL = 0.9

#: Coverage of each table, and of all of them on average.
ALLOWED = 0.86, 0.94
ALLOWED_ON_AVERAGE = 0.88, 0.92

#: Embedded tables, and in how many shufflings: twenty rows make a coverage of few digits.
EMBEDDED = {"diabetes": (load_diabetes, 1), "linnerud": (load_linnerud, 10)}


def names():
    """Tables that are run where none is named."""
    return [*EMBEDDED, *(FILES["regression"] if FOLDER.is_dir() else ())]


def read(name):
    """Read a table.

    Parameters
    ----------
    name : str

    Returns
    -------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    splits : list of (train, test)
    """
    if name not in EMBEDDED:
        problem = load(name)
        return problem.X, problem.y, problem.splits
    loader, shufflings = EMBEDDED[name]
    X, y = loader(return_X_y=True)
    kinds = [KFold(10, shuffle=True, random_state=seed) for seed in range(shufflings)]
    return X, y, [split for kind in kinds for split in kind.split(X)]


def scores(model, X, y, spread):
    """Scores of a fitted mixture on rows that it has not seen.

    Parameters
    ----------
    model : MixtureOfExpertsRegressor
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    spread : float or ndarray of shape (m,)
        Standard deviations of y.

    Returns
    -------
    dict of str to float
    """
    low, high = np.moveaxis(model.predict_interval(X, coverage=LEVEL), -1, 0)
    errors = (y - model.predict(X)) / spread
    return {
        "coverage": float(((low <= y) & (y <= high)).mean()),
        "width": float(((high - low) / spread).mean()),
        "NLL": -float(model.score_samples(X, y).mean()),
        "RMSE": float(np.sqrt((errors**2).mean())),
    }


def row(name, **params):
    """Mean scores over the splits of one table.

    Parameters
    ----------
    name : str
    **params
        Of the mixture, in place of its defaults.

    Returns
    -------
    dict
    """
    X, y, splits = read(name)
    found = []
    for train, test in splits:
        model = MixtureOfExpertsRegressor(random_state=0, **params)
        took = seconds(lambda model=model, train=train: model.fit(X[train], y[train]))
        said = scores(model, X[test], y[test], y.std(axis=0))
        found.append(said | {"widening": model.widening_, "fit, s": took})
    means = {key: float(np.mean([run[key] for run in found])) for key in found[0]}
    return {"table": name, "splits": len(splits), **means, "": word(means["coverage"], ALLOWED)}


def word(coverage, allowed):
    """Word for a coverage that has to be within bounds."""
    low, high = allowed
    return "ok" if low <= coverage <= high else "TOO LOW" if coverage < low else "TOO HIGH"


def mean(rows):
    """The line below the tables: their mean coverage."""
    coverage = float(np.mean([row["coverage"] for row in rows]))
    return {"table": "mean", "coverage": coverage, "": word(coverage, ALLOWED_ON_AVERAGE)}


def main(argv=None):
    """Command line.

    Parameters
    ----------
    argv : list of str, default=None
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*EMBEDDED, *FILES["regression"]]
    parser.add_argument("--tables", nargs="+", choices=known, default=names(), metavar="TABLE")
    rows = [row(name) for name in parser.parse_args(argv).tables]
    print(table(f"Intervals of {LEVEL:.0%}, four linear experts", [*rows, mean(rows)]))


if __name__ == "__main__":
    main()
