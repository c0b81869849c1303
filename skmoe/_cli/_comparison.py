"""Cross-validation of every model on one problem."""

import time
import warnings
from dataclasses import dataclass

from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from ._errors import UsageError
from ._preprocessing import make_preprocessing

_MAX_INNER_FOLDS = 3  # of stacking, within each training set


@dataclass(frozen=True)
class FoldScore:
    """How a model did on one fold; the log-score is None for models without one."""

    error: float
    log_score: float | None
    fit_seconds: float
    predict_seconds: float


def cross_validate(problem, task, options):
    """Yield the name of each model, its `FoldScore` list, and the warnings it gave."""
    splitter = task.splitter(options.folds, shuffle=True, random_state=options.seed)
    splits = list(splitter.split(problem.X, problem.y))
    inner_folds = _inner_folds(task.smallest_group(problem.y), options.folds)
    for name, model in task.models(options.experts, inner_folds, options.seed).items():
        pipeline = make_pipeline(make_preprocessing(problem), model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scores = [_score(name, clone(pipeline), problem, task, *split) for split in splits]
        yield name, scores, messages_for_users(caught)


def fit_mixture(problem, task, options):
    """Return the mixture in its pipeline, fitted to all rows."""
    mixture = task.mixture(options.experts, options.seed)
    pipeline = make_pipeline(make_preprocessing(problem), mixture)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _fit("Mixture of experts", pipeline, problem.X, problem.y)
    return pipeline, messages_for_users(caught)


def messages_for_users(caught):
    """Return the distinct messages among warnings, those meant for developers left out."""
    shown = [w.message for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    return list(dict.fromkeys(_first_line(message) for message in shown))


def _inner_folds(smallest_group, folds):
    """Return how many folds the smallest group of a training set allows for stacking."""
    in_training = smallest_group - -(-smallest_group // folds)
    return min(_MAX_INNER_FOLDS, in_training)


def _score(name, pipeline, problem, task, train, test):
    X, y = problem.X[test], problem.y[test]
    start = time.perf_counter()
    _fit(name, pipeline, problem.X[train], problem.y[train])
    fitted = time.perf_counter()
    prediction = pipeline.predict(X)
    predicted = time.perf_counter()
    return FoldScore(
        error=float(task.error(y, prediction)),
        log_score=task.log_score(pipeline[-1], pipeline[:-1].transform(X), y),
        fit_seconds=fitted - start,
        predict_seconds=predicted - fitted,
    )


def _fit(name, pipeline, X, y):
    """Fit; what a model says about the data goes to the user, with the name of the model."""
    try:
        pipeline.fit(X, y)
    except ValueError as error:
        raise UsageError(f"{name} cannot be fitted: {_first_line(error)}") from error


def _first_line(message):
    return str(message).strip().partition("\n")[0]
