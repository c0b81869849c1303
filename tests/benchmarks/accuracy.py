"""How good mixtures are beside other models: tables, methods, scores.

Run ``python -m tests.benchmarks.accuracy`` or ``python tests/benchmarks/accuracy.py``, with
``--tables yacht concrete`` for some of the tables and ``--splits 3`` for some of their splits.
With the folder ``shared/data`` beside the checkout its tables and their splits are taken,
otherwise the tables that scikit-learn embeds, in five folds. Scores are means over splits, of
rows that were not trained on; NLL is the negative log-likelihood of a row, y in its own units.
A model that predicts points is given a normal distribution with the variance of its errors out
of fold. Fits that methods share are made once, and the seconds of each fit count in all of them.
"""

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from tests.benchmarks import _accuracy_methods as methods
from tests.benchmarks._accuracy_ledger import Ledger
from tests.benchmarks._accuracy_scores import score_distribution, score_probabilities
from tests.benchmarks._accuracy_tables import EMBEDDED, FILES, load, names
from tests.benchmarks._timing import table, verdict

#: Largest NLL and RMSE of the pool.
REGRESSION_LIMITS = {
    "yacht": (0.00, 0.60),
    "energy": (0.35, 0.41),
    "concrete": (2.70, 4.5),
    "airfoil": (1.75, 1.55),
    "kin8nm": (-1.15, 0.080),
    "puma8nh": (2.54, 3.27),
    "power-plant": (2.50, 3.30),
}

#: The same of the plain mixture.
PLAIN_LIMITS = {
    "yacht": (0.90, 1.8),
    "energy": (0.65, 1.0),
    "concrete": (3.04, 6.2),
    "airfoil": (2.25, 2.7),
    "kin8nm": (-1.00, 0.085),
    "puma8nh": (2.46, 3.25),
    "power-plant": (2.75, 4.1),
}

#: Largest log-loss of the pool, and of the plain mixture.
CLASSIFICATION_LIMITS = {
    "peterson-barney": (0.38, 0.40),
    "vowel": (1.02, None),
    "phoneme": (0.245, None),
    "segment": (0.075, None),
}

#: How much larger than its best member's the RMSE of the pool may be.
BESIDE_BEST = {"yacht": 1.10}

SINGLE, PLAIN, POOL, STACKED, BEST = (
    "one quadratic model",
    "mixture, plain",
    "mixture, pool",
    "stacking of the pool",
    "best member: ",
)


def compare(problem, quick=False):
    """Mean scores of all methods on one table.

    Parameters
    ----------
    problem : Problem
    quick : bool

    Returns
    -------
    methods : dict of str to dict
        Scores by name of the method; the pool's best member comes last.
    four : dict of str to dict
        The same for the two ways to join four usual regressors; empty for labels.
    """
    runs = [_split(problem, *split, quick) for split in problem.splits]
    compared, members, joined = (_means([run[i] for run in runs]) for i in range(3))
    loss = "log-loss" if problem.labels else "RMSE"
    best = min(members, key=lambda name: members[name][loss])
    return compared | {BEST + best: members[best]}, joined


def _split(problem, train, test, quick):
    ledger, folds = Ledger(), problem.folds(train)
    compared, members = methods.contestants(problem, len(train), folds, ledger, quick)
    joined = {} if problem.labels else methods.four(ledger, folds, quick)
    rows = problem, train, test, folds, ledger
    parts = [_scores(members, members, *rows), _scores(joined, {}, *rows)]
    return _scores(compared, members, *rows), *parts


def _scores(models, members, problem, train, test, folds, ledger):
    X, y = problem.X[train], problem.y[train]
    found = {}
    for name, model in models.items():
        took = ledger.seconds(lambda model=model: model.fit(X, y))
        if problem.labels:
            proba = model.predict_proba(problem.X[test])
            scores = score_probabilities(proba, model.classes_, problem.y[test])
        else:
            parts = members or dict(getattr(model, "estimators", []))
            said = methods.predict_distribution(model, parts, X, y, folds, problem.X[test])
            scores = score_distribution(said, problem.y[test])
        found[name] = scores | {"fit, s": took}
    return found


def _means(runs):
    return {
        name: {score: float(np.mean([run[name][score] for run in runs])) for score in scores}
        for name, scores in runs[0].items()
    }


