"""The components of a block of rows."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._law import ComponentLaw, Floats

#: A source of random numbers, and what one is made from.
Random = np.random.Generator | np.random.RandomState
Seed = int | np.random.Generator | np.random.RandomState | None
Rows = slice | NDArray[np.integer] | NDArray[np.bool_]


@dataclass(frozen=True)
class Components:
    """Components of a block of rows; all of them have means that the law can evaluate.

    Attributes
    ----------
    law : ComponentLaw
    weights : ndarray of shape (b, C)
    means : ndarray of shape (b, C, m)
    parameters : ndarray of shape (C, q) or (b, C, q)
    """

    law: ComponentLaw
    weights: Floats
    means: Floats
    parameters: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def tiled(self, times: int) -> "Components":
        """Return the same rows, repeated `times` times."""
        return self if times == 1 else self.take(np.tile(np.arange(len(self)), times))

    def take(self, rows: Any) -> "Components":
        """Return the components of some of the rows."""
        parameters = self.parameters if self.parameters.ndim == 2 else self.parameters[rows]
        return Components(self.law, self.weights[rows], self.means[rows], parameters)

    def average(self, values: Floats) -> Floats:
        """Return the mean (b, m) of (b, C, m) values of the components."""
        total = np.zeros((len(values), values.shape[2]))
        for k, weight in enumerate(self.weights.T):
            total += weight[:, None] * values[:, k]
        return total

    def mean(self) -> Floats:
        """Return the means (b, m)."""
        return self.average(self.means)

    def std(self) -> Floats:
        """Return the standard deviations (b, m).

        They are computed by `hypot`, as squares of far outliers would overflow.
        """
        mean = self.mean()
        deviations = np.broadcast_to(self.law.std(self.means, self.parameters), self.means.shape)
        total = np.zeros_like(mean)
        for k, weight in enumerate(self.weights.T):
            spread = np.hypot(deviations[:, k], self.means[:, k] - mean)
            share = np.sqrt(weight)[:, None]
            # An infinite variance counts only where its component has weight.
            part = np.multiply(share, spread, out=np.zeros_like(total), where=share > 0)
            total = np.hypot(total, part)
        return total

    def cdf(self, y: Floats) -> Floats:
        """Return the distribution functions (b, m)."""
        with np.errstate(over="ignore", under="ignore", divide="ignore"):
            return self.average(self.law.cdf(y, self.means, self.parameters))

    def log_density(self, y: Floats) -> Floats:
        """Return log-densities (b,), joint over outputs."""
        with np.errstate(all="ignore"):
            joint = self.law.logpdf(y, self.means, self.parameters) + np.log(self.weights)
            joint[self.weights <= 0] = -np.inf
            return np.logaddexp.reduce(joint, axis=1)

    def quantiles(self, q: Floats) -> Floats:
        """Return the quantiles (b, C, m) of each component."""
        return self.law.ppf(q, self.means, self.parameters)

    def bracket(self, q: Floats) -> tuple[Floats, Floats]:
        """Return the smallest and largest quantile (b, m) of components that have weight."""
        quantiles, counts = self.quantiles(q), self.weights[:, :, None] > 0
        low = np.where(counts, quantiles, np.inf).min(axis=1)
        high = np.where(counts, quantiles, -np.inf).max(axis=1)
        return low, high

    def sample(self, n: int, rng: Random) -> Floats:
        """Draw y (b, m, n)."""
        b, _, m = self.means.shape
        rows, chosen = np.repeat(np.arange(b), n), self._chosen(n, rng).ravel()
        shared = self.parameters.ndim == 2
        parameters = self.parameters[chosen] if shared else self.parameters[rows, chosen]
        draws = self.law.sample(self.means[rows, chosen], parameters, rng)
        return draws.reshape(b, n, m).swapaxes(1, 2)

    def _chosen(self, n: int, rng: Random) -> NDArray[np.integer]:
        """Draw numbers (b, n) of components by their weights."""
        cumulative = self.weights.cumsum(axis=1)
        total = cumulative[:, -1:]
        level = rng.uniform(size=(len(total), n)) * total
        chosen = np.zeros(level.shape, dtype=int)
        for reached in cumulative.T:
            chosen += reached[:, None] <= level
        # Rounding may put the level at the end, behind the last component.
        return np.minimum(chosen, (cumulative < total).sum(axis=1, keepdims=True))


def without_idle(weights: Floats, means: Floats) -> Floats:
    """Return means in which components without weight have that of the heaviest of their row."""
    idle = weights <= 0
    if not idle.any():
        return means
    heaviest = np.take_along_axis(means, weights.argmax(axis=1)[:, None, None], axis=1)
    return np.where(idle[:, :, None], heaviest, means)


def make_generator(random_state: Any) -> Random:
    """Return a source of random numbers other than the global one."""
    if isinstance(random_state, np.random.Generator | np.random.RandomState):
        return random_state
    if random_state is None or isinstance(random_state, Integral):
        return np.random.default_rng(None if random_state is None else int(random_state))
    raise ValueError(
        "random_state must be an int, a RandomState, a Generator or None, "
        f"got {type(random_state).__name__}"
    )
