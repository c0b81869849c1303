"""The regressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._data.dask import by_partition
from ._data.tables import is_dask
from ._estimator.base import BaseMixtureOfExperts
from ._estimator.options import RESPONSES
from ._estimator.partial_fit import PartialFitMixin
from ._estimator.prediction import like
from ._estimator.tasks import NumbersMixin
from ._fit.mixture import concatenate_components
from ._sklearn import StrOptions
from .distributions import MixtureDistribution
from .responses import Response
from .routing import keep_top, weighted_mean


class MixtureOfExpertsRegressor(
    PartialFitMixin, NumbersMixin, RegressorMixin, BaseMixtureOfExperts
):
    r"""Mixture of experts for regression.

    .. math:: p(y \mid x) = \sum_k g_k(x) \, p(y \mid f_k(x), \sigma_k)

    The gate g says which expert a row belongs to, an expert f predicts y, and a
    response law puts a density around its prediction. Expectation-maximisation
    trains all of them to one objective, the penalised log-likelihood (Jacobs,
    Jordan, Nowlan and Hinton 1991; Jordan and Jacobs 1994).

    Parameters
    ----------
    experts : None, estimator or list of (str, estimator), default=None
        None: linear experts, ``LinearRegression``; under the laws "poisson" and "gamma"
        ``PoissonRegressor(alpha=0)`` and ``GammaRegressor(alpha=0)``. One estimator is cloned
        `n_experts` times; its parameters are ``experts__...``. A list mixes experts
        of different kinds, each reachable as ``name__...``; ``"drop"`` in place of an
        estimator removes it. Clones of ``LinearRegression`` and ``Ridge``, or
        under their own laws of those two regressions, and pipelines that end in one,
        are solved for all experts in one batch; a pipeline's transformers are then
        fitted once. ``FrozenEstimator`` keeps a fitted expert as it is. An expert
        without ``sample_weight`` is fitted to rows drawn, with a seed, in proportion to
        their weights.
    n_experts : int or "auto", default=4
        Number of clones; ignored for a list. "auto" chooses it: a single expert is cut in
        two, again and again, for as long as BIC falls; where parameters cannot be counted,
        for as long as the log-score of held-out rows rises.
    gate : None, str, gate or classifier, default=None
        Who decides which expert a row belongs to: None or ``"softmax"`` for
        ``SoftmaxGate()``, ``"gaussian"`` for ``GaussianGate()``, ``"constant"``
        for ``ConstantGate()``, a gate of :mod:`skmoe.gates`, a pipeline that
        ends in one, or any classifier with ``predict_proba``, which becomes a
        ``ClassifierGate``. A ``HierarchicalGate`` needs as many leaves as there
        are experts. Its parameters are ``gate__...``.
    response : str or response, default="gaussian"
        The law of y around an expert's prediction: ``"gaussian"``, ``"student_t"``,
        ``"laplace"``, ``"poisson"`` or ``"gamma"``, or an object of
        :mod:`skmoe.responses`, whose parameters are ``response__...``.
    top_k : int, default=None
        None for a soft mixture. Otherwise only the `top_k` most responsible
        experts keep a row in training, after a soft warm-up, and only the `top_k`
        most probable answer for a row; 1 is the hard mixture. It is read again
        at prediction: ``set_params(top_k=1)`` on a fitted soft mixture gives
        cheap predictions.
    combine : {"mean", "median", "top"}, default="mean"
        How predictions become one: weighted mean, median of the predictive
        mixture, or the most probable expert alone.
    gate_features, expert_features : str, int, slice, array-like or callable, default=None
        Columns that the gate, and the experts, see, as ``ColumnTransformer``
        selects them; None for all.
    specialize : bool, default=True
        Whether experts are fitted to rows of their own. False: each is fitted once, to
        all rows, and EM learns the gate and dispersions alone: stacking whose weights
        depend on x. Clones of one estimator then share one fit. It is so too where all
        experts are frozen; give ``fit`` rows that they have not seen.
    cv : "auto", None, int, splitter or iterable of (train, test), default="auto"
        How experts are asked about the training rows. An int or a splitter: each row
        by a fit without its fold, so that experts able to learn their rows by heart
        (trees, forests, boosting, neighbours) cannot fool the gate; in the end each
        is fitted to all its rows. None: by the one fit to all of them. "auto": 3 folds,
        none for linear models; with ``specialize=False`` 5 folds for all, but out of
        bag where an ensemble has bags and rows have equal weights. Linear models without
        a penalty leave less of y in sample than new rows will show, where the mixture
        has fewer than 5 observed numbers for each free parameter: in the end all
        dispersions are then multiplied by the one factor, at least 1, that makes rows
        left out in 5 folds likeliest under mixtures fitted without them.
    average : int, default=1
        Number of starts whose densities make the predictive mixture together; fewer
        where fewer starts differ. Attributes, `gate_proba`, `responsibilities` and
        criteria are those of the best.
    init : {"auto", "kmeans", "random", "split"} or array-like of shape (n, K), default="auto"
        How starts are drawn: by weighted k-means on (x, y), as random cuts and
        random experts, or in turn ("auto"); "split" halves, again and again, the
        expert that leaves most unexplained. No draw belongs to a row, so that a
        start depends neither on the order of rows nor on how weights are
        written. An array holds starting responsibilities and is used as given.
    n_init : int or "auto", default="auto"
        Number of starts. "auto" runs several short ones, the most promising of
        them longer, and the best to the end. Where an iteration is costly
        (wrapped experts), the short ones train batched linear experts instead.
    max_iter : int, default=200
        Largest number of EM iterations.
    tol : float, default=1e-5
        EM stops when an iteration gains less than this per unit of sample weight.
    accelerate : bool, default=True
        Whether to speed EM up by Anderson's mixing where all parts are solved in
        batches and the mixture is soft. A step that would lower the objective is
        refused, and a plain one taken in its place.
    warm_start : bool, default=False
        Whether ``fit`` starts from the responsibilities of the last fit.
    n_jobs : int, default=None
        Number of workers that fit wrapped experts.
    random_state : int, RandomState instance or None, default=None
        Seeds the starts, and every part whose ``random_state`` is None. The
        global random state is never touched.
    verbose : int, default=0
        Whether to print the objective of every iteration.

    Attributes
    ----------
    experts_ : list of estimators
        The fitted experts: real scikit-learn estimators.
    named_experts_ : Bunch
        The same, by name; clones are called ``expert_0``, ``expert_1``, ...
    gate_ : gate
        The fitted gate.
    response_ : response
        The law.
    dispersion_ : ndarray of shape (n_experts_,) or (n_experts_, n_outputs)
        Scale of each expert's law in the units of y; for the Gaussian its
        standard deviation. The squared coefficient of variation for the gamma law, one
        for the Poisson. NaN for an expert that is a mixture itself: its whole
        density counts.
    law_parameters_ : ndarray of shape (n_experts_, q)
        All parameters of each expert's law: its dispersions, behind them what else the
        law estimates, such as degrees of freedom, and the exponentials of `dispersion_coef_`.
    dispersion_coef_ : ndarray of shape (n_experts_, p) or None
        With a response whose ``dispersion="linear"``: what one standard deviation of each of
        the columns that experts see adds to the logarithm of an expert's dispersion;
        ``dispersion_`` then is that of a row whose columns have their means.
    dispersion_units_ : ndarray of shape (2, p) or None
        Means and standard deviations of these columns, which are cut off at three of the latter.
    widening_ : float
        What ``cv="auto"`` multiplied all dispersions by in the end, where rows are few;
        1 otherwise.
    expert_usage_ : ndarray of shape (n_experts_,)
        Share of the sample weight that each expert is responsible for; of the groups,
        where they are given.
    gate_entropy_ : float
        Mean entropy of the gate's probabilities over the training rows, in
        nats: 0 where each row has one expert, ``log(n_experts_)`` where the
        gate tells nothing.
    starved_experts_ : list of str
        Experts that ended without rows and kept their last fit.
    n_experts_ : int
        Number of experts.
    weight_seen_ : float
        Sample weight of the rows behind the fitted model; those of ``partial_fit`` are added.
    n_iter_ : int
        EM iterations of the run that won.
    converged_ : bool
        Whether its gain fell below `tol`.
    stop_reason_ : str
        Why it stopped.
    lower_bound_ : float
        Objective of the stored model per unit of sample weight: log-likelihood
        less the penalties that the M-steps subtract. A Gaussian gate counts the
        density of x too. Where `widening_` is not 1, that of the dispersions before they
        were multiplied by it.
    lower_bounds_ : ndarray of shape (n_iter_,)
        Its history, one value per iteration.
    averaged_ : list of dict
        The further starts that are averaged with the best: ``gate``, ``experts``,
        ``law_parameters`` and ``lower_bound``. Empty for ``average=1``.
    starts_ : list of dict
        What every start reached: ``kind``, ``lower_bound``, ``n_iter``,
        ``converged`` and whether it was ``chosen``, or ``averaged`` with others. One of the kind
        ``"reseeded"`` gave dead experts the rows explained worst; ``error``
        says why where that failed.
    path_ : list of dict
        With ``n_experts="auto"`` what every size reached: ``n_experts``,
        ``log_likelihood``, ``bic`` and ``icl``, or ``held_out``, the mean log-score of
        held-out rows; ``seconds``, and whether it was ``chosen``. Empty where
        `n_experts` is a number.
    gate_columns_, expert_columns_ : list of int or None
        Positions of the columns that each side sees; None for all.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

    See Also
    --------
    MixtureOfExpertsClassifier : The same for labels.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> model.converged_
    True
    >>> model.predict(X[:2]).shape
    (2,)
    >>> mean, std = model.predict(X[:2], return_std=True)
    >>> model.predict_interval(X[:2], coverage=0.9).shape
    (2, 2)
    >>> model.gate_proba(X[:2]).shape
    (2, 2)
    """

    _parameter_constraints = {
        **BaseMixtureOfExperts._parameter_constraints,
        "response": [
            StrOptions(set(RESPONSES)),
            Response,
        ],
        "combine": [StrOptions({"mean", "median", "top"})],
    }

    _has_labels = False

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
        response="gaussian",
        top_k=None,
        combine="mean",
        gate_features=None,
        expert_features=None,
        specialize=True,
        cv="auto",
        average=1,
        init="auto",
        n_init="auto",
        max_iter=200,
        tol=1e-5,
        accelerate=True,
        warm_start=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
        self.response = response
        self.top_k = top_k
        self.combine = combine
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.specialize = specialize
        self.cv = cv
        self.average = average
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.accelerate = accelerate
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None, groups=None, **params):
        """Fit gate and experts by expectation-maximisation.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features), or blocks of rows
            Handed to wrapped experts and gates as it is. Linear, Poisson and gamma experts
            under a softmax or Gaussian gate also learn from rows that are not in memory, block
            by block: from a ``numpy.memmap``, a Dask collection, or an object with ``__len__``
            and ``__getitem__``, or an iterable that starts anew each time, of ``(X, y)`` or
            ``(X, y, sample_weight)``.
        y : array-like of shape (n,) or (n, n_outputs)
            None where X are blocks; a Dask collection where X is.
        sample_weight : array-like of shape (n,), optional
            A weight of two is the same as the row written twice, a weight of
            zero the same as a row left out.
        groups : array-like of shape (n,), optional
            Rows with the same label share one latent expert, as repeated measurements
            of one person do. The gate sees one row a group: means of numeric columns;
            others must not vary within it, nor may `sample_weight`.
        **params : dict
            Metadata for the experts, routed as scikit-learn routes it.

        Returns
        -------
        MixtureOfExpertsRegressor
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X or y cannot be used by a part that
            sees it, or an expert fails; the message names the parameter or the
            part. What was fitted before stays.
        TypeError
            If an expert or gate is not an estimator of the right kind.
        """
        return self._fit(X, y, sample_weight, groups, params)

    def predict(self, X, return_std=False):
        """Predict y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of y given x too: errors
            within experts and disagreement between them.

        Returns
        -------
        prediction : ndarray of shape (n,) or (n, n_outputs)
            In the units of y. Of a Dask collection a Dask array, without `return_std`.
        std : ndarray of shape (n,) or (n, n_outputs)
            Only if `return_std`.
        """
        if is_dask(X) and not return_std:
            check_is_fitted(self)
            return by_partition(self.predict, X, None if self._single else self._n_outputs)
        mixtures, X = self._averaged(X)
        if not return_std:
            return self._shaped(X, self._combined(mixtures, X))
        dist = self._distribution(mixtures, X)
        top = self.combine == "top"
        prediction = self._combined(mixtures, X) if top else self._center(dist)
        return self._shaped(X, prediction), self._shaped(X, dist.std())

    def predict_dist(self, X):
        """Distribution of y in each row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        MixtureDistribution
            Of all experts that `top_k` asks, with ``mean``, ``var``, ``std``, ``pdf``,
            ``logpdf``, ``cdf``, ``ppf``, ``interval``, ``sample`` and ``mode``. It does not
            look at `combine`.

        See Also
        --------
        skmoe.distributions.MixtureDistribution : What it answers.
        """
        mixtures, X = self._averaged(X)
        components = self._joined(mixtures, X, False)
        dtype = like(X, components[1]).dtype
        return MixtureDistribution(self.response_, *components, self._single, dtype)

    def predict_interval(self, X, coverage=0.9):
        """Equal-tailed intervals that hold y with a given probability.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        coverage : float, default=0.9
            That probability, in (0, 1].

        Returns
        -------
        ndarray of shape (n, 2) or (n, n_outputs, 2)
            Lower and upper ends, in the units of y.
        """
        return self.predict_dist(X).interval(coverage)

    def _distribution(self, mixtures, X):
        """What `predict_dist` returns, in double precision and with an axis of outputs."""
        components = self._joined(mixtures, X, False)
        return MixtureDistribution(self.response_, *components, single=False)

    def _combined(self, mixtures, X):
        """Predictions (n, m) as `combine` makes them, asking no more experts than it needs."""
        if self.combine == "median":
            return self._center(self._distribution(mixtures, X))
        return weighted_mean(*self._joined(mixtures, X, self.combine == "top")[:2])

    def _center(self, dist):
        return dist.ppf(0.5) if self.combine == "median" else dist.mean()

    def _joined(self, mixtures, X, top):
        """Components of several mixtures with equal shares: weights, answers, laws."""
        parts = []
        for mixture in mixtures:
            weights = mixture.weights(X, self.top_k)
            weights, *rest = mixture.predictive(X, keep_top(weights) if top else weights)
            parts.append((weights / len(mixtures), *rest))
        return concatenate_components(parts)

    def _components(self, X):
        """The predictive mixture in each row: what a mixture asks of an expert that is one."""
        mixtures, X = self._averaged(X)
        return self._joined(mixtures, X, False)

    def expert_predict(self, X):
        """Predictions of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts) or (n, n_experts, n_outputs)
        """
        mixture, X = self._ready(X)
        answers = mixture.answers(X)
        return like(X, answers[:, :, 0] if self._single else answers)

    def _shaped(self, X, values):
        return like(X, values[:, 0] if self._single else values)

    def __sklearn_tags__(self):
        """Several outputs, and y of any sign, where the law and all experts take them."""
        tags = super().__sklearn_tags__()
        experts = [get_tags(part) for part in self._expert_templates()]
        # What is no law is refused by name in `fit`.
        law = RESPONSES.get(self.response) if isinstance(self.response, str) else self.response
        several = getattr(law, "multi_output", True)
        tags.target_tags.multi_output = several and all(e.target_tags.multi_output for e in experts)
        tags.target_tags.positive_only = getattr(law, "support", (-np.inf,))[0] >= 0 or any(
            e.target_tags.positive_only for e in experts
        )
        return tags
