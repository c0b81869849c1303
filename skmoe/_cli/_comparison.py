"""Cross-validation of every model on one problem."""

import time
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from ._errors import UsageError
from ._preprocessing import make_preprocessing
from ._problem import Problem
from ._task import Task

_MAX_INNER_FOLDS = 3  # of stacking, within each training set


@dataclass(frozen=True)
class FoldScore:
    """Scores of a model on one fold; the log-score is None for models without one."""

    error: float
    log_score: float | None
    fit_seconds: float
    predict_seconds: float


#: Name of a model, its scores, and the warnings of its fits.
Result = tuple[str, list[FoldScore], list[str]]


def cross_validate(problem: Problem, task: Task, options: Namespace) -> Iterator[Result]:
    """Yield the name of each model, its `FoldScore` list, and the warnings of its fits."""
    splitter = task.splitter(options.folds, shuffle=True, random_state=options.seed)
    splits = list(splitter.split(problem.X, problem.y))
    inner_folds = _inner_folds(task.smallest_group(problem.y), options.folds)
    for name, model in task.models(options.experts, inner_folds, options.seed).items():
        pipeline = make_pipeline(make_preprocessing(problem), model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scores = [_score(name, clone(pipeline), problem, task, *split) for split in splits]
        yield name, scores, messages_for_users(caught)


def fit_mixture(problem: Problem, task: Task, options: Namespace) -> tuple[Any, list[str]]:
    """Return the mixture in its pipeline, fitted to all rows."""
    mixture = task.mixture(options.experts, options.seed)
    pipeline = make_pipeline(make_preprocessing(problem), mixture)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _fit("Mixture of experts", pipeline, problem.X, problem.y)
    return pipeline, messages_for_users(caught)


def messages_for_users(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return the distinct messages among warnings, without those meant for developers."""
    shown = [w.message for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    return list(dict.fromkeys(_first_line(message) for message in shown))


def _inner_folds(smallest_group: int, folds: int) -> int:
    """Return how many folds the smallest group of a training set allows for stacking."""
    in_training = smallest_group - -(-smallest_group // folds)
    return min(_MAX_INNER_FOLDS, in_training)


def _score(
    name: str, pipeline: Any, problem: Problem, task: Task, train: NDArray[Any], test: NDArray[Any]
) -> FoldScore:
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


def _fit(name: str, pipeline: Any, X: NDArray[Any], y: NDArray[Any]) -> None:
    """Fit a model; an error becomes a `UsageError` that names the model."""
    try:
        pipeline.fit(X, y)
    except ValueError as error:
        raise UsageError(f"{name} cannot be fitted: {_first_line(error)}") from error


def _first_line(message: object) -> str:
    return str(message).strip().partition("\n")[0]
