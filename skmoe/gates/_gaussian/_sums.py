"""The Gaussian gate, folded: the joint model of expert and x."""

from functools import partial

import numpy as np

from ..._data.numerics import log_softmax


class GaussianForm:
    """Form of Gaussian densities: u = W (z - m), with precisions W'W, has the identity covariance.

    What is summed, further, are r u (K, q) and r u u' (K, q, q), or r u² (K, q) for independent
    columns: sums about the last means, whose digits are not lost where an expert lies far out.

    Parameters
    ----------
    coef : ndarray of shape (K, q, p)
    heights : ndarray of shape (K,)
        Log-densities at the means.
    diagonal : bool
        Whether columns are independent.
    """

    needs_grams = False
    n_first = n_pairs = 0

    def __init__(self, coef, heights, diagonal):
        self.shape, self.n_experts, self.diagonal = coef.shape[:2], len(coef), diagonal
        self.coef = coef.reshape(-1, coef.shape[2])
        self._heights = heights[:, None]

    def make(self, size):
        """Nothing is needed."""

    def zero_further(self):
        """Sums of r u, and of r u u' or r u²."""
        width = self.shape if self.diagonal else (*self.shape, self.shape[1])
        return [np.zeros(self.shape), np.zeros(width)]

    def evaluate_forms(self, white):
        """Return log-densities (K, b) of expert and row."""
        self._white = white.reshape(*self.shape, white.shape[1])
        with np.errstate(over="ignore"):
            squares = np.einsum("kqb,kqb->kb", self._white, self._white)
        self._joint = self._heights - 0.5 * squares
        return self._joint

    def entropy(self):
        """Entropies (b,) of the probabilities, in nats."""
        log_proba = log_softmax(self._joint.copy().T)
        return -(np.exp(log_proba) * log_proba).sum(axis=1)

    def add(self, resp, weights, first, further):
        """Add r u and r u u'."""
        for k, (white, r) in enumerate(zip(self._white, resp, strict=True)):
            scaled = white * r
            further[0][k] += scaled.sum(axis=1)
            if self.diagonal:
                further[1][k] += np.einsum("qb,qb->q", scaled, white)
            else:
                further[1][k] += scaled @ white.T


class GaussianPart:
    """M-step of a Gaussian gate, in closed form; an iterate is `Densities`.

    Parameters
    ----------
    trainer : GaussianTrainer
    n_experts : int
    """

    def __init__(self, trainer, n_experts):
        self.trainer = trainer
        self.kept = np.flatnonzero(trainer.columns)
        self.shape = (n_experts, len(self.kept), len(trainer.columns) + 1)
        self.diagonal = trainer.gate.covariance == "diag"

    @property
    def size(self):
        """Linear forms of a row."""
        return self.shape[0] * self.shape[1]

    def zero(self):
        """The iterate that knows nothing: all experts are as all rows."""
        return self.trainer.even(self.shape[0])

    def form(self, state, dispersion=None):
        """Return what makes a `GaussianForm`."""
        white = self._matrices(state.whiteners)
        coef = np.zeros(self.shape)
        coef[:, :, self.kept] = white
        coef[:, :, -1] = -np.einsum("kij,kj->ki", white, state.means)
        return partial(GaussianForm, coef, self.trainer.heights(state), self.diagonal)

    def _matrices(self, whiteners):
        """Whiteners of any kind of covariance as (K, q, q)."""
        if self.diagonal:
            return whiteners[:, :, None] * np.eye(self.shape[1])
        return np.broadcast_to(whiteners, (self.shape[0], *whiteners.shape[1:]))

    def state(self, state):
        """As the trainer has it."""
        return state

    def reading(self, gate, design):
        """The iterate of a fitted gate."""
        return self.trainer.reading(gate)

    def inverse(self, sums, statistics, dispersion):
        """Nothing: the step is exact."""

    def propose(self, old, sums, statistics, inverse):
        """Return the best iterate."""
        mass = statistics.mass
        first, second = sums.further
        white = self._matrices(old.whiteners)
        back = np.linalg.inv(white)
        shift = np.einsum("kij,kj->ki", back, first)
        shares, seen, means = self.trainer.located(shift + mass[:, None] * old.means, mass, old)
        moved = np.einsum("kij,kj->ki", white, means - old.means)
        if self.diagonal:
            about = second - 2.0 * moved * first + mass[:, None] * moved**2
            scatter = np.maximum(about, 0.0) / old.whiteners**2
        else:
            cross = first[:, :, None] * moved[:, None]
            about = second - cross - cross.swapaxes(1, 2)
            about += mass[:, None, None] * moved[:, :, None] * moved[:, None]
            scatter = back @ about @ back.swapaxes(1, 2)
        return self.trainer.spread(shares, seen, means, scatter, old)

    def predicted_gain(self, old, sums, inverse):
        """No curvature is out of date where none is used."""
        return 0.0

    def between(self, old, new, step):
        """The best iterate: its step needs no shortening."""
        return new

    def pack(self, state):
        """Nothing: it is not written as an array."""
