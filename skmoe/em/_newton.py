"""Parts of a folded mixture whose M-step is a step of Newton's method."""

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from . import _multinomial


class NewtonPart(ABC):
    """G concave problems with C classes on p columns; an iterate is coef (G, C, p).

    Parameters
    ----------
    shape : tuple of int
        (G, C, p).
    ridge : ndarray of shape (p,)
        Diagonal of the L2 penalty.
    """

    #: Steps of experts from responsibilities that a start is given.
    first_steps = 3

    def __init__(self, shape, ridge):
        self.shape, self.ridge = shape, ridge

    @abstractmethod
    def form(self, coef, dispersion=None):
        """Return what makes the form of an iterate, as `em._blocks` describes it."""

    @abstractmethod
    def state(self, coef):
        """Return the iterate in the form that the part's trainer or bank has for it."""

    def zero(self):
        """The iterate that knows nothing."""
        return np.zeros(self.shape)

    @property
    def size(self):
        """Coefficients that are solved for at once."""
        return self.shape[1] * self.shape[2]

    def problem_masses(self, statistics):
        """Weights (G,) of the problems."""
        return statistics.mass

    def inverse(self, sums, statistics, dispersion):
        """Inverse Hessians (G, C p, C p) of what is minimised."""
        n_problems, _, p = self.shape
        pairs = sums.pairs.reshape(n_problems, -1, p, p) * statistics.whole
        hessian = _multinomial.assemble_hessian(pairs, self.problem_masses(statistics), self.ridge)
        return np.linalg.inv(hessian)

    def propose(self, old, sums, statistics, inverse):
        """Return the iterate of a full Newton step.

        Parameters
        ----------
        old : ndarray of shape (G, C, p)
        sums : Sums
            Of this part.
        statistics : Statistics
        inverse : ndarray of shape (G, C p, C p)
            Of this or an earlier iterate.
        """
        return old + self._direction(old, sums, inverse)[0]

    def predicted_gain(self, old, sums, inverse):
        """The gain that a full step promises."""
        direction, gradient = self._direction(old, sums, inverse)
        with np.errstate(over="ignore"):  # what promises without end is out of date at once
            return 0.5 * float((gradient * direction).sum())

    def _direction(self, old, sums, inverse):
        """Newton's direction and the gradient, (G, C, p)."""
        gradient = sums.first.reshape(self.shape) - self.ridge * old
        flat = gradient.reshape(self.shape[0], -1, 1)
        return np.matmul(inverse, flat).reshape(self.shape), gradient

    def stationary(self, iterate, sums, mass, dispersion=None):
        """Return sums whose penalised gradient is zero at an iterate."""
        return replace(sums, first=(self.ridge * iterate).reshape(sums.first.shape))

    def shifted(self, sums, statistics, old, new):
        """Return sums at one iterate as they are at another, to second order."""
        n_problems, n_classes, p = self.shape
        pairs = sums.pairs.reshape(n_problems, -1, p, p) * statistics.whole
        change, lost = new - old, np.zeros(self.shape)
        for pair, (a, b) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
            product = np.einsum("gij,gj->gi", pairs[:, pair], change[:, a] - change[:, b])
            lost[:, a] += product
            lost[:, b] -= product
        return replace(sums, first=sums.first - lost.reshape(sums.first.shape))

    def between(self, old, new, step):
        """The iterate that a share of the step leads to."""
        return old + step * (new - old)

    def pack(self, coef):
        """The iterate as an array."""
        return coef

    def unpack(self, array):
        """The iterate of an array."""
        return array
