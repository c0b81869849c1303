"""Putting parts, data and starts together: what ``fit`` does between its two borders."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.parallel import Parallel

from ._delegate import last_step
from ._design import View
from ._errors import PartError
from ._features import numeric_features
from ._folding import FoldTraining, can_fold
from ._mixture import select
from ._numerics import weighted_location_scale
from ._search import Search
from ._training import Training
from .em._start import Starts
from .experts import LinearBank, LogisticBank, WrappedBank, is_batched, make_batch
from .gates import SoftmaxGate, make_trainer

#: Starts of ``n_init="auto"``: where the mixture itself is cheap to run, and where a
#: cheap stand-in only finds starting responsibilities for it.
AUTO_STARTS = 6
AUTO_STARTS_OF_STAND_IN = 3

#: Kinds of start behind each value of `init`, drawn in turn.
KINDS = {
    "auto": ("kmeans", "experts", "random", "experts", "random"),
    "kmeans": ("kmeans",),
    "random": ("random", "experts"),
    "split": ("split",),
}


@dataclass(frozen=True)
class Data:
    """Training rows, all of positive weight.

    Attributes
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    target : Target or Labels
    weights : ndarray of shape (n,)
    gate_columns, expert_columns : list of int, or None for all
    """

    X: Any
    target: Any
    weights: np.ndarray
    gate_columns: list | None
    expert_columns: list | None


@dataclass(frozen=True)
class Parts:
    """Unfitted parts.

    Attributes
    ----------
    gate : gate
    named : list of (str, estimator)
    clones : bool
        Whether the experts are clones of one estimator.
    law : response
    params : dict of str to dict
        Routed fit parameters of each expert.
    """

    gate: Any
    named: list
    clones: bool
    law: Any
    params: dict

    @property
    def names(self):
        """Names of the experts."""
        return [name for name, _ in self.named]

    def batched(self, labels):
        """Whether the experts are solved in one batch.

        One expert alone is fitted as it would be without a mixture.
        """
        return self.clones and len(self.named) > 1 and is_batched(self.named[0][1], labels)


class Fitting:
    """One call of ``fit``, in a pool of workers that lives as long.

    Parameters
    ----------
    data : Data
    parts : Parts
    settings : Settings
    n_jobs : int or None
    rng : numpy.random.RandomState
    """

    def __init__(self, data, parts, settings, n_jobs, rng):
        self.data, self.parts, self.settings = data, parts, settings
        self.n_jobs, self.rng = n_jobs, rng

    def run(self, *, init, n_init, given):
        """Fit.

        Parameters
        ----------
        init : {"auto", "kmeans", "random", "split"}
        n_init : int or "auto"
        given : (str, ndarray of shape (n, K)) or None
            Kind and responsibilities of a start that is not to be drawn.

        Returns
        -------
        training : Training
        result : Result
        log : list of dict
            What every start reached.
        """
        with Parallel(n_jobs=self.n_jobs) as parallel:
            try:
                return self._run(parallel, init, n_init, given)
            except BrokenProcessPool as error:
                raise PartError(
                    "a worker process died while it fitted one of the experts "
                    f"{self.parts.names}: it ran out of memory, was killed or crashed; "
                    "n_jobs=1 shows where"
                ) from error

    def _run(self, parallel, init, n_init, given):
        training = self._training(parallel)
        n_experts = len(self.parts.named)
        if n_experts == 1:
            given = "single", np.ones((len(self.data.weights), 1))
        if given is not None:
            search = Search(training, training, self.settings)
            result = search.best_of_full([given], drawn=False)
            return training, search.rescued(result), search.log
        cheap = training if training.cheap else self._surrogate()
        search = Search(training, cheap, self.settings)
        if n_init == "auto":
            n_starts = AUTO_STARTS if cheap is training else AUTO_STARTS_OF_STAND_IN
            result = search.best_of_short(self._draw(cheap, init, n_starts))
        else:
            result = search.best_of_full(self._draw(cheap, init, n_init), drawn=True)
        return training, search.rescued(result), search.log

    def _training(self, parallel):
        """The mixture that is to be fitted, on the training rows."""
        data, parts, target = self.data, self.parts, self.data.target
        n_experts = len(parts.named)
        expert_view = View(select(data.X, data.expert_columns), data.weights)
        gate_view = expert_view
        if data.gate_columns != data.expert_columns:
            gate_view = View(select(data.X, data.gate_columns), data.weights)
        gate = make_trainer(parts.gate, gate_view, target.raw, data.weights, n_experts)
        if parts.batched(hasattr(target, "codes")):
            bank = make_batch(parts.named[0][1], expert_view, target, n_experts)
        else:
            offset = self.rng.uniform()
            bank = WrappedBank(parts.named, expert_view, target, parallel, offset, parts.params)
        return train(gate, bank, parts.law, target, data.weights, n_experts)

    def _surrogate(self):
        """Batched linear experts and a softmax gate on numeric columns: a cheap stand-in."""
        data = self.data
        n_experts = len(self.parts.named)
        view = View(self._numeric(), data.weights)
        gate = make_trainer(SoftmaxGate(), view, None, data.weights, n_experts)
        kind, template = LinearBank, Ridge()
        if hasattr(data.target, "codes"):
            kind, template = LogisticBank, LogisticRegression()
        bank = kind(template, view, data.target, n_experts)
        return train(gate, bank, self.parts.law, data.target, data.weights, n_experts)

    def _numeric(self):
        """Numeric columns of unit spread that stand in for X."""
        features = numeric_features(self.data.X, self.data.weights)
        if isinstance(features, np.ndarray):
            mean, scale, _ = weighted_location_scale(features, self.data.weights)
            return (features - mean) / scale
        return features

    def _draw(self, cheap, init, n_starts):
        """Yield kinds and responsibilities of `n_starts` starts."""
        data = self.data
        if data.gate_columns == data.expert_columns:
            design = cheap.bank.view.design
        else:
            design = View(self._numeric(), data.weights).design
        n_experts = len(self.parts.named)
        arrange = getattr(last_step(self.parts.gate), "arrange", None)
        starts = Starts(design, data.target.scores, data.weights, n_experts, arrange)
        seeds = self.rng.randint(2**31 - 1, size=n_starts)
        for number, seed in enumerate(seeds):
            kind = KINDS[init][number % len(KINDS[init])]
            yield kind, starts.draw(kind, np.random.RandomState(seed))


def train(gate, bank, law, *rest):
    """Return the training of these parts: by the fold where it can, else the general one."""
    kind = FoldTraining if can_fold(gate, bank, law) else Training
    return kind(gate, bank, law, *rest)
