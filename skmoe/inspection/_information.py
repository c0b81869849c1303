"""Scores and information of a mixture of linear experts: arrays in, arrays out.

The expert z of a unit (a row, or the rows of a group) is not observed. With the score S_k and the
Hessian H_k of the complete data with z = k, and responsibilities r,

    score = sum_k r_k S_k,    information = -sum_k r_k H_k - cov(S),

where cov is the covariance under r. This is the closed form of Louis (1982). Parameters are in
"full" coordinates: those of all experts one after the other, then those of the gate. Columns are
standardised, residuals are in units of the dispersion, dispersions are logarithms, and softmax
weights are no contrasts yet. Coordinates are of the order of one for any units of X and y.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np
from scipy.special import log_softmax, logsumexp

from ._types import Bools, Floats, Ints

#: Entries of the matrix of scores that are formed at a time (8 MB).
_BLOCK_ENTRIES = 2**20

#: Spread of a column, relative to its mean, below which it is constant.
_LEAST_SPREAD = 1e-10

_LOG_2PI = float(np.log(2 * np.pi))
_SMALLEST_LOG = float(np.log(np.finfo(float).tiny))


class Columns:
    """A design in standardised columns, the intercept first.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weights : ndarray of shape (n,)
    intercept : bool
        Whether there is an intercept; without it columns are scaled, but not centred.

    Attributes
    ----------
    matrix : ndarray of shape (n, p)
    to_raw : ndarray of shape (p, p)
        Maps standardised to raw coefficients.
    per_raw : ndarray of shape (p,)
        Raw coefficient per standardised one; 0 for the intercept and for constant columns.
    """

    def __init__(self, X: Floats, weights: Floats, intercept: bool = True) -> None:
        mean, scale, constant = _location_scale(X, weights, intercept)
        varying = np.where(constant, 0.0, (X - mean) / scale)
        ones = np.ones((len(X), int(intercept)))
        self.matrix: Floats = np.column_stack([ones, varying])
        self.per_raw: Floats = np.append(
            np.zeros(int(intercept)), np.where(constant, 0.0, 1.0 / scale)
        )
        self.to_raw: Floats = np.diag(np.append(np.ones(int(intercept)), 1.0 / scale))
        if intercept:
            self.to_raw[0, 1:] = -mean / scale

    def standardised(self, raw: Floats) -> Floats:
        """Turn raw coefficients (..., p) into standardised ones."""
        return np.linalg.solve(self.to_raw, raw.T).T

    def ordered(self, rows: Ints) -> "Columns":
        """Return the same design with its rows in another order."""
        other = object.__new__(Columns)
        other.__dict__ = self.__dict__ | {"matrix": self.matrix[rows]}
        return other


def _location_scale(X: Floats, weights: Floats, centred: bool) -> tuple[Floats, Floats, Bools]:
    mean = np.average(X, axis=0, weights=weights) * centred
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    constant = scale <= _LEAST_SPREAD * np.abs(mean)
    return mean, np.where(constant, 1.0, scale), constant


class ExpertPart(Protocol):
    """An expert as a part of the likelihood.

    Attributes
    ----------
    columns : Columns
        Its design.
    coef : ndarray of shape (p,) or (n_classes, p)
        Coordinates of its coefficients.
    size : int
        Number of its coordinates.
    unit : float
        Unit of the coefficients.
    dispersion : float or None
        None where the law has none.
    """

    columns: Columns
    coef: Floats
    size: int
    unit: float
    dispersion: float | None

    def predictions(self) -> Floats:
        """Return predictions (n,), or probabilities (n, n_classes)."""
        ...

    def log_density(self, rows: slice) -> Floats:
        """Return log-densities (b,) of y."""
        ...

    def scores(self, rows: slice) -> Floats:
        """Return derivatives (b, size) of the log-densities."""
        ...

    def information(self, rows: slice, weights: Floats) -> Floats:
        """Return minus the weighted sum of second derivatives over rows, (size, size)."""
        ...


class GaussianExpert:
    """A linear function with normal errors.

    Its coordinates are the coefficients per dispersion, then the logarithm of the dispersion.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (p,)
    dispersion : float
    y : ndarray of shape (n,)

    Attributes
    ----------
    unit : float
        Unit of the coefficients: the dispersion.
    """

    def __init__(self, columns: Columns, raw: Floats, dispersion: float, y: Floats) -> None:
        self.columns: Columns = columns
        self.dispersion: float | None = dispersion
        self.unit: float = dispersion
        self.coef: Floats = columns.standardised(raw) / self.unit
        self.size: int = len(raw) + 1
        self._residuals = y / dispersion - columns.matrix @ self.coef

    def predictions(self) -> Floats:
        """Return predictions (n,)."""
        return self.columns.matrix @ self.coef * self.unit

    def log_density(self, rows: slice) -> Floats:
        """Return log-densities (b,) of y."""
        return -0.5 * self._residuals[rows] ** 2 - np.log(self.unit) - 0.5 * _LOG_2PI

    def scores(self, rows: slice) -> Floats:
        """Return derivatives (b, size) of the log-densities."""
        residuals = self._residuals[rows, None]
        return np.hstack([residuals * self.columns.matrix[rows], residuals**2 - 1.0])

    def information(self, rows: slice, weights: Floats) -> Floats:
        """Return minus the weighted sum of second derivatives over rows, (size, size)."""
        z = np.column_stack([self.columns.matrix[rows], 2.0 * self._residuals[rows]])
        matrix = (z[:, :-1] * weights[:, None]).T @ z
        corner = 0.5 * weights @ z[:, -1] ** 2
        return np.vstack([matrix, np.append(matrix[:, -1], corner)])


class LogisticExpert:
    """Multinomial logistic regression.

    Its coordinates are the coefficients of all classes, class by class.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (n_classes, p)
    codes : ndarray of shape (n,), int
        Class of each row; -1 for a class that the expert has not been fitted to, for which it
        has no responsibility.
    """

    dispersion: float | None = None
    unit: float = 1.0

    def __init__(self, columns: Columns, raw: Floats, codes: Ints) -> None:
        self.columns: Columns = columns
        self.codes: Ints = codes
        self.coef: Floats = columns.standardised(raw)
        self.size: int = raw.size
        self._log_proba = log_softmax(columns.matrix @ self.coef.T, axis=1)

    def predictions(self) -> Floats:
        """Return probabilities (n, n_classes)."""
        return np.exp(self._log_proba)

    def log_density(self, rows: slice) -> Floats:
        """Return log-probabilities (b,) of the classes of the rows."""
        codes = self.codes[rows, None]
        own = np.take_along_axis(self._log_proba[rows], np.maximum(codes, 0), axis=1)
        return np.where(codes < 0, _SMALLEST_LOG, np.maximum(own, _SMALLEST_LOG))[:, 0]

    def scores(self, rows: slice) -> Floats:
        """Return derivatives (b, size) of the log-probabilities."""
        codes = self.codes[rows, None]
        left = (codes == np.arange(len(self.coef))) - np.exp(self._log_proba[rows])
        return row_products(left, self.columns.matrix[rows])

    def information(self, rows: slice, weights: Floats) -> Floats:
        """Return minus the weighted sum of second derivatives over rows, (size, size)."""
        proba = np.exp(self._log_proba[rows])

        def curvature(c: int, e: int) -> Floats:
            return weights * proba[:, c] * ((c == e) - proba[:, e])

        return pair_grams(self.columns.matrix[rows], len(self.coef), curvature)


class SoftmaxPart:
    """The gate; its coordinates are the coefficients of all experts, expert by expert.

    Parameters
    ----------
    columns : Columns of U units
    raw : ndarray of shape (K, p)
        Slopes sum to zero over the experts, where the penalty is smallest.
    """

    def __init__(self, columns: Columns, raw: Floats) -> None:
        self.columns: Columns = columns
        self.coef: Floats = columns.standardised(raw)
        self.size: int = raw.size
        self.log_proba: Floats = log_softmax(columns.matrix @ self.coef.T, axis=1)


def row_products(left: Floats, right: Floats) -> Floats:
    """Return all products of an entry of `left` and one of `right`, (b, c * p)."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def pair_grams(matrix: Floats, n_blocks: int, weights: Callable[[int, int], Floats]) -> Floats:
    """Return the symmetric matrix of blocks ``matrix.T @ diag(weights(i, j)) @ matrix``."""
    p = matrix.shape[1]
    out = np.empty((n_blocks, p, n_blocks, p))
    for i, j in combinations_with_replacement(range(n_blocks), 2):
        out[i, :, j] = (matrix * weights(i, j)[:, None]).T @ matrix
        out[j, :, i] = out[i, :, j].T
    return out.reshape(n_blocks * p, n_blocks * p)


