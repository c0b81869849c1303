"""Widening: one factor on all dispersions where rows are few, estimated from held-out rows.

Gate and experts of many parameters fit the noise of their training rows, whose residuals are then
smaller than those of new rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import logsumexp

from .._data.numerics import Floats
from .._data.pipelines import is_rigid
from .._data.splits import places, unit_folds
from .._data.tables import numeric_features, select
from ..em._loop import Result, State, e_step
from ..em._protocols import Trainer
from ..experts import fitted_penalty
from .fitting import Fitting
from .mixture import FittedRegression, Mixture
from .problem import Data, count_free_parameters

#: Dispersions are widened where there are fewer observed numbers than this per free parameter.
FEW = 5.0

#: Number of folds of the rows, the same as where experts are fitted once.
FOLDS = 5

#: Half the difference of the logarithms of the two factors of a finite difference.
_STEP = 1e-4


def has_few_rows(fitting: Fitting, training: Trainer, state: State) -> bool:
    """Tell whether the dispersions of a mixture fitted with ``cv="auto"`` are to be widened.

    They are not where an expert is evaluated out of fold, which makes dispersions wide enough, or
    has a penalty, which keeps it from fitting noise.

    Parameters
    ----------
    fitting : Fitting
    training : Trainer
    state : State
    """
    parts, data = fitting.parts, fitting.data
    in_sample = parts.auto and parts.specialize and all(is_rigid(e) for _, e in parts.named)
    if not (parts.law.standardises and in_sample):
        return False
    gate, experts = training.finish(state)
    if any(np.any(fitted_penalty(expert)) for expert in experts):
        return False
    distinct = places(_table(data), data.weights).max() + 1
    observed = distinct * data.target.width
    dispersion = state.parameters.dispersion
    return bool(observed < FEW * count_free_parameters(gate, experts, training.law, dispersion))


def calibrated(
    fitting: Fitting, training: Trainer, results: list[Result]
) -> tuple[list[Result], float]:
    """Multiply the dispersions by the factor of the largest held-out log-likelihood.

    The mixture is fitted again without each fold, beginning at its final responsibilities. The
    density of a fold has the gate and experts of that fit, and the law of the whole mixture.

    Parameters
    ----------
    fitting : Fitting
    training : Trainer
    results : list of Result
        Runs whose densities are averaged.

    Returns
    -------
    results : list of Result
        The runs with new dispersions. Objectives stay those of EM: up to a constant they are those
        of the new dispersions with all errors multiplied too.
    factor : float
        At least one, since residuals of the training rows are not too large.
    """
    if not has_few_rows(fitting, training, results[0].state):
        return results, 1.0
    held_out = _held_out(fitting, training, [result.state for result in results])
    factor = _best_factor(lambda factor: sum(part.log_likelihood(factor) for part in held_out))
    return [
        with_scaled_dispersion(training, result, factor, fitting.top_k) for result in results
    ], factor


def _table(data: Data) -> Any:
    """Return numeric columns of X and y, in which equal rows can be found."""
    X = numeric_features(data.X, data.weights)
    y: Any = data.target.values
    if sparse.issparse(X):
        return sparse.csr_matrix(sparse.hstack([X, y]))
    return np.column_stack([X, y])


def _held_out(fitting: Fitting, training: Trainer, states: list[State]) -> list[HeldOutFold]:
    """Return the predictions for each fold of mixtures that are fitted without it."""
    data, law = fitting.data, fitting.parts.law
    fold = unit_folds(_table(data), data.weights, data.units, FOLDS)
    spreads = [_law_parameters(training, state) for state in states]
    resp = [data.units.spread(training.responsibilities(s, fitting.top_k)) for s in states]
    found = []
    # Rows that are all equal are in one fold, without which there are none to fit to.
    numbers = np.unique(fold) if fold.any() else []
    with fitting.workers() as workers:
        for number in numbers:
            rest, rows = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            others = [fitting.refitted(rest, each, workers) for each in resp]
            part = data.rows(rows)
            predictions = [_predictions(part, fitting, *other) for other in others]
            parameters = [_at(part, law, training, s) for s in spreads]
            found.append(HeldOutFold(part, law, predictions, parameters))
    return found


def _at(part: Any, law: Any, training: Any, parameters: Any) -> Floats:
    """Return the parameters of the law in the rows of a part, in the units of y."""
    task = FittedRegression(law, parameters, part.target.values.shape[1], training.law.units)
    return task.parameters_at(select(part.X, part.expert_columns))


def _law_parameters(training: Trainer, state: State) -> Floats:
    """Return the parameters of the law (K, q) in the units of y."""
    scale: Any = training.target.scale
    return training.law.rescaled(state.parameters.dispersion, scale)


def _predictions(
    part: Any, fitting: Fitting, training: Trainer, state: State
) -> tuple[Floats, Floats]:
    """Return log mixing weights (U, K) and predictions (n, K, m) of a fit for other rows."""
    gate, experts = training.finish(state)
    mixture = Mixture(
        gate=gate,
        experts=list(zip(training.names, experts, strict=True)),
        task=FittedRegression(fitting.parts.law, None, part.target.values.shape[1]),
        gate_columns=part.gate_columns,
        expert_columns=part.expert_columns,
        dense=True,
    )
    with np.errstate(divide="ignore"):
        weights = np.log(mixture.unit_weights(part.X, fitting.top_k, part.units))
    return weights, mixture.predictions(part.X)


@dataclass(frozen=True)
class HeldOutFold:
    """Predictions for the rows of a fold by mixtures that were fitted without them.

    Attributes
    ----------
    data : Data
        The rows.
    law : Law
    predictions : list of (ndarray of shape (U, K), ndarray of shape (n, K, m))
        Log mixing weights of their units, and predictions of the experts; one pair for each run.
    parameters : list of ndarray of shape (K, q) or (n, K, q)
        Parameters of the law, fitted to all rows, in the units of y.
    """

    data: Data
    law: Any
    predictions: list[tuple[Floats, Floats]]
    parameters: list[Floats]

    def log_likelihood(self, factor: float) -> float:
        """Return the sum of weights × log-likelihoods of all units, with dispersions × `factor`."""
        y = self.data.target.raw.reshape(len(self.data.weights), -1).astype(np.float64)
        scale, units = np.full(y.shape[1], factor), self.data.units
        runs = []
        for (log_weights, means), parameters in zip(self.predictions, self.parameters, strict=True):
            log_density = self.law.logpdf(y, means, self.law.rescaled(parameters, scale))
            runs.append(e_step(log_weights, units.gather(log_density))[1])
        return float(units.weights @ (logsumexp(runs, axis=0) - np.log(len(runs))))


def _best_factor(log_likelihood: Callable[[float], float]) -> float:
    """Return the smallest factor, at least one, at which a log-likelihood stops increasing."""

    def slope(log_factor: float) -> float:
        above, below = log_factor + _STEP, log_factor - _STEP
        return log_likelihood(np.exp(above)) - log_likelihood(np.exp(below))

    if slope(0.0) <= 0.0:
        return 1.0
    low, high = 0.0, 1.0
    # The log-likelihood decreases for large factors, so that this ends.
    while slope(high) > 0.0:
        low, high = high, 2.0 * high
    root: Any = brentq(slope, low, high)
    return float(np.exp(root))


def with_scaled_dispersion(
    training: Trainer, result: Result, factor: float, top_k: int | None
) -> Result:
    """Return a result whose dispersions are multiplied by `factor`."""
    if factor == 1.0:
        return result
    parameters = result.state.parameters
    scale = np.full(training.target.width, factor)
    dispersion = training.law.rescaled(parameters.dispersion, scale)
    state = training.expect(replace(parameters, dispersion=dispersion), top_k)
    return replace(result, state=replace(state, objective=result.state.objective))
