"""What y is to the experts and the law: standardised numbers, or coded labels."""

from dataclasses import dataclass, replace

import numpy as np

from .numerics import weighted_location_scale
from .tables import n_rows

#: Probability below which a class counts as impossible: its logarithm stays finite.
SMALLEST_PROBABILITY = np.finfo(float).tiny

#: Beyond it the square of y overflows.
LARGEST_Y = 1e153

#: Where the standard deviation of y is smaller, y counts as constant: the precision of
#: experts that fit it well would overflow.
SMALLEST_SCALE = 1e-151

#: How far from one the sum of an expert's probabilities may be: it may compute them in
#: half precision.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Target:
    """Numbers, standardised with the sample weights.

    Attributes
    ----------
    raw : ndarray of shape (n,) or (n, m)
        As handed to experts.
    values : ndarray of shape (n, m)
        Standardised.
    mean, scale : ndarray of shape (m,)
        In the units of y.
    standardised : bool
        Whether `values` are y shifted and scaled, or y itself.
    typical : ndarray of shape (m,) or None
        Size of y, where it is not standardised.
    """

    raw: np.ndarray
    values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    standardised: bool = True
    typical: np.ndarray | None = None

    #: Of labels only.
    codes = None
    classes = None

    @classmethod
    def of(cls, y, weights, standardised=True):
        """Standardise y, (n,) or (n, m), or take it as it is."""
        columns = y.reshape(len(y), -1)
        if not standardised:
            m = columns.shape[1]
            typical = _geometric_means(np.abs(columns), weights)
            return cls(y, np.asfortranarray(columns), np.zeros(m), np.ones(m), False, typical)
        mean, scale, constant = weighted_location_scale(columns, weights)
        constant |= scale < SMALLEST_SCALE
        scale = np.where(constant, 1.0, scale)
        values = np.where(constant, 0.0, (columns - mean) / scale)
        return cls(y, np.asfortranarray(values), mean, scale)

    def rows(self, rows, weights):
        """The target of some rows, standardised with their weights."""
        return Target.of(self.raw[rows], weights, self.standardised)

    def standardised_by(self, units):
        """The same in the location and scale of other rows, which `units` knows."""
        values = units.targets(self.raw.reshape(len(self.raw), -1))
        return replace(self, values=values, mean=units.y_mean, scale=units.y_scale)

    @property
    def width(self):
        """Number of values an expert answers with."""
        return self.values.shape[1]

    @property
    def single(self):
        """Whether y has one dimension."""
        return self.raw.ndim == 1

    @property
    def columns(self):
        """What is folded: `values`, (n, m)."""
        return self.values

    @property
    def log_scale(self):
        """What a log-density loses when it is stated in the units of y."""
        return float(np.log(self.scale).sum())

    @property
    def scores(self):
        """What starts tell rows apart by, (n, m): y, on nearly logarithmic scale if as it is."""
        if self.standardised:
            return self.values
        return np.sign(self.values) * np.log1p(np.abs(self.values) / self.typical)

    def surrogate(self, weights):
        """The target of the linear experts that stand in for others where starts are tried."""
        return self if self.standardised else Target.of(self.scores, weights)

    @property
    def blank(self):
        """Room for what one expert says of all rows, (n, m)."""
        return np.zeros(self.values.shape)

    def read(self, expert, X, rows=None):
        """Predictions (n, m) of a fitted expert, standardised, for X that holds `rows`."""
        return (predict_numbers(expert, X, len(self.scale)) - self.mean) / self.scale


@dataclass(frozen=True)
class Labels:
    """Coded labels.

    Attributes
    ----------
    raw : ndarray of shape (n,)
        As handed to experts.
    codes : ndarray of shape (n,), int
    classes : ndarray of shape (n_classes,)
    """

    raw: np.ndarray
    codes: np.ndarray
    classes: np.ndarray
    log_scale = 0.0

    @property
    def columns(self):
        """What is folded: codes, (n, 1)."""
        return self.codes[:, None]

    def standardised_by(self, units):
        """Itself: labels have none."""
        return self

    @property
    def width(self):
        """Number of values an expert answers with."""
        return len(self.classes)

    def rows(self, rows, weights):
        """The labels of some rows; the classes stay."""
        return Labels(self.raw[rows], self.codes[rows], self.classes)

    @property
    def scores(self):
        """What starts tell rows apart by: (n, 1 + n_classes), codes and indicators."""
        return np.column_stack([self.codes, np.eye(len(self.classes))[self.codes]])

    def surrogate(self, weights):
        """The target of the experts that stand in for others where starts are tried: itself."""
        return self

    @property
    def blank(self):
        """Room for what one expert says of all rows, (n,)."""
        return np.zeros(len(self.codes))

    def read(self, expert, X, rows=None):
        """Log-probabilities (n,) that a fitted expert gives to each row's own class.

        X holds the rows of the numbers `rows`, in their order; None for all.
        """
        proba = predict_probabilities(expert, X, self.classes)
        codes = self.codes if rows is None else self.codes[rows]
        own = proba[np.arange(len(proba)), codes]
        return np.log(np.maximum(own, SMALLEST_PROBABILITY))


def _geometric_means(sizes, weights):
    """Weighted geometric means (m,) of what is positive of (n, m); one where nothing is."""
    share = (weights / weights.max())[:, None] * (sizes > 0)
    logs = np.log(np.where(sizes > 0, sizes, 1.0))
    return np.exp((share * logs).sum(axis=0) / np.maximum(share.sum(axis=0), SMALLEST_SCALE))


def predict_numbers(expert, X, n_outputs):
    """Predictions of a fitted expert as (n, m).

    Raises
    ------
    ValueError
        If they have another shape or are not finite.
    """
    answer = np.asarray(expert.predict(X))
    if answer.ndim == 1 and n_outputs == 1:
        answer = answer[:, None]
    expected = (n_rows(X), n_outputs)
    if answer.shape != expected:
        raise ValueError(f"predict must return the shape {expected}, got {answer.shape}")
    answer = answer.astype(np.float64)
    if not np.isfinite(answer).all():
        raise ValueError("predict must return finite numbers, got NaN or infinity")
    return answer


def predict_probabilities(expert, X, classes):
    """Class probabilities of a fitted expert as (n, n_classes), in the order of `classes`.

    Classes that the expert has not seen get the probability zero.

    Raises
    ------
    ValueError
        If they have another shape, are negative or are not finite.
    """
    answer = np.asarray(expert.predict_proba(X), dtype=np.float64)
    expected = (n_rows(X), len(expert.classes_))
    if answer.shape != expected:
        raise ValueError(f"predict_proba must return the shape {expected}, got {answer.shape}")
    if not np.isfinite(answer).all() or (answer < 0).any():
        raise ValueError("predict_proba must return finite probabilities, got NaN or negative")
    if (np.abs(answer.sum(axis=1) - 1.0) > _SUM_TOLERANCE).any():
        raise ValueError("predict_proba must return rows with the sum one")
    seen = np.asarray(expert.classes_)
    if np.array_equal(seen, classes):
        return answer
    unknown = sorted(set(seen.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(f"predict_proba must answer for the classes of y, got also {unknown}")
    proba = np.zeros((len(answer), len(classes)))
    proba[:, np.searchsorted(classes, seen)] = answer
    return proba
