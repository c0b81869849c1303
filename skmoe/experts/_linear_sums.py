"""Linear experts from sums over rows: their state, form and M-step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .._data.numerics import column_dots, solve_normal_equations
from ..em._parts import BaseForm, ExactPart
from ..em._protocols import Floats
from ..em._sums import Statistics, Sums

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
        Iterations since the inverses were formed.
    """

    coef: Floats
    inverse: Floats | None = None
    age: int = 0


class LinearForm(BaseForm):
    """Form of coefficients (K, m, p) and dispersions (K, m), with residuals e.

    Its rows are r e, whose products with the design are summed; further sums are those of
    r e² (K, m).
    """

    needs_grams: bool = True

    def __init__(self, coef: Floats, dispersion: Floats) -> None:
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self._half_precision = (np.sqrt(0.5) / dispersion)[:, :, None]
        constant = 0.5 * self.shape[1] * _LOG_2PI
        self._log_height = -np.log(dispersion).sum(axis=1)[:, None] - constant

    def make(self, size: int) -> None:
        """Make room for `size` rows."""
        self._scaled = np.empty((self.shape[0], size))

    def zero_further(self) -> list[Floats]:
        """Return zeros for the sums of r e²."""
        return [np.zeros(self.shape)]

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None:
        """Compute residuals of y (b, m), which overwrite predictions (K m, b)."""
        self._residual = predictions.reshape(*self.shape, -1)
        np.subtract(y.T, self._residual, out=self._residual)

    def log_density(self, out: Floats) -> None:
        """Write log-densities (K, b) into `out`."""
        with np.errstate(over="ignore"):
            for j in range(self.shape[1]):
                scaled = self._scaled if j else out
                np.multiply(self._residual[:, j], self._half_precision[:, j], out=scaled)
                scaled *= scaled
                if j:
                    out += scaled
        np.subtract(self._log_height, out, out=out)

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write r e, output by output, and add r e²."""
        by_output = first.reshape(self.shape[1], *resp.shape)
        for j, weighted in enumerate(by_output):
            np.multiply(resp, self._residual[:, j], out=weighted)
            further[0][:, j] += column_dots(weighted.T, self._residual[:, j].T)


class LinearPart(ExactPart):
    """M-step of linear experts from sums over rows; an iterate is coef (K, m, p).

    It is weighted least squares of the residuals.

    Parameters
    ----------
    shape : tuple of int
        (K, m, p).
    ridge : ndarray of shape (p,) or (K, 1, p)
        Diagonal of the L2 penalty.
    """

    def __init__(self, shape: tuple[int, int, int], ridge: Floats) -> None:
        self.shape, self.ridge = shape, ridge
        self.size = shape[2]
        self.n_outputs: int | None = shape[1]

    def zero(self) -> Floats:
        """Return zero coefficients."""
        return np.zeros(self.shape)

    def form(self, iterate: Floats, dispersion: Any = None) -> Callable[[], LinearForm]:
        """Return a callable that makes a `LinearForm`."""
        return partial(LinearForm, iterate, dispersion)

    def state(self, iterate: Floats) -> LinearState:
        """Return the bank's state of coefficients."""
        return LinearState(iterate)

    def reading(self, experts: list[Any], design: Any, target: Any) -> Floats:
        """Return the iterate of fitted experts."""
        coef = np.stack([np.atleast_2d(expert.coef_) for expert in experts])
        intercept = np.stack([np.atleast_1d(expert.intercept_) for expert in experts])
        coef, intercept = coef / target.scale[:, None], (intercept - target.mean) / target.scale
        return design.from_raw(coef, intercept)

    def propose(self, old: Floats, sums: Sums, statistics: Statistics, inverse: Any) -> Floats:
        """Return the coefficients that maximise the experts' term."""
        right = self._cross(sums) - self.ridge * old
        grams = self.curvature(sums, statistics)
        change = solve_normal_equations(grams, right.transpose(0, 2, 1)).transpose(0, 2, 1)
        return old + change

    def curvature(self, sums: Sums, statistics: Statistics) -> Floats:
        """Return the matrices (K, p, p) of the normal equations."""
        return penalised(statistics.grams.copy(), self.ridge)

    def _cross(self, sums: Sums) -> Floats:
        """Return the sums of r e z, (K, m, p)."""
        n_experts, n_outputs, p = self.shape
        return sums.first.reshape(n_outputs, n_experts, p).transpose(1, 0, 2)

    def stationary(self, iterate: Floats, sums: Sums, mass: Floats, dispersion: Floats) -> Sums:
        """Return sums of which an iterate and dispersions (K, m) are the optimum."""
        penalties = (self.ridge * iterate * iterate).sum(axis=2)
        squares = np.maximum(dispersion**2 * mass[:, None] - penalties, 0.0)
        first = (self.ridge * iterate).transpose(1, 0, 2).reshape(sums.first.shape)
        return replace(sums, first=first, further=[squares])

    def shifted(self, sums: Sums, statistics: Statistics, old: Floats, new: Floats) -> Sums:
        """Return sums about one iterate as they are about another."""
        cross = self._cross(sums) - np.matmul(new - old, statistics.grams)
        first = cross.transpose(1, 0, 2).reshape(sums.first.shape)
        squares = self.deviances(old, new, sums, statistics)
        return replace(sums, first=first, further=[squares])

    def deviances(self, old: Floats, new: Floats, sums: Sums, statistics: Statistics) -> Floats:
        """Return the sums (K, m) of r e² under new coefficients; exact for a small change."""
        change = new - old
        squares = sums.further[0] - 2.0 * (change * self._cross(sums)).sum(axis=2)
        squares += (np.matmul(change, statistics.grams) * change).sum(axis=2)
        return np.maximum(squares, 0.0)

    def pack(self, iterate: Floats) -> Floats:
        """Return the iterate, which is an array."""
        return iterate

    def unpack(self, array: Floats) -> Floats:
        """Return the array, which is an iterate."""
        return array


def penalised(grams: Floats, ridge: Floats) -> Floats:
    """Add a penalty, (p,) or (K, 1, p), to the diagonals of matrices (K, p, p) in place."""
    columns = np.arange(grams.shape[2])
    grams[:, columns, columns] += ridge.reshape(-1, grams.shape[2])
    return grams
