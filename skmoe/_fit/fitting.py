"""Putting parts, data and starts together: what ``fit`` does between its two borders."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.parallel import Parallel

from .._data.design import View
from .._data.groups import Rows
from .._data.numerics import weighted_location_scale
from .._data.pipelines import last_step
from .._data.splits import unit_folds
from .._data.tables import numeric_features, select
from .._errors import PartError, naming
from ..em._row_trainer import RowTrainer
from ..em._search import Search
from ..em._starts import Starts
from ..em._sums_trainer import SumsTrainer, can_sum
from ..experts import (
    CrossFittedBank,
    CrossFitting,
    OutOfFold,
    PooledBank,
    Workers,
    WrappedBank,
    make_batch,
)
from ..gates import HierarchicalGate, SoftmaxGate, forks, make_trainer
from ..responses import Gaussian, LogLinear
from .progress import SilentMonitor
from .tree_start import grown

#: Starts of ``n_init="auto"``, where the mixture itself is cheap to run: more on a small table,
#: whose optima are many and whose runs cost nothing; an iteration of `_WORK` multiplications
#: gets one.
AUTO_STARTS, MOST_AUTO_STARTS = 6, 24
_WORK = 2**20

#: The same where a sparse X has too many columns for anything but products: multiplications of X
#: and the coefficients of all experts that get one start. There is one, too, where coefficients
#: outnumber rows, and the likelihood cannot judge between starts.
_SPARSE_WORK = 2**27

#: The same where a cheap stand-in only finds starting responsibilities.
AUTO_STARTS_OF_SURROGATE = 3

#: Folds of ``cv="auto"``: where experts are fitted in every iteration, and where only once.
AUTO_FOLDS = 3
AUTO_FOLDS_ONCE = 5

#: Iterations that a mixture may take to leave what rows that are left out have taught it.
AGAIN = 30

#: Kinds of start behind each value of `init`, drawn in turn.
KINDS = {
    "auto": ("kmeans", "random", "experts", "random", "experts", "random"),
    "kmeans": ("kmeans",),
    "random": ("random", "experts"),
    "split": ("split",),
}


class Fitting:
    """One call of ``fit``, in a pool of workers that lives as long.

    Parameters
    ----------
    data : Data
    parts : Specification
    settings : Settings
    n_jobs : int or None
    rng : numpy.random.RandomState
    """

    def __init__(self, data, parts, settings, n_jobs, rng):
        self.data, self.parts, self.settings = data, parts, settings
        self.n_jobs, self.rng = n_jobs, rng

    def run(self, *, init, n_init, given, average):
        """Fit.

        Parameters
        ----------
        init : {"auto", "kmeans", "random", "split"}
        n_init : int or "auto"
        given : (str, ndarray of shape (n, K)) or None
            Kind and responsibilities of a start that is not to be drawn.
        average : int
            Number of runs to return.

        Returns
        -------
        training : RowTrainer
        results : list of Result
            Of the best runs, the best first.
        log : list of dict
            What every start reached.
        """
        with self.workers() as pool:
            training, results, log = self._run(pool, init, n_init, given, average)
            return training, [_settled(training.bank, result) for result in results], log

    @contextmanager
    def workers(self):
        """A pool of workers, whose death is an error that says so."""
        with Parallel(n_jobs=self.n_jobs) as parallel:
            pool = Workers(parallel)
            try:
                yield pool
            except BrokenProcessPool as error:
                raise PartError(
                    "a worker process died while it fitted one of the experts "
                    f"{[name for name, _ in self.parts.named]}: it ran out of memory, was killed "
                    "or crashed; n_jobs=1 shows where"
                ) from error
            finally:
                pool.close()

    def sized(self, n_experts):
        """The same with another number of clones of the one expert."""
        return self.other(self.data, self.parts, n_experts)

    def on(self, rows):
        """The same on some of the rows, which hold whole units."""
        parts = self.parts.rows(rows, len(self.data.weights))
        return Fitting(self.data.rows(rows), parts, self.settings, self.n_jobs, self.rng)

    def other(self, data, parts, n_experts):
        """The fitting of other parts, as many clones of one expert, to other data."""
        return Fitting(data, parts.sized(n_experts), self.settings, self.n_jobs, self.rng)

    def again(self, rows, resp, pool):
        """The training of some rows, and the state that EM ends in from given responsibilities.

        Parameters
        ----------
        rows : ndarray of int
            Rows that hold whole units.
        resp : ndarray of shape (n, K)
            Of all rows.
        pool : Workers
        """
        fitting = self.on(rows)
        max_iter = min(self.settings.max_iter, AGAIN)
        fitting.settings = replace(self.settings, monitor=SilentMonitor(), max_iter=max_iter)
        given = "again", np.asfortranarray(resp[rows])
        training, results, _ = fitting._run(pool, "auto", 1, given, 1)
        return training, results[0].state

    def responsibilities(self, pool, n_starts=1, resp=None):
        """What EM ends in (U, K): from given responsibilities, or from the best of some starts."""
        given = None if resp is None else ("given", self.data.units.spread(resp))
        training, results, _ = self._run(pool, "auto", n_starts, given, 1)
        return training.responsibilities(results[0].state, None)

    @property
    def top_k(self):
        """Number of experts that keep a row; None where that is all of them."""
        top_k = self.settings.top_k
        return top_k if top_k is not None and top_k < len(self.parts.components) else None

    def _run(self, pool, init, n_init, given, average):
        training = self.training(pool)
        units, n_experts = self.data.units, len(self.parts.components)
        if n_experts == 1:
            given = "single", np.ones((len(units.weights), 1))
        elif given is not None:
            given = given[0], units.mean(given[1])
        elif not self.parts.specialize:
            given = "pooled", training.initial_responsibilities(self.parts.factors())
        if given is not None:
            search = Search(training, training, self.settings, average)
            results = search.best_of_full([given], drawn=False)
            if self.parts.specialize:
                results[0] = search.reseed_starved(results[0])
            return training, results, search.log
        cheap = training if training.cheap else self.surrogate(SoftmaxGate()).training(pool)
        search = Search(training, cheap, self.settings, average)
        if n_init == "auto":
            n_starts = max(self._auto_starts(training, cheap), 2 * average - 1)
            starts = self._draw(cheap, init, n_starts)
            if init == "auto" and cheap is training and _is_deep(self.parts.gate):
                # One for each run to return: what is averaged should be good, and differ.
                starts = chain((("grown", grown(self, pool)) for _ in range(average)), starts)
            results = search.best_of_short(starts)
        else:
            results = search.best_of_full(self._draw(cheap, init, n_init), drawn=True)
        results[0] = search.reseed_starved(results[0])
        return training, results, search.log

    def _auto_starts(self, training, cheap):
        """Number of starts of ``n_init="auto"``."""
        if cheap is not training:
            return AUTO_STARTS_OF_SURROGATE
        design = training.bank.view.design
        n, p = design.shape
        if not design.has_grams:
            answers = training.n_experts * training.target.width
            work = max(design.n_entries, 1) * answers
            return 1 if p * answers > n else int(np.clip(_SPARSE_WORK // work, 1, AUTO_STARTS))
        work = n * p**2 * training.n_experts
        # Two experts have few optima.
        most = min(MOST_AUTO_STARTS, 12 * (training.n_experts - 1))
        return int(np.clip(_WORK // work, AUTO_STARTS, most))

    def training(self, pool):
        """The mixture that is to be fitted, on the training rows."""
        data, parts, target = self.data, self.parts, self.data.target
        n_experts = len(parts.components)
        expert_view = View(select(data.X, data.expert_columns), data.weights)
        cross_fitting = CrossFitting(
            data.fold,
            spare_rigid=parts.auto and parts.specialize,
            once=not parts.specialize,
            use_bags=parts.auto and not parts.specialize and np.ptp(data.weights) == 0.0,
        )
        gate = make_trainer(
            parts.gate,
            self._gate_view(expert_view),
            data.units.first(target.raw),
            data.units.weights,
            n_experts,
        )
        if parts.batched(cross_fitting):
            bank = self._batch(cross_fitting, expert_view, n_experts)
        else:
            offset = self.rng.uniform()
            rest = parts.named, expert_view, target, pool, offset, parts.params, cross_fitting
            fits = [number for _, number in parts.components]
            bank = WrappedBank(*rest) if parts.specialize else PooledBank(*rest, fits=fits)
        law = self._law(expert_view)
        trained = train(gate, bank, law, target, data.weights, data.units, n_experts)
        trained.names = parts.names
        return trained

    def _law(self, view):
        """The law, on the training rows if its dispersion depends on them."""
        law = self.parts.law
        if law.dispersion == "constant":
            return law
        with naming("response with dispersion='linear'", "fit"):
            n_outputs = self.data.target.values.shape[1]
            return LogLinear(law, view.X, self.data.weights, n_outputs)

    def _batch(self, cross_fitting, view, n_experts):
        """The bank of clones that are solved at once, out of fold where that is asked for."""
        template = self.parts.named[0][1]
        strategy = cross_fitting.strategy(template)

        def make():
            return make_batch(template, view, self.data.target, n_experts, self.parts.law)

        return CrossFittedBank(make, strategy.fold) if isinstance(strategy, OutOfFold) else make()

    def _gate_view(self, expert_view):
        """What the gate sees: the experts' own view where it is the same."""
        data = self.data
        if type(data.units) is Rows and data.gate_columns == data.expert_columns:
            return expert_view
        return View(data.units.table(select(data.X, data.gate_columns)), data.units.weights)

    def surrogate(self, gate):
        """The fitting of a gate and batched linear experts to numeric columns: cheap."""
        data = self.data
        target, law = data.target.surrogate(data.weights), self.parts.law
        if target is not data.target or law.dispersion != "constant":
            law = Gaussian()
        template = Ridge() if target.classes is None else LogisticRegression()
        parts = replace(
            self.parts,
            gate=gate,
            named=[("expert", template)],
            clones=True,
            params={},
            auto=True,
            law=law,
        )
        columns = {"gate_columns": None, "expert_columns": None}
        data = replace(data, X=self._numeric(), target=target, fold=None, **columns)
        return self.other(data, parts, len(self.parts.components))

    def _numeric(self):
        """Numeric columns of unit spread that stand in for X."""
        features = numeric_features(self.data.X, self.data.weights)
        if isinstance(features, np.ndarray):
            mean, scale, _ = weighted_location_scale(features, self.data.weights)
            return (features - mean) / scale
        return features

    def starts(self, cheap):
        """What draws starts for a training whose parts are solved in batches."""
        data = self.data
        if cheap.bank.cheap and data.gate_columns == data.expert_columns:
            design = cheap.bank.view.design
        else:
            design = View(self._numeric(), data.weights).design
        arrange = getattr(last_step(self.parts.gate), "arrange", None)
        n_experts = len(self.parts.components)
        return Starts(design, data.target.scores, data.weights, n_experts, arrange)

    def _draw(self, cheap, init, n_starts):
        """Yield kinds and responsibilities of `n_starts` starts."""
        starts = self.starts(cheap)
        seeds = self.rng.randint(2**31 - 1, size=n_starts)
        for number, seed in enumerate(seeds):
            kind = KINDS[init][number % len(KINDS[init])]
            yield kind, self.data.units.mean(starts.draw(kind, np.random.RandomState(seed)))


