"""Who handles what: each expert's share, its quality, and the features that call it in."""

from dataclasses import dataclass

import numpy as np

from ._preprocessing import readable_names

_N_FEATURES_SHOWN = 3


@dataclass(frozen=True)
class ExpertLine:
    """What is printed about one expert."""

    number: int
    share: float
    cells: tuple[str, ...]
    leanings: list[tuple[str, float]]


def describe_experts(pipeline, problem, task):
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


def _relative_gate_weights(coef, Z):
    """Return gate weights per standard deviation of a feature, against the mean expert.

    Adding the same vector to the weights of all experts leaves a softmax gate unchanged; only
    differences between experts mean something.
    """
    return (coef - coef.mean(axis=0)) * Z.std(axis=0)


def _strongest(names, weights):
    """Return the names and weights of the features that move the gate most."""
    order = np.argsort(-np.abs(weights), kind="stable")[:_N_FEATURES_SHOWN]
    return [(names[j], float(weights[j])) for j in order if weights[j] != 0]
