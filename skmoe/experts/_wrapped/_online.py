"""Experts that learn from a stream by a ``partial_fit`` of their own."""

import copy
from dataclasses import replace

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from ..._data.pipelines import is_rigid
from ..._data.weighted_fit import partial_fit_weighted
from ..._errors import naming
from ..._sklearn import as_numeric
from ...em._protocols import ExpertBank

#: Share of a row's weight that an expert learns from where it is not responsible at all: it has
#: to know all labels when it begins.
FROM_ALL = 1e-3


class OnlineBank(ExpertBank):
    """K estimators on one batch; a state is the list of them.

    They see numbers without names of columns; `finish` gives names back.

    Parameters
    ----------
    named : list of (str, estimator)
        Unfitted.
    view : View of n rows
    target : Target or Labels
    """

    def __init__(self, named, view, target):
        self.named, self.view, self.target = named, view, target
        self.X = as_numeric(view.X, (np.float64, np.float32))

    @property
    def cheap(self):
        """Whether a fit to some thousand rows costs little: it needs no folds."""
        return all(is_rigid(estimator) for _, estimator in self.named)

    def reading(self, experts):
        """Return the state of fitted experts."""
        state = [copy.copy(expert) for expert in experts]
        for expert in state:
            vars(expert).pop("feature_names_in_", None)
        return state

    def update(self, weights, state, alive, own_rows=False):
        """Return the state after one ``partial_fit`` of each expert that is alive."""
        return [
            self._partial_fit(k, copy.deepcopy(expert), weights[:, k]) if alive[k] else expert
            for k, expert in enumerate(state)
        ]

    def _partial_fit(self, k, expert, weights):
        with naming(f"expert {self.named[k][0]!r}", "partial_fit"):
            classes = self.target.classes
            return partial_fit_weighted(expert, self.X, self.target.raw, weights, classes)

    def completed(self, state, resp, weights):
        """Return the state; an expert that lacks labels begins anew, with a little of all rows.

        Parameters
        ----------
        state : list of estimator
        resp : ndarray of shape (n, K)
        weights : ndarray of shape (n,)
            Of rows that hold all labels.
        """
        classes = self.target.classes
        return [
            expert
            if classes is None or np.array_equal(expert.classes_, classes)
            else self._partial_fit(
                k, clone(self.named[k][1]), np.maximum(resp[:, k], FROM_ALL) * weights
            )
            for k, expert in enumerate(state)
        ]

    def predictions(self, state):
        """Return predictions (n, K, m), standardised; log-probabilities (n, K) of labels."""
        found = []
        for (name, _), expert in zip(self.named, state, strict=True):
            with naming(f"expert {name!r}", "prediction"):
                found.append(self.target.read(expert, self.X))
        return np.stack(found, axis=1)

    def penalties(self, state):
        """Return zeros: no step of the experts maximises the objective."""
        outputs = () if self.target.scale is None else self.target.scale.shape
        return np.zeros((len(state), *outputs))

    def finish(self, state):
        """Return the experts with the names of the columns."""
        experts = [copy.copy(expert) for expert in state]
        for expert in experts:
            validate_data(expert, self.view.X, skip_check_array=True)
        return experts

    def sums_part(self, law):
        """Return what sums over rows give of the experts: the squares of their errors."""
        return PredictedSums(None if self.target.scale is None else len(self.target.scale))


class PredictedSums:
    """The part of sums over rows of experts that are not solved for.

    The sums are, further, responsibilities × weights × deviances (K, m); none for labels.

    Parameters
    ----------
    n_outputs : int or None
        None for labels.
    """

    size = 0
    first_steps = 1

    def __init__(self, n_outputs):
        self.n_outputs = n_outputs

    def form(self, iterate, dispersion=None):
        """Return None: experts are no linear forms."""

    def state(self, iterate):
        """Return the iterate as the bank has it."""
        return iterate

    def inverse(self, sums, statistics, dispersion):
        """Return None: no curvature is needed."""

    def propose(self, old, sums, statistics, inverse):
        """Return the experts as they are."""
        return old

    def deviances(self, old, new, sums, statistics):
        """Return sums (K, m) of deviances; None for labels."""
        return None if self.n_outputs is None else sums.further[0]

    def stationary(self, iterate, sums, mass, dispersion):
        """Return sums of which dispersions (K, m) are the optimum."""
        squares = [] if dispersion is None else [dispersion**2 * mass[:, None]]
        return replace(sums, further=squares)
