"""The classifier."""

from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._data.dask import by_partition
from ._data.moments import as_codes, survey_labels
from ._data.tables import is_dask
from ._data.target import Labels
from ._estimator.base import BaseMixtureOfExperts
from ._estimator.partial_fit import PartialFitMixin
from ._estimator.prediction import like
from ._fit.mixture import Classes
from ._sklearn import StrOptions
from .responses import Categorical
from .routing import keep_top, weighted_mean, weighted_vote


class MixtureOfExpertsClassifier(PartialFitMixin, ClassifierMixin, BaseMixtureOfExperts):
    r"""Mixture of experts for classification.

    .. math:: p(y \mid x) = \sum_k g_k(x) \, p_k(y \mid x)

    The gate g says which expert a row belongs to, and expert k gives probabilities
    to the classes. Expectation-maximisation trains both to one objective, the
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
    top_k : int, default=None
        None for a soft mixture. Otherwise only the `top_k` most responsible
        experts keep a row in training, after a soft warm-up, and only the `top_k`
        most probable answer for a row; 1 is the hard mixture. It is read again
        at prediction: ``set_params(top_k=1)`` on a fitted soft mixture gives
        cheap predictions.
    combine : {"mean", "vote", "top"}, default="mean"
        How answers become one: weighted mean of probabilities, weighted vote of
        the experts' favourite classes, or the most probable expert alone.
    gate_features, expert_features : str, int, slice, array-like or callable, default=None
        Columns that the gate, and the experts, see, as ``ColumnTransformer``
        selects them; None for all.
    specialize : bool, default=True
        Whether experts are fitted to rows of their own. False: each is fitted once, to
        all rows, and EM learns the gate alone: stacking whose weights
        depend on x. Clones of one estimator then share one fit. It is so too where all
        experts are frozen; give ``fit`` rows that they have not seen.
    cv : "auto", None, int, splitter or iterable of (train, test), default="auto"
        How experts are asked about the training rows. An int or a splitter: each row
        by a fit without its fold, so that experts able to learn their rows by heart
        (trees, forests, boosting, neighbours) cannot fool the gate; in the end each
        is fitted to all its rows. None: by the one fit to all of them. "auto": 3 folds,
        none for linear models; with ``specialize=False`` 5 folds for all, but out of
        bag where an ensemble has bags and rows have equal weights.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights. "balanced"
        gives all classes the same total weight.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
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
        density of x too.
    lower_bounds_ : ndarray of shape (n_iter_,)
        Its history, one value per iteration.
    averaged_ : list of dict
        The further starts that are averaged with the best: ``gate``, ``experts``
        and ``lower_bound``. Empty for ``average=1``.
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
        **BaseMixtureOfExperts._parameter_constraints,
        "combine": [StrOptions({"mean", "vote", "top"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    _has_labels = True

    def __init__(
        self,
        experts=None,
        n_experts=4,
        *,
        gate=None,
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
        class_weight=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
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

    def fit(self, X, y=None, sample_weight=None, groups=None, **params):
        """Fit gate and experts by expectation-maximisation.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features), or blocks of rows
            Handed to wrapped experts and gates as it is. Logistic experts under a softmax or
            Gaussian gate also learn from rows that are not in memory, block by block, as those
            of the regressor do.
        y : array-like of shape (n,)
            Labels of any type. None where X are blocks; a Dask collection where X is.
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
        MixtureOfExpertsClassifier
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

    def predict(self, X):
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

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. With ``combine="vote"`` the
            share of gate weight whose expert prefers the class. Of a Dask collection a Dask
            array.
        """
        if is_dask(X):
            check_is_fitted(self)
            return by_partition(self.predict_proba, X, len(self.classes_))
        return self._proba(X)

    def predict_log_proba(self, X):
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
        """Probabilities (n, n_classes), at least the smallest number that has a logarithm."""
        mixtures, X = self._averaged(X)
        proba = like(X, sum(self._proba_of(mixture, X) for mixture in mixtures) / len(mixtures))
        return np.maximum(proba, np.finfo(proba.dtype).tiny)

    def _proba_of(self, mixture, X):
        weights = mixture.weights(X, self.top_k)
        if self.combine == "top":
            weights = keep_top(weights)
        combine = weighted_vote if self.combine == "vote" else weighted_mean
        # One expert at a time: probabilities of all classes by all experts may be many.
        return sum(
            combine(weights[:, components].sum(axis=1)[:, None], answer[:, None])
            for components, answer in mixture.each_answer(X, weights)
        )

    def expert_predict(self, X):
        """Class probabilities of all experts, for all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts, n_classes)
        """
        mixture, X = self._ready(X)
        return like(X, mixture.answers(X))

    # ------------------------------------------- what the base leaves to the task

    def _default_expert(self):
        return LogisticRegression()

    def _law(self):
        return Categorical()

    def _check_y(self, y):
        y = column_or_1d(y, warn=True)
        if y.dtype == object and any(label is None for label in y.tolist()):
            raise ValueError("Input y contains None: every row must have a label")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _class_weights(self, y, weights):
        """Weights (n,) with those of the classes in them."""
        if self.class_weight is None:
            return weights
        classes, codes = np.unique(y, return_inverse=True)
        return weights * self._weights_of(classes, np.bincount(codes, weights))[codes]

    def _weights_of(self, classes, mass):
        """Weights (n_classes,) of the classes, whose rows have the weights `mass`."""
        if self.class_weight is None:
            return np.ones(len(classes))
        if isinstance(self.class_weight, dict):
            return compute_class_weight(self.class_weight, classes=classes, y=classes)
        present = mass > 0
        return np.divide(mass.sum() / present.sum(), mass, where=present, out=mass * 0)

    def _check_classes(self, classes):
        """Refuse labels other than those of the first batch."""
        known, given = getattr(self, "classes_", None), np.unique(classes)
        if known is not None and not np.array_equal(given, known):
            raise ValueError(
                f"classes must be those of the first batch, {known.tolist()}; got {given.tolist()}"
            )

    def _may_begin_with(self, y, last):
        """Whether a model can begin anew with labels: only where none of the last is missing."""
        return bool(np.isin(last, y).all())

    def _target(self, y, weights):
        classes, codes = np.unique(y, return_inverse=True)
        self.classes_ = _several(classes)
        return Labels(y, codes, classes)

    def _interpreted(self, chunks):
        """The rows with codes of labels for y, and the weights of the classes."""
        labels = survey_labels(chunks)
        by_class = self._weights_of(labels.classes, labels.mass)
        check_classification_targets(labels.classes)
        self.classes_ = _several(labels.classes[by_class > 0])
        return chunks.interpreted(partial(as_codes, classes=labels.classes, by_class=by_class))

    def _target_of(self, chunks, y, weights):
        codes = y[:, 0].astype(int)
        return Labels(self.classes_[codes], codes, self.classes_)

    def _known_y(self, X, y):
        """Codes (n,) of known labels."""
        y = column_or_1d(y)
        check_consistent_length(X, y)
        unknown = sorted(set(y.tolist()) - set(self.classes_.tolist()), key=str)
        if unknown:
            raise ValueError(f"y must hold labels known from fit; got also {unknown}")
        return np.searchsorted(self.classes_, y)

    def _question(self, law_parameters):
        return Classes(self.classes_)

    def _count_dispersions(self):
        return 0

    def _store_law(self, training, parameters):
        """Labels have no dispersion to store."""

    def _store_widening(self, factor):
        """Labels have no dispersion that could be wider."""

    def _law_of(self, training, parameters):
        return {}


def _several(classes):
    """The classes, if there are several."""
    if len(classes) < 2:
        raise ValueError(
            f"y must have at least two classes in rows of positive weight; got one class: "
            f"{classes.tolist()}"
        )
    return classes
