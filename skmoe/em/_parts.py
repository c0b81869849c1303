"""Base classes of the parts of a mixture in sums over rows: forms, and steps that are exact.

`em._protocols` documents `Form` and `SumsPart`; `em._newton` has the base class of parts whose
M-step is a step of Newton's method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ._protocols import Floats, Form, State
from ._sums import Statistics, Sums


class BaseForm(ABC):
    """A form that needs no scratch arrays, no further sums, and no products of columns.

    Subclasses set `coef` (a, p), and override what they need.
    """

    coef: Floats
    n_first: int = 0
    n_pairs: int = 0
    needs_grams: bool = False

    def make(self, size: int) -> None:
        """Make room for `size` rows; nothing is needed by default."""
        return None

    def zero_further(self) -> list[Floats]:
        """Return arrays of zeros for further sums; none by default."""
        return []

    @abstractmethod
    def add(
        self, resp: Floats, weights: Floats | None, first: Floats, further: list[Floats]
    ) -> None:
        """Write the rows whose products with the design are summed, and add to further sums."""

    def shares(self) -> Floats:
        """Return weights (n_pairs, b) of products of columns, where `n_pairs` is positive."""
        raise TypeError(f"{type(self).__name__} has no products of pairs of columns")


class ExactPart(ABC):
    """A part whose M-step is the exact maximum of its term of the objective.

    No curvature is used, and a step is never shortened.
    """

    #: Steps from responsibilities that a start is given: the first is exact.
    first_steps: int = 1

    #: Coefficients that are solved for at once.
    size: int

    @abstractmethod
    def zero(self) -> State:
        """Return the first iterate, under which all experts are alike."""

    @abstractmethod
    def form(self, iterate: State, dispersion: Floats | None = None) -> Callable[[], Form]:
        """Return a callable that makes the form of an iterate."""

    @abstractmethod
    def state(self, iterate: State) -> State:
        """Return the iterate as the state of the part's trainer or bank."""

    def inverse(self, sums: Sums, statistics: Statistics, dispersion: Floats | None) -> None:
        """Return None: no inverse Hessian is used."""
        return None

    @abstractmethod
    def propose(self, old: State, sums: Sums, statistics: Statistics, inverse: Any) -> State:
        """Return the iterate that maximises the part's term."""

    def predicted_gain(self, old: State, sums: Sums, inverse: Any) -> float:
        """Return zero: there is no curvature that could be out of date."""
        return 0.0

    def between(self, old: State, new: State, step: float) -> State:
        """Return the new iterate, whatever the share of the step."""
        return new

    def pack(self, iterate: State) -> Floats | None:
        """Return the iterate as an array; None by default: it has no such form."""
        return None

    def unpack(self, array: Floats) -> State:
        """Return the iterate of an array that `pack` has made."""
        raise TypeError(f"{type(self).__name__} has no iterates that can be packed")
