"""Simulated mixtures with known parameters, and the reference values stored beside them.

Everything here needs numpy only, and one seed gives the same table wherever it is run.
"""

import csv
import json
from pathlib import Path

import numpy as np

GOLDEN_FILE = Path(__file__).with_name("flexmix.json")
TABLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "mixtures"

PROBLEMS = {
    "small": {"n": 2_000, "d": 5, "n_experts": 3, "seed": 1},
    "large": {"n": 20_000, "d": 10, "n_experts": 4, "seed": 2},
}


def simulated(n, d, n_experts, seed):
    """Draw a mixture of linear-Gaussian experts under a softmax gate.

    Standard normal features; the gate's scores have a standard deviation near ``sqrt(2)``, so the
    gate is neither flat nor separable; the predictions of two experts differ by about
    ``2 * sqrt(2 d)``, while the noise is at most one half.

    Parameters
    ----------
    n, d, n_experts : int
        Rows, features, experts.
    seed : int

    Returns
    -------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    truth : dict of ndarray
        ``coef`` (K, d), ``intercept`` (K,), ``sigma`` (K,), ``gate_coef`` (K, d),
        ``gate_intercept`` (K,); gate rows sum to zero over the experts.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    truth = _draw_parameters(rng, d, n_experts)
    expert = _draw_experts(rng, log_gate(X, truth))
    noise = truth["sigma"][expert] * rng.standard_normal(n)
    y = (X * truth["coef"][expert]).sum(axis=1) + truth["intercept"][expert] + noise
    return X, y, truth


def _draw_parameters(rng, d, n_experts):
    gate_coef = rng.standard_normal((n_experts, d)) * np.sqrt(2.0 / d)
    gate_intercept = rng.uniform(-0.5, 0.5, n_experts)
    return {
        "coef": 2.0 * rng.standard_normal((n_experts, d)),
        "intercept": 2.0 * rng.standard_normal(n_experts),
        "sigma": rng.uniform(0.2, 0.5, n_experts),
        "gate_coef": gate_coef - gate_coef.mean(axis=0),
        "gate_intercept": gate_intercept - gate_intercept.mean(),
    }


def _draw_experts(rng, log_proba):
    cumulative = np.exp(log_proba).cumsum(axis=1)
    return (rng.random(len(log_proba))[:, None] > cumulative[:, :-1]).sum(axis=1)


def problem(name):
    """Table and true parameters of one entry of ``PROBLEMS``."""
    return simulated(**PROBLEMS[name])


def random_responsibilities(n, n_experts, seed):
    """Starting responsibilities that know nothing: every row at one expert, at random.

    Returns
    -------
    ndarray of shape (n, n_experts)
    """
    return np.eye(n_experts)[np.random.default_rng(seed).integers(n_experts, size=n)]


def _log_sum_exp(values):
    top = values.max(axis=1, keepdims=True)
    return top + np.log(np.exp(values - top).sum(axis=1, keepdims=True))


def log_gate(Z, parameters):
    """Log of the softmax gate's probabilities, shape (n, K), at gate features ``Z``."""
    logits = Z @ np.asarray(parameters["gate_coef"]).T + np.asarray(parameters["gate_intercept"])
    return logits - _log_sum_exp(logits)


def log_density(X, y, parameters):
    """Log of every expert's Gaussian density at ``y``, shape (n, K)."""
    sigma = np.asarray(parameters["sigma"])
    mean = X @ np.asarray(parameters["coef"]).T + np.asarray(parameters["intercept"])
    return -0.5 * ((y[:, None] - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2.0 * np.pi)


def log_likelihood(X, y, parameters, Z=None):
    """Log-likelihood of a mixture of linear-Gaussian experts, written out.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        What the experts see.
    y : ndarray of shape (n,)
    parameters : dict
        As the ``truth`` of `simulated`; lists will do.
    Z : ndarray of shape (n, q), default=None
        What the gate sees; ``None`` is ``X``.

    Returns
    -------
    float
    """
    joint = log_gate(X if Z is None else Z, parameters) + log_density(X, y, parameters)
    return float(_log_sum_exp(joint).sum())


def golden():
    """The stored reference values, as the dictionary that ``make_golden.py`` wrote."""
    return json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))


def read_table(file, folder=TABLES):
    """Columns of one of the classic tables, which are not part of this repository.

    Parameters
    ----------
    file : str
        Name such as ``"NPreg.csv"``.
    folder : path, default=TABLES
        Tests that need it are skipped where it does not exist.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Numbers where the whole column is numbers, text otherwise.
    """
    with open(Path(folder) / file, newline="", encoding="utf-8") as lines:
        names, *rows = csv.reader(lines)
    return {name: _as_numbers(column) for name, *column in zip(names, *rows, strict=True)}


def _as_numbers(column):
    try:
        return np.array(column, dtype=float)
    except ValueError:
        return np.array(column)


def columns(table, terms):
    """Design matrix of terms such as ``"x"`` or ``"x^2"``; no term is a matrix of no columns.

    Returns
    -------
    ndarray of shape (n, len(terms))
    """
    n = len(next(iter(table.values())))
    parts = [table[name] ** int(power or 1) for name, _, power in (t.partition("^") for t in terms)]
    return np.column_stack(parts) if parts else np.empty((n, 0))
