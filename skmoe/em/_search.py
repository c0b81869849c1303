"""From starts to the best run: the policy that decides where EM begins and goes on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..routing import largest
from ._anderson import accelerate
from ._loop import ROUNDING, iterate, run
from ._starts import reseeded

#: Soft iterations of a short run.
SHORT = 10

#: Starts that are followed for longer before one is chosen, at least, and for how long. Of many
#: it is a quarter.
FINALISTS = 3
LONGER = 30

#: An expert with a smaller share of the weight than this is dead: another start is tried
#: in which it begins with the rows explained worst.
DEAD_SHARE = 1e-4

#: Restricted iterations by which the starts of a sparse or hard mixture are compared.
_SHORT_RESTRICTED = 3


@dataclass(frozen=True)
class Settings:
    """How long to run, and how to route.

    Attributes
    ----------
    tol : float
    max_iter : int
    top_k : int or None
    watch : SilentMonitor
        Who looks on, as `_watch` has them.
    accelerate : bool
    """

    tol: float
    max_iter: int
    top_k: int | None
    monitor: Any
    accelerate: bool


class Search:
    """Runs starts and keeps the best.

    Parameters
    ----------
    training : RowTrainer
        What is to be fitted in the end.
    cheap : RowTrainer
        What starts are tried on: `training` itself where its parts are solved
        in batches, else batched linear experts with a softmax gate.
    settings : Settings
    average : int
        Number of runs to return, the best first; fewer where fewer differ.
    finalists : int
        Starts that are followed for longer, at least.
    """

    def __init__(self, training, cheap, settings, average=1, finalists=FINALISTS):
        self.training, self.cheap, self.settings = training, cheap, settings
        self.average, self.finalists = average, finalists
        self.log = []

    def reseed_dead(self, ended):
        """Give dead experts the rows explained worst, for as long as that pays.

        Parameters
        ----------
        ended : Result

        Returns
        -------
        Result
            Of the better run: the one given, or another from its responsibilities.
        """
        for attempt in range(self.training.n_experts):
            dead = np.flatnonzero(self.training.usage(ended.state) < DEAD_SHARE)
            if not len(dead):
                break
            try:
                other = self._reseed(ended.state, dead, f"reseeding {attempt}")
            except ValueError as error:
                # An expert that cannot be fitted to such rows takes nothing from what is fitted.
                self._record_failure("reseeded", error)
                break
            self._record("reseeded", other)
            if not _beats(_reached(other), _reached(ended)):
                break
            self._replace_chosen(dead)
            ended = other
        return ended

    def _replace_chosen(self, dead):
        """Mark the last run in the log as the one that took the place of the best."""
        old = next(entry for entry in self.log if entry["chosen"])
        self.log[-1].update(chosen=True, averaged=old["averaged"], experts=dead.tolist())
        old.update(chosen=False, averaged=False)

    def resume_run(self, state, label):
        """Go on from a state of parameters that were found elsewhere, to the end.

        Parameters
        ----------
        state : State
        label : str
            What the log calls it.

        Returns
        -------
        Result
        """
        ended = self._run(self.training, state, self.top_k, label)
        self._record(label, ended)
        self.log[-1]["chosen"] = True
        return ended

    def _reseed(self, state, dead, label):
        resp = reseeded(
            self.training.responsibilities(state, self.top_k).copy(order="F"),
            self.training.log_likelihood(state, self.top_k),
            self.training.weights,
            dead,
        )
        return self._run(self.training, self._fit_first(resp), self.top_k, label)

    def best_of_short(self, starts):
        """Run all starts shortly, the promising ones longer, and the best to the end.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (U, K))
            Kind and responsibilities.

        Returns
        -------
        list of Result
        """
        tried = {}
        for kind, resp in starts:
            number = len(tried)
            tried[number] = self._small(self._short(resp, f"start {number}"))
            self._record(kind, tried[number])
            del resp  # or it would still be held while the next start is drawn
            if self.settings.monitor.stopped:
                break
        if self.cheap is not self.training:
            ended = {}
            for number in _distinct(tried, _reached, self.average):
                ended[number] = self._continue(self._large(tried[number]), f"start {number}")
                self._record_end(number, ended[number])
            return self._chosen(ended)
        finalists = max(self.finalists, len(tried) // 4, self.average)
        for number in _distinct(tried, _prospect, finalists):
            self._follow(tried, number, LONGER)
        self._follow(tried, _leader(tried, _prospect), None)
        # What promised most may end below what another has reached already.
        while not self.is_over(tried[best := _leader(tried, _reached)]):
            self._follow(tried, best, None)
        return [self._large(ended) for ended in self._chosen(tried)]

    def _chosen(self, ended):
        """Results of the best runs of those given by number, the best first; marked in the log."""
        numbers = _distinct(ended, _reached, self.average)
        for number in numbers:
            self.log[number]["averaged"] = self.average > 1
        self.log[numbers[0]]["chosen"] = True
        return [ended[number] for number in numbers]

    def _follow(self, tried, number, budget):
        """Go on with one start, for `budget` iterations or to the end."""
        ended = self._continue(self._large(tried[number]), f"start {number}", budget)
        tried[number] = self._small(ended)
        self._record_end(number, ended)

    def _small(self, ended):
        """A result without (n, K) arrays, to be kept while others are tried."""
        return replace(ended, state=self.cheap.strip(ended.state))

    def _large(self, ended):
        """The result that `_small` made small."""
        return replace(ended, state=self.cheap.restore(ended.state, self.top_k))

    def best_of_full(self, starts, *, drawn):
        """Run every start to the end and return the best runs.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (U, K))
        drawn : bool
            Whether the starts were drawn here; those a user gives are trained
            on as they are.

        Returns
        -------
        list of Result
        """
        ended = {}
        for number, (kind, resp) in enumerate(starts):
            label = f"start {number}"
            if drawn or (self.top_k is not None and self.cheap is self.training):
                run = self._continue(self._short(resp, label), label)
            else:
                run = self._run(self.training, self._fit_first(resp), self.top_k, label)
            self._record(kind, run)
            ended[number] = run
            for worse in set(ended) - set(_distinct(ended, _reached, self.average)):
                del ended[worse]
            if self.settings.monitor.stopped:
                break
        return self._chosen(ended)

    @property
    def top_k(self):
        """Number of experts that keep a row; None where that is all of them."""
        top_k = self.settings.top_k
        return top_k if top_k is not None and top_k < self.training.n_experts else None

    def _short(self, resp, label):
        """Soft iterations, then for a restricted mixture a few restricted ones."""
        soft = self._run(self.cheap, self.cheap.begin(resp), None, label + ", soft", SHORT)
        if self.top_k is None:
            return soft
        state = self.cheap.expect(soft.state.parameters, self.top_k)
        return self._run(self.cheap, state, self.top_k, label, _SHORT_RESTRICTED)

    def _continue(self, tried, label, budget=None):
        """Go on from a short run, with the mixture that is to be fitted."""
        if self.cheap is not self.training:
            resp = self.cheap.responsibilities(tried.state, self.top_k)
            return self._run(self.training, self.training.begin(resp), self.top_k, label)
        if self.is_over(tried):
            return tried
        return self._run(self.training, tried.state, self.top_k, label, budget, tried.history)

    def is_over(self, tried):
        """Whether a run has converged, fallen or used all its iterations."""
        return tried.stop_reason is not None

    def _fit_first(self, resp):
        """State of responsibilities that a user gives, restricted where the mixture is."""
        if self.top_k is not None:
            resp = np.where(largest(resp, self.top_k), resp, 0.0)
            resp = np.asfortranarray(resp / resp.sum(axis=1, keepdims=True))
        return self.training.begin(resp)

    def _run(self, training, state, top_k, label, budget=None, before=()):
        """Iterate from a state for at most `budget` iterations, after those `before`."""
        left = self.settings.max_iter - len(before)
        budget = left if budget is None else min(budget, left)
        # A few steps are too few to learn from.
        many = budget is None or budget > SHORT
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

    def _record(self, kind, ended):
        self.log.append({"kind": kind, "chosen": False, "averaged": False})
        self._record_end(-1, ended)

    def _record_failure(self, kind, error):
        entry = {
            "kind": kind,
            "chosen": False,
            "averaged": False,
            "lower_bound": -np.inf,
            "n_iter": 0,
        }
        self.log.append(entry | {"converged": False, "error": str(error)})

    def _record_end(self, number, ended):
        self.log[number].update(
            lower_bound=float(ended.state.objective),
            n_iter=len(ended.history),
            converged=ended.converged,
        )


def _monitored(states, monitor, before):
    """Yield states that somebody looks at, for as long as nobody asks to stop."""
    number = before
    while not monitor.stopped:
        number += 1
        monitor.begin()
        state = next(states)
        monitor.end(number, state)
        yield state


def _reached(tried):
    return tried.state.objective


def _prospect(tried):
    """What a run would reach if it went on as long again at its last pace."""
    history = tried.history
    schedule = history[-1] - history[-2] if len(history) > 1 and not tried.converged else 0.0
    return tried.state.objective + len(history) * max(schedule, 0.0)


def _beats(value, other):
    """Tell whether one value is greater than another by more than rounding.

    Starts often reach the same optimum with the experts in another order: which of them
    counts as the best must not hang on the last digits.
    """
    return value > other and not value - other <= ROUNDING * (1.0 + abs(value))


def _leader(tried, value):
    """Number of the start of the greatest value, of equal ones the first."""
    best = min(tried)
    for number in sorted(tried):
        if _beats(value(tried[number]), value(tried[best])):
            best = number
    return best


def _distinct(tried, value, number):
    """Numbers of the starts of the greatest values, best first; of equal objectives the first."""
    chosen, left = [], dict(tried)
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
