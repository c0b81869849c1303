"""The Gaussian gate as a part of sums over rows: the joint model of expert and x."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..._data.numerics import log_softmax
from ...em._parts import BaseForm, ExactPart
from ...em._protocols import Floats
from ...em._sums import Statistics, Sums


@dataclass(frozen=True)
class Densities:
    """Parameters of the densities of all experts, for standardised rows.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
    covariance, whiteners : ndarray
        In the shapes of `_covariance`.
    """

    weights: Floats
    means: Floats
    covariance: Floats
    whiteners: Floats


class GaussianForm(BaseForm):
    """Form of Gaussian densities with precisions W'W.

    The covariance of u = W (z - m) is the identity. Further sums are those of r u (K, q) and of
    r u u' (K, q, q), or r u² (K, q) for independent columns. They are sums about the last means,
    so that no digits are lost where an expert is far from the origin.

    Parameters
    ----------
    coef : ndarray of shape (K, q, p)
    heights : ndarray of shape (K,)
        Log-densities at the means.
    diagonal : bool
        Whether columns are independent.
    """

    def __init__(self, coef: Floats, heights: Floats, diagonal: bool) -> None:
        self.shape, self.n_experts, self.diagonal = coef.shape[:2], len(coef), diagonal
        self.coef = coef.reshape(-1, coef.shape[2])
        self._heights = heights[:, None]

    def zero_further(self) -> list[Floats]:
        """Return zeros for the sums of r u, and of r u u' or r u²."""
        width = self.shape if self.diagonal else (*self.shape, self.shape[1])
        return [np.zeros(self.shape), np.zeros(width)]

    def evaluate_forms(self, logits: Floats) -> Floats:
        """Return log-densities (K, b) of expert and row, given u (K q, b)."""
        self._white = logits.reshape(*self.shape, logits.shape[1])
        with np.errstate(over="ignore"):
            squares = np.einsum("kqb,kqb->kb", self._white, self._white)
        self._joint = self._heights - 0.5 * squares
        return self._joint

    def entropy(self) -> Floats:
        """Return the entropies (b,) of the probabilities, in nats."""
        log_proba = log_softmax(self._joint.copy().T)
        return -(np.exp(log_proba) * log_proba).sum(axis=1)

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Add r u, and r u u' or r u²."""
        for k, (white, r) in enumerate(zip(self._white, resp, strict=True)):
            scaled = white * r
            further[0][k] += scaled.sum(axis=1)
            if self.diagonal:
                further[1][k] += np.einsum("qb,qb->q", scaled, white)
            else:
                further[1][k] += scaled @ white.T


class GaussianPart(ExactPart):
    """M-step of a Gaussian gate from sums over rows, in closed form; an iterate is `Densities`.

    Parameters
    ----------
    trainer : GaussianTrainer
    n_experts : int
    """

    def __init__(self, trainer: Any, n_experts: int) -> None:
        self.trainer = trainer
        self.kept = np.flatnonzero(trainer.columns)
        self.shape = (n_experts, len(self.kept), len(trainer.columns) + 1)
        # The number of linear forms of a row.
        self.size = n_experts * len(self.kept)

    def zero(self) -> Densities:
        """Return the first iterate: every expert has the mean and covariance of all rows."""
        return self.trainer.common_state(self.shape[0])

    def form(
        self, iterate: Densities, dispersion: Floats | None = None
    ) -> Callable[[], GaussianForm]:
        """Return a callable that makes a `GaussianForm`."""
        white = self._matrices(iterate)
        coef = np.zeros(self.shape)
        coef[:, :, self.kept] = white
        coef[:, :, -1] = -np.einsum("kij,kj->ki", white, iterate.means)
        diagonal = self.trainer.covariance.diagonal
        return partial(GaussianForm, coef, self.trainer.log_heights(iterate), diagonal)

    def _matrices(self, iterate: Densities) -> Floats:
        """Return the whiteners of any kind of covariance as matrices, (K, q, q)."""
        return self.trainer.covariance.matrices(iterate.whiteners, self.shape[0])

    def state(self, iterate: Densities) -> Densities:
        """Return the iterate, which is a state of the trainer."""
        return iterate

    def reading(self, gate: Any, design: Any) -> Densities:
        """Return the iterate of a fitted gate."""
        return self.trainer.reading(gate)

    def propose(
        self, old: Densities, sums: Sums, statistics: Statistics, inverse: None
    ) -> Densities:
        """Return the iterate that maximises the gate's term."""
        mass = statistics.mass
        first, second = sums.further
        white = self._matrices(old)
        shift = np.einsum("kij,kj->ki", np.linalg.inv(white), first)
        sums_about_origin = shift + mass[:, None] * old.means
        shares, total_mass, means = self.trainer.weights_and_means(sums_about_origin, mass, old)
        moved = np.einsum("kij,kj->ki", white, means - old.means)
        covariance = self.trainer.covariance
        scatter = covariance.moved_scatter(first, second, mass, moved, old.whiteners)
        return self.trainer.with_scatter(shares, total_mass, means, scatter, old)
