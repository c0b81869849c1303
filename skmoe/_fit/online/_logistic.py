"""Logistic experts on a stream."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...em import _multinomial
from ...experts import LogisticBank
from ._logits import Softmax


@dataclass(frozen=True)
class LogisticStream:
    """Multinomial logistic experts that learn batch by batch.

    Attributes
    ----------
    template : LogisticRegression
    softmax : Softmax
        Of G = K functions.
    """

    template: Any
    softmax: Softmax

    #: Whether a fit to the last rows costs little.
    cheap = True

    @classmethod
    def of(cls, model, view, target):
        """Those of a fitted mixture."""
        bank = LogisticBank(model.experts_[0], view, target, model.n_experts_)
        coef = np.stack([expert.coef_ for expert in model.experts_])
        intercept = np.stack([expert.intercept_ for expert in model.experts_])
        if len(target.classes) == 2:
            # One vector w in scikit-learn, halves of it with opposite signs here.
            coef = np.concatenate([-coef, coef], axis=1) / 2
            intercept = np.concatenate([-intercept, intercept], axis=1) / 2
        coef = view.design.from_raw(coef, intercept)
        return cls(model.experts_[0], Softmax(coef, bank.problem.ridge))

    @staticmethod
    def seen(view):
        """What of a batch they look at."""
        return view.design

    def log_density(self, design, target):
        """Log-probabilities (n, K) of each row's own class."""
        return self._problem(design, target).log_proba(self.softmax.coef)

    def learned(self, design, target, resp, weights, rate):
        """Return the experts after a batch."""
        problem = self._problem(design, target)
        problem.bind(np.asfortranarray(resp * weights[:, None]))
        return replace(self, softmax=self.softmax.learned(problem, weights.sum(), rate))

    def _problem(self, design, target):
        n_experts, n_classes, p = self.softmax.coef.shape
        return _multinomial.Labels(design, np.zeros(p), target.codes, n_classes, n_experts)

    def finish(self, view, target):
        """The fitted experts."""
        bank = LogisticBank(self.template, view, target, len(self.softmax.coef))
        return bank.finish(_multinomial.Iterate(self.softmax.coef, None))

    def law_parameters(self, target):
        """Nothing: labels have no dispersion."""
        return None
