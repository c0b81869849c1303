"""Exact maximum-likelihood ascent of a mixture of linear-Gaussian experts, by L-BFGS.

flexmix divides the residual variance by n - rank, so it stops slightly below the maximum of the
likelihood. Climbing from its parameters with the plain gradient gives the maximum itself, with no
line shared with an EM algorithm.
"""

import numpy as np
from scipy.optimize import minimize

from tests.golden.problems import log_density, log_gate


class _Packing:
    """Coordinates in which the columns of both designs are orthogonal, and back."""

    def __init__(self, X, Z, n_experts):
        self.n_experts = n_experts
        self.expert_basis, self.to_expert = self._orthogonal(X)
        self.gate_basis, self.to_gate = self._orthogonal(Z)

    @staticmethod
    def _orthogonal(X):
        design = np.column_stack([np.ones(len(X)), X])
        basis, triangle = np.linalg.qr(design)
        scale = np.sqrt(len(X))
        return basis * scale, np.linalg.inv(triangle) * scale

    def pack(self, parameters):
        def stack(intercept, coef, change):
            raw = np.column_stack([parameters[intercept], np.asarray(parameters[coef])])
            return raw @ np.linalg.inv(change).T

        beta = stack("intercept", "coef", self.to_expert)
        gate = stack("gate_intercept", "gate_coef", self.to_gate)
        return np.concatenate([beta.ravel(), np.log(parameters["sigma"]), gate.ravel()])

    def split(self, theta):
        K, p = self.n_experts, self.expert_basis.shape[1]
        beta, log_sigma, gate = np.split(theta, [K * p, K * p + K])
        return beta.reshape(K, p), np.exp(log_sigma), gate.reshape(K, -1)

    def unpack(self, theta):
        beta, sigma, gate = self.split(theta)
        beta, gate = beta @ self.to_expert.T, gate @ self.to_gate.T
        return {
            "coef": beta[:, 1:],
            "intercept": beta[:, 0],
            "sigma": sigma,
            "gate_coef": gate[:, 1:],
            "gate_intercept": gate[:, 0],
        }


def _plain(beta, sigma, gate):
    zeros = np.zeros(len(sigma))
    return {
        "coef": beta, "intercept": zeros, "sigma": sigma,
        "gate_coef": gate, "gate_intercept": zeros,
    }  # fmt: skip


def _negative(theta, packing, y):
    """Minus the log-likelihood a row, and its gradient."""
    beta, sigma, gate = packing.split(theta)
    E, G = packing.expert_basis, packing.gate_basis
    parameters = _plain(beta, sigma, gate)
    log_proba = log_gate(G, parameters)
    joint = log_proba + log_density(E, y, parameters)
    top = joint.max(axis=1, keepdims=True)
    total = top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True))
    resp = np.exp(joint - total)
    standardised = (y[:, None] - E @ beta.T) / sigma
    slope = np.concatenate(
        [
            ((resp * standardised / sigma).T @ E).ravel(),
            (resp * (standardised**2 - 1.0)).sum(axis=0),
            ((resp - np.exp(log_proba)).T @ G).ravel(),
        ]
    )
    return -total.sum() / len(y), -slope / len(y)


def maximum_likelihood(X, y, parameters, Z=None, rounds=20):
    """Climb from given parameters to the nearest maximum of the log-likelihood.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    parameters : dict
        As the ``truth`` of `simulated`.
    Z : ndarray of shape (n, q), default=None
        What the gate sees; ``None`` is ``X``.
    rounds : int
        Restarts of L-BFGS, each with an empty memory.

    Returns
    -------
    log_likelihood : float
    parameters : dict of ndarray
    slope : float
        Largest entry of the gradient a row, in orthogonal coordinates.
    """
    packing = _Packing(X, X if Z is None else Z, len(parameters["sigma"]))
    theta = packing.pack(parameters)
    options = {"maxiter": 2000, "maxcor": 50, "ftol": 1e-16, "gtol": 1e-10}
    for _ in range(rounds):
        found = minimize(
            _negative, theta, (packing, y), method="L-BFGS-B", jac=True, options=options
        )
        gain, theta = _negative(theta, packing, y)[0] - found.fun, found.x
        if gain <= 0.0:
            break
    value, slope = _negative(theta, packing, y)
    return -value * len(y), packing.unpack(theta), np.abs(slope).max()
