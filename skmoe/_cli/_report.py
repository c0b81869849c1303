"""The tables that the command line prints."""

import textwrap

import numpy as np

_WIDTH = 100
_GAP = "  "
_LONGEST_CELL = 24


def print_heading(problem, folds):
    """Print what is learned from what."""
    n_rows, n_features = problem.X.shape
    print(problem.title)
    print("=" * min(len(problem.title), _WIDTH))
    print(f"{problem.task}, {n_rows} rows, {n_features} features, {folds} folds")
    for note in problem.notes:
        _print_wrapped(f"- {note}")
    print(flush=True)


def print_scores(task, results):
    """Print one line per model as soon as it is there, then what the columns mean."""
    print(_score_line("model", task.error_name, "log-score", "fit s", "predict s"), flush=True)
    complaints = []
    for name, scores, messages in results:
        print(_score_line(name, *score_cells(scores)), flush=True)
        complaints += [f"{name}: {message}" for message in messages]
    print()
    _print_wrapped(score_notes(task))
    print_complaints(complaints)
    print(flush=True)


def score_notes(task):
    """Return what the columns of scores mean."""
    return (
        f"{task.error_name}: {task.error_meaning}, mean +- standard deviation over folds, lower is "
        f"better. log-score: {task.log_score_meaning}, higher is better; - where a model predicts "
        "a point only. Seconds are per fold, on one thread."
    )


def _score_line(name, error, log_score, fit_seconds, predict_seconds):
    return f"{name:<25}{error:>20}{log_score:>13}{fit_seconds:>11}{predict_seconds:>12}"


def score_cells(scores):
    """Return the cells of one model from its `FoldScore` list."""
    errors = [score.error for score in scores]
    log_scores = [score.log_score for score in scores]
    return (
        f"{np.mean(errors):.4g} +- {np.std(errors):.2g}",
        "-" if None in log_scores else _log_score_cell(np.mean(log_scores)),
        f"{np.mean([score.fit_seconds for score in scores]):.3f}",
        f"{np.mean([score.predict_seconds for score in scores]):.4f}",
    )


def _log_score_cell(value):
    """Return three decimals, or powers of ten where one outlier makes it enormous."""
    return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.3e}"


def print_experts(task, experts):
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


def _leaning_cell(leanings, room):
    """Return 'bmi +1.2, s5 -0.4' with as many of the features as fit, the strongest always."""
    cells = [f"{name} {weight:+.2g}" for name, weight in leanings]
    while len(cells) > 1 and len(", ".join(cells)) > room:
        cells.pop()
    return _shorten(", ".join(cells), room) if cells else "-"


def _shorten(text, width):
    """Return the text, its end replaced by dots if it is too wide."""
    return text if len(text) <= width else text[: max(width - 2, 1)] + ".."


def print_complaints(complaints):
    """Print the warnings that models gave about the data."""
    for complaint in complaints:
        _print_wrapped(f"! {complaint}")


def _print_wrapped(text):
    print(textwrap.fill(text, _WIDTH, subsequent_indent="  " if text[0] in "-!" else ""))
