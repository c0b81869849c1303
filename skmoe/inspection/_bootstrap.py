"""Inference by refits: bootstrap of the coefficients, and the test of one more expert."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils import check_random_state, resample
from sklearn.utils.validation import check_is_fitted

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from .._sklearn import Bunch, take
from ._likelihood import checked_weights
from ._linear import check_model, is_regressor, read_expert, read_parameters
from ._summary import Summary, shares
from ._types import Floats, Ints, Mixture, Seed

_KINDS = ("ordinary", "parametric")

#: Largest number of draws of rows until one holds all classes.
_MAX_DRAWS = 100


@dataclass(frozen=True)
class _Table:
    """The rows that a mixture is fitted to.

    Attributes
    ----------
    X : array, sparse matrix or data frame of n rows
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,) or None
    """

    X: Any
    y: NDArray[Any]
    weights: Floats | None = None

    @classmethod
    def of(cls, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> "_Table":
        """Return a table with checked weights; rows of weight zero are dropped, as in fits."""
        table = cls(X if hasattr(X, "shape") else np.asarray(X), np.asarray(y))
        if sample_weight is None:
            return table
        weights = checked_weights(sample_weight, table.y)
        return replace(table, weights=weights).take(np.flatnonzero(weights))

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: Ints) -> "_Table":
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return _Table(take(self.X, rows), self.y[rows], weights)


def bootstrap(
    est: Mixture,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_resamples: int = 200,
    kind: str = "ordinary",
    coverage: float = 0.95,
    random_state: Seed = None,
    n_jobs: int | None = None,
) -> Summary:
    """Standard errors and intervals of a mixture of linear experts by refits.

    Each resample is fitted by a clone of `est` that starts from the fitted responsibilities, so
    that it converges to the optimum of the resample that corresponds to that of `est`. Experts of
    the resample are matched to those of `est` such that the responsibilities of both fits for the
    original rows agree most. Unlike coefficients, responsibilities have no units, and they depend
    on gate and dispersions too.

    Parameters
    ----------
    est : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with experts that have ``coef_`` and ``intercept_`` and a gate that `summary` takes;
        a regressor with one output and any law of y.
    X : array-like, sparse matrix or data frame of shape (n, n_features)
        The table that `est` was fitted to.
    y : array-like of shape (n,)
        Its target.
    sample_weight : array-like of shape (n,), optional
        Its weights. A row is drawn as one observation, whatever its weight, and keeps its weight in
        the refits: an exposure, or the inverse of a probability to be in the table. Where weights
        count equal rows, repeat these rows instead. A parametric bootstrap takes no weights: the
        law defines how y of a row is drawn, but not whether a weight means several draws, a
        smaller spread, or neither.
    n_resamples : int, default=200
        Number of refits.
    kind : {"ordinary", "parametric"}, default="ordinary"
        Rows drawn with replacement, which does not assume the model; or the original rows with y
        drawn from the fitted mixture: an expert by the gate, then y by its law.
    coverage : float, default=0.95
        Coverage of the intervals, which are between percentiles of the resamples.
    random_state : int, RandomState instance or None, default=None
        Seeds the resamples, one by one: the result does not depend on `n_jobs`.
    n_jobs : int, default=None
        Number of workers.

    Returns
    -------
    Summary
        Its ``samples`` (n_resamples, P) are the parameters of the refits, its ``covariance`` is
        that of the samples. Further parameters of a law, such as degrees of freedom, are
        estimated in every refit, but not listed.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If `kind` or `n_resamples` is out of range, weights are given where y is drawn, a
        parameter of `est` is not supported, y cannot be drawn from it, or a resample cannot be
        fitted.
    TypeError
        If a gate or an expert has no coefficients to list; the message names it.

    See Also
    --------
    summary : Standard errors without refits.

    References
    ----------
    Efron and Tibshirani (1993). An introduction to the bootstrap. Chapman and Hall.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import bootstrap
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> bootstrap(model, X, y, n_resamples=10, random_state=0).samples.shape
    (10, 20)
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {_KINDS}; got {kind!r}")
    _check_count(n_resamples, 2)
    check_model(est)
    if kind == "parametric" and sample_weight is not None:
        raise ValueError(
            "sample_weight must be None with kind='parametric': the law defines how y is drawn, "
            "but not what its weight means; where weights count equal rows, repeat these rows"
        )
    table = _Table.of(X, y, sample_weight)
    if kind == "parametric":
        _check_drawn(est, table.y)
    resp = est.responsibilities(table.X, table.y)
    labels, coef = read_parameters(est)
    refit = delayed(_refit)
    samples = np.array(
        Parallel(n_jobs=n_jobs)(
            refit(est, table, resp, kind, seed) for seed in _seeds(random_state, n_resamples)
        )
    )
    covariance = np.atleast_2d(np.cov(samples, rowvar=False))
    errors = f"{n_resamples} {kind} bootstrap resamples"
    return Summary(
        labels, coef, covariance, shares(est), errors, coverage=coverage, samples=samples
    )


