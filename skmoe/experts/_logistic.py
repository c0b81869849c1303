"""Multinomial logistic experts, all K trained in one batch by Newton's method."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Self, cast

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import validate_data

from .._data.design import View
from .._data.numerics import log_softmax, pair_products
from ..em import _multinomial
from ..em._evidence import (
    FIRST_STRENGTH,
    MOST_COEFFICIENTS,
    Evidence,
    softmax_evidence,
    softmax_ridge,
)
from ..em._parts import BaseForm, NewtonPart
from ..em._protocols import Bools, ExpertSums, Floats, Law, Target
from ..em._sums import Statistics, Sums
from ._batched import LEAST_GAIN, MOST_STEPS, BatchedBank
from ._linear_models import EvidenceLogistic, counted, differs_only_in, l2_strength


class LogisticForm(BaseForm):
    """Form of coefficients (K, C, p) of logistic experts with probabilities P.

    Its rows, whose products with the design are summed, are r (1 - P) for the row's own class and
    -r P for the others. The products of columns for the pair of classes a, b of an expert have the
    weights r P_a P_b.
    """

    def __init__(self, coef: Floats) -> None:
        self.shape = coef.shape[:2]
        self.coef = coef.reshape(-1, coef.shape[2])
        self.n_first = len(self.coef)
        self.n_pairs = len(coef) * self.shape[1] * (self.shape[1] - 1) // 2

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None:
        """Compute log-probabilities, which overwrite logits (K C, b); y (b, 1) are codes."""
        self._log_proba = predictions.reshape(*self.shape, -1)
        for one in self._log_proba:
            log_softmax(one.T)
        self._codes = y[:, 0].astype(int)

    def log_density(self, out: Floats) -> None:
        """Write log-probabilities (K, b) of the row's own class into `out`."""
        out[:] = self._log_proba[:, self._codes, np.arange(len(self._codes))]

    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write residuals × r of all classes."""
        self._resp, self._proba = resp, np.exp(self._log_proba)
        residual = first.reshape(self._proba.shape)
        np.multiply(self._proba, -resp[:, None], out=residual)
        residual[:, self._codes, np.arange(len(self._codes))] += resp

    def shares(self) -> Floats:
        """Return the weights of the products of columns in the Hessians."""
        pairs = [pair_products(proba, offset=1) for proba in self._proba]
        return np.concatenate([pair * r for pair, r in zip(pairs, self._resp, strict=True)])


class LogisticPart(NewtonPart):
    """M-step of logistic experts from sums over rows; an iterate is coef (K, C, p).

    Parameters
    ----------
    problem : Labels
        The problem of the bank.
    """

    #: Labels have no dispersion.
    n_outputs: int | None = None

    def __init__(self, problem: _multinomial.Labels) -> None:
        super().__init__(problem.shape, problem.ridge)

    def form(self, iterate: Floats, dispersion: Floats | None = None) -> Callable[[], LogisticForm]:
        """Return a callable that makes a `LogisticForm`."""
        return partial(LogisticForm, iterate)

    def state(self, iterate: Floats) -> _multinomial.Iterate:
        """Return the bank's state of coefficients, without log-probabilities of rows."""
        return _multinomial.Iterate(iterate, None)

    def reading(self, experts: list[Any], design: Any, target: Target) -> Floats:
        """Return the iterate of fitted experts."""
        raw = np.stack([expert.coef_ for expert in experts])
        intercept = np.stack([expert.intercept_ for expert in experts])
        if self.shape[1] == 2:
            # Two classes have coefficients of opposite signs; scikit-learn has their difference.
            signs = np.array([-0.5, 0.5])
            raw, intercept = raw * signs[:, None], intercept * signs
        return design.from_raw(raw, intercept)

    def deviances(self, old: Floats, new: Floats, sums: Sums, statistics: Statistics) -> None:
        """Return None: labels have no dispersion."""
        return None


_FREE = ("C", "penalty", "tol", "max_iter", "solver", "random_state", "n_jobs", "verbose")
_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")  # liblinear penalises more
_FIRST_STEPS = 3


def is_logistic(estimator: Any) -> bool:
    """Tell whether an estimator is one whose optimum this bank finds."""
    return (
        type(estimator) in (LogisticRegression, EvidenceLogistic)
        and differs_only_in(estimator, _FREE)
        and estimator.solver in _SOLVERS
        and estimator.get_params().get("penalty", "l2") in ("l2", None, "deprecated")
        and isinstance(estimator.C, Real)
        and cast("float", estimator.C) > 0
    )


