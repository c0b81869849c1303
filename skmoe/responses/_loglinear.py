"""Dispersions that are log-linear in x."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from .._data.numerics import (
    rank_of_products,
    solve_normal_equations,
    weighted_grams,
    weighted_location_scale,
)
from .._sklearn import as_numeric
from ..em._protocols import Floats
from ._response import Response
from ._scale import ScaleFamily

#: Features are cut off here, in standard deviations: dispersions are constant beyond.
FARTHEST = 3.0

#: Largest logarithm, in absolute value, of a factor of dispersions: where weights are very large,
#: the penalty does not bound it.
_LARGEST = 30.0

#: Most columns of a sparse X: there is a coefficient for each column, and a product for each
#: pair of columns.
_MOST_SPARSE_COLUMNS = 512

_MAX_HALVINGS = 20


def location_and_scale(X: Any, weights: Floats) -> Floats:
    """Return the weighted means and standard deviations of the columns of X, (2, p)."""
    return np.stack(weighted_location_scale(_dense(X), weights)[:2])


def standardised(X: Any, location_scale: Floats) -> Floats:
    """Return the columns of X, standardised and cut off at three standard deviations, (n, p).

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, p)
    location_scale : ndarray of shape (2, p)
        Means and standard deviations.
    """
    mean, scale = location_scale
    out = _dense(X) - mean
    out /= scale
    return np.clip(out, -FARTHEST, FARTHEST, out=out)


def _dense(X: Any) -> Floats:
    X = as_numeric(X)
    if not sparse.issparse(X):
        return X
    if X.shape[1] > _MOST_SPARSE_COLUMNS:
        raise ValueError(
            f"X must have at most {_MOST_SPARSE_COLUMNS} columns where it is sparse, got "
            f"{X.shape[1]}; choose some with expert_features"
        )
    return X.toarray()


def row_parameters(parameters: Floats, features: Floats, n_outputs: int) -> Floats:
    """Return the parameters of a law in each row.

    Parameters
    ----------
    parameters : ndarray of shape (K, q + p)
        The law's own q parameters where all features are zero, followed by the factors that one
        unit of each feature multiplies an expert's dispersions by.
    features : ndarray of shape (n, p)
    n_outputs : int
        Number of dispersions; they come first among the q.

    Returns
    -------
    ndarray of shape (n, K, q)
    """
    own, factors = _split(parameters, features.shape[1])
    out = np.repeat(own[None], len(features), axis=0)
    out[:, :, :n_outputs] *= _scaling(factors, features)[:, :, None]
    return out


def _confined(factors: Floats) -> Floats:
    return np.clip(factors, np.exp(-_LARGEST), np.exp(_LARGEST))


def _split(parameters: Floats, p: int) -> tuple[Floats, Floats]:
    width = parameters.shape[1] - p
    return parameters[:, :width], parameters[:, width:]


def _scaling(factors: Floats, features: Floats) -> Floats:
    """Return the factors (n, K) that dispersions are multiplied by in each row."""
    return np.exp(np.clip(features @ np.log(factors).T, -_LARGEST, _LARGEST))


class LogLinear:
    r"""A law with ``dispersion="linear"``, bound to training rows for EM.

    Dispersions are :math:`\sigma_k(x) = \sigma_k \exp(c_k' z)` for features z of x. The M-step
    is a step of Fisher's scoring for c, followed by the law's own M-step given c. The step is
    halved until the expert's term of the objective, less
    :math:`\alpha \lVert c_k \rVert^2 / 2`, does not fall.

    Parameters
    ----------
    law : ScaleFamily
    X : array, sparse matrix or data frame of shape (n, p)
        The columns that the experts see.
    weights : ndarray of shape (n,)
    n_outputs : int
    """

    reweights: bool = True
    dispersion: str = "linear"
    n_scales: int = 1

    def __init__(self, law: ScaleFamily, X: Any, weights: Floats, n_outputs: int) -> None:
        self.law, self.n_outputs = law, n_outputs
        self.loss: str = law.loss
        self.correlated: bool = law.correlated
        self.standardises: bool = law.standardises
        self.units: Floats = location_and_scale(X, weights)
        self.features = standardised(X, self.units)
        self._weights = weights

    def check_target(self, y: Floats) -> None:
        """Raise an error if y lies outside the support of the law."""
        self.law.check_target(y)

    def has_sums(self) -> bool:
        """Return False: dispersions differ from row to row."""
        return False

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        """Return the deviances of the law."""
        return self.law.deviance(y, mean)

    def working_weights(self, deviance: Floats, parameters: Floats) -> Floats:
        """Return the working weights of the law, × powers of the inverse factors of dispersions."""
        own = self.law.working_weights(deviance, self._rows(parameters))
        return own * self._scaling(parameters) ** -self.law.precision_power

    def fit_dispersion(
        self, deviance: Floats, masses: Floats, quadratic: Floats, old: Floats | None = None
    ) -> Floats:
        """Return parameters (K, q + p) that raise the objective given the means."""
        p = self.features.shape[1]
        if old is None:
            own = self.law.fit_dispersion(deviance, masses, quadratic)
            return np.hstack([own, np.ones((len(own), p))])
        own, factors = self._split(old)

        def fitted(coef):
            with np.errstate(over="ignore", under="ignore"):
                factors = _confined(np.exp(coef))
            scaling = _scaling(factors, self.features)
            new = self.law.fit_dispersion(deviance, masses, quadratic, own, scaling)
            return np.hstack([new, factors])

        def value(parameters):
            log_density = self.log_density(deviance.copy(), parameters, y)
            return (masses * log_density).sum() - self.penalty(parameters, quadratic)

        # The term of the log-density that depends on y alone does not matter here.
        y = np.ones((len(deviance), self.n_outputs))
        coef, before = np.log(factors), value(old)
        step = self._scoring(deviance, masses, old)
        for _ in range(_MAX_HALVINGS):
            new = fitted(coef + step)
            if value(new) >= before:
                return new
            step *= 0.5
        return fitted(coef)

    def _scoring(self, deviance: Floats, masses: Floats, parameters: Floats) -> Floats:
        """Return scoring steps (K, p) of the coefficients.

        The level of the dispersion is solved for at the same time.
        """
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

    def log_density(self, deviance: Floats, parameters: Floats, y: Any = None) -> Floats:
        """Return log-densities (n, K) of the law in each row."""
        return self.law.log_density(deviance, self._rows(parameters), y)

    def log_peak(self, parameters: Floats, y: Floats) -> Floats:
        """Return the log-densities (n, K) of each row if an expert predicted it exactly."""
        return self.law.log_peak(self._rows(parameters), y)

    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        """Return the penalty of the law plus that of the coefficients."""
        own, factors = self._split(parameters)
        free = np.log(factors[:1] if self.law.shared else factors)
        return self.law.penalty(own, quadratic) + 0.5 * self.law.dispersion_alpha * (free**2).sum()

    def confined(self, parameters: Floats) -> Floats:
        """Return the parameters, moved into the bounds of the law where they are outside."""
        own, factors = self._split(parameters)
        return np.hstack([self.law.confined(own), _confined(factors)])

    def rescaled(self, parameters: Floats, scale: Floats) -> Floats:
        """Return parameters for y in other units."""
        own, factors = self._split(parameters)
        return np.hstack([self.law.rescaled(own, scale), factors])

    def count_parameters(self, parameters: Floats) -> int:
        """Return the number of free parameters, coefficients by the rank of the features."""
        own = self._split(parameters)[0]
        design = np.column_stack([self.features, np.ones(len(self.features))])
        products = weighted_grams(design, self._weights[:, None] / self._weights.max())[0]
        free = rank_of_products(products) - 1
        return self.law.count_parameters(own) + (1 if self.law.shared else len(own)) * free

    def fitted(self, parameters: Floats) -> Response:
        """Return the law of a fitted mixture: a clone with fitted attributes."""
        return clone(self.law).remember(self._split(parameters)[0])

    def coefficients(self, parameters: Floats) -> Floats:
        """Return the coefficients (K, p) of the logarithm of dispersions on features."""
        return np.log(self._split(parameters)[1])

    def _split(self, parameters: Floats) -> tuple[Floats, Floats]:
        return _split(parameters, self.features.shape[1])

    def _rows(self, parameters: Floats) -> Floats:
        return row_parameters(parameters, self.features, self.n_outputs)

    def _scaling(self, parameters: Floats) -> Floats:
        return _scaling(self._split(parameters)[1], self.features)
