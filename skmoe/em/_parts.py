"""Base classes of the parts of a mixture in sums over rows: forms, exact steps, Newton steps.

`em._protocols` documents `Form` and `SumsPart`. The Hessian of a multinomial problem is assembled
from products of columns, weighted with products of probabilities of two classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .._data.groups import Rows
from ._protocols import (
    ExpertBank,
    ExpertSums,
    Floats,
    Form,
    GateSums,
    GateTrainer,
    Law,
    State,
    Units,
)
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

    def curvature(self, sums: Sums, statistics: Statistics) -> Floats:
        """Return negative Hessians of the part's term, where its penalty is learned."""
        raise TypeError(f"{type(self).__name__} has no penalties to be learned")

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


_DAMPING = 1e-10

#: Curvature of a problem that has no rows at all, so that its Hessian has an inverse. A larger one
#: would change the results where all sample weights are small.
_LEAST_CURVATURE = 1e-100


def hessian_diagonal(mass: Floats, ridge: Floats) -> Floats:
    """Return the diagonal (G, p) that penalty and Levenberg damping add to a Hessian."""
    return (
        np.minimum(ridge.reshape(-1, ridge.shape[-1]), 1e150)
        + np.maximum(_DAMPING * mass, _LEAST_CURVATURE)[:, None]
    )


def assemble_hessian(grams: Floats, mass: Floats, ridge: Floats) -> Floats:
    """Assemble negative Hessians from weighted products of columns.

    Parameters
    ----------
    grams : ndarray of shape (G, C (C - 1) / 2, p, p)
        Products with the weights ``w * P_a * P_b``, for every pair a < b of classes.
    mass : ndarray of shape (G,)
        Sums of the weights of each problem.
    ridge : ndarray of shape (p,) or (G, 1, p)

    Returns
    -------
    ndarray of shape (G, C p, C p)
        Regular, also along the null direction of the softmax.
    """
    n_problems, n_pairs, p = grams.shape[:3]
    n_classes = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    hessian = np.zeros((n_problems, n_classes, p, n_classes, p))
    for pair, (a, b) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
        hessian[:, a, :, b] -= grams[:, pair]
        hessian[:, b, :, a] -= grams[:, pair]
        hessian[:, a, :, a] += grams[:, pair]
        hessian[:, b, :, b] += grams[:, pair]
    columns = np.arange(p)
    # Adding one vector to all classes changes no probability, and gradients are orthogonal to such
    # directions. Any positive curvature along them will do.
    along = np.maximum(mass, _LEAST_CURVATURE)[:, None] / n_classes
    for c in range(n_classes):
        hessian[:, c, columns, c, columns] += hessian_diagonal(mass, ridge)
        hessian[:, c, columns, :, columns] += along
    return hessian.reshape(n_problems, n_classes * p, n_classes * p)


