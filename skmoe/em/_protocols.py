"""The parts of a mixture as EM sees them, written down and typed.

EM combines a gate's trainer, a bank of experts and a law of y, on a target and on units. Each is
known here by what EM calls; the models are in `gates`, `experts` and `responses`. A part that
lacks a capability answers None: no attribute may be missing. Throughout,

- n is the number of rows, U that of units, K that of experts, m that of outputs, p that of
  columns of a standardised design (the last is ones), q that of parameters of a law;
- responsibilities (U, K) have rows that sum to one, and masses are responsibilities × weights;
- a *state* is one iterate of a part. It is never changed: every update returns a new one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

#: One iterate of a part, known to that part alone.
State = Any


class GateTrainer(ABC):
    """What EM trains of a gate, on one training set.

    Attributes
    ----------
    cheap : bool
        Whether an update costs little: no estimator is fitted anew.
    bounded : bool
        Whether the gate has a finite optimum even where it can separate experts completely.
    view : View
        The columns that the gate sees.
    """

    cheap: bool = False
    bounded: bool = True
    view: Any

    @abstractmethod
    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> State:
        """Return the state that masses (U, K) lead to; `weights` (U,) are by default the units'."""

    @abstractmethod
    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (U, K), or joint ones with x up to a term of the unit alone."""

    def penalty(self, state: State) -> float:
        """Return what the gate's own penalty takes from the objective, in nats."""
        return 0.0

    def pack(self, state: State) -> Floats | None:
        """Return the state as one vector; None where it has no such form."""
        return None

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a packed vector, in the form of another state."""
        raise TypeError(f"{type(self).__name__} has no states that can be packed")

    def strip(self, state: State) -> State:
        """Return the state without (U, K) arrays, to be kept while others are tried."""
        return state

    def restore(self, state: State) -> State:
        """Return the state that `strip` was given."""
        return state

    @abstractmethod
    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""

    def sums_part(self, n_experts: int) -> GateSums | None:
        """Return the gate as a part of sums over rows; None where it needs all rows at once."""
        return None


class ExpertBank(ABC):
    """K experts, on one training set.

    Attributes
    ----------
    cheap : bool
        Whether an update costs little: all experts are solved in one batch, or stay as they are.
    fixed : bool
        Whether experts without rows keep their fit by design, so that none counts as starved.
    view : View
        The columns that the experts see.
    target : Target
    """

    cheap: bool = False
    fixed: bool = False
    view: Any
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
        """Return log-densities (n,) of the experts that bring their own, by number."""
        return {}

    def overfitting_experts(self) -> list[int]:
        """Return numbers of the experts that are evaluated in sample and could overfit."""
        return []

    @abstractmethod
    def penalties(self, state: State) -> Floats:
        """Return the experts' own penalties: (K, m) in squared standardised units, or (K,) nats."""

    def penalty_products(self, state: State) -> Floats:
        """Return the penalties of all pairs of outputs, (K, m, m)."""
        raise TypeError(f"{type(self).__name__} has no penalties of pairs of outputs")

    def pack(self, state: State) -> Floats | None:
        """Return the state as one vector; None where it has no such form."""
        return None

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a packed vector, in the form of another state."""
        raise TypeError(f"{type(self).__name__} has no states that can be packed")

    def strip(self, state: State) -> State:
        """Return the state without (n, K) arrays, to be kept while others are tried."""
        return state

    def restore(self, state: State) -> State:
        """Return the state that `strip` was given."""
        return state

    def settle(self, state: State) -> State:
        """Return the state with all experts fitted to all their rows, while there are workers."""
        return state

    @abstractmethod
    def finish(self, state: State) -> list:
        """Return the fitted scikit-learn estimators, one per expert."""

    def sums_part(self, law: Law) -> ExpertSums | None:
        """Return the experts as a part of sums over rows; None where they need all rows at once."""
        return None


@runtime_checkable
class Law(Protocol):
    """The law of y given an expert's prediction: `Response` for numbers, `Categorical` for labels.

    `skmoe.responses.Response` documents each member.
    """

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
    def log_density(self, deviance: Floats, parameters: Floats | None, y: Floats) -> Floats: ...
    def log_peak(self, parameters: Floats | None, y: Floats) -> Floats | float: ...
    def penalty(self, parameters: Floats | None, quadratic: Floats) -> float: ...
    def confined(self, parameters: Floats) -> Floats: ...
    def rescaled(self, parameters: Floats, scale: Floats) -> Floats: ...
    def count_parameters(self, parameters: Floats | None) -> int: ...


class Target(Protocol):
    """What y is to experts and law: standardised numbers, or coded labels.

    Attributes
    ----------
    raw : ndarray of shape (n,) or (n, m)
        As experts are handed it.
    values : ndarray of shape (n, m) or None
        Standardised numbers; None for labels.
    scale : ndarray of shape (m,) or None
        What they were divided by; None for labels.
    codes : ndarray of shape (n,) or None
        Codes of labels; None for numbers.
    classes : ndarray of shape (n_classes,) or None
        The labels; None for numbers.
    log_scale : float
        What a log-density loses when it is stated in the units of y.
    """

    raw: NDArray
    values: Floats | None
    scale: Floats | None
    codes: Ints | None
    classes: NDArray | None
    log_scale: float

    @property
    def width(self) -> int: ...
    @property
    def columns(self) -> NDArray: ...
    @property
    def scores(self) -> Floats: ...
    @property
    def blank(self) -> Floats: ...
    def rows(self, rows: Ints, weights: Floats) -> Target: ...
    def surrogate(self, weights: Floats) -> Target: ...
    def read(self, expert: Any, X: Any, rows: Ints | None = None) -> Floats: ...


class Units(Protocol):
    """What has one latent expert each: rows, or groups of rows.

    Attributes
    ----------
    weights : ndarray of shape (U,)
    labels_of_rows : ndarray of shape (n,) or None
        Labels that make the same units again; None for rows.
    """

    weights: Floats

    @property
    def labels_of_rows(self) -> NDArray | None: ...
    def rows(self, rows: Ints, weights: Floats) -> Units: ...
    def table(self, X: Any) -> Any: ...
    def first(self, values: NDArray) -> NDArray: ...
    def gather(self, log_density: Floats) -> Floats: ...
    def spread(self, values: NDArray) -> NDArray: ...
    def mean(self, values: Floats) -> Floats: ...


class Trainer(Protocol):
    """M-step and E-step of a mixture on one training set: what the search runs.

    `em._row_trainer` keeps matrices with one row a unit, `em._sums_trainer` sums over rows.
    States are `em._loop.State`.
    """

    cheap: bool
    n_experts: int
    names: list[str]
    gate: GateTrainer
    bank: ExpertBank
    law: Law
    target: Target
    units: Units
    weights: Floats

    def begin(self, resp: Floats) -> Any: ...
    def propose(self, state: Any, top_k: int | None) -> Any: ...
    def advance(self, state: Any, top_k: int | None, proposed: Any = None) -> Any: ...
    def reach(self, state: Any, parameters: Any, top_k: int | None) -> Any: ...
    def expect(self, parameters: Any, top_k: int | None) -> Any: ...
    def pack(self, parameters: Any) -> Floats | None: ...
    def unpack(self, vector: Floats, like: Any) -> Any: ...
    def responsibilities(self, state: Any, top_k: int | None) -> Floats: ...
    def log_likelihood(self, state: Any, top_k: int | None) -> Floats: ...
    def total_log_likelihood(self, state: Any) -> float: ...
    def count_parameters(self, state: Any) -> float: ...
    def separated(self, state: Any) -> list[int]: ...
    def overfitted(self, state: Any) -> list[int]: ...
    def gate_entropy(self, state: Any) -> float: ...
    def usage(self, state: Any) -> Floats: ...
    def strip(self, state: Any) -> Any: ...
    def restore(self, state: Any, top_k: int | None) -> Any: ...
    def finish(self, state: Any) -> tuple[Any, list]: ...


class Form(Protocol):
    """One iterate of a part, as a pass over blocks of b rows evaluates it; `em._sums` tells how.

    Attributes
    ----------
    coef : ndarray of shape (a, p)
        The linear forms of a design row that are evaluated.
    n_first : int
        Rows that `add` writes, whose products with the design are summed.
    n_pairs : int
        Weights of products of all pairs of columns that a curvature is made of.
    needs_grams : bool
        Whether products of all pairs of columns, weighted by responsibilities, are needed.
    """

    coef: Floats
    n_first: int
    n_pairs: int
    needs_grams: bool

    def make(self, size: int) -> None: ...
    def zero_further(self) -> list[Floats]: ...
    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None: ...
    def shares(self) -> Floats: ...


class GateForm(Form, Protocol):
    """The form of a gate: log-probabilities (K, b)."""

    n_experts: int

    def evaluate_forms(self, logits: Floats) -> Floats: ...
    def entropy(self) -> Floats: ...


class ExpertForm(Form, Protocol):
    """The form of experts: log-densities (K, b) of targets (b, m)."""

    def evaluate_forms(self, predictions: Floats, y: Floats) -> None: ...
    def log_density(self, out: Floats) -> None: ...


class SumsPart(Protocol):
    """The M-step of a gate or of experts from sums over rows.

    Attributes
    ----------
    size : int
        Coefficients that are solved for at once.
    first_steps : int
        Steps from responsibilities that a start is given.
    """

    size: int
    first_steps: int

    def zero(self) -> State: ...
    def form(self, iterate: State, dispersion: Floats | None = None) -> Callable[[], Form]: ...
    def state(self, iterate: State) -> State: ...
    def inverse(self, sums: Any, statistics: Any, dispersion: Floats | None) -> Any: ...
    def propose(self, old: State, sums: Any, statistics: Any, inverse: Any) -> State: ...
    def predicted_gain(self, old: State, sums: Any, inverse: Any) -> float: ...
    def between(self, old: State, new: State, step: float) -> State: ...
    def stationary(
        self, iterate: State, sums: Any, mass: Floats, dispersion: Floats | None
    ) -> Any: ...
    def shifted(self, sums: Any, statistics: Any, old: State, new: State) -> Any: ...
    def pack(self, iterate: State) -> Floats | None: ...
    def unpack(self, array: Floats) -> State: ...


class GateSums(SumsPart, Protocol):
    """A gate in a pass that sums."""

    def reading(self, gate: Any, design: Any) -> State: ...


class ExpertSums(SumsPart, Protocol):
    """Experts in a pass that sums.

    Attributes
    ----------
    n_outputs : int or None
        None for labels, which have no dispersion.
    """

    n_outputs: int | None

    def reading(self, experts: list, design: Any, target: Target) -> State: ...
    def deviances(self, old: State, new: State, sums: Any, statistics: Any) -> Floats | None: ...
