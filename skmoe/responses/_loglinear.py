"""Dispersions that are log-linear in x."""

import numpy as np
from scipy import sparse
from sklearn.base import clone

from .._data.numerics import (
    solve_normal_equations,
    weighted_grams,
    weighted_location_scale,
)
from .._sklearn import as_numeric

#: Features end here, in standard deviations: beyond, a dispersion goes on as it was.
FARTHEST = 3.0

#: Logarithms of what dispersions are multiplied by stay within this: weights may be so large
#: that no penalty counts beside them.
_LARGEST = 30.0

#: A coefficient for each column, and products of all pairs of columns: a text has too many.
_MOST_SPARSE_COLUMNS = 512

_MAX_HALVINGS = 20


def units_of(X, weights):
    """Return weighted means and standard deviations of columns, (2, p)."""
    return np.stack(weighted_location_scale(_dense(X), weights)[:2])


def standardised(X, units):
    """Return columns (n, p) in standard deviations from their mean, and not farther than three."""
    mean, scale = units
    out = _dense(X) - mean
    out /= scale
    return np.clip(out, -FARTHEST, FARTHEST, out=out)


def _dense(X):
    X = as_numeric(X)
    if not sparse.issparse(X):
        return X
    if X.shape[1] > _MOST_SPARSE_COLUMNS:
        raise ValueError(
            f"X must have at most {_MOST_SPARSE_COLUMNS} columns where it is sparse, got "
            f"{X.shape[1]}; choose some with expert_features"
        )
    return X.toarray()


def row_parameters(parameters, features, n_outputs):
    """Return the parameters of a law in each row.

    Parameters
    ----------
    parameters : ndarray of shape (K, q + p)
        The law's own where all features are zero, and behind them what one unit of each
        feature multiplies an expert's dispersions by.
    features : ndarray of shape (n, p)
    n_outputs : int
        The first so many of the q are dispersions.

    Returns
    -------
    ndarray of shape (n, K, q)
    """
    own, factors = _split(parameters, features.shape[1])
    out = np.repeat(own[None], len(features), axis=0)
    out[:, :, :n_outputs] *= _stretches(factors, features)[:, :, None]
    return out


def _confined(factors):
    return np.clip(factors, np.exp(-_LARGEST), np.exp(_LARGEST))


def _split(parameters, p):
    width = parameters.shape[1] - p
    return parameters[:, :width], parameters[:, width:]


def _stretches(factors, features):
    """What dispersions are multiplied by in each row: (n, K)."""
    return np.exp(np.clip(features @ np.log(factors).T, -_LARGEST, _LARGEST))