def _refit(est: Mixture, table: _Table, resp: Floats, kind: str, seed: int) -> Floats:
    """Return the parameters (P,) of one resample."""
    rng = np.random.RandomState(seed)
    if kind == "ordinary":
        rows = _draw_rows(est, table.y, rng)
        drawn, start = table.take(rows), resp[rows]
    else:
        drawn = replace(table, y=simulate(est, table.X, rng))
        start = est.responsibilities(drawn.X, drawn.y)
    fitted = _fit(_warm(est, start, seed), drawn)
    others = fitted.responsibilities(table.X, table.y)
    mass = resp if table.weights is None else resp * table.weights[:, None]
    return read_parameters(fitted, _matched(est, fitted, mass, others))[1]


def _draw_rows(est: Any, y: NDArray[Any], rng: np.random.RandomState) -> Ints:
    """Draw numbers of rows with replacement, such that all classes occur."""
    for _ in range(_MAX_DRAWS):
        rows = resample(np.arange(len(y)), random_state=rng)
        if is_regressor(est) or len(np.unique(y[rows])) == len(est.classes_):
            return rows
    raise ValueError("y must hold several rows of every class: resamples miss one")


def _matched(est: Mixture, fitted: Mixture, mass: Floats, others: Floats) -> Ints:
    """Return the number of the expert of `fitted` that matches each expert of `est`."""
    agreement = mass.T @ others
    shapes = [[read_expert(e, k).coef.shape for k in e.experts_] for e in (est, fitted)]
    same = np.array([[one == other for other in shapes[1]] for one in shapes[0]])
    return linear_sum_assignment(np.where(same, agreement, -agreement.sum()), maximize=True)[1]


