"""From starts to the best run: the policy that decides where EM begins and goes on."""

from dataclasses import dataclass, replace

import numpy as np

from .em._engine import State, e_step, iterate, run
from .routing import largest

#: Soft iterations of a short run.
SHORT = 10

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
    report : callable
        ``report(label, iteration, objective)`` is called after each iteration.
    """

    tol: float
    max_iter: int
    top_k: int | None
    report: object


class Search:
    """Runs starts and keeps the best.

    Parameters
    ----------
    training : Training
        What is to be fitted in the end.
    cheap : Training
        What starts are tried on: `training` itself where its parts are solved
        in batches, else batched linear experts with a softmax gate.
    settings : Settings
    """

    def __init__(self, training, cheap, settings):
        self.training, self.cheap, self.settings = training, cheap, settings
        self.log = []

    def best_of_short(self, starts):
        """Run all starts shortly and the best of them to the end.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (n, K))
            Kind and responsibilities.

        Returns
        -------
        Result
        """
        best = None
        for number, (kind, resp) in enumerate(starts):
            tried = self._short(resp, f"start {number}")
            self._record(kind, tried)
            if best is None or tried.state.objective > best[1].state.objective:
                best = number, self._strip(tried)
        number, tried = best
        self.log[number]["chosen"] = True
        ended = self._continue(self._restore(tried), f"start {number}")
        if self.cheap is self.training:
            self._record_end(number, ended)
        return ended

    def best_of_full(self, starts, *, drawn):
        """Run every start to the end and return the best run.

        Parameters
        ----------
        starts : iterator of (str, ndarray of shape (n, K))
        drawn : bool
            Whether the starts were drawn here; those a user gives are trained
            on as they are.

        Returns
        -------
        Result
        """
        best = None
        for number, (kind, resp) in enumerate(starts):
            label = f"start {number}"
            if drawn or (self._restricted and self.cheap is self.training):
                ended = self._continue(self._short(resp, label), label)
            else:
                ended = self._full(resp, None, label)
            self._record(kind, ended)
            if best is None or ended.state.objective > best[1].state.objective:
                best = number, ended
        self.log[best[0]]["chosen"] = True
        return best[1]

    @property
    def _restricted(self):
        top_k = self.settings.top_k
        return top_k is not None and top_k < self.training.n_experts

    def _short(self, resp, label):
        """Soft iterations, then for a restricted mixture a few restricted ones."""
        settings = self.settings
        budget = min(SHORT, settings.max_iter)
        soft = self._run(self.cheap, resp, None, None, budget, label + ", soft")
        if not self._restricted:
            return soft
        budget = min(_SHORT_RESTRICTED, settings.max_iter)
        parameters, resp = soft.state.parameters, self._restrict(soft.state.resp)
        return self._run(self.cheap, resp, parameters, settings.top_k, budget, label)

    def _continue(self, tried, label):
        """Go on from a short run, with the mixture that is to be fitted."""
        if self.cheap is not self.training:
            return self._full(tried.state.resp, None, label)
        left = self.settings.max_iter - len(tried.history)
        if tried.converged or left <= 0:
            return tried
        ended = self._full(tried.state.resp, tried.state.parameters, label, tried.history)
        return ended

    def _full(self, resp, parameters, label, history=()):
        resp = self._restrict(resp) if self._restricted and not history else resp
        budget = self.settings.max_iter - len(history)
        top_k = self.settings.top_k
        return self._run(self.training, resp, parameters, top_k, budget, label, history)

    def _run(self, training, resp, parameters, top_k, budget, label, history=()):
        states = iterate(
            resp, training.m_step, training.weights, top_k=top_k, parameters=parameters
        )
        states = self._reported(states, label, len(history))
        ended = run(states, tol=self.settings.tol, max_iter=budget)
        reason = ended.stop_reason
        if not ended.converged and len(history) + len(ended.history) >= self.settings.max_iter:
            reason = f"max_iter={self.settings.max_iter} was reached"
        return replace(ended, history=history + ended.history, stop_reason=reason)

    def _reported(self, states, label, before):
        for number, state in enumerate(states, start=before + 1):
            self.settings.report(label, number, state.objective)
            yield state

    def _restrict(self, resp):
        """Keep the `top_k` largest responsibilities of each row."""
        kept = np.where(largest(resp, self.settings.top_k), resp, 0.0)
        return np.asfortranarray(kept / kept.sum(axis=1, keepdims=True))

    def _strip(self, tried):
        """A result without its (n, K) arrays, to be kept while others are tried."""
        state = State(self.cheap.strip(tried.state.parameters), None, tried.state.objective)
        return replace(tried, state=state)

    def _restore(self, tried):
        parameters, log_gate, log_density, _ = self.cheap.terms(
            self.cheap.restore(tried.state.parameters)
        )
        top_k = self.settings.top_k if self._restricted else None
        resp, _ = e_step(log_gate, log_density, top_k)
        state = State(parameters, resp, tried.state.objective)
        return replace(tried, state=state)

    def _record(self, kind, ended):
        self.log.append({"kind": kind, "chosen": False})
        self._record_end(-1, ended)

    def _record_end(self, number, ended):
        self.log[number].update(
            lower_bound=float(ended.state.objective),
            n_iter=len(ended.history),
            converged=ended.converged,
        )
