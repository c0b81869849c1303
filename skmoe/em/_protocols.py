"""Protocols of the parts of a mixture: the attributes and methods that EM uses of each.

EM combines a gate's trainer, a bank of experts and a law of y, on a target and on units. They are
implemented in `gates`, `experts`, `responses`, `_data.target` and `_data.groups`. A part has all
members of its protocol; a method for which it lacks the capability returns None. Throughout,

- there are n rows, U units, K experts, m outputs, p columns of a standardised design (of which the
  last is ones), and q parameters of a law;
- responsibilities (U, K) have rows that sum to one, and masses are responsibilities × weights;
- a *state* is one iterate of a part. It never changes: every update returns a new one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from .._data.design import View
from .._data.numerics import Bools, Floats, Ints
from ._evidence import Learnable
from ._loop import State as EMState

#: One iterate of a part. Its type is private to the part.
State = Any


class TrainedPart(Learnable):
    """What a gate's trainer and a bank of experts have in common: states as vectors."""

    def pack(self, state: State) -> Floats | None:
        """Return the state as one vector; None where that is not possible."""
        return None

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a packed vector, with the shapes of another state."""
        raise TypeError(f"{type(self).__name__} has no states that can be packed")

    def strip(self, state: State) -> State:
        """Return the state without (U, K) or (n, K) arrays, to be kept during other runs."""
        return state

    def restore(self, state: State) -> State:
        """Return the full state of one that `strip` returned."""
        return state


class GateTrainer(TrainedPart, ABC):
    """A gate that EM trains on one training set.

    Attributes
    ----------
    cheap : bool
        Whether an update fits no estimator, and so costs little.
    bounded : bool
        Whether the gate has a finite optimum even where it can separate experts completely.
    view : View
        The columns of X that the gate is fitted to.
    """

    cheap: bool = False
    bounded: bool = True
    view: View

    @abstractmethod
    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> State:
        """Return the state after an M-step; `weights` (U,) are by default those of the units."""

    @abstractmethod
    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (U, K), up to a term that all experts of a unit share."""

    def penalty(self, state: State) -> float:
        """Return the gate's own penalty, which the objective loses, in nats."""
        return 0.0

    @abstractmethod
    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state: an estimator."""

    def sums_part(self, n_experts: int) -> GateSums | None:
        """Return the gate as a part of sums over rows; None where it needs all rows at once."""
        return None


class ExpertBank(TrainedPart, ABC):
    """K experts, on one training set.

    Attributes
    ----------
    cheap : bool
        Whether an update costs little: all experts are solved in one batch, or stay as they are.
    fixed : bool
        Whether experts without rows keep their fit by design, so that none counts as starved.
    view : View
        The columns of X that the experts are fitted to.
    target : Target
    """

    cheap: bool = False
    fixed: bool = False
    view: View
    target: Target

    @abstractmethod
    def update(
        self, weights: Floats, state: State | None, alive: Bools, own_rows: bool = False
    ) -> State:
        """Fit every expert that is alive, (K,), to weights (n, K); the others keep their fit.

        With `own_rows` an expert need be evaluated only in rows in which it has weight.
        """

    @abstractmethod
    def predictions(self, state: State) -> Floats:
        """Return predictions (n, K, m), standardised; log-probabilities (n, K) of labels."""

    def missing(self, state: State) -> Bools | None:
        """Return where experts have not been evaluated, (n, K); None where all have been."""
        return None

    def evaluate_missing(self, state: State, wanted: Bools | None) -> State:
        """Evaluate experts in the missing rows that are wanted, (n, K)."""
        return state

    def own_densities(self, state: State) -> dict[int, Floats]:
        """Return log-densities (n,) of experts that are distributions themselves, by number."""
        return {}

    def overfitting_experts(self) -> list[int]:
        """Return the numbers of the experts that are evaluated in sample and could overfit."""
        return []

    @abstractmethod
    def penalties(self, state: State) -> Floats:
        """Return the experts' own penalties: (K, m) in squared standardised units, or (K,) nats."""

    def penalty_products(self, state: State) -> Floats:
        """Return the penalties of all pairs of outputs, (K, m, m)."""
        raise TypeError(f"{type(self).__name__} has no penalties of pairs of outputs")

    def settle(self, state: State) -> State:
        """Return the state with all experts fitted to all their rows; the workers still run."""
        return state

    @abstractmethod
    def finish(self, state: State) -> list[Any]:
        """Return the fitted scikit-learn estimators, one per expert."""

    def sums_part(self, law: Law) -> ExpertSums | None:
        """Return the experts as a part of sums over rows; None where they need all rows at once."""
        return None


