"""The softmax gate from sums over rows: its form and M-step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._data.numerics import pair_products, row_max, row_sum
from ..em import _multinomial
from ..em._parts import BaseForm, NewtonPart
from ..em._protocols import Floats
from ..em._sums import Statistics


class SoftmaxForm(BaseForm):
    """Form of the coefficients (K, p) of a softmax gate with probabilities g.

    Its rows are r - w g, whose products with the design sum to the gradient. The products of
    columns for the pair of experts a, b have the weights w g_a g_b.
    """

    def __init__(self, coef: Floats) -> None:
        self.coef = coef
        self.n_experts = self.n_first = len(coef)
        self.n_pairs = len(coef) * (len(coef) - 1) // 2

    def make(self, size: int) -> None:
        """Make room for `size` rows."""
        self._proba = np.empty((self.n_experts, size))

    def evaluate_forms(self, logits: Floats) -> Floats:
        """Return log-probabilities (K, b), which overwrite logits (K, b)."""
        self._weights = None
        self._log_proba = logits
        logits -= row_max(logits.T)
        np.exp(logits, out=self._proba)
        total = row_sum(self._proba.T)
        self._proba *= 1.0 / total
        logits -= np.log(total)
        return logits

    def entropy(self) -> Floats:
        """Return the entropies (b,) of the probabilities, in nats."""
        return -np.einsum("kb,kb->b", self._proba, self._log_proba)

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write r - w g."""
        self._weights = weights
        if weights is not None:
            self._proba *= weights
        np.subtract(resp, self._proba, out=first)

    def shares(self) -> Floats:
        """Return the weights of the products of columns in the Hessian."""
        shares = pair_products(self._proba, offset=1)
        if self._weights is not None:
            shares /= self._weights
        return shares


class SoftmaxPart(NewtonPart):
    """M-step of a softmax gate from sums over rows; an iterate is coef (1, K, p).

    Parameters
    ----------
    problem : SoftTargets
        The problem of the gate's trainer.
    """

    def __init__(self, problem: _multinomial.SoftTargets) -> None:
        super().__init__(problem.shape, problem.ridge)

    def form(self, iterate: Floats, dispersion: Floats | None = None) -> Callable[[], SoftmaxForm]:
        """Return a callable that makes a `SoftmaxForm`."""
        return partial(SoftmaxForm, iterate[0])

    def state(self, iterate: Floats) -> _multinomial.Iterate:
        """Return the trainer's state of coefficients, without log-probabilities of rows."""
        return _multinomial.Iterate(iterate, None)

    def problem_masses(self, statistics: Statistics) -> Floats:
        """Return the weight (1,) of all rows, which belong to the one problem."""
        return np.array([statistics.weight])

    def reading(self, gate: Any, design: Any) -> Floats:
        """Return the iterate of a fitted gate."""
        return design.from_raw(gate.coef_, gate.intercept_)[None]
