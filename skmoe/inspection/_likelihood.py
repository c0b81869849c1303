"""The likelihood of a mixture of linear experts at a table, as parts that have scores."""

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length

from .._data.tables import with_columns
from .._sklearn import take
from ..gates import ConstantGate
from ..responses import Gamma, Gaussian, Poisson
from ._information import Columns, GaussianExpert, LogisticExpert, SoftmaxPart, Units
from ._linear import (
    is_regressor,
    last_step,
    read_expert,
    read_gate,
    refuse,
    transformers,
)
from ._loglinear import GammaExpert, PoissonExpert

#: Difference, relative to the size of the answers, up to which an expert counts as linear.
_LINEAR_RTOL = 1e-3

#: Experts whose scores are known, by the law of y.
_EXPERTS = {Gaussian: GaussianExpert, Poisson: PoissonExpert, Gamma: GammaExpert}


def build_likelihood(est, X, y, sample_weight, groups):
    """Return experts, gate, units, and the standard deviation of y (NaN for labels).

    Parameters
    ----------
    est : fitted mixture, checked
    X : array-like, sparse matrix or data frame of shape (n, d)
    y : array-like of shape (n,)
    sample_weight, groups : array-like of shape (n,) or None

    Returns
    -------
    experts : list of GaussianExpert, LogisticExpert, PoissonExpert or GammaExpert
    gate : SoftmaxPart
    units : Standardisation
    y_scale : float
    """
    if is_regressor(est):
        _check_law(est)
    est.score_samples(X, y, groups)  # says what there is to say of X, y and groups
    X, y = X if hasattr(X, "shape") else np.asarray(X), np.asarray(y).ravel()
    weights = checked_weights(sample_weight, y)
    if groups is not None:
        rows = np.argsort(groups, kind="stable")
        groups, X, y, weights = np.asarray(groups)[rows], _take(X, rows), y[rows], weights[rows]
    units = _units(weights, groups)
    experts = _build_experts(est, X, y, weights)
    gate = _build_gate(est, _of_units(_select(X, est.gate_columns_), units), units)
    return experts, gate, units, _spread(y, weights) if is_regressor(est) else np.nan


def _check_law(est):
    law = est.response_
    if type(law) not in _EXPERTS:
        names = ", ".join(kind.__name__ for kind in _EXPERTS)
        refuse(f"the response must be one of {names}; got {type(law).__name__}", TypeError)
    for name, expert in est.named_experts_.items():
        alpha = getattr(last_step(expert), "alpha", 0)
        if law.loss != "squares" and alpha != 0:
            # It is multiplied by the sum of weights, and so belongs to no objective.
            refuse(f"expert {name!r} must have alpha=0 under this response; got {alpha!r}")


def checked_weights(sample_weight, y):
    """Weights (n,) of the rows, ones where there are none."""
    if sample_weight is None:
        return np.ones(len(y))
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    check_consistent_length(weights, y)
    if weights.ndim != 1 or weights.min() < 0 or weights.max() == 0:
        raise ValueError("sample_weight must have one weight a row, not negative, not all zero")
    return weights


def _spread(y, weights):
    return float(np.sqrt(np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)))


def _take(X, rows):
    return take(X.tocsr() if sparse.issparse(X) else X, rows)


def _select(X, columns):
    """The columns that one side sees, by their positions; None for all."""
    if columns is None:
        return X
    return take(X, columns, axis=1)


# Units -------------------------------------------------------------------------------------


def _units(weights, groups):
    """Rows alone, or groups of consecutive rows."""
    if groups is None:
        return Units(weights)
    starts = np.append(np.flatnonzero(np.append(True, groups[1:] != groups[:-1])), len(groups))
    units = Units(weights[starts[:-1]], starts)
    if (units.spread(units.weights, slice(0, len(starts) - 1)) != weights).any():
        raise ValueError("sample_weight must be the same in all rows of a group")
    return units


def _of_units(X, units):
    """What the gate sees: a row a unit, the means over its rows."""
    if units.starts is None:
        return X
    if hasattr(X, "columns"):
        columns = [np.asarray(take(X, j, axis=1)) for j in range(X.shape[1])]
        numeric = [j for j, column in enumerate(columns) if column.dtype.kind in "fiub"]
        numbers = np.array([columns[j] for j in numeric]).reshape(len(numeric), X.shape[0]).T
        means = _of_units(numbers, units)
        return with_columns(take(X, units.starts[:-1]), dict(zip(numeric, means.T, strict=True)))
    values = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
    sums = units.gather(values, slice(0, len(units.weights)))
    return sums / np.diff(units.starts)[:, None]


# Parts -------------------------------------------------------------------------------------


class Table:
    """X as the last steps of the parts see it: numbers, each chain of transformers applied once.

    Parameters
    ----------
    X : ndarray, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)
    """

    def __init__(self, X, weights):
        self._X, self._weights, self._known = X, weights, {}

    def columns(self, part, positions, intercept=True):
        """The `Columns` of a part."""
        key = (*map(id, transformers(part)), str(positions), intercept)
        if key not in self._known:
            X = _select(self._X, positions)
            for step in transformers(part):
                X = step.transform(X)
            self._known[key] = Columns(_numbers(X), self._weights, intercept)
        return self._known[key]


def _numbers(X):
    X = check_array(X, accept_sparse="csr", dtype=np.float64, ensure_min_features=0)
    return X.toarray() if sparse.issparse(X) else X


def _build_experts(est, X, y, weights):
    """Return the experts as parts of the likelihood, checked against what they answer."""
    table, found = Table(X, weights), []
    answers = est.expert_predict(X)
    for k, (name, expert) in enumerate(est.named_experts_.items()):
        affine = read_expert(est, expert)
        columns = table.columns(expert, est.expert_columns_, affine.intercept)
        if affine.classes:
            part = LogisticExpert(columns, affine.full, _codes(y, affine.classes))
            known = np.searchsorted(est.classes_, affine.classes)
            _check_answers(name, expert, part, answers[:, k, known])
        else:
            kind, dispersion = _EXPERTS[type(est.response_)], est.dispersion_.ravel()[k]
            part = kind(columns, affine.coef[0], dispersion, y)
            _check_answers(name, expert, part, answers.reshape(len(y), -1)[:, k])
        found.append(part)
    return found


def _codes(y, classes):
    """Numbers (n,) of labels among `classes`, -1 for others."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(np.asarray(classes)[codes] == y, codes, -1)


def _check_answers(name, expert, part, answers):
    """Refuse an expert that has coefficients, but another link or a loss of its own."""
    off = np.abs(part.answers() - answers).max()
    if off > _LINEAR_RTOL * np.abs(answers).max():
        kind = type(last_step(expert)).__name__
        refuse(
            f"expert {name!r} must predict by its coefficients alone, with a log link under the "
            f"Poisson and Gamma responses only; got {kind}"
        )


def _build_gate(est, X, units):
    """Return the gate as a part of the likelihood; X has a row a unit, of the gate's columns."""
    raw = read_gate(est).coef
    if isinstance(last_step(est.gate_), ConstantGate):
        return SoftmaxPart(Columns(np.empty((len(units.weights), 0)), units.weights), raw)
    return SoftmaxPart(Table(X, units.weights).columns(est.gate_, None), raw)
