"""Stepwise EM: an E-step on each batch, an M-step on sums that forget."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...em._loop import e_step
from ._gate import GateStream
from ._linear import LinearStream
from ._logistic import LogisticStream
from ._parts import solved_at_once
from ._wrapped import WrappedStream

#: A batch's share is the number of batches so far to this power, and no less than so much.
_POWER = -0.6
_SMALLEST_RATE = 0.02

#: A batch whose mean log-score lies so many standard errors below that of those before it is
#: of another regime. It takes some batches to know what is usual.
_SURPRISE = 6.0
_BATCHES_BEFORE = 5


@dataclass(frozen=True)
class Batch:
    """Rows of positive weight as gate and experts see them.

    Attributes
    ----------
    gate, experts : View
        In the units that the stream began with.
    target : Target or Labels
    weights : ndarray of shape (n,)
    """

    gate: Any
    experts: Any
    target: Any
    weights: np.ndarray


@dataclass(frozen=True)
class ScoreBaseline:
    """Mean log-scores of batches, decayed: what to expect of the next one.

    Attributes
    ----------
    mean, variance : float
        Of the mean log-scores of batches.
    """

    mean: float
    variance: float

    def with_score(self, score, rate):
        """After one more batch."""
        gap = score - self.mean
        return ScoreBaseline(self.mean + rate * gap, (1 - rate) * (self.variance + rate * gap**2))


@dataclass(frozen=True)
class Stream:
    """A gate and experts that go on learning (Cappé and Moulines 2009).

    Attributes
    ----------
    gate : GateStream
    experts : LinearStream, LogisticStream or WrappedStream
    usual : ScoreBaseline or None
    n_batches : int
    usage : ndarray of shape (K,)
        Decayed shares of the weight that experts are responsible for.
    """

    gate: Any
    experts: Any
    baseline: Any
    n_batches: int
    usage: np.ndarray

    @classmethod
    def of(cls, model, named, batch):
        """Return the stream of a mixture that has been fitted to a batch.

        Parameters
        ----------
        model : fitted mixture
        named : list of (str, estimator)
            Its experts, unfitted.
        batch : Batch
        """
        gate = GateStream.of(model.gate_, batch.gate.design)
        experts = _experts(model, named, batch)
        stream = cls(gate, experts, None, 1, np.zeros(model.n_experts_))
        resp, _ = stream.expect(batch, model.top_k)
        return replace(
            stream,
            gate=gate.learned(batch.gate.design, resp, batch.weights, None),
            experts=experts.learned(
                experts.seen(batch.experts), batch.target, resp, batch.weights, None
            ),
            usage=batch.weights @ resp / batch.weights.sum(),
        )

    def expect(self, batch, top_k):
        """Responsibilities (n, K) and log-scores (n,) of a batch, before it is learned."""
        log_gate = self.gate.log_proba(batch.gate.design)
        seen = self.experts.seen(batch.experts)
        log_density = self.experts.log_density(seen, batch.target)
        resp, scores = e_step(log_gate, np.asfortranarray(log_density), top_k)
        return resp, scores - batch.target.log_scale

    def has_drifted(self, batch, scores):
        """Tell whether a batch with these log-scores is of another regime."""
        if self.baseline is None or self.n_batches < _BATCHES_BEFORE:
            return False
        mean = np.average(scores, weights=batch.weights)
        within = np.average((scores - mean) ** 2, weights=batch.weights) / len(scores)
        return mean < self.baseline.mean - _SURPRISE * np.sqrt(self.baseline.variance + within)

    def learned(self, batch, resp, scores):
        """Return the stream after a batch whose E-step has been made."""
        rate = max((self.n_batches + 1.0) ** _POWER, _SMALLEST_RATE)
        score = float(np.average(scores, weights=batch.weights))
        baseline = (
            ScoreBaseline(score, 0.0)
            if self.baseline is None
            else self.baseline.with_score(score, rate)
        )
        usage = batch.weights @ resp / batch.weights.sum()
        seen = self.experts.seen(batch.experts)
        return Stream(
            self.gate.learned(batch.gate.design, resp, batch.weights, rate),
            self.experts.learned(seen, batch.target, resp, batch.weights, rate),
            baseline,
            self.n_batches + 1,
            (1 - rate) * self.usage + rate * usage,
        )


def _experts(model, named, batch):
    """The experts of a fitted mixture, as they go on learning."""
    loss = "squares" if batch.target.classes is None else "labels"
    if not solved_at_once(named[0][1], loss):
        return WrappedStream.of(model, named, batch.target)
    if loss == "labels":
        return LogisticStream.of(model, batch.experts, batch.target)
    return LinearStream.of(model, batch.experts.design, batch.target)
