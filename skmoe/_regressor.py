"""The regressor."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._data.dask import by_partition
from ._data.tables import is_dask
from ._estimator.options import RESPONSES, Columns, Estimator, Init, Splitter, read_response
from ._estimator.prediction import FittedMixture, like
from ._estimator.tasks import RegressionTask
from ._sklearn import RegressorMixin, StrOptions
from .distributions import MixtureDistribution
from .responses import Response


class MixtureOfExpertsRegressor(RegressorMixin, FittedMixture):
    r"""Mixture of experts for regression.

    .. math:: p(y \mid x) = \sum_k g_k(x) \, p(y \mid f_k(x), \sigma_k)

    The gate g gives the probability of each expert for a row, an expert f predicts y, and
    the response is the density of y around that prediction. Expectation-maximisation
    fits all of them to one objective, the penalised log-likelihood (Jacobs,
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
        Number of clones; ignored for a list. "auto" chooses it: one expert at a time is split
        in two, from a single expert on, for as long as BIC falls, or, where penalties are learned,
        the evidence rises. Of experts that are cross-fitted, 1, 2 and 4 are compared by their
        likelihood out of fold; of others without a number of parameters, by the log-score of
        held-out rows. The leaves of a ``HierarchicalGate``, or the columns of an array
        given as `init`, set the number without a choice.
    gate : None, str, gate or classifier, default=None
        Model of which expert a row belongs to: None or ``"softmax"`` for
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
        experts are fitted to a row, after a soft warm-up, and only the `top_k`
        most probable experts are evaluated to predict it; 1 is the hard mixture.
        Predictions use its current value: ``set_params(top_k=1)`` on a fitted soft
        mixture gives cheap predictions.
    combine : {"mean", "median", "top"}, default="mean"
        How the experts' predictions are combined: weighted mean, median of the predictive
        mixture, or the most probable expert alone.
    gate_features, expert_features : str, int, slice, array-like or callable, default=None
        Columns that the gate, and the experts, are fitted to, selected as in
        ``ColumnTransformer``; None for all.
    specialize : bool, default=True
        Whether experts are fitted to rows of their own. False: each is fitted once, to
        all rows, and EM fits the gate and dispersions alone: stacking whose weights
        depend on x. Clones of one estimator then share one fit. The same holds where
        all experts are frozen; give ``fit`` rows that they were not fitted to.
    cv : "auto", None, int, splitter or iterable of (train, test), default="auto"
        Cross-fitting: how experts are evaluated on the training rows. An int or a splitter:
        each row by a fit without its fold, since experts that overfit (trees, forests,
        boosting, neighbours) would mislead the gate in sample; in the end each
        is fitted to all its rows. None: in sample. "auto": 3 folds,
        none for linear models; with ``specialize=False`` 5 folds for all, but out of
        bag where an ensemble has bags and rows have equal weights. Linear models without
        a penalty have smaller errors in sample than on new rows, if the mixture
        has fewer than 5 observed numbers for each free parameter: in the end all
        dispersions are then multiplied by the one factor, at least 1, that maximises the
        likelihood of rows left out in 5 folds under mixtures fitted without them.
    average : int, default=1
        Number of starts whose densities make the predictive mixture together; fewer
        where fewer starts differ. Attributes, `gate_proba`, `responsibilities` and
        criteria are those of the best. With ``n_experts="auto"`` the number is chosen
        first, then the best runs of this number.
    init : {"auto", "kmeans", "random", "split"} or array-like of shape (n, K), default="auto"
        How starts are drawn: by weighted k-means on (x, y), as random cuts and
        random experts, or in turn ("auto"); "split" repeatedly halves the
        expert that leaves most unexplained. A start depends neither on the order of
        rows nor on whether a row of weight two is written twice. An array holds
        starting responsibilities and is used as given.
    n_init : int or "auto", default="auto"
        Number of starts. "auto" runs several short ones, the most promising of
        them longer, and the best to the end. Where an iteration is costly
        (wrapped experts), the short runs fit batched linear experts instead.
    max_iter : int, default=200
        Largest number of EM iterations.
    tol : float, default=1e-5
        EM stops when an iteration gains less than this per unit of sample weight.
    accelerate : bool, default=True
        Whether to accelerate EM by Anderson's mixing where all parts are solved in
        batches and the mixture is soft. A step that would lower the objective is
        replaced by a plain one.
    warm_start : bool, default=False
        Whether ``fit`` starts from the responsibilities of the last fit.
    n_jobs : int, default=None
        Number of workers that fit wrapped experts.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts, and of every part whose ``random_state`` is None. The
        global random state is never used.
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
        for the Poisson. NaN for an expert that is a mixture itself, which has a density of
        its own.
    law_parameters_ : ndarray of shape (n_experts_, q)
        All parameters of each expert's law: its dispersions, then any others that the
        law has, such as degrees of freedom, then the exponentials of `dispersion_coef_`.
    dispersion_coef_ : ndarray of shape (n_experts_, p) or None
        With a response whose ``dispersion="linear"``: the change of the logarithm of an
        expert's dispersion for one standard deviation of each of the experts' columns;
        ``dispersion_`` is then that of a row whose columns have their means.
    dispersion_units_ : ndarray of shape (2, p) or None
        Means and standard deviations of these columns, which are clipped at three standard
        deviations.
    widening_ : float
        Factor that ``cv="auto"`` multiplied all dispersions by in the end, where rows are few;
        1 otherwise.
    n_parameters_ : float
        Number of free parameters that `aic`, `bic` and `icl` count; NaN where that of a
        part is not known. Linear functions of x have as many as the rank of the
        columns and the intercept: constant columns, and columns that are combinations
        of others, add none.
    posterior_root_ : ndarray of shape (n_experts_, p, p) or None
        Where penalties were learned: roots of the covariances of each expert's coefficients and
        intercept on standardised columns, divided by its squared dispersion.
    posterior_units_ : ndarray of shape (2, p - 1) or None
        What is subtracted from these columns, and what they are divided by.
    expert_usage_ : ndarray of shape (n_experts_,)
        Share of the sample weight that each expert is responsible for; share of the groups,
        where groups are given.
    gate_entropy_ : float
        Mean entropy of the gate's probabilities over the training rows, in
        nats: 0 where each row has one expert, ``log(n_experts_)`` where the
        gate does not distinguish experts.
    starved_experts_ : list of str
        Experts that ended without rows and kept their last fit.
    n_experts_ : int
        Number of experts.
    weight_seen_ : float
        Sample weight of the rows behind the fitted model; those of ``partial_fit`` are added.
    n_iter_ : int
        EM iterations of the run that won.
    converged_ : bool
        Whether the gain of its last iteration was below `tol`.
    stop_reason_ : str
        Why that run stopped.
    lower_bound_ : float
        Objective of the stored model per unit of sample weight: log-likelihood
        less the penalties that the M-steps subtract. With a Gaussian gate it includes
        the density of x. Where `widening_` is not 1, it is that of the dispersions before
        the multiplication.
    lower_bounds_ : ndarray of shape (n_iter_,)
        The objective after each iteration.
    averaged_ : list of dict
        The further starts that are averaged with the best: ``gate``, ``experts``,
        ``law_parameters`` and ``lower_bound``. Empty for ``average=1``.
    starts_ : list of dict
        Result of every start: ``kind``, ``lower_bound``, ``n_iter``,
        ``converged`` and whether it was ``chosen``, or ``averaged`` with others. A start of kind
        ``"reseeded"`` gave starved experts the rows explained worst; ``error``
        is the reason if that failed.
    path_ : list of dict
        With ``n_experts="auto"`` the result of every size: ``n_experts``,
        ``log_likelihood``, ``bic`` and ``icl``, as `bic` and `icl` return them before dispersions
        are multiplied by `widening_`, with ``log_evidence`` in nats where penalties are
        learned; or ``held_out``, the mean log-score of held-out rows; or ``out_of_fold``, that
        out of fold, less the charge for gate and law; ``seconds``, and whether it was ``chosen``.
    gate_columns_, expert_columns_ : list of int or None
        Positions of the columns that the gate, and the experts, are fitted to; None for all.
    n_features_in_ : int
        Number of columns of the training rows.
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
        **FittedMixture._parameter_constraints,
        "response": [StrOptions(set(RESPONSES)), Response],
        "combine": [StrOptions({"mean", "median", "top"})],
    }

    response_: Response
    dispersion_: NDArray[np.float64]
    law_parameters_: NDArray[np.float64]
    dispersion_coef_: NDArray[np.float64] | None
    dispersion_units_: NDArray[np.float64] | None
    widening_: float
    posterior_root_: NDArray[np.float64] | None
    posterior_units_: NDArray[np.float64] | None

    def __init__(
        self,
        experts: Estimator | list[tuple[str, Any]] | None = None,
        n_experts: int | Literal["auto"] = 4,
        *,
        gate: Estimator | str | None = None,
        response: Response | str = "gaussian",
        top_k: int | None = None,
        combine: Literal["mean", "median", "top"] = "mean",
        gate_features: Columns = None,
        expert_features: Columns = None,
        specialize: bool = True,
        cv: Splitter = "auto",
        average: int = 1,
        init: Init = "auto",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 200,
        tol: float = 1e-5,
        accelerate: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = 0,
    ) -> None:
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

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> NDArray[np.floating]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[True]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]: ...
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of y given x too. It includes errors
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
            task = self._task().fitted(self)
            return by_partition(self.predict, X, None if task.single else task.n_outputs)
        mixture, X = self._prepared(X)
        if not return_std:
            return _shaped(mixture, X, mixture.predict(X))
        return tuple(_shaped(mixture, X, values) for values in mixture.predict_with_std(X))

    def predict_dist(self, X: Any) -> MixtureDistribution:
        """Distribution of y in each row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        MixtureDistribution
            Of all experts that `top_k` selects, with ``mean``, ``var``, ``std``, ``pdf``,
            ``logpdf``, ``cdf``, ``ppf``, ``interval``, ``sample`` and ``mode``. It does not
            depend on `combine`.

        See Also
        --------
        skmoe.distributions.MixtureDistribution : Its methods.
        """
        mixture, X = self._prepared(X)
        components = mixture.components(X)
        dtype = like(X, components[1]).dtype
        return MixtureDistribution(self.response_, *components, mixture.task.single, dtype)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.floating]:
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

    def expert_predict(self, X: Any) -> NDArray[np.floating]:
        """Predictions of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts) or (n, n_experts, n_outputs)
        """
        mixture, X = self._prepared(X)
        predictions = mixture.best.predictions(X)
        return like(X, predictions[:, :, 0] if mixture.task.single else predictions)

    def __skmoe_components__(self, X: Any) -> Any:
        """Return the predictive mixture in each row, for a mixture that this is an expert of."""
        mixture, X = self._prepared(X)
        return mixture.components(X)

    def _task(self) -> RegressionTask:
        return RegressionTask(self.response)

    def __sklearn_tags__(self) -> Any:
        """Return tags: several outputs, and y of any sign, where law and all experts take them."""
        tags = super().__sklearn_tags__()
        experts = [get_tags(part) for part in self._expert_templates()]
        law = read_response(self.response)
        tags.target_tags.multi_output = law.multi_output and all(
            each.target_tags.multi_output for each in experts
        )
        tags.target_tags.positive_only = law.support[0] >= 0 or any(
            each.target_tags.positive_only for each in experts
        )
        return tags


def _shaped(mixture, X, values):
    """Return values (n, m) in the shape of y."""
    return like(X, values[:, 0] if mixture.task.single else values)
