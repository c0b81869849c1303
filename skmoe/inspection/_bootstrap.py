"""Inference by refits: bootstrap of the coefficients, and the test of one more expert."""

import warnings

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils import Bunch, check_random_state, resample
from sklearn.utils.validation import check_is_fitted

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from ._linear import check_model, is_regressor, read_expert, read_parameters
from ._summary import Summary, shares

_KINDS = ("ordinary", "parametric")

#: Draws of rows among which one that holds all classes is looked for.
_MAX_DRAWS = 100


def bootstrap(
    est, X, y, *, n_resamples=200, kind="ordinary", coverage=0.95, random_state=None, n_jobs=None
):
    """Standard errors and intervals of a mixture of linear experts by refits.

    Each resample is fitted by a clone of `est` that starts from the fitted responsibilities, so
    that it ends in the same optimum as `est`, or in the one that this has become. Should experts
    have changed places nonetheless, they are matched to the original ones: such that the
    responsibilities of both fits for the original rows agree most. Unlike coefficients these
    have no units, and they see gate and dispersions too.

    Parameters
    ----------
    est : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with experts that have ``coef_`` and ``intercept_`` and a gate that `summary` takes;
        a regressor with one output and any law of y.
    X : array-like, sparse matrix or data frame of shape (n, n_features)
        The table that `est` was fitted to, without weights.
    y : array-like of shape (n,)
        Its target.
    n_resamples : int, default=200
        Number of refits.
    kind : {"ordinary", "parametric"}, default="ordinary"
        Rows drawn with replacement, which needs no belief in the model; or the rows as they are,
        with y drawn from the fitted mixture: an expert by the gate, then y by its law.
    coverage : float, default=0.95
        Of the intervals, between percentiles of the resamples.
    random_state : int, RandomState instance or None, default=None
        Seeds the resamples, one by one: the result does not depend on `n_jobs`.
    n_jobs : int, default=None
        Number of workers.

    Returns
    -------
    Summary
        Its ``samples`` (n_resamples, P) are the parameters of the refits, its ``covariance``
        theirs. What a law estimates beside its dispersions, such as degrees of freedom, is
        estimated in every refit, but not listed.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If `kind` or `n_resamples` is out of range, a parameter of `est` is of no use here, y
        cannot be drawn from it, or a resample cannot be fitted.
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
    X, y = _tables(X, y)
    if kind == "parametric":
        _check_drawn(est, y)
    resp = est.responsibilities(X, y)
    labels, coef = read_parameters(est)
    refit = delayed(_refit)
    samples = Parallel(n_jobs=n_jobs)(
        refit(est, X, y, resp, kind, seed) for seed in _seeds(random_state, n_resamples)
    )
    samples = np.array(samples)
    covariance = np.atleast_2d(np.cov(samples, rowvar=False))
    errors = f"{n_resamples} {kind} bootstrap resamples"
    return Summary(
        labels, coef, covariance, shares(est), errors, coverage=coverage, samples=samples
    )


def _refit(est, X, y, resp, kind, seed):
    """Parameters (P,) of one resample."""
    rng = np.random.RandomState(seed)
    if kind == "ordinary":
        table, target, start = _draw_rows(est, X, y, resp, rng)
    else:
        table, target = X, simulate(est, X, rng)
        start = est.responsibilities(X, target)
    fitted = _fit(_warm(est, start, seed), table, target)
    return read_parameters(fitted, _matched(est, fitted, resp, fitted.responsibilities(X, y)))[1]


def _draw_rows(est, X, y, resp, rng):
    """Rows drawn with replacement that hold all classes."""
    for _ in range(_MAX_DRAWS):
        drawn = resample(X, y, resp, random_state=rng)
        if is_regressor(est) or len(np.unique(drawn[1])) == len(est.classes_):
            return drawn
    raise ValueError("y must hold several rows of every class: resamples miss one")


def _matched(est, fitted, resp, others):
    """Which expert of `fitted` stands in each place of `est`."""
    agreement = resp.T @ others
    shapes = [[read_expert(e, k).coef.shape for k in e.experts_] for e in (est, fitted)]
    same = np.array([[one == other for other in shapes[1]] for one in shapes[0]])
    return linear_sum_assignment(np.where(same, agreement, -len(resp)), maximize=True)[1]


def likelihood_ratio_test(est, X, y, *, n_resamples=99, random_state=None, n_jobs=None):
    """Test K experts against K + 1 by the parametric bootstrap.

    The likelihood ratio of mixtures of different sizes does not follow a chi-squared law: one
    expert too many can vanish in many ways. Its law is therefore simulated: y is drawn from the
    fitted mixture of K experts, and K and K + 1 experts are fitted to it, as to the data
    (McLachlan 1987).

    Parameters
    ----------
    est : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with clones of one estimator as experts; a regressor with any law of y.
    X : array-like, sparse matrix or data frame of shape (n, n_features)
        The table that `est` was fitted to, without weights.
    y : array-like of shape (n,)
        Its target.
    n_resamples : int, default=99
        Number of simulated targets; the smallest p value is ``1 / (1 + n_resamples)``.
    random_state : int, RandomState instance or None, default=None
        Seeds the simulations and the starts, one by one: the result does not depend on `n_jobs`.
    n_jobs : int, default=None
        Number of workers.

    Returns
    -------
    Bunch
        ``statistic``, twice the gain of log-likelihood by one more expert; ``p_value``, (1 +
        number of simulated ones that are as large) / (1 + `n_resamples`); ``simulated``
        (n_resamples,); ``n_experts``, that of the hypothesis.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If the number of experts of `est` cannot be changed, y cannot be drawn from it, or a fit
        fails.
    TypeError
        If `est` is no mixture of experts.

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
    X, y = _tables(X, y)
    _check_drawn(est, y)
    seeds = _seeds(random_state, n_resamples + 1)
    ratio = delayed(_ratio)
    ratios = Parallel(n_jobs=n_jobs)(
        ratio(est, X, None if b else y, seed) for b, seed in enumerate(seeds)
    )
    simulated = np.array(ratios[1:])
    p_value = (1 + int(np.count_nonzero(simulated >= ratios[0]))) / (1 + n_resamples)
    return Bunch(
        statistic=ratios[0], p_value=p_value, simulated=simulated, n_experts=est.n_experts_
    )


