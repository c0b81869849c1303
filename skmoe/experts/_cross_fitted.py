"""Batched experts that are asked about rows they have not seen."""

import numpy as np

from ..em._protocols import ExpertBank


class CrossFittedBank(ExpertBank):
    """One batch without each fold, and one of all rows; a state is a list of theirs.

    Parameters
    ----------
    make : callable
        Returns a new bank of batched experts.
    fold : ndarray of shape (n,), int
        Number of the fold of each row.
    """

    cheap = True

    def __init__(self, make, fold):
        self._members = [fold == number for number in np.unique(fold)]
        self._banks = [make() for _ in self._members]
        self._whole = make()
        self.view, self.target = self._whole.view, self._whole.target

    def update(self, weights, state, alive, own_rows=False):
        """Fit all batches to (n, K) weights, each but for its fold."""
        old = [None] * (len(self._banks) + 1) if state is None else state
        new = []
        for bank, members, last in zip(self._banks, self._members, old[:-1], strict=True):
            kept = np.where(members[:, None], 0.0, weights)
            new.append(bank.update(np.asfortranarray(kept), last, alive & kept.any(axis=0)))
        return [*new, self._whole.update(weights, old[-1], alive)]

    def predictions(self, state):
        """What the experts say of each row without its fold."""
        out = None
        for bank, members, part in zip(self._banks, self._members, state[:-1], strict=True):
            answer = bank.predictions(part)
            out = answer.copy(order="K") if out is None else out
            out[members] = answer[members]
        return out

    def penalties(self, state):
        """Nothing: what is maximised is not what rows left out are worth."""
        return np.zeros_like(self._whole.penalties(state[-1]))

    def penalty_products(self, state):
        """Nothing, of any pair of outputs."""
        return np.zeros_like(self._whole.penalty_products(state[-1]))

    def strip(self, state):
        """The states without (n, K) arrays."""
        return [b.strip(s) for b, s in zip([*self._banks, self._whole], state, strict=True)]

    def restore(self, state):
        """The states that `strip` made small."""
        return [b.restore(s) for b, s in zip([*self._banks, self._whole], state, strict=True)]

    def finish(self, state):
        """Fitted scikit-learn estimators, each of all its rows."""
        return self._whole.finish(state[-1])
