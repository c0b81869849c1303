"""EM where all rows of a group share one expert, by naive loops over groups and experts.

Grün and Leisch (2008), "FlexMix version 2", with plain Python loops. Nothing here is shared
with the package. Groups are in the order of their sorted labels.
"""

import math

import numpy as np

from tests.oracles.hme import fit_linear, fit_softmax


def rows_of(groups):
    """Lists of the rows of every group."""
    return [[i for i, g in enumerate(groups) if g == label] for label in sorted(set(groups))]


def normal_log_density(y, mean, sigma):
    return -0.5 * ((y - mean) / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)


def linear_log_densities(X, y, experts):
    """Log-densities (n, K) of rows under experts (coef, intercept, sigma)."""
    return np.array(
        [[normal_log_density(y[i], X[i] @ b + a, s) for b, a, s in experts] for i in range(len(y))]
    )


def expectation(log_gate, log_density, groups):
    """Responsibilities (G, K) and log-likelihoods (G,) of the groups.

    Parameters
    ----------
    log_gate : ndarray of shape (G, K)
    log_density : ndarray of shape (n, K)
        Of the rows.
    groups : list of n labels
    """
    resp, log_likelihood = [], []
    for group, rows in enumerate(rows_of(groups)):
        joint = [
            log_gate[group][k] + sum(log_density[i][k] for i in rows)
            for k in range(len(log_gate[group]))
        ]
        top = max(joint)
        total = sum(math.exp(term - top) for term in joint)
        resp.append([math.exp(term - top) / total for term in joint])
        log_likelihood.append(top + math.log(total))
    return np.array(resp), np.array(log_likelihood)


def constant_gate(resp, Z, weights):
    """Log-probabilities (G, K) of the shares."""
    share = weights @ resp / weights.sum()
    return np.tile(np.log(share), (len(resp), 1)), {"share": share}


def softmax_gate(alpha):
    """Return the M-step of a softmax gate with L2 penalty `alpha` on standardised weights."""

    def update(resp, Z, weights):
        mean = weights @ Z / weights.sum()
        spread = np.sqrt(weights @ (Z - mean) ** 2 / weights.sum())
        coef, intercept = fit_softmax(Z, resp, weights, spread, alpha)
        logits = Z @ coef.T + intercept
        top = logits.max(axis=1, keepdims=True)
        log_gate = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        penalty = 0.5 * alpha * ((coef * spread) ** 2).sum()
        return log_gate, {"coef": coef, "intercept": intercept, "penalty": penalty}

    return update


def em(X, y, groups, resp, gate, n_iter, weights=None):
    """EM of linear-Gaussian experts from responsibilities (G, K); M-step first.

    Parameters
    ----------
    gate : callable
        ``gate(resp, Z, weights)`` returns log-probabilities (G, K) and what else is known.
    weights : ndarray of shape (G,), optional

    Returns
    -------
    dict
        ``history``, the log-likelihood of every iteration; ``experts``, (coef, intercept,
        sigma) each; ``resp`` (G, K); ``log_likelihood`` (G,); and what the gate tells.
    """
    members, history = rows_of(groups), []
    weights = np.ones(len(members)) if weights is None else weights
    Z = np.array([np.mean([X[i] for i in rows], axis=0) for rows in members])
    for _ in range(n_iter):
        experts = []
        for k in range(resp.shape[1]):
            of_rows = np.zeros(len(y))
            for group, rows in enumerate(members):
                of_rows[rows] = weights[group] * resp[group, k]
            experts.append(fit_linear(X, y, of_rows))
        log_gate, told = gate(resp, Z, weights)
        resp, log_likelihood = expectation(log_gate, linear_log_densities(X, y, experts), groups)
        history.append(weights @ log_likelihood)
    found = {"history": np.array(history), "experts": experts, "resp": resp}
    return found | {"log_likelihood": log_likelihood} | told