@runtime_checkable
class Law(Protocol):
    """The law of y given predictions: `Response`, which documents all members, or `Categorical`."""

    loss: str
    reweights: bool
    correlated: bool
    standardises: bool
    n_scales: int
    dispersion: str

    def check_target(self, y: Floats) -> None: ...
    def has_sums(self) -> bool: ...
    def deviance(self, y: Floats, mean: Floats) -> Floats: ...
    def working_weights(self, deviance: Floats, parameters: Floats) -> Floats: ...
    def fit_dispersion(
        self, deviance: Floats, masses: Floats, quadratic: Floats, old: Floats | None = None
    ) -> Floats | None: ...
    def log_density(self, deviance: Floats, parameters: Any, y: Any) -> Floats: ...
    def log_peak(self, parameters: Any, y: Floats) -> Floats | float: ...
    def penalty(self, parameters: Any, quadratic: Floats) -> float: ...
    def confined(self, parameters: Floats) -> Floats: ...
    def rescaled(self, parameters: Floats, scale: Floats) -> Floats: ...
    def count_parameters(self, parameters: Any) -> int: ...
    def learned(self, parameters: Any, masses: Floats) -> tuple[Law, float]: ...


class Target(Protocol):
    """y of the training rows, as standardised numbers or as coded labels.

    Attributes
    ----------
    raw : ndarray of shape (n,) or (n, m)
        y that experts are fitted to.
    values : ndarray of shape (n, m) or None
        Standardised numbers; None for labels.
    scale : ndarray of shape (m,) or None
        What they were divided by; None for labels.
    codes : ndarray of shape (n,) or None
        Codes of labels; None for numbers.
    classes : ndarray of shape (n_classes,) or None
        The labels; None for numbers.
    log_scale : float
        Log-density of a standardised row minus that of the row in the units of y.
    """

    @property
    def raw(self) -> NDArray[Any]: ...
    @property
    def values(self) -> Any: ...
    @property
    def scale(self) -> Any: ...
    @property
    def codes(self) -> Any: ...
    @property
    def classes(self) -> Any: ...
    @property
    def log_scale(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def columns(self) -> NDArray[Any]: ...
    @property
    def scores(self) -> Floats: ...
    @property
    def blank(self) -> Floats: ...
    def rows(self, rows: Ints, weights: Floats) -> Target: ...
    def surrogate(self, weights: Floats) -> Target: ...
    def read(self, expert: Any, X: Any, rows: Ints | None = None) -> Floats: ...


class Units(Protocol):
    """Observational units of weights (U,): rows, or groups of rows, with one latent expert each."""

    weights: Floats

    # Group labels (n,); None where rows are units.
    @property
    def labels_of_rows(self) -> NDArray[Any] | None: ...
    def rows(self, rows: Ints, weights: Floats) -> Units: ...
    def table(self, X: Any) -> Any: ...
    def first(self, values: NDArray[Any]) -> NDArray[Any]: ...
    def gather(self, log_density: Floats) -> Floats: ...
    def spread(self, values: NDArray[Any]) -> NDArray[Any]: ...
    def mean(self, values: Floats) -> Floats: ...


class Trainer(Protocol):
    """M-step and E-step of a mixture on one training set.

    `em._row_trainer` keeps matrices with one row per unit, `em._sums_trainer` sums over rows. A
    trainer is cheap where all parts are solved in batches. Its parameters are those of one iterate.
    """

    n_experts: int
    names: list[str]
    gate: GateTrainer
    bank: ExpertBank
    law: Law
    target: Target
    units: Units
    weights: Floats
    total: float

    @property
    def cheap(self) -> bool: ...
    def begin(self, resp: Floats) -> EMState: ...
    def propose(self, state: EMState, top_k: int | None) -> Any: ...
    def advance(self, state: EMState, top_k: int | None, proposed: Any = None) -> EMState: ...
    def reach(self, state: EMState, parameters: Any, top_k: int | None) -> EMState: ...
    def expect(self, parameters: Any, top_k: int | None) -> EMState: ...
    def pack(self, parameters: Any) -> Floats | None: ...
    def unpack(self, vector: Floats, like: Any) -> Any: ...
    def responsibilities(self, state: EMState, top_k: int | None) -> Floats: ...
    def log_likelihood(self, state: EMState, top_k: int | None) -> Floats: ...
    def total_log_likelihood(self, state: EMState) -> float: ...
    def separated(self, state: EMState) -> list[int]: ...
    def overfitted(self, state: EMState) -> list[int]: ...
    def gate_entropy(self, state: EMState) -> float: ...
    def usage(self, state: EMState) -> Floats: ...
    def strip(self, state: EMState) -> EMState: ...
    def restore(self, state: EMState, top_k: int | None) -> EMState: ...
    def with_parts(self, gate: GateTrainer, bank: ExpertBank, law: Law) -> Trainer: ...
    def states(self, parameters: Any) -> tuple[State, State]: ...
    def curvatures(self, state: EMState) -> tuple[Floats | None, Floats | None]: ...
    def finish(self, state: EMState) -> tuple[Any, list[Any]]: ...


class Form(Protocol):
    """One iterate of a part, evaluated on blocks of b rows; its methods are stated in `em._sums`.

    Attributes
    ----------
    coef : ndarray of shape (a, p)
        The linear forms of a design row that are evaluated.
    n_first : int
        Number of rows that `add` writes, whose products with the design are summed.
    n_pairs : int
        Number of weighted sums of products of columns that the curvature is assembled from.
    needs_grams : bool
        Whether products of all pairs of columns, weighted by responsibilities, are needed.
    """

    n_first: int
    n_pairs: int
    needs_grams: bool

    @property
    def coef(self) -> Floats: ...
    def make(self, size: int) -> None: ...
    def zero_further(self) -> list[Floats]: ...
    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None: ...
    def shares(self) -> Floats: ...


class GateForm(Form, Protocol):
    """The form of a gate. It evaluates log-probabilities (K, b)."""

    n_experts: int

    def evaluate_forms(self, logits: Floats) -> Floats: ...
    def entropy(self) -> Floats: ...


class ExpertForm(Form, Protocol):
    """The form of experts. It evaluates log-densities (K, b) of targets (b, m)."""

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None: ...
    def log_density(self, out: Floats) -> None: ...


class SumsPart(Protocol):
    """The M-step of a gate or of experts from sums over rows.

    Attributes
    ----------
    size : int
        Number of coefficients that are solved for at once.
    """

    @property
    def size(self) -> int: ...
    def zero(self) -> State: ...
    def state(self, iterate: State) -> State: ...
    def inverse(self, sums: Any, statistics: Any, dispersion: Floats | None) -> Any: ...
    def propose(self, old: State, sums: Any, statistics: Any, inverse: Any) -> State: ...
    def predicted_gain(self, old: State, sums: Any, inverse: Any) -> float: ...
    def curvature(self, sums: Any, statistics: Any) -> Floats: ...
    def between(self, old: State, new: State, step: float) -> State: ...
    def pack(self, iterate: State) -> Floats | None: ...
    def unpack(self, array: Floats) -> State: ...


class GateSums(SumsPart, Protocol):
    """The M-step of a gate from sums over rows."""

    def form(self, iterate: State, /) -> Callable[[], GateForm]: ...
    def reading(self, gate: Any, design: Any) -> State: ...


class ExpertSums(SumsPart, Protocol):
    """The M-step of experts from sums over rows.

    Attributes
    ----------
    first_steps : int
        Number of M-steps from the responsibilities of a start.
    n_outputs : int or None
        None for labels, which have no dispersion.
    """

    first_steps: int

    @property
    def n_outputs(self) -> int | None: ...
    def form(self, iterate: State, dispersion: Floats | None, /) -> Callable[[], ExpertForm]: ...
    def reading(self, experts: list[Any], design: Any, target: Target) -> State: ...
    def deviances(self, old: State, new: State, sums: Any, statistics: Any) -> Floats | None: ...


class Task(Protocol):
    """Regression or classification: what `fit` and predictions do with y; `_estimator.tasks`."""

    @property
    def law(self) -> Law: ...
    def default_expert(self, learned: bool = False) -> Any: ...
    def check_expert(self, name: str, expert: Any) -> None: ...
    def check_y(self, y: Any, model: Any) -> NDArray[Any]: ...
    def row_weights(self, y: NDArray[Any], weights: Floats) -> Floats: ...
    def target(self, y: NDArray[Any], weights: Floats) -> Target: ...
    def read_chunks(self, chunks: Any) -> tuple[Any, Callable[[NDArray[Any], Floats], Target]]: ...
    def fitted_attributes(self, training: Any, state: Any, widening: float) -> dict: ...
    def averaged_law(self, training: Any, state: Any) -> dict[str, Any]: ...
    def fitted(self, model: Any, averaged: dict[str, Any] | None = None) -> Any: ...
    def known_y(self, X: Any, y: Any, fitted: Any) -> NDArray[Any]: ...
    def check_classes(self, classes: Any, model: Any) -> None: ...
    def can_restart_with(self, y: NDArray[Any], last: NDArray[Any]) -> bool: ...
