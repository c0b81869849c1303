"""The tables that the command line prints."""

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np

from ._comparison import FoldScore, Result
from ._problem import Problem
from ._task import ExpertLine, Task

_WIDTH = 100
_GAP = "  "
_LONGEST_CELL = 24


def print_heading(problem: Problem, folds: int) -> None:
    """Print the title of a problem, its size, and notes on its data."""
    n_rows, n_features = problem.X.shape
    print(problem.title)
    print("=" * min(len(problem.title), _WIDTH))
    print(f"{problem.task}, {n_rows} rows, {n_features} features, {folds} folds")
    for note in problem.notes:
        _print_wrapped(f"- {note}")
    print(flush=True)


def print_scores(task: Task, results: Iterable[Result]) -> None:
    """Print one line per model as soon as its scores are known, then what the columns mean."""
    print(_score_line("model", task.error_name, "log-score", "fit s", "predict s"), flush=True)
    complaints: list[str] = []
    for name, scores, messages in results:
        print(_score_line(name, *score_cells(scores)), flush=True)
        complaints += [f"{name}: {message}" for message in messages]
    print()
    _print_wrapped(score_notes(task))
    print_complaints(complaints)
    print(flush=True)


def score_notes(task: Task) -> str:
    """Return what the columns of scores mean."""
    return (
        f"{task.error_name}: {task.error_meaning}, mean +- standard deviation over folds, lower is "
        f"better. log-score: {task.log_score_meaning}, higher is better; - where a model predicts "
        "a point only. Seconds are per fold, on one thread."
    )


def _score_line(
    name: str, error: str, log_score: str, fit_seconds: str, predict_seconds: str
) -> str:
    return f"{name:<25}{error:>20}{log_score:>13}{fit_seconds:>11}{predict_seconds:>12}"


def score_cells(scores: list[FoldScore]) -> tuple[str, str, str, str]:
    """Return the cells of one model from its `FoldScore` list."""
    errors = [score.error for score in scores]
    log_scores = [score.log_score for score in scores if score.log_score is not None]
    return (
        f"{np.mean(errors):.4g} +- {np.std(errors):.2g}",
        _log_score_cell(float(np.mean(log_scores))) if len(log_scores) == len(scores) else "-",
        f"{np.mean([score.fit_seconds for score in scores]):.3f}",
        f"{np.mean([score.predict_seconds for score in scores]):.4f}",
    )


def _log_score_cell(value: float) -> str:
    """Return three decimals, or powers of ten where one outlier makes it very large."""
    return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.3e}"


def print_experts(task: Task, experts: Sequence[ExpertLine]) -> None:
    """Print one line per expert, then what the columns mean."""
    print("Who handles what (mixture fitted to all rows)\n")
    header = ("expert", "share", *task.expert_headings)
    body = [
        (str(e.number), f"{e.share:.0%}", *(_shorten(cell, _LONGEST_CELL) for cell in e.cells))
        for e in experts
    ]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    room = _WIDTH - sum(widths) - len(_GAP) * len(widths)
    leanings = ["gate leans on", *(_leaning_cell(expert.leanings, room) for expert in experts)]
    for cells, leaning in zip([header, *body], leanings, strict=True):
        aligned = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
        print(_GAP.join([*aligned, leaning]))
    print()
    _print_wrapped(
        f"{task.expert_meaning}. gate leans on: the features with the largest gate weights, per "
        "standard deviation and against the average expert; + sends rows with large values here, "
        "- keeps them away."
    )


def _leaning_cell(leanings: list[tuple[str, float]], room: int) -> str:
    """Return 'bmi +1.2, s5 -0.4' with as many of the features as fit, at least the strongest."""
    cells = [f"{name} {weight:+.2g}" for name, weight in leanings]
    while len(cells) > 1 and len(", ".join(cells)) > room:
        cells.pop()
    return _shorten(", ".join(cells), room) if cells else "-"


def _shorten(text: str, width: int) -> str:
    """Return the text, its end replaced by dots if it is too wide."""
    return text if len(text) <= width else text[: max(width - 2, 1)] + ".."


def print_complaints(complaints: Iterable[str]) -> None:
    """Print the warnings of models about the data."""
    for complaint in complaints:
        _print_wrapped(f"! {complaint}")


def _print_wrapped(text: str) -> None:
    print(textwrap.fill(text, _WIDTH, subsequent_indent="  " if text[0] in "-!" else ""))
