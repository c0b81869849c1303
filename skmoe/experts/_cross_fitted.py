"""Batched experts that are fitted and evaluated out of fold."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._data.design import View
from ..em._protocols import Bools, ExpertBank, Floats, Ints, State, Target


class CrossFittedBank(ExpertBank):
    """Banks that are fitted without one fold each, and one bank that is fitted to all rows.

    A state is the list of the banks' states; that of all rows is the last.

    Parameters
    ----------
    make : callable
        Returns a new bank of batched experts.
    fold : ndarray of shape (n,), int
        Number of the fold of each row.
    """

    cheap: bool = True

    def __init__(self, make: Callable[[], ExpertBank], fold: Ints) -> None:
        self._members = [fold == number for number in np.unique(fold)]
        self._banks = [make() for _ in self._members]
        self._whole = make()
        self.view: View = self._whole.view
        self.target: Target = self._whole.target

    def update(
        self, weights: Floats, state: list[State] | None, alive: Bools, own_rows: bool = False
    ) -> list[State]:
        """Fit all banks to weights (n, K), each without its fold."""
        old = [None] * (len(self._banks) + 1) if state is None else state
        new = []
        for bank, members, last in zip(self._banks, self._members, old[:-1], strict=True):
            kept = np.where(members[:, None], 0.0, weights)
            new.append(bank.update(np.asfortranarray(kept), last, alive & kept.any(axis=0)))
        return [*new, self._whole.update(weights, old[-1], alive)]

    def predictions(self, state: list[State]) -> Floats:
        """Return predictions for each row by the experts that are fitted without its fold."""
        out: Any = None
        for bank, members, part in zip(self._banks, self._members, state[:-1], strict=True):
            found = bank.predictions(part)
            out = found.copy(order="K") if out is None else out
            out[members] = found[members]
        return out

    def penalties(self, state: list[State]) -> Floats:
        """Return zeros: the experts do not maximise the likelihood of the rows left out."""
        return np.zeros_like(self._whole.penalties(state[-1]))

    def penalty_products(self, state: list[State]) -> Floats:
        """Return zeros, as `penalties`."""
        return np.zeros_like(self._whole.penalty_products(state[-1]))

    def strip(self, state: list[State]) -> list[State]:
        """Return the states without (n, K) arrays."""
        return [bank.strip(each) for bank, each in self._pairs(state)]

    def restore(self, state: list[State]) -> list[State]:
        """Return the states that `strip` was given."""
        return [bank.restore(each) for bank, each in self._pairs(state)]

    def _pairs(self, state: list[State]) -> Any:
        return zip([*self._banks, self._whole], state, strict=True)

    def finish(self, state: list[State]) -> list[Any]:
        """Return the fitted scikit-learn estimators of the bank of all rows."""
        return self._whole.finish(state[-1])
