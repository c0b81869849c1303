"""Scores and information of a mixture of linear experts: arrays in, arrays out.

What is unknown of a unit (a row, or the rows of a group) is its expert z. With the score S_k and
the Hessian H_k that its parameters would have if z = k were known, and responsibilities r,

    score = sum_k r_k S_k,    information = -sum_k r_k H_k - cov(S),

the covariance being that under r: Louis (1982), in closed form. Parameters are in "full"
coordinates, those of all experts one after the other and then those of the gate: columns are
standardised, residuals in units of the dispersion, dispersions logarithms, and softmax weights
not yet contrasts. There, numbers are of the order of one whatever the units of X and y.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.special import log_softmax, logsumexp

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
        Whether there is one; without it columns are scaled, but not centred.

    Attributes
    ----------
    matrix : ndarray of shape (n, p)
    to_raw : ndarray of shape (p, p)
        Turns standardised into raw coefficients.
    per_raw : ndarray of shape (p,)
        Raw coefficient per standardised one, 0 for the intercept and for constant columns.
    """

    def __init__(self, X, weights, intercept=True):
        mean, scale, constant = _location_scale(X, weights, intercept)
        varying = np.where(constant, 0.0, (X - mean) / scale)
        ones = np.ones((len(X), int(intercept)))
        self.matrix = np.column_stack([ones, varying])
        self.per_raw = np.append(np.zeros(int(intercept)), np.where(constant, 0.0, 1.0 / scale))
        self.to_raw = np.diag(np.append(np.ones(int(intercept)), 1.0 / scale))
        if intercept:
            self.to_raw[0, 1:] = -mean / scale

    def standardised(self, raw):
        """Turn raw coefficients (..., p) into standardised ones."""
        return np.linalg.solve(self.to_raw, raw.T).T

    def ordered(self, rows):
        """The same design with its rows in another order."""
        other = object.__new__(Columns)
        other.__dict__ = self.__dict__ | {"matrix": self.matrix[rows]}
        return other


def _location_scale(X, weights, centred):
    mean = np.average(X, axis=0, weights=weights) * centred
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    constant = scale <= _LEAST_SPREAD * np.abs(mean)
    return mean, np.where(constant, 1.0, scale), constant


class GaussianExpert:
    """Normal errors around a linear function; coefficients per dispersion, then its logarithm.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (p,)
    dispersion : float
    y : ndarray of shape (n,)

    Attributes
    ----------
    unit : float
        Of the coefficients: the dispersion.
    """

    def __init__(self, columns, raw, dispersion, y):
        self.columns, self.dispersion = columns, dispersion
        self.unit = dispersion
        self.coef = columns.standardised(raw) / self.unit
        self.size = len(raw) + 1
        self._residuals = y / dispersion - columns.matrix @ self.coef

    def answers(self):
        """Predictions (n,)."""
        return self.columns.matrix @ self.coef * self.unit

    def log_density(self, rows):
        """Log-densities (b,) of y."""
        return -0.5 * self._residuals[rows] ** 2 - np.log(self.dispersion) - 0.5 * _LOG_2PI

    def scores(self, rows):
        """Derivatives (b, size) of the log-densities."""
        residuals = self._residuals[rows, None]
        return np.hstack([residuals * self.columns.matrix[rows], residuals**2 - 1.0])

    def information(self, rows, weights):
        """Weighted sum over rows of minus the second derivatives, (size, size)."""
        z = np.column_stack([self.columns.matrix[rows], 2.0 * self._residuals[rows]])
        matrix = (z[:, :-1] * weights[:, None]).T @ z
        corner = 0.5 * weights @ z[:, -1] ** 2
        return np.vstack([matrix, np.append(matrix[:, -1], corner)])


class LogisticExpert:
    """Multinomial logistic regression; coefficients of all classes, class by class.

    Parameters
    ----------
    columns : Columns of n rows
    raw : ndarray of shape (n_classes, p)
    codes : ndarray of shape (n,), int
        Class of each row, -1 for one that the expert does not know: it is never responsible.
    """

    dispersion = None

    def __init__(self, columns, raw, codes):
        self.columns, self.codes = columns, codes
        self.coef = columns.standardised(raw)
        self.size = raw.size
        self._log_proba = log_softmax(columns.matrix @ self.coef.T, axis=1)

    def answers(self):
        """Probabilities (n, n_classes)."""
        return np.exp(self._log_proba)

    def log_density(self, rows):
        """Log-probabilities (b,) of the rows' own classes."""
        codes = self.codes[rows, None]
        own = np.take_along_axis(self._log_proba[rows], np.maximum(codes, 0), axis=1)
        return np.where(codes < 0, _SMALLEST_LOG, np.maximum(own, _SMALLEST_LOG))[:, 0]

    def scores(self, rows):
        """Derivatives (b, size) of the log-probabilities."""
        codes = self.codes[rows, None]
        left = (codes == np.arange(len(self.coef))) - np.exp(self._log_proba[rows])
        return row_products(left, self.columns.matrix[rows])

    def information(self, rows, weights):
        """Weighted sum over rows of minus the second derivatives, (size, size)."""
        proba = np.exp(self._log_proba[rows])

        def curvature(c, e):
            return weights * proba[:, c] * ((c == e) - proba[:, e])

        return pair_grams(self.columns.matrix[rows], len(self.coef), curvature)


class SoftmaxPart:
    """The gate; coefficients of all experts, expert by expert.

    Parameters
    ----------
    columns : Columns of U units
    raw : ndarray of shape (K, p)
        Slopes sum to zero over the experts, where their penalty has its least value.
    """

    def __init__(self, columns, raw):
        self.columns = columns
        self.coef = columns.standardised(raw)
        self.size = raw.size
        self.log_proba = log_softmax(columns.matrix @ self.coef.T, axis=1)


def row_products(left, right):
    """Return all products of an entry of `left` and one of `right`, (b, c * p)."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def pair_grams(matrix, n_blocks, weights):
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

    weights: np.ndarray
    starts: np.ndarray | None = None

    def blocks(self, width):
        """Yield slices of units, and of their rows, for scores of `width` columns."""
        n, step = len(self.weights), max(_BLOCK_ENTRIES // width, 1)
        for first in range(0, n, step):
            units = slice(first, min(first + step, n))
            yield units, units if self.starts is None else slice(*self.starts[[first, units.stop]])

    def gather(self, values, units):
        """Sums over the rows of each unit."""
        if self.starts is None:
            return values
        return np.add.reduceat(values, self.starts[units] - self.starts[units.start], axis=0)

    def spread(self, values, units):
        """Values of the unit of each row."""
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
    score: np.ndarray
    meat: np.ndarray
    information: np.ndarray


def observed(experts, gate, units):
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


def _add_block(totals, experts, gate, units, edges, block):
    """Add what a block of units has; the information without the products of scores."""
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

    def curvature(k, m):
        cross = resp[:, k] * proba[:, m] + proba[:, k] * resp[:, m]
        same = (proba[:, k] - resp[:, k]) * (k == m)
        return weights * (same + cross - 2.0 * proba[:, k] * proba[:, m])

    totals.information[of_gate, of_gate] += pair_grams(z, len(experts), curvature)
    scores = np.hstack(scores)
    totals.score += weights @ scores
    totals.meat += (scores * weights[:, None]).T @ scores
