"""Scores of predictive distributions, and scorers for model selection."""

import inspect
from functools import partial

import numpy as np
from scipy.special import ndtr
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.metadata_routing import UNUSED

from skmoe.distributions import MixtureDistribution
from skmoe.responses import Gaussian

__all__ = [
    "crps",
    "crps_scorer",
    "interval_coverage",
    "log_score",
    "log_score_scorer",
    "pit",
]

# The numerical CRPS integrates between these quantiles of each component, in each cell with
# Gauss's rule of so many nodes. Tails that fall like 1 / y lose 1e-8 of a scale beyond them.
_LEVELS = np.concatenate([10.0 ** np.arange(-8, 0), [0.25, 0.5, 0.75]])
_LEVELS = np.unique(np.concatenate([_LEVELS, 1 - _LEVELS]))
_NODES, _SHARES = np.polynomial.legendre.leggauss(4)
_ROWS = 2048

# Whole numbers are summed one by one over ranges up to this, and integrated beyond.
_MOST_TERMS = 1024

# Between numbers beyond it a difference may overflow.
_LARGEST = 1e300

_PEAK = 1 / np.sqrt(2 * np.pi)


def log_score(y_true, dist, sample_weight=None):
    """Mean log-density of what was observed; higher is better.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        What was observed.
    dist : MixtureDistribution
        What ``predict_dist`` said of these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Nats a row, of the joint density of all outputs; it depends on the units of y.

    Raises
    ------
    TypeError
        If `dist` is no distribution.
    ValueError
        If shapes do not agree, or numbers are not finite.

    See Also
    --------
    crps : In the units of y, and kinder to outliers.

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
    return _mean(dist.logpdf(y), sample_weight)


def crps(y_true, dist, sample_weight=None):
    r"""Mean continuous ranked probability score; lower is better.

    .. math:: \int (F(t) - [y \le t])^2 \, dt

    In the units of y; for a distribution without spread it is the absolute error. Several
    outputs are scored one by one, and averaged. Mixtures of Gaussians have a closed form [1]_,
    others are integrated numerically, to a relative error of about 1e-5.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        What was observed.
    dist : MixtureDistribution
        What ``predict_dist`` said of these rows.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Mean over rows and outputs.

    Raises
    ------
    TypeError
        If `dist` is no distribution.
    ValueError
        If shapes do not agree, or numbers are not finite.

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
        score[rows] = _crps_of(y[rows], _rows_of(dist, rows)).mean(axis=1)
    return _mean(score, sample_weight)


def interval_coverage(y_true, intervals, coverage=0.9, sample_weight=None):
    """Share of what was observed that lies inside its interval.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        What was observed.
    intervals : array-like of shape (n, 2) or (n, n_outputs, 2), or MixtureDistribution
        Lower and upper ends, which count as inside; of a distribution, its equal-tailed
        intervals.
    coverage : float, default=0.9
        Which intervals a distribution is asked for. Not used where they are given.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Between 0 and 1; a mean over rows and outputs. Intervals of a model that is right
        contain about the share that they promise.

    Raises
    ------
    ValueError
        If shapes do not agree, or y is not finite, or an end is NaN.

    See Also
    --------
    pit : Where in its distribution each row lies: all intervals at once.

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
    return _mean(inside.reshape(len(y), -1).mean(axis=1), sample_weight)


def pit(y_true, dist, random_state=None):
    """Probability integral transform: where in its distribution each y lies.

    Uniform between 0 and 1 for a model that is right. A histogram that is a valley shows
    distributions that are too narrow, a hill such that are too wide, a slope a bias.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        What was observed.
    dist : MixtureDistribution
        What ``predict_dist`` said of these rows.
    random_state : int, RandomState, Generator or None, default=None
        For laws of whole numbers, which are spread at random over the height of their step.

    Returns
    -------
    ndarray of shape (n,) or (n, n_outputs)
        Between 0 and 1.

    Raises
    ------
    TypeError
        If `dist` is no distribution.
    ValueError
        If shapes do not agree, or numbers are not finite.

    See Also
    --------
    interval_coverage : The share inside of one interval.

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


