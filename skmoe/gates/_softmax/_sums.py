"""The softmax gate, folded."""

from functools import partial

import numpy as np

from ..._data.numerics import pair_products, row_max, row_sum
from ...em import _multinomial
from ...em._newton import NewtonPart


class SoftmaxForm:
    """Form of the coefficients (K, p) of a softmax gate.

    What is summed are r - w g, whose products with the design are the gradient; pairs have the
    weights w g_a g_b.
    """

    needs_grams = False

    def __init__(self, coef):
        self.coef = coef
        self.n_experts = self.n_first = len(coef)
        self.n_pairs = len(coef) * (len(coef) - 1) // 2

    def make(self, size):
        """Make room for `size` rows."""
        self._proba = np.empty((self.n_experts, size))

    def zero_further(self):
        """Nothing."""
        return []

    def evaluate_forms(self, logits):
        """Turn logits (K, b) into log-probabilities, in place."""
        self._weights = None
        self._log_proba = logits
        logits -= row_max(logits.T)
        np.exp(logits, out=self._proba)
        total = row_sum(self._proba.T)
        self._proba *= 1.0 / total
        logits -= np.log(total)
        return logits

    def entropy(self):
        """Entropies (b,) of the probabilities, in nats."""
        return -np.einsum("kb,kb->b", self._proba, self._log_proba)

    def add(self, resp, weights, first, further):
        """Write r - w g."""
        self._weights = weights
        if weights is not None:
            self._proba *= weights
        np.subtract(resp, self._proba, out=first)

    def shares(self):
        """Weights of the products of columns in the Hessian."""
        shares = pair_products(self._proba, offset=1)
        if self._weights is not None:
            shares /= self._weights
        return shares


class SoftmaxPart(NewtonPart):
    """M-step of a softmax gate.

    Parameters
    ----------
    trainer : SoftmaxTrainer
    n_experts : int
    """

    def __init__(self, trainer, n_experts):
        super().__init__(trainer.problem.shape, trainer.problem.ridge)

    def form(self, coef, dispersion=None):
        """Return what makes a `SoftmaxForm`."""
        return partial(SoftmaxForm, coef[0])

    def state(self, coef):
        """An iterate without rows."""
        return _multinomial.Iterate(coef, None)

    def problem_masses(self, statistics):
        """All rows are those of the one problem."""
        return np.array([statistics.weight])

    def reading(self, gate, design):
        """The iterate of a fitted gate."""
        return design.from_raw(gate.coef_, gate.intercept_)[None]
