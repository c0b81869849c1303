"""Penalties that the evidence sets, learned in turn with EM.

EM and the rule of `em._evidence` alternate: a few iterations of EM under fixed penalties, then new
penalties. A new penalty changes the objective, so that only the iterations between two changes are
comparable. The evidence nearly always rises, but MacKay's rule does not promise it: of all the
penalties tried, those of the largest evidence are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._evidence import log_orders
from ._loop import Result, State
from ._protocols import Trainer
from ._search import Search

#: Largest number of times that penalties are set, and iterations of EM after each.
ROUNDS = 24
ITERATIONS = 6

#: The same where an iteration fits estimators.
COSTLY_ROUNDS = 2

#: Penalties are settled once none changes by more than this factor, or once the evidence gains
#: less than this many nats.
_SETTLED = 1.05
_GAIN = 0.01


@dataclass(frozen=True)
class Learned:
    """A run under penalties that were learned.

    Attributes
    ----------
    training : Trainer
    result : Result
    log_evidence : float
    """

    training: Trainer
    result: Result
    log_evidence: float


def learn_all(search: Search, results: list[Result]) -> list[Result]:
    """Learn the penalties from the best run, and continue the other runs under them."""
    first, training = results[0], search.training
    learned = learn(search, first)
    search.update_chosen(learned.result)
    further = [
        continued(search, training, learned.training, each, None, "learned penalties")
        for each in results[1:]
    ]
    return [learned.result, *further]


def learn(search: Search, ended: Result) -> Learned:
    """Learn the penalties, beginning with a run under the first ones.

    Parameters
    ----------
    search : Search
        Its trainer becomes that of the penalties that are returned.
    ended : Result

    Returns
    -------
    Learned
    """
    training = search.training
    cheap = training.cheap
    value, proposed = evidence(training, ended.state)
    best = Learned(training, ended, value)
    for number in range(ROUNDS if cheap else COSTLY_ROUNDS):
        ended = continued(search, training, proposed, ended, ITERATIONS, f"penalties {number}")
        old, training = training, search.training
        value, proposed = evidence(training, ended.state)
        gain = value - best.log_evidence
        if gain > 0.0:
            best = Learned(training, ended, value)
        if (_are_settled(old, training) and gain < _GAIN) or search.settings.monitor.stopped:
            break
    ended = continued(search, training, best.training, best.result, None, "learned penalties")
    return Learned(search.training, ended, evidence(search.training, ended.state)[0])


def evidence(training: Trainer, state: State) -> tuple[float, Trainer]:
    """Return the logarithm of the evidence, in nats, and a trainer of larger evidence.

    Parameters
    ----------
    training : Trainer
    state : State
    """
    parameters = state.parameters
    masses = training.usage(state) * training.total
    value = training.total * state.objective + log_orders(training.n_experts)
    parts: list[Any] = [training.gate, training.bank]
    rest = training.states(parameters), training.curvatures(state)
    for number, (one, curvature) in enumerate(zip(*rest, strict=True)):
        if curvature is None:
            continue
        found = parts[number].evidence(one, curvature, masses, parameters.dispersion)
        value += found.volume
        parts[number] = parts[number].with_strengths(found.strengths)
    law = training.law
    if training.bank.strengths is not None:
        law, volume = law.learned(parameters.dispersion, masses)
        value += volume
    gate, bank = parts
    return float(value), training.with_parts(gate, bank, law)


def with_penalties_near(training: Trainer, other: Trainer) -> Trainer:
    """Return a trainer with the mean penalties of another one, of more or fewer experts."""
    parts: list[Any] = [training.gate, training.bank]
    for number, (part, known) in enumerate(zip(parts, (other.gate, other.bank), strict=True)):
        if part.strengths is not None and known.strengths is not None:
            mean = np.exp(np.log(known.strengths).mean())
            parts[number] = part.with_strengths(np.full(len(part.strengths), mean))
    gate, bank = parts
    law = training.law if training.bank.strengths is None else other.law
    return training.with_parts(gate, bank, law)


def continued(
    search: Search,
    old: Trainer,
    training: Trainer,
    ended: Result,
    iterations: int | None,
    label: str,
) -> Result:
    """Return a run of one trainer, from the final state of a run of another.

    The search then has the trainer `training`.
    """
    search.use(training)
    top_k = search.top_k
    state = training.restore(old.strip(ended.state), top_k)
    state = training.expect(state.parameters, top_k)
    return search.run(training, state, top_k, label, iterations)


def _are_settled(old: Trainer, new: Trainer) -> bool:
    """Tell whether penalties have stopped changing."""
    for before, after in ((old.gate, new.gate), (old.bank, new.bank)):
        if before.strengths is None or after.strengths is None:
            continue
        change = np.abs(np.log(after.strengths / before.strengths))
        if change.max() > np.log(_SETTLED):
            return False
    return True
