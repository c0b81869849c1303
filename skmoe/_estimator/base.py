"""The border with scikit-learn: parameters, ``fit`` and conventions of both estimators."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from .._fit.fitting import KINDS
from .._sklearn import (
    BaseComposition,
    Bunch,
    CallbackSupport,
    HasMethods,
    Interval,
    StrOptions,
    VisualBlock,
    callback_context,
    with_callbacks,
)
from .._version import loaded_state, stored_state
from ..em._protocols import Task
from ..gates import GATES, SoftmaxGate, is_estimator
from .fit import TrainingRows, fitted_draft
from .options import resolve_experts
from .partial_fit import if_updated_by_batches, with_batch

OptionalArray = ArrayLike | None

_COLUMNS = ["array-like", slice, str, callable, Integral, None]


class BaseMixtureOfExperts(CallbackSupport, BaseComposition):
    """Constructor parameters, ``fit`` and ``partial_fit``."""

    experts: Any
    n_experts: Any
    gate: Any
    top_k: int | None
    combine: Any

    experts_: list[Any]
    named_experts_: Bunch
    gate_: Any
    expert_usage_: NDArray[np.float64]
    gate_entropy_: float
    starved_experts_: list[str]
    n_experts_: int
    n_iter_: int
    converged_: bool
    stop_reason_: str
    lower_bound_: float
    lower_bounds_: NDArray[np.float64]
    averaged_: list[dict[str, Any]]
    starts_: list[dict[str, Any]]
    path_: list[dict[str, Any]]
    gate_columns_: list[int] | None
    expert_columns_: list[int] | None
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _parameter_constraints = {
        "experts": [list, HasMethods(["fit"]), None],
        "n_experts": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "gate": [StrOptions(set(GATES)), HasMethods(["fit", "predict_proba"]), None],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "gate_features": _COLUMNS,
        "expert_features": _COLUMNS,
        "specialize": ["boolean"],
        "cv": ["cv_object", StrOptions({"auto"})],
        "average": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions(set(KINDS)), "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "accelerate": ["boolean"],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _task(self) -> Task:
        """Return regression or classification, with the parameters of this estimator."""
        raise NotImplementedError

    # ------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of experts, gate and response.

        Returns
        -------
        dict of str to object
            Parameters by name; those of parts as ``name__parameter``.
        """
        if isinstance(self.experts, list):
            return self._get_params("experts", deep=deep)
        return super().get_params(deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict of str to object
            Parameters by name. The name of an expert in a list replaces that
            expert; ``"drop"`` removes it.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no parameter of that name.
        """
        if isinstance(params.get("experts", self.experts), list):
            self._set_params("experts", **params)
        else:
            super().set_params(**params)
        return self

    # ------------------------------------------------------------------- fit

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit gate and experts by expectation-maximisation.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features), or blocks of rows
            Wrapped experts and gates get it as it is. Linear, Poisson, gamma and logistic
            experts under a softmax or Gaussian gate can also be fitted to rows that are not in
            memory, block by block: to a ``numpy.memmap``, a Dask collection, or an object with
            ``__len__`` and ``__getitem__``, or an iterable that starts anew each time, of
            ``(X, y)`` or ``(X, y, sample_weight)``.
        y : array-like of shape (n,) or (n, n_outputs)
            Numbers, or labels of any type. None where X are blocks; a Dask collection where X
            is one.
        sample_weight : array-like of shape (n,), optional
            A weight of two is the same as the row written twice, a weight of
            zero the same as a row left out.
        groups : array-like of shape (n,), optional
            Rows with the same label share one latent expert, as repeated measurements
            of one person do. The gate sees one row per group: means of numeric columns;
            others must not vary within it, nor may `sample_weight`.
        **params : dict
            Metadata for the experts, routed as scikit-learn routes it.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X or y cannot be used by a part that
            sees it, or an expert fails; the message names the parameter or the
            part. The attributes of an earlier fit stay.
        TypeError
            If an expert or gate is not an estimator of the right kind.
        """
        return self._fit(TrainingRows(X, y, sample_weight, groups, params))

    @with_callbacks
    def _fit(self, given):
        self._validate_params()
        draft: Any = fitted_draft(self, callback_context(self), given)
        # One assignment: an interrupt finds the old fit or the new one, never half of each.
        self.__dict__ = vars(draft)
        return self

    @if_updated_by_batches
    def partial_fit(
        self, X: Any, y: Any, sample_weight: OptionalArray = None, classes: OptionalArray = None
    ) -> Self:
        """Update the mixture by one more batch of rows: online EM (Cappé and Moulines 2009).

        `fit` fits the first batch. Each further batch gets an E-step, and its sums are added to
        those of earlier rows; the M-step is that of ``fit``. Rows weigh, not batches: w rows of
        earlier batches and b new ones count by w and b. The weight of a row falls by half with
        each 3000 rows of weight 1 that come later (with 100 for each parameter of the model, if
        that is more). A batch and its rows one by one lead to about the same model. A model
        that ``fit`` has fitted continues from its fit, whose rows count by `weight_seen_`; it is
        updated once there are five rows for each parameter, which give location and scale.

        If the log-scores of new rows stay more than half a standard deviation below those of
        earlier rows (a cumulative sum, Page 1954), the model is fitted anew to these rows, once
        they are five for each parameter. After four times the rows of the first batch, and
        whenever their number has doubled up to 16384, a fit to the last 4096 rows replaces the
        model if it predicts newer rows clearly better.

        An expert that is not solved for gets one call of its own ``partial_fit`` per batch, with
        responsibilities × weights: it forgets as it does alone, which naive Bayes never does.
        Dispersions and gate are fitted to sums, and to its errors before the call, which
        overfitting cannot reduce. With such experts, as neural networks are, there are no fits to
        the last rows, which would cost more than all else. Experts of any kind count as many
        parameters as linear ones.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Numbers.
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
        classes : array-like of shape (n_classes,), optional
            All labels of a classifier; by default those of the first batch. One that the first
            batch lacks begins with a probability near 0.001, the same everywhere: each row counts
            as one of that label with so much of its weight.

        Returns
        -------
        estimator
            Itself. ``lower_bounds_`` holds the mean log-score of each batch before its update, of
            the first one after it, ``lower_bound_`` the last one; ``n_iter_`` counts batches.

        Raises
        ------
        AttributeError
            Unless there are two or more clones of ``LinearRegression`` or ``Ridge`` under a
            Gaussian response with constant dispersion, or of ``LogisticRegression``, or estimators
            whose ``partial_fit`` takes `sample_weight`, a ``SoftmaxGate`` and ``average=1``.
        ValueError
            If y has a label that is not in `classes`, `classes` are not those of the first
            batch, or rows are no numbers.
        """
        self._validate_params()
        draft: Any = with_batch(self, X, y, sample_weight, classes)
        self.__dict__ = vars(draft)
        return self

    # --------------------------------------------------------------- routing

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this estimator.

        Returns
        -------
        MetadataRouter
            Routes the metadata of ``fit`` to the experts.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        named = resolve_experts(self.experts, 1, self._task().default_expert(), ())
        if not isinstance(self.experts, list):
            named = [("experts", named[0][1])]
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return router.add(method_mapping=mapping, **dict(named))

    # ----------------------------------------------------------- conventions

    def __sklearn_tags__(self) -> Any:
        """Return the tags: the mixture takes what all of its parts take."""
        tags = super().__sklearn_tags__()
        templates = [*self._gate_templates(), *self._expert_templates()]
        parts = [get_tags(part) for part in templates]
        tags.input_tags.sparse = all(part.input_tags.sparse for part in parts)
        tags.input_tags.allow_nan = all(part.input_tags.allow_nan for part in parts)
        tags.target_tags.required = True
        return tags

    def _gate_templates(self):
        """Return the gate, if it is an estimator; `fit` refuses any other by name."""
        gate = "softmax" if self.gate is None else self.gate
        gate = GATES[gate]() if isinstance(gate, str) and gate in GATES else gate
        return [gate] if is_estimator(gate) else []

    def _expert_templates(self):
        """Return those of the given experts that are estimators."""
        experts = self.experts if isinstance(self.experts, list) else [("", self.experts)]
        found = [entry[-1] for entry in experts if isinstance(entry, tuple)]
        found = [self._task().default_expert() if expert is None else expert for expert in found]
        return [part for part in found if is_estimator(part)]

    def _sk_visual_block_(self):
        """Return gate and experts, side by side."""
        gate = SoftmaxGate() if self.gate is None else self.gate
        experts = self.experts
        if not isinstance(experts, list):
            template = self._task().default_expert() if experts is None else experts
            experts = [(f"{self.n_experts} experts", template)]
        names = ["gate", *(name for name, _ in experts)]
        return VisualBlock(
            "parallel", [gate, *(expert for _, expert in experts)], names=names, dash_wrapped=False
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, and the version."""
        return stored_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over stored attributes; they may be those of an earlier version."""
        super().__setstate__(loaded_state(type(self), state))
