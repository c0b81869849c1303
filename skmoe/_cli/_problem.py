"""What is to be predicted from what."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.datasets import load_digits, load_iris


@dataclass(frozen=True)
class Problem:
    """A table ready to be learned: features, target and how to speak of them.

    `X` holds floats, or objects (floats and strings, NaN and None where missing) if some column
    is a category; `is_number` tells the two kinds of column apart.
    """

    title: str
    task: str
    X: np.ndarray
    y: np.ndarray
    names: list[str]
    is_number: np.ndarray
    notes: list[str] = field(default_factory=list)


def embedded_problems(task=None):
    """Return the problems that scikit-learn brings along, or the one of the given task.

    Both have a hidden cause that a mixture may find: the species of the iris, the digit drawn.
    """
    problems = [_iris_petals(), _odd_digits()]
    return [problem for problem in problems if task in (None, problem.task)]


def _iris_petals():
    """Petal length from the two measurements of the sepal; the species is withheld."""
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


def _odd_digits():
    """Odd or even from the pixels of a handwritten digit; which digit it is, is withheld."""
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