class NewtonPart(ABC):
    """M-step from sums over rows that is a step of Newton's method.

    There are G concave problems with C classes on p columns; an iterate is coef (G, C, p).

    Parameters
    ----------
    shape : tuple of int
        (G, C, p).
    ridge : ndarray of shape (p,) or (G, 1, p)
        Diagonal of the L2 penalty.
    """

    #: Number of M-steps of the experts from the responsibilities of a start.
    first_steps: int = 3

    def __init__(self, shape: tuple[int, int, int], ridge: Floats):
        self.shape, self.ridge = shape, ridge

    @abstractmethod
    def form(self, iterate: Floats, dispersion: Any = None) -> Callable[[], Any]:
        """Return a function that makes the form of an iterate, as `em._sums` describes it."""

    @abstractmethod
    def state(self, iterate: Floats) -> Any:
        """Return the iterate as a state of the part's trainer or bank."""

    def zero(self) -> Floats:
        """Return the iterate of zero coefficients."""
        return np.zeros(self.shape)

    @property
    def size(self) -> int:
        """Number of coefficients that are solved for at once."""
        return self.shape[1] * self.shape[2]

    def problem_masses(self, statistics: Any) -> Floats:
        """Return the sums of weights (G,) of the problems."""
        return statistics.mass

    def inverse(self, sums: Any, statistics: Any, dispersion: Any) -> Floats:
        """Return the inverses (G, C p, C p) of the negative Hessians."""
        return np.linalg.inv(self.curvature(sums, statistics))

    def curvature(self, sums: Any, statistics: Any) -> Floats:
        """Return the negative Hessians (G, C p, C p)."""
        n_problems, _, p = self.shape
        pairs = sums.pairs.reshape(n_problems, -1, p, p) * statistics.whole
        return assemble_hessian(pairs, self.problem_masses(statistics), self.ridge)

    def propose(self, old: Floats, sums: Any, statistics: Any, inverse: Floats) -> Floats:
        """Return the iterate of a full Newton step.

        Parameters
        ----------
        old : ndarray of shape (G, C, p)
        sums : Sums
            The sums of this part.
        statistics : Statistics
        inverse : ndarray of shape (G, C p, C p)
            Inverse negative Hessians, at this or an earlier iterate.
        """
        return old + self._direction(old, sums, inverse)[0]

    def predicted_gain(self, old: Floats, sums: Any, inverse: Floats) -> float:
        """Return the gain of a full step that the quadratic approximation predicts."""
        direction, gradient = self._direction(old, sums, inverse)
        with np.errstate(over="ignore"):  # after an infinite gain curvatures are formed again
            return 0.5 * float((gradient * direction).sum())

    def _direction(self, old: Floats, sums: Any, inverse: Floats) -> tuple[Floats, Floats]:
        """Return Newton's direction and the gradient, (G, C, p)."""
        gradient = sums.first.reshape(self.shape) - self.ridge * old
        flat = gradient.reshape(self.shape[0], -1, 1)
        return np.matmul(inverse, flat).reshape(self.shape), gradient

    def stationary(
        self, iterate: Floats, sums: Sums, mass: Floats, dispersion: Floats | None = None
    ) -> Sums:
        """Return sums whose penalised gradient is zero at an iterate."""
        return replace(sums, first=(self.ridge * iterate).reshape(sums.first.shape))

    def shifted(self, sums: Sums, statistics: Statistics, old: Floats, new: Floats) -> Sums:
        """Return sums at one iterate as they are at another, to second order."""
        n_problems, n_classes, p = self.shape
        pairs = sums.pairs.reshape(n_problems, -1, p, p) * statistics.whole
        change, lost = new - old, np.zeros(self.shape)
        for pair, (a, b) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
            product = np.einsum("gij,gj->gi", pairs[:, pair], change[:, a] - change[:, b])
            lost[:, a] += product
            lost[:, b] -= product
        return replace(sums, first=sums.first - lost.reshape(sums.first.shape))

    def between(self, old: Floats, new: Floats, step: float) -> Floats:
        """Return the iterate after the share `step` of the way from `old` to `new`."""
        return old + step * (new - old)

    def pack(self, iterate: Floats) -> Floats:
        """Return the iterate as an array."""
        return iterate

    def unpack(self, array: Floats) -> Floats:
        """Return the iterate of an array."""
        return array


#: Hessians of up to this many coefficients per problem are formed. Larger ones are only multiplied
#: by vectors.
EXPLICIT_SIZE = 256

SumsParts = tuple[GateSums, ExpertSums]


def sums_parts(gate: GateTrainer, bank: ExpertBank, law: Law, n_experts: int) -> SumsParts | None:
    """Return a gate and experts as parts of sums over rows; None where one needs all rows at once.

    Parameters
    ----------
    gate : GateTrainer
    bank : ExpertBank
    law : Law
    n_experts : int
    """
    gate_part, experts_part = gate.sums_part(n_experts), bank.sums_part(law)
    if gate_part is None or experts_part is None:
        return None
    return gate_part, experts_part


def can_sum(gate: GateTrainer, bank: ExpertBank, law: Law, units: Units, n_experts: int) -> bool:
    """Tell whether a mixture of several experts of rows in memory is trained by sums over rows."""
    several = n_experts > 1 and type(units) is Rows
    if not several or (parts := sums_parts(gate, bank, law, n_experts)) is None:
        return False
    design = bank.view.design
    small = all(part.size <= EXPLICIT_SIZE for part in parts)
    return gate.view is bank.view and isinstance(design.matrix, np.ndarray) and small
