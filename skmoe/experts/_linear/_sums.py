"""Linear-Gaussian experts, folded."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..._data.numerics import column_dots, solve_normal_equations

_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class LinearState:
    """Coefficients, and the curvature of an earlier iterate.

    Attributes
    ----------
    coef : ndarray of shape (K, m, p)
    inverse : ndarray of shape (K, p, p) or None
        Inverses of the matrices of the normal equations.
    age : int
        Iterations since they were formed.
    """

    coef: np.ndarray
    inverse: np.ndarray | None = None
    age: int = 0


class LinearForm:
    """Form of coefficients (K, m, p) and dispersions (K, m).

    What is summed are r e, where e are residuals, and, further, r e² (K, m).
    """

    needs_grams = True
    n_pairs = 0

    def __init__(self, coef, dispersion):
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self._half_precision = (np.sqrt(0.5) / dispersion)[:, :, None]
        constant = 0.5 * self.shape[1] * _LOG_2PI
        self._log_height = -np.log(dispersion).sum(axis=1)[:, None] - constant

    def make(self, size):
        """Make room for `size` rows."""
        self._scaled = np.empty((self.shape[0], size))

    def zero_further(self):
        """Sums of r e²."""
        return [np.zeros(self.shape)]

    def evaluate_forms(self, predictions, y):
        """Turn predictions into residuals, in place."""
        self._residual = predictions.reshape(*self.shape, -1)
        np.subtract(y.T, self._residual, out=self._residual)

    def log_density(self, out):
        """Fill in log-densities (K, b)."""
        with np.errstate(over="ignore"):
            for j in range(self.shape[1]):
                scaled = self._scaled if j else out
                np.multiply(self._residual[:, j], self._half_precision[:, j], out=scaled)
                scaled *= scaled
                if j:
                    out += scaled
        np.subtract(self._log_height, out, out=out)

    def add(self, resp, weights, first, further):
        """Write r e, output by output, and add r e²."""
        parts = first.reshape(self.shape[1], *resp.shape)
        for j, part in enumerate(parts):
            np.multiply(resp, self._residual[:, j], out=part)
            further[0][:, j] += column_dots(part.T, self._residual[:, j].T)


class LinearPart:
    """M-step of linear experts: weighted least squares, on residuals.

    Parameters
    ----------
    bank : LinearBank
    law : Gaussian
    """

    #: Steps from responsibilities that a start is given.
    first_steps = 1

    def __init__(self, bank, law):
        self.shape, self.ridge = bank.shape, bank.ridge
        self.size, self.n_outputs = bank.shape[2], bank.shape[1]

    def zero(self):
        """The iterate that knows nothing."""
        return np.zeros(self.shape)

    def form(self, coef, dispersion):
        """Return what makes a `LinearForm`."""
        return partial(LinearForm, coef, dispersion)

    def state(self, coef):
        """As the bank has it."""
        return LinearState(coef)

    def reading(self, experts, design, target):
        """The iterate of fitted experts."""
        coef = np.stack([np.atleast_2d(expert.coef_) for expert in experts])
        intercept = np.stack([np.atleast_1d(expert.intercept_) for expert in experts])
        coef, intercept = coef / target.scale[:, None], (intercept - target.mean) / target.scale
        return design.from_raw(coef, intercept)

    def inverse(self, sums, statistics, dispersion):
        """Nothing: the step is exact."""

    def propose(self, old, sums, statistics, inverse):
        """Return the best iterate."""
        columns = np.arange(len(self.ridge))
        grams = statistics.grams.copy()
        grams[:, columns, columns] += self.ridge
        right = self._cross(sums) - self.ridge * old
        change = solve_normal_equations(grams, right.transpose(0, 2, 1)).transpose(0, 2, 1)
        return old + change

    def _cross(self, sums):
        """Sums of r e z, (K, m, p)."""
        n_experts, n_outputs, p = self.shape
        return sums.first.reshape(n_outputs, n_experts, p).transpose(1, 0, 2)

    def stationary(self, iterate, sums, mass, dispersion):
        """Return sums of which an iterate and dispersions (K, m) are the optimum."""
        penalties = (self.ridge * iterate * iterate).sum(axis=2)
        squares = np.maximum(dispersion**2 * mass[:, None] - penalties, 0.0)
        first = (self.ridge * iterate).transpose(1, 0, 2).reshape(sums.first.shape)
        return replace(sums, first=first, further=[squares])

    def shifted(self, sums, statistics, old, new):
        """Return sums about one iterate as they are about another."""
        cross = self._cross(sums) - np.matmul(new - old, statistics.grams)
        first = cross.transpose(1, 0, 2).reshape(sums.first.shape)
        squares = self.deviances(old, new, sums, statistics)
        return replace(sums, first=first, further=[squares])

    def deviances(self, old, new, sums, statistics):
        """Sums (K, m) of r e² of another iterate; exact as the change goes to zero."""
        change = new - old
        squares = sums.further[0] - 2.0 * (change * self._cross(sums)).sum(axis=2)
        squares += (np.matmul(change, statistics.grams) * change).sum(axis=2)
        return np.maximum(squares, 0.0)

    def predicted_gain(self, old, sums, inverse):
        """No curvature is out of date where none is used."""
        return 0.0

    def between(self, old, new, step):
        """The best iterate: its step needs no shortening."""
        return new

    def pack(self, coef):
        """The iterate as an array."""
        return coef

    def unpack(self, array):
        """The iterate of an array."""
        return array
