"""A problem: features, a target, and the words that describe them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris


@dataclass(frozen=True)
class Problem:
    """Features and target that models are fitted to, and the names that describe them.

    `X` holds floats, or objects (floats and strings, NaN and None where missing) if some column
    is a category; `is_number` indicates the numeric columns.
    """

    title: str
    task: str
    X: NDArray[Any]
    y: NDArray[Any]
    names: list[str]
    is_number: NDArray[np.bool_]
    notes: list[str] = field(default_factory=list)


def embedded_problems(task: str | None = None) -> list[Problem]:
    """Return the problems that scikit-learn includes, or the one of the given task.

    Both have a latent class that a mixture may find: the species of the iris, or the digit.
    """
    problems = [_iris_petals(), _odd_digits()]
    return [problem for problem in problems if task in (None, problem.task)]


def _iris_petals() -> Problem:
    """Petal length from the two measurements of the sepal; without the species."""
    measurements = load_iris().data
    return Problem(
        title="Iris: petal length from the sepal, species withheld",
        task="regression",
        X=measurements[:, :2],
        y=measurements[:, 2],
        names=["sepal length", "sepal width"],
        is_number=np.ones(2, dtype=bool),
        notes=["scikit-learn's load_iris; all lengths in cm"],
    )


def _odd_digits() -> Problem:
    """Odd or even from the pixels of a handwritten digit; without the digit itself."""
    digits = load_digits(n_class=6)
    return Problem(
        title="Handwritten digits: odd or even",
        task="classification",
        X=digits.data,
        y=np.where(digits.target % 2, "odd", "even"),
        names=[f"pixel[{i},{j}]" for i in range(8) for j in range(8)],
        is_number=np.ones(64, dtype=bool),
        notes=["scikit-learn's load_digits, 0 to 5; pixel[0,0] is at the top left"],
    )
