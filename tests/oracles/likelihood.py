"""The objective of a fitted mixture, written out from its public attributes.

Nothing here is shared with the package: parameters are read off the fitted
scikit-learn estimators, flattened into one vector, and the log-likelihood is
computed term by term.
"""

import numpy as np
from scipy.special import logsumexp


def flatten(arrays):
    """Return a vector and a function that turns such a vector back into arrays."""
    arrays = [np.asarray(a, dtype=float) for a in arrays]
    ends = np.cumsum([a.size for a in arrays])[:-1]

    def restore(vector):
        return [v.reshape(a.shape) for v, a in zip(np.split(vector, ends), arrays, strict=True)]

    return np.concatenate([a.ravel() for a in arrays]), restore


def log_softmax(logits):
    return logits - logsumexp(logits, axis=-1, keepdims=True)


def regression_arrays(model):
    """Gate, experts and log-dispersions of a regressor with linear experts."""
    coef = np.stack([expert.coef_ for expert in model.experts_])
    intercept = np.array([expert.intercept_ for expert in model.experts_])
    return [
        model.gate_.coef_,
        model.gate_.intercept_,
        coef,
        intercept,
        np.log(model.dispersion_),
    ]


def regression_terms(arrays, X, y):
    """Log gate and log-densities, (n, K), of linear-Gaussian experts."""
    gate, gate0, coef, intercept, log_sigma = arrays
    z = (y[:, None] - X @ coef.T - intercept) * np.exp(-log_sigma)
    return log_softmax(X @ gate.T + gate0), -0.5 * z**2 - log_sigma - 0.5 * np.log(2 * np.pi)


def classification_arrays(model):
    """Gate and experts of a classifier with logistic experts of three or more classes."""
    coef = np.stack([expert.coef_ for expert in model.experts_])
    intercept = np.stack([expert.intercept_ for expert in model.experts_])
    return [model.gate_.coef_, model.gate_.intercept_, coef, intercept]


def classification_terms(arrays, X, codes):
    """Log gate and log-probabilities, (n, K), of the rows' own classes."""
    gate, gate0, coef, intercept = arrays
    logits = np.einsum("nd,kcd->nkc", X, coef) + intercept
    own = np.take_along_axis(log_softmax(logits), codes[:, None, None], axis=2)[..., 0]
    return log_softmax(X @ gate.T + gate0), own


def log_likelihood(terms):
    """Observed-data log-likelihood of (log gate, log density)."""
    return float(logsumexp(sum(terms), axis=1).sum())


def gradient(function, vector, step=1e-5):
    """Central differences."""
    slopes = np.empty_like(vector)
    for j in range(len(vector)):
        up, down = vector.copy(), vector.copy()
        up[j] += step
        down[j] -= step
        slopes[j] = (function(up) - function(down)) / (2 * step)
    return slopes


def hessian(function, vector, step=1e-4):
    """Central differences of `gradient`."""
    rows = [
        (gradient(function, vector + e, step) - gradient(function, vector - e, step)) / (2 * step)
        for e in step * np.eye(len(vector))
    ]
    matrix = np.array(rows)
    return 0.5 * (matrix + matrix.T)