def _settled(bank, result):
    """A run with no expert left to be fitted in the end, while there are workers to fit them."""
    parameters = result.state.parameters
    parameters = replace(parameters, experts=bank.settle(parameters.experts))
    return replace(result, state=replace(result.state, parameters=parameters))


def make_folds(cv, X, weights, units, specialize):
    """Return the fold of each row (n,), or None where all rows are alike.

    Parameters
    ----------
    cv : int or "auto"
        Number of folds.
    X : array, sparse matrix or data frame of shape (n, d)
        What the experts see.
    weights : ndarray of shape (n,)
    units : Rows or Groups
        A fold holds all rows of a unit.
    specialize : bool
        Whether experts are fitted in every iteration.
    """
    if isinstance(cv, str):
        cv = AUTO_FOLDS if specialize else AUTO_FOLDS_ONCE
    fold = unit_folds(X, weights, units, cv)
    return fold if fold.any() else None


def train(gate, bank, law, target, weights, units, n_experts):
    """Return the training of these parts: by the fold where it can, else the general one."""
    kind = SumsTrainer if can_sum(gate, bank, law, units, n_experts) else RowTrainer
    return kind(gate, bank, law, target, weights, units, n_experts)


def _is_deep(gate):
    """Whether a gate is a tree of more than one level."""
    last = last_step(gate)
    return isinstance(last, HierarchicalGate) and max(forks(last.branching, 1)) > 1