class LogisticBank(BatchedBank):
    """K logistic experts on one design; a state is an iterate of Newton's method.

    Parameters
    ----------
    template : LogisticRegression
    view : View of n rows
    target : Labels of n rows
    n_experts : int
    """

    @staticmethod
    def solves(estimator: Any, loss: str | None = None) -> bool:
        """Tell whether the bank finds the optimum of an estimator, for this loss of the law."""
        return loss in (None, "labels") and is_logistic(estimator)

    def __init__(self, template: Any, view: View, target: Target, n_experts: int) -> None:
        self.template: Any = template
        self.view: View = view
        self.target: Target = target
        n_classes = len(target.classes)
        # For two classes scikit-learn has one coefficient vector; here the classes have halves of
        # it with opposite signs, so that twice the strength gives the same penalty.
        self._halves = 2.0 if n_classes == 2 else 1.0
        ridge = view.design.raw_ridge(l2_strength(template) * self._halves)
        self.problem: _multinomial.Labels = _multinomial.Labels(
            view.design, ridge, target.codes, n_classes, n_experts
        )
        if isinstance(template, EvidenceLogistic):
            self._set_strengths(np.full(n_experts, FIRST_STRENGTH))

    def _set_strengths(self, strengths: Floats) -> None:
        shape, design = self.problem.shape, self.view.design
        if design.has_grams and shape[1] * shape[2] <= MOST_COEFFICIENTS:
            self.strengths: Floats | None = strengths
        ridge = softmax_ridge(strengths, shape[2])[:, None]
        self.problem = _multinomial.Labels(design, ridge, self.target.codes, shape[1], shape[0])

    def with_strengths(self, strengths: Floats) -> Self:
        """Return the bank with other strengths (K,) of the penalties on standardised columns."""
        other = copy(self)
        other._set_strengths(strengths)
        return other

    def curvature(self, state: _multinomial.Iterate, masses: Floats) -> Floats:
        """Return the negative Hessians (K, C p, C p) for masses (n, K)."""
        self.problem.bind(masses)
        return _multinomial.negative_hessian(self.problem, state)

    def evidence(
        self, state: _multinomial.Iterate, curvature: Floats, masses: Floats, dispersion: Any
    ) -> Evidence:
        """Return the evidence of a state, and the strengths that increase it."""
        return softmax_evidence(state.coef, curvature, self.problem.ridge[:, 0], masses)

    def update(
        self,
        weights: Floats,
        state: _multinomial.Iterate | None,
        alive: Bools,
        own_rows: bool = False,
    ) -> _multinomial.Iterate:
        """Return the state after Newton steps of the experts that are alive.

        Parameters
        ----------
        weights : ndarray of shape (n, K)
        state : Iterate or None
        alive : ndarray of shape (K,), bool
        own_rows : bool
            Not used: evaluating all rows at once costs least.

        Returns
        -------
        Iterate
        """
        self.problem.bind(weights)
        if len(alive) == 1:
            return self._optimum() if state is None else state
        steps = 1
        if state is None:
            state, steps = _multinomial.start(self.problem), _FIRST_STEPS
        old = state
        for _ in range(steps):
            state, _ = _multinomial.newton_step(self.problem, state)
        if alive.all():
            return state
        coef = np.where(alive[:, None, None], state.coef, old.coef)
        return _multinomial.Iterate(coef, np.where(alive, state.log_proba, old.log_proba))

    def _optimum(self) -> _multinomial.Iterate:
        """Return the optimum of a single expert, whose weights no iteration of EM changes."""
        begun = _multinomial.start(self.problem)
        limits: Any = {"max_iter": MOST_STEPS, "tol": LEAST_GAIN}
        return _multinomial.solve(self.problem, begun, **limits, keep_curvature=True)[0]

    def predictions(self, state: _multinomial.Iterate) -> Floats:
        """Return log-probabilities (n, K) of the row's own class."""
        return state.log_proba.copy(order="K")

    def penalties(self, state: _multinomial.Iterate) -> Floats:
        """Return the penalty of each expert, (K,), in nats."""
        return _multinomial.penalties(state.coef, self.problem.ridge)

    def sums_part(self, law: Law) -> ExpertSums | None:
        """Return the experts as a part of sums over rows."""
        return LogisticPart(self.problem) if law.loss == "labels" and law.has_sums() else None

    def finish(self, state: _multinomial.Iterate) -> list[Any]:
        """Return the fitted scikit-learn estimators, one per expert."""
        coef, intercept = self.view.design.to_raw(state.coef)
        templates = [self.template] * len(coef)
        if isinstance(self.template, EvidenceLogistic):
            scale = np.where(self.view.design.varying, self.view.design.scale, 0.0)
            strengths = self.problem.ridge[:, 0, 0] / self._halves
            templates = [self.template.learned(strength, scale) for strength in strengths]
        return [self._estimator(*one) for one in zip(templates, coef, intercept, strict=True)]

    def _estimator(self, template: Any, coef: Floats, intercept: Floats) -> Any:
        expert = copy(template)
        validate_data(expert, self.view.X, skip_check_array=True)
        expert.classes_ = self.target.classes
        binary = len(expert.classes_) == 2
        expert.coef_ = coef[1:] - coef[:1] if binary else coef
        expert.intercept_ = intercept[1:] - intercept[:1] if binary else intercept
        expert.n_iter_ = np.array([self.template.max_iter], dtype=np.int32)
        return counted(expert, self.view)

    def pack(self, state: _multinomial.Iterate) -> Floats:
        """Return the coefficients as one vector."""
        return state.coef.ravel()

    def unpack(self, vector: Floats, like: _multinomial.Iterate) -> _multinomial.Iterate:
        """Return the state of a vector of coefficients, with the curvature of another state."""
        state = _multinomial.start(self.problem, vector.reshape(like.coef.shape))
        return replace(state, curvature=like.curvature, age=like.age)

    def strip(self, state: _multinomial.Iterate) -> Floats:
        """Return the coefficients alone."""
        return state.coef

    def restore(self, state: Floats) -> _multinomial.Iterate:
        """Return the state of coefficients that `strip` has returned."""
        return _multinomial.start(self.problem, state)
