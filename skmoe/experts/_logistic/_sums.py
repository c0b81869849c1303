"""Logistic experts, folded."""

from functools import partial

import numpy as np

from ..._data.numerics import log_softmax, pair_products
from ...em import _multinomial
from ...em._newton import NewtonPart


class LogisticForm:
    """Form of coefficients (K, C, p).

    What is summed are r (1 - P) of the row's own class and -r P of the others; pairs have the
    weights r P_a P_b, for each expert.
    """

    needs_grams = False

    def __init__(self, coef):
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self.n_pairs = len(coef) * self.shape[1] * (self.shape[1] - 1) // 2

    def make(self, size):
        """Nothing is needed."""

    def zero_further(self):
        """Nothing."""
        return []

    def evaluate_forms(self, logits, y):
        """Turn logits into log-probabilities, in place; y (b, 1) are codes of classes."""
        self._log_proba = logits.reshape(*self.shape, -1)
        for one in self._log_proba:
            log_softmax(one.T)
        self._codes = y[:, 0].astype(int)

    def log_density(self, out):
        """Fill in log-probabilities (K, b) of the row's own class."""
        out[:] = self._log_proba[:, self._codes, np.arange(len(self._codes))]

    def add(self, resp, weights, first, further):
        """Write the residuals of all classes, × r."""
        self._resp, self._proba = resp, np.exp(self._log_proba)
        residual = first.reshape(self._proba.shape)
        np.multiply(self._proba, -resp[:, None], out=residual)
        residual[:, self._codes, np.arange(len(self._codes))] += resp

    def shares(self):
        """Weights of the products of columns in the Hessians."""
        pairs = [pair_products(proba, offset=1) for proba in self._proba]
        return np.concatenate([pair * r for pair, r in zip(pairs, self._resp, strict=True)])


class LogisticPart(NewtonPart):
    """M-step of logistic experts, which have no dispersion.

    Parameters
    ----------
    bank : LogisticBank
    law : Categorical
    """

    n_outputs = None

    def __init__(self, bank, law):
        super().__init__(bank.problem.shape, bank.problem.ridge)

    def form(self, coef, dispersion=None):
        """Return what makes a `LogisticForm`."""
        return partial(LogisticForm, coef)

    def state(self, coef):
        """An iterate without rows."""
        return _multinomial.Iterate(coef, None)

    def reading(self, experts, design, target):
        """The iterate of fitted experts."""
        raw = np.stack([expert.coef_ for expert in experts])
        intercept = np.stack([expert.intercept_ for expert in experts])
        if self.shape[1] == 2:
            # Two classes have coefficients of opposite signs, of which scikit-learn keeps the gap.
            signs = np.array([-0.5, 0.5])
            raw, intercept = raw * signs[:, None], intercept * signs
        return design.from_raw(raw, intercept)

    def deviances(self, old, new, sums, statistics):
        """Nothing: labels have no dispersion."""