def claims(name, compared, labels):
    """What is asked of the mixtures on one table, and what was found.

    Parameters
    ----------
    name : str
        Of the table.
    compared : dict of str to dict
        As `compare` returns it.
    labels : bool

    Returns
    -------
    list of dict
    """
    best = next(method for method in compared if method.startswith(BEST))
    asked = (_asked_of_labels if labels else _asked_of_numbers)(name, compared, best)
    return [
        {"table": name, "of": method, "score": score, "at most": what}
        | {"found": found, "limit": limit, "": verdict(found, limit)}
        for method, score, what, limit in asked
        if limit is not None
        for found in [compared[method][score]]
    ]


def _asked_of_numbers(name, compared, best):
    for method, limits in ((POOL, REGRESSION_LIMITS), (PLAIN, PLAIN_LIMITS)):
        for score, limit in zip(("NLL", "RMSE"), limits.get(name, (None, None)), strict=True):
            yield method, score, "limit", limit
    for rival in ("RandomForest", "HistGradientBoosting", STACKED):
        yield POOL, "NLL", rival, compared[rival]["NLL"]
    yield PLAIN, "NLL", "one model + 0.05", compared[SINGLE]["NLL"] + 0.05
    allowed = BESIDE_BEST.get(name, 1.03)
    yield POOL, "RMSE", f"{allowed} x {best}", allowed * compared[best]["RMSE"]


def _asked_of_labels(name, compared, best):
    limits = CLASSIFICATION_LIMITS.get(name, (None, None))
    for method, limit in zip((POOL, PLAIN), limits, strict=True):
        yield method, "log-loss", "limit", limit
    for rival in (best, STACKED):
        yield POOL, "log-loss", rival, compared[rival]["log-loss"]


def joined_row(name, joined):
    """A mixture's RMSE on one table over that of a stacking of the same four regressors.

    Parameters
    ----------
    name : str
        Of the table.
    joined : dict of str to dict
        As `compare` returns it.

    Returns
    -------
    dict
    """
    ratio = joined["mixture"]["RMSE"] / joined["stacking"]["RMSE"]
    cells = {f"{score}, {way}": joined[way][score] for score in ("RMSE", "NLL") for way in joined}
    return {"table": name, **cells, "RMSE ratio": ratio}


def run(which, n_splits=None, quick=False):
    """Run tables one after the other, and print what was found.

    Parameters
    ----------
    which : list of str
    n_splits : int, optional
    quick : bool
    """
    asked, rows = [], []
    for name in which:
        problem = load(name, n_splits, quick)
        compared, joined = _quietly(problem, quick)
        found = claims(name, compared, problem.labels)
        title = f"{name}, {len(problem.y)} rows, {len(problem.splits)} splits"
        print(table(title, [{"method": m} | scores for m, scores in compared.items()]))
        print(table(f"{name}: what is asked of the mixtures", found), flush=True)
        asked += found
        rows += [joined_row(name, joined)] if joined else []
    if rows:
        print(table("Four usual regressors joined: by a mixture's gate, by stacking", _mean(rows)))
    met = sum(row[""] == "ok" for row in asked)
    print(f"{met} of {len(asked)} demands on the mixtures are met")


def _quietly(problem, quick):
    with warnings.catch_warnings():
        # Networks are stopped early on purpose, and iris leaves nothing to a fourth expert.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "no rows were left")
        return compare(problem, quick)


def _mean(rows):
    """The rows, and below them their mean; a verdict on the ratio, which has no units."""
    numbers = [key for key in rows[0] if key != "table"]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in numbers}
    return [*rows, {"table": "mean", **mean, "": verdict(mean["RMSE ratio"], 1.0)}]


def main(argv=None):
    """Command line.

    Parameters
    ----------
    argv : list of str, default=None
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*sum(FILES.values(), ()), "letter", *EMBEDDED]
    parser.add_argument("--quick", action="store_true", help="few rows, one split, light members")
    parser.add_argument("--tables", nargs="+", choices=known, default=names(), metavar="TABLE")
    parser.add_argument("--splits", type=int, help="at most so many splits of each table")
    given = parser.parse_args(argv)
    if methods.NGBRegressor is None:
        print("NGBoost is not installed, and left out.\n")
    run(given.tables, given.splits, given.quick)


if __name__ == "__main__":
    main()