class LogLinear:
    r"""A law with ``dispersion="linear"``, on training rows: what EM trains in its place.

    Dispersions are :math:`\sigma_k(x) = \sigma_k \exp(c_k' z)` for features z of x. The M-step
    is a step of Fisher's scoring for c, halved until the expert's term of the objective, less
    :math:`\alpha \lVert c_k \rVert^2 / 2`, does not fall, with the law's own M-step given c.

    Parameters
    ----------
    law : response
    X : array, sparse matrix or data frame of shape (n, p)
        What the experts see.
    weights : ndarray of shape (n,)
    n_outputs : int
    """

    reweights = True

    def __init__(self, law, X, weights, n_outputs):
        self.law, self.n_outputs = law, n_outputs
        self.loss, self.correlated = law.loss, law.correlated
        self.units = units_of(X, weights)
        self.features = standardised(X, self.units)

    def has_sums(self):
        """Return False: dispersions differ from row to row."""
        return False

    def deviance(self, y, mean):
        """Return that of the law."""
        return self.law.deviance(y, mean)

    def working_weights(self, deviance, parameters):
        """Return the law's, and less where dispersions are large."""
        own = self.law.working_weights(deviance, self._rows(parameters))
        return own * self._stretches(parameters) ** -self.law.precision_power

    def fit_dispersion(self, deviance, masses, quadratic, old=None):
        """Return parameters (K, q + p) that raise the objective given the means."""
        p = self.features.shape[1]
        if old is None:
            own = self.law.fit_dispersion(deviance, masses, quadratic)
            return np.hstack([own, np.ones((len(own), p))])
        own, factors = self._split(old)

        def fitted(coef):
            with np.errstate(over="ignore", under="ignore"):
                factors = _confined(np.exp(coef))
            stretches = _stretches(factors, self.features)
            new = self.law.fit_dispersion(deviance, masses, quadratic, own, stretches)
            return np.hstack([new, factors])

        def value(parameters):
            log_density = self.log_density(deviance.copy(), parameters, y)
            return (masses * log_density).sum() - self.penalty(parameters, quadratic)

        # What y adds to the density does not depend on the parameters.
        y = np.ones((len(deviance), self.n_outputs))
        coef, before = np.log(factors), value(old)
        step = self._scoring(deviance, masses, old)
        for _ in range(_MAX_HALVINGS):
            new = fitted(coef + step)
            if value(new) >= before:
                return new
            step *= 0.5
        return fitted(coef)

    def _scoring(self, deviance, masses, parameters):
        """Steps (K, p) of the coefficients, for which the level of the dispersion makes room."""
        slope, information = self.law.dispersion_scores(deviance, self._rows(parameters))
        matrix = np.column_stack([self.features, np.ones(len(self.features))])
        coef = np.log(self._split(parameters)[1])
        ridge = np.append(np.full(coef.shape[1], self.law.dispersion_alpha), 0.0)
        right = (masses * slope).T @ matrix
        grams = weighted_grams(np.asfortranarray(matrix), masses * information)
        if self.law.shared:
            right = np.broadcast_to(right.sum(axis=0), right.shape)
            grams = np.broadcast_to(grams.sum(axis=0), grams.shape)
        right = right - ridge * np.column_stack([coef, np.zeros(len(coef))])
        return solve_normal_equations(grams + np.diag(ridge), right[:, :, None])[:, :-1, 0]

    def log_density(self, deviance, parameters, y=None):
        """Return log-densities (n, K) of the law in each row."""
        return self.law.log_density(deviance, self._rows(parameters), y)

    def log_peak(self, parameters, y):
        """Return the largest log-densities (n, K) that an expert could give each row."""
        return self.law.log_peak(self._rows(parameters), y)

    def penalty(self, parameters, quadratic):
        """Return what the law's does, and that of the coefficients."""
        own, factors = self._split(parameters)
        free = np.log(factors[:1] if self.law.shared else factors)
        return self.law.penalty(own, quadratic) + 0.5 * self.law.dispersion_alpha * (free**2).sum()

    def confined(self, parameters):
        """Return parameters within the bounds of the law."""
        own, factors = self._split(parameters)
        return np.hstack([self.law.confined(own), _confined(factors)])

    def rescaled(self, parameters, scale):
        """Return parameters for y in other units."""
        own, factors = self._split(parameters)
        return np.hstack([self.law.rescaled(own, scale), factors])

    def count_parameters(self, parameters):
        """Return the number of free parameters."""
        own, factors = self._split(parameters)
        free = factors[:1] if self.law.shared else factors
        return self.law.count_parameters(own) + free.size

    def fitted(self, parameters):
        """Return the law of a fitted mixture."""
        return clone(self.law).remember(self._split(parameters)[0])

    def coefficients(self, parameters):
        """Return what one unit of each feature adds to the logarithm of dispersions, (K, p)."""
        return np.log(self._split(parameters)[1])

    def _split(self, parameters):
        return _split(parameters, self.features.shape[1])

    def _rows(self, parameters):
        return row_parameters(parameters, self.features, self.n_outputs)

    def _stretches(self, parameters):
        return _stretches(self._split(parameters)[1], self.features)
