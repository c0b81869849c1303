"""One factor on all dispersions where rows are few, from rows that the mixture has not seen.

Gate and experts of many parameters fit noise of the rows they learn from: what is left there
is smaller than what new rows will show.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import logsumexp

from .._data.pipelines import is_rigid
from .._data.splits import places, unit_folds
from .._data.tables import numeric_features, select
from ..em._loop import e_step
from ..experts import fitted_penalty
from .mixture import FittedRegression, Mixture
from .problem import count_free_parameters

#: With fewer observed numbers for each free parameter than this, dispersions are widened.
FEW = 5.0

#: Folds of the rows, as many as where experts are fitted once.
FOLDS = 5

#: Half the difference of the logarithms of two factors that a slope is taken between.
_STEP = 1e-4


def has_few_rows(fitting, training, state):
    """Tell whether the dispersions of a mixture fitted with ``cv="auto"`` are to be widened.

    Those of experts that are asked out of fold need no help, and a penalty is what keeps an
    expert from fitting noise.

    Parameters
    ----------
    fitting : Fitting
    training : RowTrainer
    state : State
    """
    parts, data = fitting.parts, fitting.data
    in_sample = parts.auto and parts.specialize and all(is_rigid(e) for _, e in parts.named)
    if not (parts.law.standardises and in_sample):
        return False
    if any(np.any(fitted_penalty(expert)) for expert in training.finish(state)[1]):
        return False
    distinct = places(_table(data), data.weights).max() + 1
    observed = distinct * data.target.values.shape[1]
    return bool(observed < FEW * count_free_parameters(training, state))


def calibrated(fitting, training, results):
    """Multiply the dispersions by the factor that makes rows left out likeliest.

    The mixture is fitted without each fold, from the responsibilities that it ended with; the
    density of the fold has gates and experts of these fits, and the law of the whole one.

    Parameters
    ----------
    fitting : Fitting
    training : RowTrainer
    results : list of Result
        Runs whose densities are averaged.

    Returns
    -------
    results : list of Result
        With their new dispersions, and the objective that EM reached before: that of the new ones
        if errors are multiplied too, but for a constant.
    factor : float
        At least one: what is left of the rows fitted to is never too much.
    """
    if not has_few_rows(fitting, training, results[0].state):
        return results, 1.0
    held_out = _held_out(fitting, training, [result.state for result in results])
    factor = _best_factor(lambda factor: sum(part.log_likelihood(factor) for part in held_out))
    return [
        with_scaled_dispersion(training, result, factor, fitting.top_k) for result in results
    ], factor


def _table(data):
    """Numeric columns of X and y: rows of a weight of two, and two equal rows, are alike."""
    X = numeric_features(data.X, data.weights)
    if sparse.issparse(X):
        return sparse.csr_matrix(sparse.hstack([X, data.target.values]))
    return np.column_stack([X, data.target.values])


def _held_out(fitting, training, states):
    """What mixtures fitted without each fold say of it: a list of `HeldOut`."""
    data, law = fitting.data, fitting.parts.law
    fold = unit_folds(_table(data), data.weights, data.units, FOLDS)
    spreads = [_law_parameters(training, state) for state in states]
    resp = [data.units.spread(training.responsibilities(s, fitting.top_k)) for s in states]
    found = []
    # Rows that are all alike make one fold, and leave none to learn from.
    numbers = np.unique(fold) if fold.any() else []
    with fitting.workers() as pool:
        for number in numbers:
            rest, rows = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            others = [fitting.again(rest, each, pool) for each in resp]
            part = data.rows(rows)
            said = [_predictions(part, fitting, *other) for other in others]
            found.append(HeldOut(part, law, said, [_at(part, law, training, s) for s in spreads]))
    return found


def _at(part, law, training, parameters):
    """Parameters of the law in the rows of a part."""
    task = FittedRegression(law, parameters, part.target.values.shape[1], training.law.units)
    return task.parameters_at(select(part.X, part.expert_columns))


def _law_parameters(training, state):
    """Parameters of the law (K, q) in the units of y."""
    return training.law.rescaled(state.parameters.dispersion, training.target.scale)


def _predictions(part, fitting, training, state):
    """Log mixing weights (U, K) and answers (n, K, m) of a fit, for rows it has not seen."""
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
class HeldOut:
    """What is known of the rows of a fold without them.

    Attributes
    ----------
    data : Data
        The rows.
    law : response
    said : list of (ndarray of shape (U, K), ndarray of shape (n, K, m))
        Log mixing weights of their units, and answers of the experts; one for each run.
    parameters : list of ndarray of shape (K, q) or (n, K, q)
        Of the law, in the units of y, as fitted to all rows.
    """

    data: Any
    law: Any
    said: list
    parameters: list

    def log_likelihood(self, factor):
        """Log-likelihood of all units × their weights, dispersions × `factor`."""
        y = self.data.target.raw.reshape(len(self.data.weights), -1).astype(np.float64)
        scale, units = np.full(y.shape[1], factor), self.data.units
        runs = []
        for (log_weights, answers), parameters in zip(self.said, self.parameters, strict=True):
            log_density = self.law.logpdf(y, answers, self.law.rescaled(parameters, scale))
            runs.append(e_step(log_weights, units.gather(log_density))[1])
        return float(units.weights @ (logsumexp(runs, axis=0) - np.log(len(runs))))


def _best_factor(log_likelihood):
    """The factor, from one upwards, at which a log-likelihood first stops to rise."""

    def slope(log_factor):
        above, below = log_factor + _STEP, log_factor - _STEP
        return log_likelihood(np.exp(above)) - log_likelihood(np.exp(below))

    if slope(0.0) <= 0.0:
        return 1.0
    low, high = 0.0, 1.0
    # Ever wider laws are ever less likely, so that this ends.
    while slope(high) > 0.0:
        low, high = high, 2.0 * high
    return float(np.exp(brentq(slope, low, high)))


def with_scaled_dispersion(training, result, factor, top_k):
    """A result whose dispersions are multiplied by `factor`."""
    if factor == 1.0:
        return result
    parameters = result.state.parameters
    scale = np.full(len(training.target.scale), factor)
    dispersion = training.law.rescaled(parameters.dispersion, scale)
    state = training.expect(replace(parameters, dispersion=dispersion), top_k)
    return replace(result, state=replace(state, objective=result.state.objective))
