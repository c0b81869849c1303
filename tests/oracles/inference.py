"""The objective of a mixture as a function of the parameters that a summary lists.

Parameters come in the order of a summary: experts, contrasts of the gate, dispersions; here as
logarithms. The likelihood is that of `likelihood`, derivatives are central differences.
"""

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from tests.oracles.likelihood import classification_terms, hessian, regression_terms


class Regression:
    """Linear-Gaussian experts.

    Parameters
    ----------
    X, Z : ndarray of shape (n, d), (n, q)
        What experts and gate see.
    y : ndarray of shape (n,)
    K : int
    shared : bool
        Whether there is one dispersion.
    """

    def __init__(self, X, Z, y, K, shared=False):
        self.X, self.Z, self.y, self.K, self.n_sigma = X, Z, y, K, 1 if shared else K

    def arrays(self, theta):
        """Gate, experts and logarithms of dispersions, as `regression_terms` wants them."""
        K, p, q = self.K, self.X.shape[1] + 1, self.Z.shape[1] + 1
        experts, gate, log_sigma = np.split(theta, [K * p, K * p + (K - 1) * q])
        experts = experts.reshape(K, p)
        gate = np.vstack([np.zeros(q), gate.reshape(K - 1, q)])
        log_sigma = np.broadcast_to(log_sigma if self.n_sigma else 0.0, K)
        return gate[:, 1:], gate[:, 0], experts[:, 1:], experts[:, 0], log_sigma

    def rows(self, theta):
        """Log-likelihoods (n,)."""
        gate, gate0, *experts = self.arrays(theta)
        log_gate = regression_terms((gate, gate0, *self._none()), self.Z, self.y)[0]
        return logsumexp(log_gate + self.densities(*experts), axis=1)

    def densities(self, *experts):
        """Log-densities (n, K) of coefficients, intercepts and logarithms of dispersions."""
        return regression_terms((*self._no_gate(), *experts), self.X, self.y)[1]

    def _none(self):
        return np.zeros((self.K, self.Z.shape[1])), np.zeros(self.K), np.zeros(self.K)

    def _no_gate(self):
        return np.zeros((self.K, self.X.shape[1])), np.zeros(self.K)

    def read(self, table):
        """The parameters of a summary, and their derivatives by the ones here."""
        theta, slope = table.coef.copy(), np.ones(len(table.coef))
        dispersions = slice(len(theta) - self.n_sigma, None)
        slope[dispersions] = theta[dispersions]
        theta[dispersions] = np.log(theta[dispersions])
        return theta, slope


class Counts(Regression):
    """Poisson regressions with a log link; they have no dispersions."""

    def __init__(self, X, Z, y, K):
        super().__init__(X, Z, y, K)
        self.n_sigma = 0

    def densities(self, coef, intercept, log_dispersion):
        """Log-probabilities (n, K)."""
        return stats.poisson.logpmf(self.y[:, None], np.exp(self.X @ coef.T + intercept))


class Amounts(Regression):
    """Gamma regressions with a log link."""

    def densities(self, coef, intercept, log_dispersion):
        """Log-densities (n, K)."""
        mean, dispersion = np.exp(self.X @ coef.T + intercept), np.exp(log_dispersion)
        return stats.gamma.logpdf(self.y[:, None], 1 / dispersion, scale=mean * dispersion)


class Classification:
    """Logistic experts; gate and experts see the same columns.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    codes : ndarray of shape (n,)
    K, n_classes : int
    """

    def __init__(self, X, codes, K, n_classes):
        self.X, self.codes, self.K, self.n_classes = X, codes, K, n_classes

    def arrays(self, theta):
        """Gate and experts, as `classification_terms` wants them."""
        K, C, p = self.K, self.n_classes, self.X.shape[1] + 1
        experts = np.zeros((K, C, p))
        size = K * (C - 1) * p
        experts[:, 1:] = theta[:size].reshape(K, C - 1, p)
        gate = np.vstack([np.zeros(p), theta[size:].reshape(K - 1, p)])
        return gate[:, 1:], gate[:, 0], experts[..., 1:], experts[..., 0]

    def rows(self, theta):
        """Log-likelihoods (n,)."""
        log_gate, density = classification_terms(self.arrays(theta), self.X, self.codes)
        return logsumexp(log_gate + density, axis=1)

    def read(self, table):
        """The parameters of a summary."""
        return table.coef, np.ones(len(table.coef))


def covariance(problem, table, value=None):
    """Inverse of minus the Hessian, in the parameters of a summary.

    `value` is the function of the parameters whose Hessian counts; None for the log-likelihood.
    Steps are a small share of a standard error: what differences leave out is of higher order.
    """
    theta, slope = problem.read(table)
    units = table.std_err / slope

    def scaled(phi):
        here = theta + units * phi
        return problem.rows(here).sum() if value is None else value(here)

    inverse = np.linalg.inv(-hessian(scaled, np.zeros(len(theta)), 3e-3))
    return inverse * np.outer(table.std_err, table.std_err)


def row_scores(problem, table):
    """Derivatives (n, P) of the rows' log-likelihoods by the parameters of a summary."""
    theta, slope = problem.read(table)
    steps = 1e-4 * table.std_err / slope
    columns = [
        (problem.rows(theta + e) - problem.rows(theta - e)) / (2 * step)
        for step, e in zip(steps, np.diag(steps), strict=True)
    ]
    return np.column_stack(columns) / slope
