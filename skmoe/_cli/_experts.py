"""Description of the experts: share, quality, and the features with the largest gate weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._preprocessing import readable_names
from ._problem import Problem
from ._task import ExpertLine, Task

_N_FEATURES_SHOWN = 3


def describe_experts(pipeline: Any, problem: Problem, task: Task) -> list[ExpertLine]:
    """Return an `ExpertLine` for each expert of a fitted pipeline, the largest share first."""
    preprocessing, mixture = pipeline[0], pipeline[-1]
    Z = preprocessing.transform(problem.X)
    names = readable_names(preprocessing, problem)
    weights = _relative_gate_weights(mixture.gate_.coef_, Z)
    shares = mixture.expert_usage_
    cells = task.describe_experts(mixture, Z, problem.y)
    return [
        ExpertLine(k + 1, float(shares[k]), cells[k], _strongest(names, weights[k]))
        for k in np.argsort(-shares, kind="stable")
    ]


def _relative_gate_weights(coef: NDArray[Any], Z: NDArray[Any]) -> NDArray[Any]:
    """Return gate weights per standard deviation of a feature, against the mean expert.

    Adding the same vector to the weights of all experts leaves a softmax gate unchanged; only
    differences between experts are meaningful.
    """
    return (coef - coef.mean(axis=0)) * Z.std(axis=0)


def _strongest(names: Sequence[str], weights: NDArray[Any]) -> list[tuple[str, float]]:
    """Return the names and weights of the features with the largest weights."""
    order = np.argsort(-np.abs(weights), kind="stable")[:_N_FEATURES_SHOWN]
    return [(str(names[j]), float(weights[j])) for j in order if weights[j] != 0]