# Checks ------------------------------------------------------------------------------------


def _checked_distribution(dist):
    if not isinstance(dist, MixtureDistribution):
        raise TypeError(
            "dist must be a distribution, as `predict_dist(X)` of a regressor returns it, "
            f"got {type(dist).__name__}"
        )
    return dist


def _checked_y(y_true, dist):
    return _finite(y_true, dist.shape)


def _finite(y_true, shape):
    y = check_array(y_true, dtype=float, ensure_2d=False, input_name="y_true")
    if y.ndim and y.size == np.prod(shape) and len(y) == shape[0]:
        y = y.reshape(shape)  # one output may be written as a column
    if y.shape != shape:
        raise ValueError(f"y_true must have the shape {shape}, got {y.shape}")
    return y


def _mean(score, sample_weight):
    if sample_weight is None:
        return float(np.mean(score))
    weights = check_array(sample_weight, dtype=float, ensure_2d=False, input_name="sample_weight")
    check_consistent_length(score, weights)
    if weights.ndim != 1 or (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be one number a row, none negative, not all zero")
    # A row without weight may have an infinite score.
    counts = weights > 0
    return float(np.average(score[counts], weights=weights[counts]))


# CRPS --------------------------------------------------------------------------------------


def _rows_of(dist, rows):
    """The distribution of some rows, with an axis of outputs."""
    some = dist.take(rows)
    return MixtureDistribution(some.law, some.weights, some.means, some.parameters, single=False)


def _crps_of(y, dist):
    """Scores (b, m) of y (b, m)."""
    if type(dist.law) is Gaussian:  # a law derived from it may be another
        return _crps_of_gaussians(y, dist)
    return _crps_by_steps(y, dist) if dist.law.discrete else _crps_by_cells(y, dist.cdf, dist)


def _crps_of_gaussians(y, dist):
    """E|Y - y| - E|Y - Y'| / 2, in which all differences are Gaussian."""
    weights, means = dist.weights, dist.means
    scales = np.broadcast_to(dist.parameters[..., : y.shape[1]], means.shape)
    score = np.zeros_like(y)
    for j, share in enumerate(weights.T):
        score += share[:, None] * _mean_distance(y - means[:, j], scales[:, j])
        for k in range(j + 1):
            apart = _mean_distance(means[:, j] - means[:, k], np.hypot(scales[:, j], scales[:, k]))
            score -= (0.5 if j == k else 1.0) * (share * weights[:, k])[:, None] * apart
    return score


def _mean_distance(mean, scale):
    """Mean absolute value of a Gaussian."""
    with np.errstate(over="ignore", under="ignore"):
        z = mean / scale
        return mean * (2 * ndtr(z) - 1) + 2 * scale * _PEAK * np.exp(-0.5 * z * z)


def _crps_by_cells(y, cdf, dist):
    """Integrate between quantiles of the components, and y; nothing is smooth but between them."""
    edges = np.sort(np.concatenate([_quantiles(dist), y[:, None]], axis=1), axis=1)
    score = np.zeros_like(y)
    for left, right in zip(edges.swapaxes(0, 1)[:-1], edges.swapaxes(0, 1)[1:], strict=True):
        centre, half = 0.5 * left + 0.5 * right, 0.5 * right - 0.5 * left
        step = centre >= y
        for node, share in zip(_NODES, _SHARES, strict=True):
            score += share * half * (cdf(centre + node * half) - step) ** 2
    return score


def _quantiles(dist):
    """Quantiles (b, levels × C, m) of the components that count."""
    quantiles = [
        dist.law.ppf(np.full_like(dist.means[:, 0], level), dist.means, dist.parameters)
        for level in _LEVELS
    ]
    # A component without weight gets edges where others have theirs.
    heaviest = dist.weights.argmax(axis=1)[:, None, None]
    counts = dist.weights[:, :, None] > 0
    kept = [np.where(counts, q, np.take_along_axis(q, heaviest, axis=1)) for q in quantiles]
    return np.clip(np.concatenate(kept, axis=1), -_LARGEST, _LARGEST)


def _crps_by_steps(y, dist):
    """Sum over whole numbers; over a wide range of them, integrate what goes through the steps."""
    quantiles = _quantiles(dist)
    low = np.minimum(quantiles.min(axis=1), y) - 1
    terms = np.maximum(quantiles.max(axis=1), y) - low
    score = np.zeros_like(y)
    for k in range(int(min(terms.max(initial=0.0), _MOST_TERMS))):
        score += (dist.cdf(low + k) - (low + k >= y)) ** 2
    wide = terms > _MOST_TERMS
    if wide.any():
        through = _crps_by_cells(y - 0.5, partial(_between_steps, dist), dist)
        score = np.where(wide, through, score)
    return score


def _between_steps(dist, t):
    """The distribution function, with straight lines between whole numbers."""
    whole = np.floor(t)
    below = dist.cdf(whole)
    return below + (t - whole) * (dist.cdf(whole + 1) - below)


# Scorers -----------------------------------------------------------------------------------


class _DistributionScorer(BaseEstimator):
    """``scorer(estimator, X, y)``, greater is better: what ``scoring`` of a search takes.

    It is an estimator so that ``set_score_request`` and ``clone`` know it.
    """

    __metadata_request__score = {"estimator": UNUSED}

    def __call__(self, estimator, X, y, sample_weight=None):
        """Score an estimator."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator, X, y, sample_weight=None):
        """Score an estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted; pipelines that end in one will do.
        X : array-like of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float
        """
        estimator, X = _last_step(estimator, X)
        return self._score(estimator, X, y, sample_weight)


class LogScoreScorer(_DistributionScorer):
    """Mean log-density, or log-probability, of y: ``log_score_scorer(estimator, X, y)``.

    What ``scoring`` of a search takes. Classifiers will do, by their ``score_samples``. With
    metadata routing, ask a clone for weights.

    Parameters
    ----------
    estimator : estimator
        Fitted; pipelines that end in one will do.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        What was observed there.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        Nats a row; greater is better.

    Raises
    ------
    TypeError
        If the estimator says no distribution.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import log_score_scorer
    >>> X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> cross_val_score(model, X, y, scoring=log_score_scorer, cv=3).shape
    (3,)
    """

    def _score(self, estimator, X, y, sample_weight):
        if hasattr(estimator, "predict_dist"):
            return log_score(y, estimator.predict_dist(X), sample_weight)
        method = getattr(estimator, "score_samples", None)
        if method is None or "y" not in inspect.signature(method).parameters:
            raise TypeError(
                "log_score_scorer needs an estimator with `predict_dist(X)` or "
                f"`score_samples(X, y)`, got {type(estimator).__name__}"
            )
        return _mean(method(X, y), sample_weight)


class CrpsScorer(_DistributionScorer):
    """Negative mean CRPS of y: ``crps_scorer(estimator, X, y)``.

    What ``scoring`` of a search takes. With metadata routing, ask a clone for weights.

    Parameters
    ----------
    estimator : estimator
        Fitted; pipelines that end in one will do.
    X : array-like of shape (n, n_features)
        Rows to score it on.
    y : array-like of shape (n,) or (n, n_outputs)
        What was observed there.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.

    Returns
    -------
    float
        In the units of y; greater is better, and none is above zero.

    Raises
    ------
    TypeError
        If the estimator says no distribution.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.metrics import crps_scorer
    >>> X, y = make_moe_regression(200, 2, n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> cross_val_score(model, X, y, scoring=crps_scorer, cv=3).shape
    (3,)
    """

    def _score(self, estimator, X, y, sample_weight):
        if not hasattr(estimator, "predict_dist"):
            raise TypeError(
                "crps_scorer needs an estimator with `predict_dist(X)`, "
                f"got {type(estimator).__name__}"
            )
        return -crps(y, estimator.predict_dist(X), sample_weight)


def _last_step(estimator, X):
    """The estimator at the end of pipelines, and what they hand it."""
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator, X


log_score_scorer = LogScoreScorer()
crps_scorer = CrpsScorer()