def likelihood_ratio_test(
    est: Mixture,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_resamples: int = 99,
    random_state: Seed = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Test K experts against K + 1 by the parametric bootstrap.

    The likelihood ratio of mixtures of different sizes does not follow a chi-squared law, as
    parameters of a superfluous expert are not identified. Its law is therefore simulated: y is
    drawn from the fitted mixture of K experts, and K and K + 1 experts are fitted to it, as to the
    data (McLachlan 1987).

    Parameters
    ----------
    est : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with clones of one estimator as experts; a regressor with any law of y.
    X : array-like, sparse matrix or data frame of shape (n, n_features)
        The table that `est` was fitted to.
    y : array-like of shape (n,)
        Its target.
    sample_weight : array-like of shape (n,), optional
        Its weights, which must be whole numbers that count equal rows. Such rows are repeated, and
        each has a simulated y of its own. With other weights the weighted sum is not a
        log-likelihood, and no law defines how a weighted row is drawn.
    n_resamples : int, default=99
        Number of simulated targets; the smallest p value is ``1 / (1 + n_resamples)``.
    random_state : int, RandomState instance or None, default=None
        Seeds the simulations and the starts, one by one: the result does not depend on `n_jobs`.
    n_jobs : int, default=None
        Number of workers.

    Returns
    -------
    Bunch
        ``statistic``, twice the gain of log-likelihood by one more expert; ``simulated``
        (n_resamples,), simulated statistics; ``p_value``, (1 + number of simulated statistics that
        are not smaller) / (1 + `n_resamples`); ``n_experts``, the number of experts of the null
        hypothesis.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If the number of experts of `est` cannot be changed, weights are not counts, y cannot be
        drawn from `est`, or a fit fails.
    TypeError
        If `est` is not a mixture of experts.

    References
    ----------
    McLachlan (1987). On bootstrapping the likelihood ratio test statistic for the number of
    components in a normal mixture. Applied Statistics 36, 318-324.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import likelihood_ratio_test
    >>> X, y = make_moe_regression(100, n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=1).fit(X, y)
    >>> likelihood_ratio_test(model, X, y, n_resamples=9, random_state=0).p_value
    0.1
    """
    _check_count(n_resamples, 1)
    _check_growing(est)
    table = _written_out(_Table.of(X, y, sample_weight))
    _check_drawn(est, table.y)
    seeds = _seeds(random_state, n_resamples + 1)
    ratio = delayed(_ratio)
    ratios = Parallel(n_jobs=n_jobs)(ratio(est, table, b > 0, seed) for b, seed in enumerate(seeds))
    simulated = np.array(ratios[1:])
    p_value = (1 + int(np.count_nonzero(simulated >= ratios[0]))) / (1 + n_resamples)
    return Bunch(
        statistic=ratios[0], p_value=p_value, simulated=simulated, n_experts=est.n_experts_
    )


def _written_out(table: _Table) -> _Table:
    """Return the table with each row repeated by its weight, without weights."""
    if table.weights is None:
        return table
    wrong = table.weights[table.weights != np.round(table.weights)]
    if len(wrong):
        raise ValueError(
            "sample_weight must be whole numbers that count equal rows, as only such rows have a "
            f"likelihood; got {wrong[0]:g}"
        )
    rows = np.repeat(np.arange(len(table)), table.weights.astype(int))
    return replace(table, weights=None).take(rows)


def _ratio(est: Mixture, table: _Table, simulated: bool, seed: int) -> float:
    """Return twice the gain of log-likelihood by one more expert, on the table or a drawn y."""
    if simulated:
        table = replace(table, y=simulate(est, table.X, np.random.RandomState(seed)))
    small = _fit(_warm(est, est.responsibilities(table.X, table.y), seed), table)
    large = clone(est).set_params(n_experts=est.n_experts_ + 1, **_ONCE, random_state=seed)
    if not isinstance(large.init, str):
        large.set_params(init="auto")
    # K experts are a special case of K + 1. A negative gain is due to a local optimum.
    gain = _log_likelihood(_fit(large, table), table) - _log_likelihood(small, table)
    return max(2.0 * gain, 0.0)


def _log_likelihood(est: Mixture, table: _Table) -> float:
    return float(est.score_samples(table.X, table.y).sum(dtype=np.float64))


def _check_growing(est: Any) -> None:
    if not isinstance(est, MixtureOfExpertsRegressor | MixtureOfExpertsClassifier):
        raise TypeError(f"est must be a mixture of experts; got {type(est).__name__}")
    check_is_fitted(est)
    if isinstance(est.experts, list):
        raise ValueError("experts must be clones of one estimator, so that one can be added")
    for name, wanted in [("top_k", None), ("average", 1), ("specialize", True)]:
        if getattr(est, name) != wanted:
            raise ValueError(f"{name} must be {wanted}; got {getattr(est, name)!r}")


# Simulation and refits ---------------------------------------------------------------------


def simulate(est: Any, X: Any, rng: np.random.RandomState) -> NDArray[Any]:
    """Draw y (n,) or (n, m) from a fitted mixture: an expert by the gate, then its law."""
    if is_regressor(est):
        return est.predict_dist(X).sample(1, rng)[..., 0]
    proba, predictions = est.gate_proba(X), est.expert_predict(X)
    expert = _draw(proba, rng)
    return est.classes_[_draw(predictions[np.arange(len(proba)), expert], rng)]


def _check_drawn(est: Mixture, y: NDArray[Any]) -> None:
    """Raise an error for rates: their spread depends on exposures, so that they are not drawn."""
    if is_regressor(est) and est.response_.discrete and (y != np.round(y)).any():
        raise ValueError(
            f"y must be whole numbers to be drawn from {type(est.response_).__name__}; got rates"
        )


def _draw(proba: Floats, rng: np.random.RandomState) -> Ints:
    """Draw a column (n,) from each row of probabilities."""
    cumulative = np.cumsum(proba, axis=1)
    thresholds = rng.random_sample((len(proba), 1)) * cumulative[:, -1:]
    return (thresholds >= cumulative[:, :-1]).sum(axis=1)


#: Parameters of a refit: a worker fits one mixture, without output.
_ONCE: dict[str, Any] = {"warm_start": False, "average": 1, "n_jobs": None, "verbose": 0}


def _warm(est: Mixture, resp: Floats, seed: int) -> Any:
    """Return a clone that starts from responsibilities."""
    start = {"init": resp, "n_init": 1, "n_experts": est.n_experts_}
    return clone(est).set_params(**start, **_ONCE, random_state=seed)


def _fit(est: Mixture, table: _Table) -> Any:
    with warnings.catch_warnings():
        # Otherwise hundreds of fits would repeat the same warning.
        warnings.simplefilter("ignore")
        return est.fit(table.X, table.y, sample_weight=table.weights)


def _check_count(n_resamples: int, least: int) -> None:
    if not isinstance(n_resamples, int | np.integer) or n_resamples < least:
        raise ValueError(f"n_resamples must be an int of at least {least}; got {n_resamples!r}")


def _seeds(random_state: Seed, count: int) -> list[int]:
    """Return the seeds of the resamples; None leaves the global random state unchanged."""
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return rng.randint(2**31 - 1, size=count).tolist()
