"""The likelihood of a mixture of linear experts on a table, as parts that have scores."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length

from .._data.tables import with_columns
from .._sklearn import take
from ..gates import ConstantGate
from ..responses import Gamma, Gaussian, Poisson
from ._information import (
    Columns,
    ExpertPart,
    GaussianExpert,
    LogisticExpert,
    SoftmaxPart,
    Units,
)
from ._linear import (
    is_regressor,
    last_step,
    read_expert,
    read_gate,
    refuse,
    transformers,
)
from ._loglinear import GammaExpert, PoissonExpert
from ._types import Floats, Ints, Mixture

#: Difference, relative to the size of the predictions, up to which an expert counts as linear.
_LINEAR_RTOL = 1e-3

#: Experts whose scores can be computed, by the law of y.
_EXPERTS: dict[type, Any] = {Gaussian: GaussianExpert, Poisson: PoissonExpert, Gamma: GammaExpert}


def build_likelihood(
    est: Mixture, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, groups: ArrayLike | None
) -> tuple[list[ExpertPart], SoftmaxPart, Units, float]:
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
    units : Units
    y_scale : float
    """
    if is_regressor(est):
        _check_law(est)
    est.score_samples(X, y, groups)  # checks X, y and groups
    X, y = X if hasattr(X, "shape") else np.asarray(X), np.asarray(y).ravel()
    weights = checked_weights(sample_weight, y)
    if groups is not None:
        rows = np.argsort(groups, kind="stable")
        groups, X, y, weights = np.asarray(groups)[rows], _take(X, rows), y[rows], weights[rows]
    units = _units(weights, groups)
    experts = _build_experts(est, X, y, weights)
    gate = _build_gate(est, _of_units(_select(X, est.gate_columns_), units), units)
    return experts, gate, units, _spread(y, weights) if is_regressor(est) else np.nan


def _check_law(est: Any) -> None:
    law = est.response_
    if type(law) not in _EXPERTS:
        names = ", ".join(kind.__name__ for kind in _EXPERTS)
        refuse(f"the response must be one of {names}; got {type(law).__name__}", TypeError)
    for name, expert in est.named_experts_.items():
        alpha = getattr(last_step(expert), "alpha", 0)
        if law.loss != "squares" and alpha != 0:
            # alpha is multiplied by the sum of weights, so that it is no term of the objective.
            refuse(f"expert {name!r} must have alpha=0 under this response; got {alpha!r}")


def checked_weights(sample_weight: ArrayLike | None, y: Any) -> Floats:
    """Return the weights (n,) of the rows; ones where there are none."""
    if sample_weight is None:
        return np.ones(len(y))
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    check_consistent_length(weights, y)
    if weights.ndim != 1 or weights.min() < 0 or weights.max() == 0:
        raise ValueError("sample_weight must have one weight a row, not negative, not all zero")
    return weights


def _spread(y: NDArray[Any], weights: Floats) -> float:
    return float(np.sqrt(np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)))


def _take(X: Any, rows: Ints) -> Any:
    return take(X.tocsr() if sparse.issparse(X) else X, rows)


def _select(X: Any, columns: Any) -> Any:
    """Return the columns that gate or experts use, by their positions; all for None."""
    if columns is None:
        return X
    return take(X, columns, axis=1)


# Units -------------------------------------------------------------------------------------


def _units(weights: Floats, groups: NDArray[Any] | None) -> Units:
    """Return rows, or groups of consecutive rows, as units."""
    if groups is None:
        return Units(weights)
    starts = np.append(np.flatnonzero(np.append(True, groups[1:] != groups[:-1])), len(groups))
    units = Units(weights[starts[:-1]], starts)
    if (units.spread(units.weights, slice(0, len(starts) - 1)) != weights).any():
        raise ValueError("sample_weight must be the same in all rows of a group")
    return units


def _of_units(X: Any, units: Units) -> Any:
    """Return the table of the gate: a row for each unit, the means over its rows."""
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
    """X behind the transformers of the parts; each chain of transformers is applied once.

    Parameters
    ----------
    X : ndarray, sparse matrix or data frame of shape (n, d)
    weights : ndarray of shape (n,)
    """

    def __init__(self, X: Any, weights: Floats) -> None:
        self._X, self._weights = X, weights
        self._known: dict[tuple[Any, ...], Columns] = {}

    def columns(self, part: Any, positions: Any, intercept: bool = True) -> Columns:
        """Return the `Columns` of a part."""
        key = (*map(id, transformers(part)), str(positions), intercept)
        if key not in self._known:
            X = _select(self._X, positions)
            for step in transformers(part):
                X = step.transform(X)
            self._known[key] = Columns(_numbers(X), self._weights, intercept)
        return self._known[key]


def _numbers(X: Any) -> Floats:
    X = check_array(X, accept_sparse="csr", dtype=np.float64, ensure_min_features=0)
    return X.toarray() if sparse.issparse(X) else X


def _build_experts(est: Any, X: Any, y: NDArray[Any], weights: Floats) -> list[ExpertPart]:
    """Return the experts as parts of the likelihood, checked against their predictions."""
    table = Table(X, weights)
    found: list[ExpertPart] = []
    predictions = est.expert_predict(X)
    for k, (name, expert) in enumerate(est.named_experts_.items()):
        affine = read_expert(est, expert)
        columns = table.columns(expert, est.expert_columns_, affine.intercept)
        if affine.classes:
            part = LogisticExpert(columns, affine.full, _codes(y, affine.classes))
            known = np.searchsorted(est.classes_, affine.classes)
            _check_predictions(name, expert, part, predictions[:, k, known])
        else:
            kind, dispersion = _EXPERTS[type(est.response_)], est.dispersion_.ravel()[k]
            part = kind(columns, affine.coef[0], dispersion, y)
            _check_predictions(name, expert, part, predictions.reshape(len(y), -1)[:, k])
        found.append(part)
    return found


def _codes(y: NDArray[Any], classes: tuple[Any, ...]) -> Ints:
    """Return the numbers (n,) of labels among `classes`; -1 for others."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(np.asarray(classes)[codes] == y, codes, -1)


def _check_predictions(name: str, expert: Any, part: ExpertPart, predictions: Floats) -> None:
    """Raise an error if an expert has coefficients, but another link or another loss."""
    off = np.abs(part.predictions() - predictions).max()
    if off > _LINEAR_RTOL * np.abs(predictions).max():
        kind = type(last_step(expert)).__name__
        refuse(
            f"expert {name!r} must predict by its coefficients alone, with a log link under the "
            f"Poisson and Gamma responses only; got {kind}"
        )


def _build_gate(est: Mixture, X: Any, units: Units) -> SoftmaxPart:
    """Return the gate as a part of the likelihood; X has a row per unit, of the gate's columns."""
    raw = read_gate(est).coef
    if isinstance(last_step(est.gate_), ConstantGate):
        return SoftmaxPart(Columns(np.empty((len(units.weights), 0)), units.weights), raw)
    return SoftmaxPart(Table(X, units.weights).columns(est.gate_, None), raw)
