"""An HTML page with all results: scores, a description of the experts, and pictures."""

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmoe.inspection import (
    ConvergenceDisplay,
    ExpertUsageDisplay,
    GateDisplay,
    PredictiveDensityDisplay,
    expert_rules,
)
from skmoe.inspection._plot import pyplot

from ._comparison import Result
from ._errors import UsageError
from ._preprocessing import readable_names
from ._problem import Problem
from ._report import score_cells, score_notes
from ._task import ExpertLine, Task

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .3em .8em; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; } .wide { overflow-x: auto; }
figure { margin: 1.5em 0; } img { max-width: 100%; height: auto; }
figcaption, .note { color: #555; font-size: .9em; }
"""


@dataclass(frozen=True)
class Section:
    """The results of one problem.

    Attributes
    ----------
    problem : Problem
    task : Task
    folds : int
    results : list of (str, list of FoldScore, list of str)
        The results of `cross_validate`.
    pipeline : fitted Pipeline
    experts : list of ExpertLine
    complaints : list of str
    """

    problem: Problem
    task: Task
    folds: int
    results: list[Result]
    pipeline: Any
    experts: list[ExpertLine]
    complaints: list[str]


def check_pictures() -> None:
    """Raise an error if pictures cannot be drawn, before any model is fitted.

    Raises
    ------
    UsageError
        If matplotlib is missing.
    """
    try:
        pyplot()
    except ImportError as error:
        raise UsageError(f"--report draws pictures: {error}") from error


def write_report(path: Path, sections: list[Section]) -> None:
    """Write the page.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    body = "\n".join(_section(section) for section in sections)
    page = _page("Mixtures of experts compared", body)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n"
        "</html>\n"
    )


def _section(section: Section) -> str:
    problem = section.problem
    n_rows, n_features = problem.X.shape
    size = f"{problem.task}, {n_rows} rows, {n_features} features, {section.folds} folds"
    return "\n".join(
        [
            f"<h2>{escape(problem.title)}</h2>",
            _paragraph(size),
            _list(problem.notes, "note"),
            "<h3>How well models predict rows they have not seen</h3>",
            _scores(section),
            "<h3>Who handles what</h3>",
            _list(_words(section)),
            _experts(section),
            *_figures(section),
            _list(section.complaints, "note"),
        ]
    )


def _paragraph(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _list(items: Sequence[object], kind: str = "") -> str:
    if not items:
        return ""
    lines = "".join(f"<li>{escape(str(item))}</li>" for item in items)
    return f'<ul class="{kind}">{lines}</ul>'


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _scores(section: Section) -> str:
    header = ("model", section.task.error_name, "log-score", "fit s", "predict s")
    body = [(name, *map(_typeset, score_cells(scores))) for name, scores, _ in section.results]
    complaints = [f"{name}: {text}" for name, _, texts in section.results for text in texts]
    return (
        _table(header, body)
        + _paragraph(_typeset(score_notes(section.task)))
        + _list(complaints, "note")
    )


def _typeset(text: str) -> str:
    """Replace signs that are written for terminals."""
    return text.replace("+-", "±")


def _words(section: Section) -> list[str]:
    """A sentence for each expert, the largest first."""
    problem = section.problem
    rules = expert_rules(section.pipeline, problem.X, feature_names=problem.names)
    best = section.task.best_expert(section.experts)
    return [
        str(rules[line.number - 1]) + ("; smallest error" * (line is best))
        for line in section.experts
    ]


def _experts(section: Section) -> str:
    header = ("expert", "share", *section.task.expert_headings)
    names = list(section.pipeline[-1].named_experts_)
    body = [(names[line.number - 1], f"{line.share:.0%}", *line.cells) for line in section.experts]
    return _table(header, body) + _paragraph(section.task.expert_meaning + ".")


# Pictures ----------------------------------------------------------------------------------


def _figures(section: Section) -> Iterator[str]:
    """Yield pictures of the fitted mixture."""
    preprocessing, mixture = section.pipeline[0], section.pipeline[-1]
    Z = preprocessing.transform(section.problem.X)
    yield _figure(ConvergenceDisplay.from_estimator(mixture), "Convergence of EM")
    yield _figure(
        ExpertUsageDisplay.from_estimator(mixture, Z), "How much the experts are used, and how"
    )
    names = readable_names(preprocessing, section.problem)
    # Numeric columns come first; only they have a range to be drawn over.
    weights = _spread_of_gate(mixture, Z)[preprocessing.output_indices_["numbers"]]
    if not weights.any():
        return
    feature = int(np.argmax(weights))
    kinds: list[tuple[Any, str]] = [(GateDisplay, "Who handles which values of")]
    if section.problem.task == "regression":
        kinds.append((PredictiveDensityDisplay, "Predictive density of the target along"))
    for kind, caption in kinds:
        display = kind.from_estimator(mixture, Z, feature)
        display.ax_.set_xlabel(f"{names[feature]}, in standard deviations from its mean")
        yield _figure(display, f"{caption} {names[feature]}, all else at its mean")


def _spread_of_gate(mixture: Any, Z: NDArray[Any]) -> NDArray[Any]:
    """Return how strongly the gate depends on each column, per standard deviation."""
    coef = mixture.gate_.coef_
    return (coef - coef.mean(axis=0)).std(axis=0) * Z.std(axis=0)


def _figure(display: Any, caption: str) -> str:
    """Return a figure whose picture is embedded in the page."""
    file = io.BytesIO()
    display.figure_.savefig(file, format="png", dpi=110, bbox_inches="tight")
    pyplot().close(display.figure_)
    data = base64.b64encode(file.getvalue()).decode()
    text = escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
