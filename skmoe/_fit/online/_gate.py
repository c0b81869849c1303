"""The softmax gate on a stream."""

from dataclasses import dataclass, replace

import numpy as np

from ..._data.numerics import log_softmax
from ...em import _multinomial
from ...gates import SoftmaxGate, SoftmaxTrainer
from ._logits import Softmax


@dataclass(frozen=True)
class GateStream:
    """A softmax gate that learns batch by batch.

    Attributes
    ----------
    template : SoftmaxGate
    softmax : Softmax
        Of G = 1 function of K classes.
    """

    template: SoftmaxGate
    softmax: Softmax

    @classmethod
    def of(cls, gate, design):
        """That of a fitted gate."""
        ridge = np.append(np.full(len(design.scale), float(gate.alpha)), 0.0)
        coef = design.from_raw(gate.coef_, gate.intercept_)
        return cls(gate, Softmax(coef[None], ridge))

    def log_proba(self, design):
        """Log-probabilities (n, K) in the rows of a batch."""
        return design.linear(self.softmax.coef[0], then=log_softmax)

    def learned(self, design, resp, weights, rate):
        """Return the gate after a batch."""
        n_experts = resp.shape[1]
        problem = _multinomial.SoftTargets(design, np.zeros(design.shape[1]), n_experts)
        problem.bind(np.asfortranarray(resp * weights[:, None]), weights)
        return replace(self, softmax=self.softmax.learned(problem, weights.sum(), rate))

    def finish(self, view):
        """The fitted gate."""
        trainer = SoftmaxTrainer(self.template, view, view.weights, self.softmax.coef.shape[1])
        return trainer.finish(_multinomial.Iterate(self.softmax.coef, None))