def _ratio(est, X, y, seed):
    """Twice the gain of log-likelihood by one more expert; y is drawn where it is None."""
    rng = np.random.RandomState(seed)
    y = simulate(est, X, rng) if y is None else y
    small = _fit(_warm(est, est.responsibilities(X, y), seed), X, y)
    large = clone(est).set_params(n_experts=est.n_experts_ + 1, **_ONCE, random_state=seed)
    if not isinstance(large.init, str):
        large.set_params(init="auto")
    # K experts are a special case of K + 1, which local optima must not hide.
    gain = _log_likelihood(_fit(large, X, y), X, y) - _log_likelihood(small, X, y)
    return max(2.0 * gain, 0.0)


def _log_likelihood(est, X, y):
    return float(est.score_samples(X, y).sum(dtype=np.float64))


def _check_growing(est):
    if not isinstance(est, MixtureOfExpertsRegressor | MixtureOfExpertsClassifier):
        raise TypeError(f"est must be a mixture of experts; got {type(est).__name__}")
    check_is_fitted(est)
    if isinstance(est.experts, list):
        raise ValueError("experts must be clones of one estimator, of which there can be more")
    for name, wanted in [("top_k", None), ("average", 1), ("specialize", True)]:
        if getattr(est, name) != wanted:
            raise ValueError(f"{name} must be {wanted}; got {getattr(est, name)!r}")


# Simulation and refits ---------------------------------------------------------------------


def simulate(est, X, rng):
    """Draw y (n,) or (n, m) from a fitted mixture: an expert by the gate, then its law."""
    if is_regressor(est):
        return est.predict_dist(X).sample(1, rng)[..., 0]
    proba, answers = est.gate_proba(X), est.expert_predict(X)
    expert = _draw(proba, rng)
    return est.classes_[_draw(answers[np.arange(len(proba)), expert], rng)]


def _check_drawn(est, y):
    """Refuse y of which the law has no draws: rates, whose spread depends on their exposure."""
    if is_regressor(est) and est.response_.discrete and (y != np.round(y)).any():
        raise ValueError(
            f"y must be whole numbers to be drawn from {type(est.response_).__name__}; got rates"
        )


def _draw(proba, rng):
    """A column (n,) of each row of probabilities."""
    cumulative = np.cumsum(proba, axis=1)
    thresholds = rng.random_sample((len(proba), 1)) * cumulative[:, -1:]
    return (thresholds >= cumulative[:, :-1]).sum(axis=1)


#: Workers fit one mixture each, in silence.
_ONCE = {"warm_start": False, "average": 1, "n_jobs": None, "verbose": 0}


def _warm(est, resp, seed):
    """A clone that starts from responsibilities."""
    start = {"init": resp, "n_init": 1, "n_experts": est.n_experts_}
    return clone(est).set_params(**start, **_ONCE, random_state=seed)


def _fit(est, X, y):
    with warnings.catch_warnings():
        # Hundreds of fits would say the same of a gate that runs away.
        warnings.simplefilter("ignore")
        return est.fit(X, y)


def _tables(X, y):
    return X if hasattr(X, "shape") else np.asarray(X), np.asarray(y)


def _check_count(n_resamples, least):
    if not isinstance(n_resamples, int | np.integer) or n_resamples < least:
        raise ValueError(f"n_resamples must be an int of at least {least}; got {n_resamples!r}")


def _seeds(random_state, count):
    """Seeds of the resamples; None leaves the global random state untouched."""
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return rng.randint(2**31 - 1, size=count).tolist()
