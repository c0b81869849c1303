"""Choice among one, two and four experts whose parameters cannot be counted.

Such experts are cross-fitted: EM predicts each row by a fit that has not seen it. The likelihood of
these predictions compares mixtures of different sizes, but for gate and law, which see all rows.
Their parameters are charged as by Schwarz's criterion.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._data.pipelines import last_step
from ..em._loop import Result
from ..em._protocols import Trainer
from ..em._search import Search
from ..experts import Workers
from .fitting import Fitting

#: Sizes that are compared, the smallest first, for as long as the larger one is better.
SIZES = (1, 2, 4)

#: A mixture that is behind the smaller one after so many iterations is not run any further.
PROBATION = 3


@dataclass(frozen=True)
class Candidate:
    """A mixture of one size.

    Attributes
    ----------
    training : Trainer
    result : Result
    log : list of dict
        What is known of the run of each start.
    score : float
        Log-likelihood out of fold, less the charge for gate and law, in nats.
    entry : dict
        The mixture's entry in ``path_``.
    """

    training: Trainer
    result: Result
    log: list[dict[str, Any]]
    score: float
    entry: dict[str, Any]


def double(fitting: Fitting, workers: Workers) -> tuple[Candidate, list[dict[str, Any]]]:
    """Return the best mixture, and what is known of each.

    Parameters
    ----------
    fitting : Fitting
        Whose experts are cross-fitted.
    workers : Workers
    """
    best = _candidate(fitting.sized(SIZES[0]), workers, ())
    path = [best.entry]
    for size in SIZES[1:]:
        if size > len(fitting.data.units.weights):
            break
        larger = _candidate(fitting.sized(size), workers, best.result.history)
        path.append(larger.entry)
        if larger.score <= best.score:
            break
        best = larger
    for entry in path:
        entry["chosen"] = entry is best.entry
    return best, path


def _candidate(fitting: Fitting, workers: Workers, smaller: tuple[float, ...]) -> Candidate:
    """Fit one mixture; `smaller` are the objectives of the run of a smaller one."""
    began, settings = time.perf_counter(), fitting.settings
    first = min(PROBATION, settings.max_iter) if len(smaller) > PROBATION else settings.max_iter
    trial = fitting.with_settings(replace(settings, max_iter=first))
    training, results, log = trial.run_with(workers, "auto", "auto", None, 1)
    result = results[0]
    is_behind = len(smaller) > PROBATION and result.state.objective < smaller[first - 1]
    if first < settings.max_iter and not result.converged and not is_behind:
        result = _continued(fitting, training, result, log)
    score = _score(training, result)
    entry = {
        "n_experts": training.n_experts,
        "log_likelihood": training.total_log_likelihood(result.state),
        "out_of_fold": score / training.total,
        "seconds": time.perf_counter() - began,
    }
    return Candidate(training, result, log, score, entry)


def _continued(
    fitting: Fitting, training: Trainer, result: Result, log: list[dict[str, Any]]
) -> Result:
    """Run EM on to its end."""
    search = Search(training, training, fitting.settings)
    top_k = search.top_k
    label = "further iterations"
    ended = search.run(training, result.state, top_k, label, before=result.history)
    chosen = next(entry for entry in log if entry["chosen"])
    chosen.update(
        lower_bound=float(ended.state.objective),
        n_iter=len(ended.history),
        converged=ended.converged,
    )
    return ended


def _score(training: Trainer, result: Result) -> float:
    """Return the log-likelihood out of fold, less the charge for gate and law."""
    state = result.state
    gate, _ = training.states(state.parameters)
    fitted = last_step(training.gate.finish(gate))
    # A classifier that is a gate is cross-fitted too, and has no number of parameters.
    count = getattr(fitted, "n_parameters_", 0)
    count += training.law.count_parameters(state.parameters.dispersion)
    return training.total_log_likelihood(state) - 0.5 * float(np.log(training.total)) * count