@dataclass(frozen=True)
class Units:
    """Units of consecutive rows.

    Attributes
    ----------
    weights : ndarray of shape (U,)
    starts : ndarray of shape (U + 1,) or None
        First row of each unit, and the number of rows; None where each row is a unit.
    """

    weights: Floats
    starts: Ints | None = None

    def blocks(self, width: int) -> Iterator[tuple[slice, slice]]:
        """Yield slices of units, and of their rows, for scores of `width` columns."""
        n, step = len(self.weights), max(_BLOCK_ENTRIES // width, 1)
        for first in range(0, n, step):
            units = slice(first, min(first + step, n))
            yield units, units if self.starts is None else slice(*self.starts[[first, units.stop]])

    def gather(self, values: Floats, units: slice) -> Floats:
        """Return the sums over the rows of each unit."""
        if self.starts is None:
            return values
        return np.add.reduceat(values, self.starts[units] - self.starts[units.start], axis=0)

    def spread(self, values: Floats, units: slice) -> Floats:
        """Return the values of the unit of each row."""
        if self.starts is None:
            return values
        return np.repeat(values, np.diff(self.starts[units.start : units.stop + 1]), axis=0)


@dataclass
class Totals:
    """Weighted sums over units, in full coordinates.

    Attributes
    ----------
    log_likelihood : float
    score : ndarray of shape (Q,)
        Gradient of the log-likelihood.
    meat : ndarray of shape (Q, Q)
        Sum of products of each unit's score with itself.
    information : ndarray of shape (Q, Q)
        Minus the Hessian.
    """

    log_likelihood: float
    score: Floats
    meat: Floats
    information: Floats


def observed(experts: Sequence[ExpertPart], gate: SoftmaxPart, units: Units) -> Totals:
    """Return the `Totals` of experts and a gate over all units."""
    edges = np.cumsum([0, *(expert.size for expert in experts), gate.size])
    size = edges[-1]
    totals = Totals(0.0, np.zeros(size), np.zeros((size, size)), np.zeros((size, size)))
    for span, rows in units.blocks(size):
        _add_block(totals, experts, gate, units, edges, (span, rows))
    totals.information += totals.meat
    upper = np.triu(totals.information)
    totals.information = upper + np.triu(upper, 1).T
    return totals


def _add_block(
    totals: Totals,
    experts: Sequence[ExpertPart],
    gate: SoftmaxPart,
    units: Units,
    edges: Ints,
    block: tuple[slice, slice],
) -> None:
    """Add the sums over a block of units; the information without the products of scores."""
    span, rows = block
    weights, log_gate = units.weights[span], gate.log_proba[span]
    logs = np.column_stack([expert.log_density(rows) for expert in experts])
    joint = log_gate + units.gather(logs, span)
    log_likelihood = logsumexp(joint, axis=1)
    resp, proba = np.exp(joint - log_likelihood[:, None]), np.exp(log_gate)
    z = gate.columns.matrix[span]
    totals.log_likelihood += float(weights @ log_likelihood)
    scores = [row_products(resp - proba, z)]
    of_gate = slice(edges[-2], edges[-1])
    for k, expert in reversed(list(enumerate(experts))):
        own, mass = slice(edges[k], edges[k + 1]), weights * resp[:, k]
        complete = units.gather(expert.scores(rows), span)
        weighted = complete * mass[:, None]
        towards = row_products((np.arange(len(experts)) == k) - proba, z)
        information = expert.information(rows, units.spread(mass, span))
        totals.information[own, own] += information - weighted.T @ complete
        totals.information[own, of_gate] -= weighted.T @ towards
        scores.insert(0, complete * resp[:, k, None])

    def curvature(k: int, m: int) -> Floats:
        cross = resp[:, k] * proba[:, m] + proba[:, k] * resp[:, m]
        same = (proba[:, k] - resp[:, k]) * (k == m)
        return weights * (same + cross - 2.0 * proba[:, k] * proba[:, m])

    totals.information[of_gate, of_gate] += pair_grams(z, len(experts), curvature)
    score = np.hstack(scores)
    totals.score += weights @ score
    totals.meat += (score * weights[:, None]).T @ score
