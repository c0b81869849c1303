"""The classifier."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ._data.dask import by_partition
from ._data.tables import is_dask
from ._estimator.options import Columns, Estimator, Init, Splitter
from ._estimator.prediction import FittedMixture, like
from ._estimator.tasks import ClassificationTask
from ._sklearn import ClassifierMixin, StrOptions


class MixtureOfExpertsClassifier(ClassifierMixin, FittedMixture):
    r"""Mixture of experts for classification.

    .. math:: p(y \mid x) = \sum_k g_k(x) \, p_k(y \mid x)

    The gate g gives the probability of each expert for a row, and expert k those of
    the classes. Expectation-maximisation fits both to one objective, the
    penalised log-likelihood (Jacobs, Jordan, Nowlan and Hinton 1991; Jordan and
    Jacobs 1994).

    Parameters
    ----------
    experts : None, estimator or list of (str, estimator), default=None
        None: multinomial logistic experts, ``LogisticRegression``. One estimator is
        cloned `n_experts` times; its parameters are ``experts__...``. A list mixes
        experts of different kinds, each reachable as ``name__...``; ``"drop"`` in
        place of an estimator removes it. Clones of ``LogisticRegression`` with an L2
        penalty or none, and pipelines that end in one, are solved for all experts in
        one batch; a pipeline's transformers are then fitted once.
        ``FrozenEstimator`` keeps a fitted expert as it is. An expert without
        ``sample_weight`` is fitted to rows drawn, with a seed, in proportion to
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
    top_k : int, default=None
        None for a soft mixture. Otherwise only the `top_k` most responsible
        experts are fitted to a row, after a soft warm-up, and only the `top_k`
        most probable experts are evaluated to predict it; 1 is the hard mixture.
        Predictions use its current value: ``set_params(top_k=1)`` on a fitted soft
        mixture gives cheap predictions.
    combine : {"mean", "vote", "top"}, default="mean"
        How the experts' predictions are combined: weighted mean of probabilities, weighted
        vote of the experts' most probable classes, or the most probable expert alone.
    gate_features, expert_features : str, int, slice, array-like or callable, default=None
        Columns that the gate, and the experts, are fitted to, selected as in
        ``ColumnTransformer``; None for all.
    specialize : bool, default=True
        Whether experts are fitted to rows of their own. False: each is fitted once, to
        all rows, and EM fits the gate alone: stacking whose weights
        depend on x. Clones of one estimator then share one fit. The same holds where
        all experts are frozen; give ``fit`` rows that they were not fitted to.
    cv : "auto", None, int, splitter or iterable of (train, test), default="auto"
        Cross-fitting: how experts are evaluated on the training rows. An int or a splitter:
        each row by a fit without its fold, since experts that overfit (trees, forests,
        boosting, neighbours) would mislead the gate in sample; in the end each
        is fitted to all its rows. None: in sample. "auto": 3 folds,
        none for linear models; with ``specialize=False`` 5 folds for all, but out of
        bag where an ensemble has bags and rows have equal weights.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights. "balanced"
        gives all classes the same total weight.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_parameters_ : float
        Number of free parameters that `aic`, `bic` and `icl` count; NaN where that of a
        part is not known. Linear functions of x have as many as the rank of the
        columns and the intercept: constant columns, and columns that are combinations
        of others, add none.
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
        the density of x.
    lower_bounds_ : ndarray of shape (n_iter_,)
        The objective after each iteration.
    averaged_ : list of dict
        The further starts that are averaged with the best: ``gate``, ``experts``
        and ``lower_bound``. Empty for ``average=1``.
    starts_ : list of dict
        Result of every start: ``kind``, ``lower_bound``, ``n_iter``,
        ``converged`` and whether it was ``chosen``, or ``averaged`` with others. A start of kind
        ``"reseeded"`` gave starved experts the rows explained worst; ``error``
        is the reason if that failed.
    path_ : list of dict
        With ``n_experts="auto"`` the result of every size: ``n_experts``,
        ``log_likelihood``, ``bic`` and ``icl``, as `bic` and `icl` return them, with
        ``log_evidence`` in nats where penalties are learned; or ``held_out``, the mean log-score
        of held-out rows; or ``out_of_fold``, the mean log-likelihood out of fold, less the
        charge for the gate; ``seconds``, and whether it was ``chosen``. Empty where the number
        was not chosen.
    gate_columns_, expert_columns_ : list of int or None
        Positions of the columns that the gate, and the experts, are fitted to; None for all.
    n_features_in_ : int
        Number of columns of the training rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

    See Also
    --------
    MixtureOfExpertsRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmoe import MixtureOfExpertsClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MixtureOfExpertsClassifier(n_experts=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    >>> model.expert_usage_.shape
    (2,)
    """

    _parameter_constraints = {
        **FittedMixture._parameter_constraints,
        "combine": [StrOptions({"mean", "vote", "top"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    classes_: NDArray[Any]

    def __init__(
        self,
        experts: Estimator | list[tuple[str, Any]] | None = None,
        n_experts: int | Literal["auto"] = 4,
        *,
        gate: Estimator | str | None = None,
        top_k: int | None = None,
        combine: Literal["mean", "vote", "top"] = "mean",
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
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = 0,
    ) -> None:
        self.experts = experts
        self.n_experts = n_experts
        self.gate = gate
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
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,)
            In the type of the labels given to ``fit``. Of a Dask collection a Dask array.
        """
        if is_dask(X):
            check_is_fitted(self)
            return by_partition(self.predict, X, None, self.classes_.dtype)
        best = self._proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. With ``combine="vote"`` the share of gate
            weight whose expert finds the class most probable. Of a Dask collection a Dask
            array.
        """
        if is_dask(X):
            check_is_fitted(self)
            return by_partition(self.predict_proba, X, len(self.classes_))
        return self._proba(X)

    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Log-probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Finite, as no probability is exactly zero.
        """
        return np.log(self._proba(X))

    def _proba(self, X):
        """Return probabilities (n, n_classes), at least the smallest that has a logarithm."""
        mixture, X = self._prepared(X)
        proba: Any = like(X, mixture.predict_proba(X))
        return np.maximum(proba, np.finfo(proba.dtype).tiny)

    def expert_predict(self, X: Any) -> NDArray[np.floating]:
        """Class probabilities of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts, n_classes)
        """
        mixture, X = self._prepared(X)
        return like(X, mixture.best.predictions(X))

    def _task(self) -> ClassificationTask:
        return ClassificationTask(self.class_weight)
