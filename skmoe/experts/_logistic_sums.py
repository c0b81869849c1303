"""Logistic experts from sums over rows: their form and M-step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._data.numerics import log_softmax, pair_products
from ..em import _multinomial
from ..em._parts import BaseForm, NewtonPart
from ..em._protocols import Floats, Target
from ..em._sums import Statistics, Sums


class LogisticForm(BaseForm):
    """Form of coefficients (K, C, p) of logistic experts with probabilities P.

    Its rows, whose products with the design are summed, are r (1 - P) for the row's own class and
    -r P for the others. The products of columns for the pair of classes a, b of an expert have the
    weights r P_a P_b.
    """

    def __init__(self, coef: Floats) -> None:
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self.n_pairs = len(coef) * self.shape[1] * (self.shape[1] - 1) // 2

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None:
        """Compute log-probabilities, which overwrite logits (K C, b); y (b, 1) are codes."""
        self._log_proba = predictions.reshape(*self.shape, -1)
        for one in self._log_proba:
            log_softmax(one.T)
        self._codes = y[:, 0].astype(int)

    def log_density(self, out: Floats) -> None:
        """Write log-probabilities (K, b) of the row's own class into `out`."""
        out[:] = self._log_proba[:, self._codes, np.arange(len(self._codes))]

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write residuals × r of all classes."""
        self._resp, self._proba = resp, np.exp(self._log_proba)
        residual = first.reshape(self._proba.shape)
        np.multiply(self._proba, -resp[:, None], out=residual)
        residual[:, self._codes, np.arange(len(self._codes))] += resp

    def shares(self) -> Floats:
        """Return the weights of the products of columns in the Hessians."""
        pairs = [pair_products(proba, offset=1) for proba in self._proba]
        return np.concatenate([pair * r for pair, r in zip(pairs, self._resp, strict=True)])


class LogisticPart(NewtonPart):
    """M-step of logistic experts from sums over rows; an iterate is coef (K, C, p).

    Parameters
    ----------
    problem : Labels
        The problem of the bank.
    """

    #: Labels have no dispersion.
    n_outputs: int | None = None

    def __init__(self, problem: _multinomial.Labels) -> None:
        super().__init__(problem.shape, problem.ridge)

    def form(self, iterate: Floats, dispersion: Floats | None = None) -> Callable[[], LogisticForm]:
        """Return a callable that makes a `LogisticForm`."""
        return partial(LogisticForm, iterate)

    def state(self, iterate: Floats) -> _multinomial.Iterate:
        """Return the bank's state of coefficients, without log-probabilities of rows."""
        return _multinomial.Iterate(iterate, None)

    def reading(self, experts: list[Any], design: Any, target: Target) -> Floats:
        """Return the iterate of fitted experts."""
        raw = np.stack([expert.coef_ for expert in experts])
        intercept = np.stack([expert.intercept_ for expert in experts])
        if self.shape[1] == 2:
            # Two classes have coefficients of opposite signs; scikit-learn has their difference.
            signs = np.array([-0.5, 0.5])
            raw, intercept = raw * signs[:, None], intercept * signs
        return design.from_raw(raw, intercept)

    def deviances(self, old: Floats, new: Floats, sums: Sums, statistics: Statistics) -> None:
        """Return None: labels have no dispersion."""
        return None
