"""Scores of observed values under predictive distributions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from skmoe.distributions import MixtureDistribution

from ._crps import crps_of, rows_of

#: Rows that the CRPS is computed for at once.
_ROWS = 2048


def log_score(
    y_true: ArrayLike, dist: MixtureDistribution, sample_weight: ArrayLike | None = None
) -> float:
    """Mean log-density of the observed values; higher is better.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        The observed values.
    dist : MixtureDistribution
        The distribution that ``predict_dist`` returned for these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Nats per row, of the joint density of all outputs; it depends on the units of y.

    Raises
    ------
    TypeError
        If `dist` is not a distribution.
    ValueError
        If shapes differ, or numbers are not finite.

    See Also
    --------
    crps : A score in the units of y that depends less on outliers.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import log_score
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> score = log_score(y, model.predict_dist(X))
    >>> bool(abs(score - model.score_samples(X, y).mean()) < 1e-9)
    True
    """
    dist = _checked_distribution(dist)
    y = _checked_y(y_true, dist)
    return weighted_mean(dist.logpdf(y), sample_weight)


def crps(
    y_true: ArrayLike, dist: MixtureDistribution, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean continuous ranked probability score; lower is better.

    .. math:: \int (F(t) - [y \le t])^2 \, dt

    The score is in the units of y; for a distribution without spread it is the absolute error.
    Several outputs are scored one by one, and averaged. Mixtures of Gaussians have a closed form
    [1]_, others are integrated numerically, to a relative error of about 1e-5.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        The observed values.
    dist : MixtureDistribution
        The distribution that ``predict_dist`` returned for these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Mean over rows and outputs.

    Raises
    ------
    TypeError
        If `dist` is not a distribution.
    ValueError
        If shapes differ, or numbers are not finite.

    See Also
    --------
    log_score : The log-density at y.

    References
    ----------
    .. [1] E. P. Grimit, T. Gneiting, V. J. Berrocal and N. A. Johnson (2006). The continuous
       ranked probability score for circular variables and its application to mesoscale
       forecast ensemble verification. Quarterly Journal of the Royal Meteorological Society
       132, 2925–2942.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import crps
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> bool(crps(y, model.predict_dist(X)) < abs(y - model.predict(X)).mean())
    True
    """
    dist = _checked_distribution(dist)
    y = _checked_y(y_true, dist).reshape(len(dist), -1)
    score = np.empty(len(dist))
    for start in range(0, len(dist), _ROWS):
        rows = slice(start, start + _ROWS)
        score[rows] = crps_of(y[rows], rows_of(dist, rows)).mean(axis=1)
    return weighted_mean(score, sample_weight)


def interval_coverage(
    y_true: ArrayLike,
    intervals: ArrayLike | MixtureDistribution,
    coverage: float = 0.9,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the observed values that lie inside their interval.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        The observed values.
    intervals : array-like of shape (n, 2) or (n, n_outputs, 2), or MixtureDistribution
        Lower and upper ends, which count as inside; or a distribution, whose equal-tailed
        intervals are taken.
    coverage : float, default=0.9
        Probability of the intervals of a distribution. Not used where intervals are given.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Between 0 and 1; a mean over rows and outputs. For a calibrated model it is about the
        probability of the intervals.

    Raises
    ------
    ValueError
        If shapes differ, or y is not finite, or an end is NaN.

    See Also
    --------
    pit : The position of each row in its distribution, which covers all intervals at once.

    Examples
    --------
    >>> from skmoe.metrics import interval_coverage
    >>> interval_coverage([1.0, 2.0, 3.0, 4.0], [[0, 2], [0, 2], [0, 2], [0, 9]])
    0.75
    """
    if isinstance(intervals, MixtureDistribution):
        intervals = intervals.interval(coverage)
    ends = check_array(
        intervals, dtype=float, ensure_all_finite=False, allow_nd=True, input_name="intervals"
    )
    if ends.ndim > 3 or ends.shape[-1] != 2 or np.isnan(ends).any():
        raise ValueError(
            "intervals must have the shape (n, 2) or (n, n_outputs, 2), without NaN, "
            f"got {ends.shape}"
        )
    y = _finite(y_true, ends.shape[:-1])
    inside = (ends[..., 0] <= y) & (y <= ends[..., 1])
    return weighted_mean(inside.reshape(len(y), -1).mean(axis=1), sample_weight)


def pit(
    y_true: ArrayLike,
    dist: MixtureDistribution,
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
) -> NDArray[np.floating]:
    """Probability integral transform: the distribution function at each y.

    It is uniform between 0 and 1 for a calibrated model. A U-shaped histogram shows that
    distributions are too narrow, a hump that they are too wide, a slope that they are biased.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        The observed values.
    dist : MixtureDistribution
        The distribution that ``predict_dist`` returned for these rows.
    random_state : int, RandomState, Generator or None, default=None
        Seed for laws of whole numbers, whose values are drawn uniformly over the height of their
        step.

    Returns
    -------
    ndarray of shape (n,) or (n, n_outputs)
        Between 0 and 1.

    Raises
    ------
    TypeError
        If `dist` is not a distribution.
    ValueError
        If shapes differ, or numbers are not finite.

    See Also
    --------
    interval_coverage : The share inside one interval.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import pit
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> pit(y, model.predict_dist(X)).shape
    (1000,)
    """
    dist = _checked_distribution(dist)
    y = _checked_y(y_true, dist)
    if not dist.law.discrete:
        return dist.cdf(y)
    known = isinstance(random_state, np.random.Generator | np.random.RandomState)
    rng = random_state if known else np.random.default_rng(random_state)
    below = dist.cdf(y - 1)
    return below + rng.uniform(size=y.shape) * (dist.cdf(y) - below)


def _checked_distribution(dist: Any) -> MixtureDistribution:
    if not isinstance(dist, MixtureDistribution):
        raise TypeError(
            "dist must be a distribution, as `predict_dist(X)` of a regressor returns it, "
            f"got {type(dist).__name__}"
        )
    return dist


def _checked_y(y_true: ArrayLike, dist: MixtureDistribution) -> NDArray[np.float64]:
    return _finite(y_true, dist.shape)


def _finite(y_true: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    y = check_array(y_true, dtype=float, ensure_2d=False, input_name="y_true")
    if y.ndim and y.size == np.prod(shape) and len(y) == shape[0]:
        y = y.reshape(shape)  # one output may be written as a column
    if y.shape != shape:
        raise ValueError(f"y_true must have the shape {shape}, got {y.shape}")
    return y


def weighted_mean(score: NDArray[np.floating], sample_weight: ArrayLike | None) -> float:
    """Return the mean of scores (n,), weighted where there are weights."""
    if sample_weight is None:
        return float(np.mean(score))
    weights = check_array(sample_weight, dtype=float, ensure_2d=False, input_name="sample_weight")
    check_consistent_length(score, weights)
    if weights.ndim != 1 or (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be one number a row, none negative, not all zero")
    # A row without weight may have an infinite score, which must not count.
    counts = weights > 0
    return float(np.average(score[counts], weights=weights[counts]))
