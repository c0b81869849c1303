"""Search for the best run of EM: which starts are run, for how long, and which is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..routing import largest
from ._loop import ROUNDING, Result, RunMonitor, Settings, State, accelerate, iterate, run
from ._protocols import Floats, Ints, Trainer
from ._starts import reseeded

#: Number of soft iterations of a short run.
SHORT = 10

#: Least number of starts that are run for longer before one is chosen; of many starts it is a
#: quarter.
FINALISTS = 3

#: Number of iterations of such a longer run.
LONGER = 30

#: An expert with a smaller share of the weight is starved: another start is tried, in which its
#: rows are those of the lowest log-likelihood.
STARVED_SHARE = 1e-4

#: Number of restricted iterations after which the starts of a sparse or hard mixture are compared.
_SHORT_RESTRICTED = 3


class Search:
    """Runs EM from several starts and keeps the best run, or the best few.

    Parameters
    ----------
    training : Trainer
        Of the mixture that is to be fitted.
    cheap : Trainer
        On which starts are tried: `training` itself where its parts are solved
        in batches, else that of a surrogate with batched linear experts and a softmax gate.
    settings : Settings
    average : int
        Number of runs to return, the best first; fewer where fewer differ.
    finalists : int
        Least number of starts that are run for longer.

    Attributes
    ----------
    log : list of dict
        What is known of each run.
    """

    def __init__(
        self,
        training: Trainer,
        cheap: Trainer,
        settings: Settings,
        average: int = 1,
        finalists: int = FINALISTS,
    ):
        self.training, self.cheap, self.settings = training, cheap, settings
        self.average, self.finalists = average, finalists
        self.log: list[dict[str, Any]] = []

    def reseed_starved(self, ended: Result) -> Result:
        """Give starved experts the rows of lowest log-likelihood, as long as the objective grows.

        Parameters
        ----------
        ended : Result

        Returns
        -------
        Result
            The better run: the one given, or another that began at its responsibilities.
        """
        for attempt in range(self.training.n_experts):
            starved = np.flatnonzero(self.training.usage(ended.state) < STARVED_SHARE)
            if not len(starved):
                break
            try:
                other = self._reseed(ended.state, starved, f"reseeding {attempt}")
            except ValueError as error:
                # An expert could not be fitted to such rows. The run given stays valid.
                self._record_failure("reseeded", error)
                break
            self._record("reseeded", other)
            if not _beats(_reached(other), _reached(ended)):
                break
            self._replace_chosen(starved)
            ended = other
        return ended

    def _replace_chosen(self, starved: Ints) -> None:
        """Mark the last run in the log, in place of the best, as chosen."""
        old = next(entry for entry in self.log if entry["chosen"])
        self.log[-1].update(chosen=True, averaged=old["averaged"], experts=starved.tolist())
        old.update(chosen=False, averaged=False)

    def resume_run(self, state: State, label: str) -> Result:
        """Run EM to the end from a state of known parameters.

        Parameters
        ----------
        state : State
        label : str
            Kind of the run in the log.

        Returns
        -------
        Result
        """
        ended = self.run(self.training, state, self.top_k, label)
        self._record(label, ended)
        self.log[-1]["chosen"] = True
        return ended

    @property
    def learns(self) -> bool:
        """Whether penalties of a part are learned."""
        parts = self.training.gate, self.training.bank
        return any(part.strengths is not None for part in parts)

    def update_chosen(self, ended: Result) -> None:
        """Note in the log what the chosen run has reached since."""
        chosen = next(number for number, entry in enumerate(self.log) if entry["chosen"])
        self._record_end(chosen, ended)

    def use(self, training: Trainer) -> None:
        """Go on with another trainer of the mixture, for which no starts are to be tried."""
        self.training = self.cheap = training

    def run(
        self,
        training: Trainer,
        state: State,
        top_k: int | None,
        label: str,
        budget: int | None = None,
        before: tuple[float, ...] = (),
    ) -> Result:
        """Iterate from a state.

        Parameters
        ----------
        training : Trainer
        state : State
        top_k : int or None
        label : str
            Name of the run for the monitor.
        budget : int, optional
            Largest number of iterations.
        before : tuple of float
            Objectives of earlier iterations of the same run.

        Returns
        -------
        Result
        """
        left = self.settings.max_iter - len(before)
        budget = left if budget is None else min(budget, left)
        # Acceleration needs more steps than a short run has.
        many = budget > SHORT
        if self.settings.accelerate and many and top_k is None and training.cheap:
            states = accelerate(state, training, top_k, self.settings.tol)
        else:
            states = iterate(state, lambda current: training.advance(current, top_k))
        fitted = training if training is self.training else None
        with self.settings.monitor.run(label, fitted, budget) as monitor:
            ended = run(
                _monitored(states, monitor, len(before)), tol=self.settings.tol, max_iter=budget
            )
        reason = ended.stop_reason
        if reason is None and len(ended.history) == left:
            reason = f"max_iter={self.settings.max_iter} was reached"
        elif reason is None and monitor.stopped:
            reason = "a callback asked to stop"
        return replace(ended, history=before + ended.history, stop_reason=reason)

    def _reseed(self, state: State, starved: Ints, label: str) -> Result:
        """Run EM from a state whose starved experts are given rows of lowest log-likelihood."""
        resp = reseeded(
            self.training.responsibilities(state, self.top_k).copy(order="F"),
            self.training.log_likelihood(state, self.top_k),
            self.training.weights,
            starved,
        )
        return self.run(self.training, self._fit_first(resp), self.top_k, label)

    def best_of_short(self, starts: Iterable[tuple[str, Floats]]) -> list[Result]:
        """Run all starts for few iterations, the better ones for longer, and the best to the end.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (U, K))
            Kind and responsibilities.

        Returns
        -------
        list of Result
        """
        tried: dict[int, Result] = {}
        for kind, resp in starts:
            number = len(tried)
            tried[number] = self._small(self._short(resp, f"start {number}"))
            self._record(kind, tried[number])
            del resp  # so that its memory is free while the next start is drawn
            if self.settings.monitor.stopped:
                break
        if self.cheap is not self.training:
            ended: dict[int, Result] = {}
            for number in distinct(tried, _reached, self.average):
                ended[number] = self._continue(self._large(tried[number]), f"start {number}")
                self._record_end(number, ended[number])
            return self._chosen(ended)
        finalists = max(self.finalists, len(tried) // 4, self.average)
        for number in distinct(tried, _prospect, finalists):
            self._follow(tried, number, LONGER)
        self._follow(tried, _leader(tried, _prospect), None)
        # The run that was expected to end highest may end below another.
        while not self.is_over(tried[best := _leader(tried, _reached)]):
            self._follow(tried, best, None)
        return [self._large(ended) for ended in self._chosen(tried)]

    def _chosen(self, ended: dict[int, Result]) -> list[Result]:
        """Return the results of the best runs, the best first, and mark them in the log."""
        numbers = distinct(ended, _reached, self.average)
        for number in numbers:
            self.log[number]["averaged"] = self.average > 1
        self.log[numbers[0]]["chosen"] = True
        return [ended[number] for number in numbers]

    def _follow(self, tried: dict[int, Result], number: int, budget: int | None) -> None:
        """Continue the run of one start, for `budget` iterations or to the end."""
        ended = self._continue(self._large(tried[number]), f"start {number}", budget)
        tried[number] = self._small(ended)
        self._record_end(number, ended)

    def _small(self, ended: Result) -> Result:
        """Return a result without (n, K) arrays, to be kept while other starts are tried."""
        return replace(ended, state=self.cheap.strip(ended.state))

    def _large(self, ended: Result) -> Result:
        """Return the full result of one that `_small` returned."""
        return replace(ended, state=self.cheap.restore(ended.state, self.top_k))

    def best_of_full(self, starts: Iterable[tuple[str, Floats]], *, drawn: bool) -> list[Result]:
        """Run every start to the end and return the best runs.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (U, K))
        drawn : bool
            Whether the starts were drawn at random. A run from given responsibilities begins
            with the mixture that is to be fitted.

        Returns
        -------
        list of Result
        """
        ended: dict[int, Result] = {}
        for number, (kind, resp) in enumerate(starts):
            label = f"start {number}"
            if drawn or (self.top_k is not None and self.cheap is self.training):
                run = self._continue(self._short(resp, label), label)
            else:
                run = self.run(self.training, self._fit_first(resp), self.top_k, label)
            self._record(kind, run)
            ended[number] = run
            for worse in set(ended) - set(distinct(ended, _reached, self.average)):
                del ended[worse]
            if self.settings.monitor.stopped:
                break
        return self._chosen(ended)

    @property
    def top_k(self) -> int | None:
        """Number of experts that each unit is routed to; None for all."""
        top_k = self.settings.top_k
        return top_k if top_k is not None and top_k < self.training.n_experts else None

    def _short(self, resp: Floats, label: str) -> Result:
        """Run soft iterations, and for a restricted mixture then a few restricted ones."""
        soft = self.run(self.cheap, self.cheap.begin(resp), None, label + ", soft", SHORT)
        if self.top_k is None:
            return soft
        state = self.cheap.expect(soft.state.parameters, self.top_k)
        return self.run(self.cheap, state, self.top_k, label, _SHORT_RESTRICTED)

    def _continue(self, tried: Result, label: str, budget: int | None = None) -> Result:
        """Continue a short run with the mixture that is to be fitted."""
        if self.cheap is not self.training:
            resp = self.cheap.responsibilities(tried.state, self.top_k)
            return self.run(self.training, self.training.begin(resp), self.top_k, label)
        if self.is_over(tried):
            return tried
        return self.run(self.training, tried.state, self.top_k, label, budget, tried.history)

    def is_over(self, tried: Result) -> bool:
        """Tell whether a run has converged, fallen or used all its iterations."""
        return tried.stop_reason is not None

    def _fit_first(self, resp: Floats) -> State:
        """Return the state of given responsibilities, restricted where the mixture is."""
        if self.top_k is not None:
            resp = np.where(largest(resp, self.top_k), resp, 0.0)
            resp = np.asfortranarray(resp / resp.sum(axis=1, keepdims=True))
        return self.training.begin(resp)

    def _record(self, kind: str, ended: Result) -> None:
        self.log.append({"kind": kind, "chosen": False, "averaged": False})
        self._record_end(-1, ended)

    def _record_failure(self, kind: str, error: Exception) -> None:
        entry = {
            "kind": kind,
            "chosen": False,
            "averaged": False,
            "lower_bound": -np.inf,
            "n_iter": 0,
        }
        self.log.append(entry | {"converged": False, "error": str(error)})

    def _record_end(self, number: int, ended: Result) -> None:
        self.log[number].update(
            lower_bound=float(ended.state.objective),
            n_iter=len(ended.history),
            converged=ended.converged,
        )


def _monitored(states: Iterator[State], monitor: RunMonitor, before: int) -> Iterator[State]:
    """Yield states, reporting each to the monitor, until the monitor is `stopped`."""
    number = before
    while not monitor.stopped:
        number += 1
        monitor.begin()
        state = next(states)
        monitor.end(number, state)
        yield state


def _reached(tried: Result) -> float:
    return tried.state.objective


def _prospect(tried: Result) -> float:
    """Return the objective after as many iterations again, each with the gain of the last one."""
    history = tried.history
    gain = history[-1] - history[-2] if len(history) > 1 and not tried.converged else 0.0
    return tried.state.objective + len(history) * max(gain, 0.0)


def _beats(value: float, other: float) -> bool:
    """Tell whether one value is greater than another by more than rounding.

    Starts often reach the same optimum with the experts in another order. Which of them
    counts as the best must not depend on the last digits.
    """
    return value > other and not value - other <= ROUNDING * (1.0 + abs(value))


def _leader(tried: dict[int, Result], value: Callable[[Result], float]) -> int:
    """Return the number of the start of the greatest value, and of equal ones the first."""
    best = min(tried)
    for number in sorted(tried):
        if _beats(value(tried[number]), value(tried[best])):
            best = number
    return best


def distinct(tried: dict[int, Result], value: Callable[[Result], float], number: int) -> list[int]:
    """Return the numbers of the starts of the greatest values, the best first.

    Of starts with equal objectives only the best, or the first, is among them.
    """
    chosen: list[int] = []
    left = dict(tried)
    while left and len(chosen) < number:
        leader = _leader(left, value)
        chosen.append(leader)
        level = _reached(tried[leader])
        left = {
            k: other
            for k, other in left.items()
            if _beats(_reached(other), level) or _beats(level, _reached(other))
        }
    return chosen
