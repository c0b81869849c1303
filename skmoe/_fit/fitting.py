"""A fit in memory: makes the trainer of a mixture, draws starts, and searches for the best run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, cast

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.parallel import Parallel

from .._data.design import View
from .._data.groups import Rows
from .._data.numerics import Floats, Ints, weighted_location_scale
from .._data.pipelines import last_step
from .._data.tables import numeric_features, select
from .._errors import PartError, naming
from ..em._learning import learn_all
from ..em._loop import Result, Settings, State
from ..em._parts import can_sum
from ..em._protocols import ExpertBank, GateTrainer, Law, Target, Trainer, Units
from ..em._row_trainer import RowTrainer
from ..em._search import Search
from ..em._starts import PLAN, PLANS, Plan, Starts
from ..em._sums_trainer import SumsTrainer
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
from .problem import Data, Specification
from .progress import SilentMonitor
from .tree_start import grown

#: As `Plan.work`, for a sparse X with too many columns for (p, p) products: the multiplications are
#: those of the product of X and the coefficients of all experts. There is one start where
#: coefficients outnumber rows, since the likelihood cannot distinguish starts.
_SPARSE_WORK = 2**27

#: Number of starts where they are tried on a surrogate, which only yields responsibilities.
AUTO_STARTS_OF_SURROGATE = 3

#: Largest number of iterations of a fit without a fold. They remove the influence of the rows of
#: the fold on the responsibilities it begins with.
AGAIN = 30

#: Kind and responsibilities of a start.
Start = tuple[str, Floats]

#: Kinds of start that each value of `init` stands for. They are drawn in turn. Those of "auto" are
#: the ones of the law's plan.
KINDS = {
    "auto": PLAN.kinds,
    "kmeans": ("kmeans",),
    "random": ("random", "experts"),
    "split": ("split",),
}


class Fitting:
    """A fit of a mixture to rows in memory."""

    def __init__(
        self,
        data: Data,
        parts: Specification,
        settings: Settings,
        n_jobs: int | None,
        rng: np.random.RandomState,
    ):
        self.data, self.parts, self.settings = data, parts, settings
        self.n_jobs, self.rng = n_jobs, rng

    def run(
        self, *, init: str, n_init: int | str, given: Start | None, average: int
    ) -> tuple[Trainer, list[Result], list[dict[str, Any]]]:
        """Fit the mixture.

        Parameters
        ----------
        init : {"auto", "kmeans", "random", "split"}
        n_init : int or "auto"
        given : (str, ndarray of shape (n, K)) or None
            Kind and responsibilities of the only start, if starts are not to be drawn.
        average : int
            Number of runs to return.

        Returns
        -------
        training : Trainer
        results : list of Result
            The best runs, the best first.
        log : list of dict
            What is known of the run of each start.

        Raises
        ------
        PartError
            If gate or an expert fails, or a worker process dies.
        """
        with self.workers() as workers:
            training, results, log = self.run_with(workers, init, n_init, given, average)
            return training, [_settled(training.bank, result) for result in results], log

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """Open workers; if the process of one dies, raise an error that names the experts."""
        with Parallel(n_jobs=self.n_jobs) as parallel:
            workers = Workers(parallel)
            try:
                yield workers
            except BrokenProcessPool as error:
                raise PartError(
                    "a worker process died while it fitted one of the experts "
                    f"{[name for name, _ in self.parts.named]}: it ran out of memory, was killed "
                    "or crashed; n_jobs=1 shows where"
                ) from error
            finally:
                workers.close()

    def sized(self, n_experts: int) -> Fitting:
        """Return the fit of another number of clones of the one expert."""
        return self.other(self.data, self.parts, n_experts)

    def with_settings(self, settings: Settings) -> Fitting:
        """Return the same fit with other options of EM."""
        return Fitting(self.data, self.parts, settings, self.n_jobs, self.rng)

    def on(self, rows: Ints) -> Fitting:
        """Return the fit to some of the rows, which hold whole units."""
        parts = self.parts.rows(rows, len(self.data.weights))
        return Fitting(self.data.rows(rows), parts, self.settings, self.n_jobs, self.rng)

    def other(self, data: Data, parts: Specification, n_experts: int) -> Fitting:
        """Return the fit of `n_experts` clones of one expert, as other parts say, to other data."""
        return Fitting(data, parts.sized(n_experts), self.settings, self.n_jobs, self.rng)

    def refitted(self, rows: Ints, resp: Floats, workers: Workers) -> tuple[Trainer, State]:
        """Run EM on some of the rows from given responsibilities.

        Parameters
        ----------
        rows : ndarray of int
            Rows that hold whole units.
        resp : ndarray of shape (n, K)
            Responsibilities in all rows.
        workers : Workers

        Returns
        -------
        training : Trainer
        state : State
            The final state.
        """
        max_iter = min(self.settings.max_iter, AGAIN)
        settings = replace(self.settings, monitor=SilentMonitor(), max_iter=max_iter)
        fitting = self.on(rows).with_settings(settings)
        given = "refitted", np.asfortranarray(resp[rows])
        training, results, _ = fitting.run_with(workers, "auto", 1, given, 1)
        return training, results[0].state

    def responsibilities(
        self, workers: Workers, n_starts: int = 1, resp: Floats | None = None
    ) -> Floats:
        """Return the final responsibilities (U, K) of EM from given ones, or of the best start."""
        given = None if resp is None else ("given", self.data.units.spread(resp))
        training, results, _ = self.run_with(workers, "auto", n_starts, given, 1)
        return training.responsibilities(results[0].state, None)

    @property
    def top_k(self) -> int | None:
        """Number of experts that each unit is routed to; None for all."""
        top_k = self.settings.top_k
        return top_k if top_k is not None and top_k < len(self.parts.components) else None

    def run_with(
        self, workers: Workers, init: str, n_init: int | str, given: Start | None, average: int
    ) -> tuple[Trainer, list[Result], list[dict[str, Any]]]:
        """Fit the mixture with open workers; parameters and results are those of `run`."""
        training = self.training(workers)
        units, n_experts = self.data.units, len(self.parts.components)
        if n_experts == 1:
            given = "single", np.ones((len(units.weights), 1))
        elif given is not None:
            given = given[0], units.mean(given[1])
        elif not self.parts.specialize:
            # Experts that do not specialise are no part of sums over rows.
            trainer = cast(RowTrainer, training)
            given = "pooled", trainer.initial_responsibilities(self.parts.factors())
        if given is not None:
            search = Search(training, training, self.settings, average)
            results = search.best_of_full([given], drawn=False)
            if self.parts.specialize:
                results[0] = search.reseed_starved(results[0])
            results = learn_all(search, results) if search.learns else results
            return search.training, results, search.log
        cheap = training if training.cheap else self.surrogate(SoftmaxGate()).training(workers)
        search = Search(training, cheap, self.settings, average, self._plan.finalists)
        if isinstance(n_init, str):
            n_starts = max(self._auto_starts(training, cheap), 2 * average - 1)
            starts: Iterable[Start] = self._draw(cheap, init, n_starts)
            if init == "auto" and cheap is training and _is_deep(self.parts.gate):
                # One for each run to return, since runs that are averaged should differ.
                starts = chain((("grown", grown(self, workers)) for _ in range(average)), starts)
            results = search.best_of_short(starts)
        else:
            results = search.best_of_full(self._draw(cheap, init, n_init), drawn=True)
        results[0] = search.reseed_starved(results[0])
        results = learn_all(search, results) if search.learns else results
        return search.training, results, search.log

    def _auto_starts(self, training: Trainer, cheap: Trainer) -> int:
        """Return the number of starts of ``n_init="auto"``."""
        if cheap is not training:
            return AUTO_STARTS_OF_SURROGATE
        design = training.bank.view.design
        n, p = design.shape
        if not design.has_grams:
            predictions = training.n_experts * training.target.width
            work = max(design.n_entries, 1) * predictions
            return 1 if p * predictions > n else int(np.clip(_SPARSE_WORK // work, 1, PLAN.least))
        return self._plan.n_starts(n * p**2 * training.n_experts, training.n_experts)

    @property
    def _plan(self) -> Plan:
        """The plan of starts under the law."""
        return PLANS.get(self.parts.law.loss, PLAN)

    def training(self, workers: Workers) -> Trainer:
        """Return the trainer of the mixture on the training rows."""
        data, parts, target = self.data, self.parts, self.data.target
        n_experts = len(parts.components)
        expert_view = View(select(data.X, data.expert_columns), data.weights)
        cross_fitting = self.cross_fitting()
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
            rest = parts.named, expert_view, target, workers, offset, parts.params, cross_fitting
            fits = [number for _, number in parts.components]
            bank = WrappedBank(*rest) if parts.specialize else PooledBank(*rest, fits=fits)
        law = self._law(expert_view)
        trained = train(gate, bank, law, target, data.weights, data.units, n_experts)
        trained.names = parts.names
        return trained

    def cross_fitting(self) -> CrossFitting:
        """Return how experts are evaluated on the rows that they are fitted to."""
        data, parts = self.data, self.parts
        return CrossFitting(
            data.fold,
            spare_rigid=parts.auto and parts.specialize,
            once=not parts.specialize,
            use_bags=parts.auto and not parts.specialize and np.ptp(data.weights) == 0.0,
        )

    def _law(self, view: View) -> Any:
        """Return the law, fitted with the training rows if its dispersion depends on X."""
        law = self.parts.law
        if law.dispersion == "constant":
            return law
        with naming("response with dispersion='linear'", "fit"):
            return LogLinear(law, view.X, self.data.weights, self.data.target.width)

    def _batch(self, cross_fitting: CrossFitting, view: View, n_experts: int) -> ExpertBank:
        """Return the bank of clones that are solved at once, out of fold if so cross-fitted."""
        template = self.parts.named[0][1]
        strategy = cross_fitting.strategy(template)

        def make() -> ExpertBank:
            return make_batch(template, view, self.data.target, n_experts, self.parts.law)

        return CrossFittedBank(make, strategy.fold) if isinstance(strategy, OutOfFold) else make()

    def _gate_view(self, expert_view: View) -> View:
        """Return the columns that the gate is fitted to: the experts' view if they are the same."""
        data = self.data
        if type(data.units) is Rows and data.gate_columns == data.expert_columns:
            return expert_view
        return View(data.units.table(select(data.X, data.gate_columns)), data.units.weights)

    def surrogate(self, gate: Any) -> Fitting:
        """Return the fit of a gate and batched linear experts to numeric columns of X."""
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
        data = replace(data, X=self._numeric(), target=target, fold=None)
        data = replace(data, gate_columns=None, expert_columns=None)
        return self.other(data, parts, len(self.parts.components))

    def _numeric(self) -> Any:
        """Return numeric columns of X, of unit standard deviation unless X is sparse."""
        features = numeric_features(self.data.X, self.data.weights)
        if isinstance(features, np.ndarray):
            mean, scale, _ = weighted_location_scale(features, self.data.weights)
            return (features - mean) / scale
        return features

    def starts(self, cheap: Trainer) -> Starts:
        """Return the random starts for a trainer whose parts are solved in batches."""
        data = self.data
        if cheap.bank.cheap and data.gate_columns == data.expert_columns:
            design = cheap.bank.view.design
        else:
            design = View(self._numeric(), data.weights).design
        # A user's gate may have a method `arrange`, but need not.
        arrange = getattr(last_step(self.parts.gate), "arrange", None)
        n_experts = len(self.parts.components)
        return Starts(design, data.target.scores, data.weights, n_experts, arrange)

    def _draw(self, cheap: Trainer, init: str, n_starts: int) -> Iterator[Start]:
        """Yield kinds and responsibilities of `n_starts` starts."""
        starts = self.starts(cheap)
        seeds = self.rng.randint(2**31 - 1, size=n_starts)
        kinds = self._plan.kinds if init == "auto" else KINDS[init]
        for number, seed in enumerate(seeds):
            kind = kinds[number % len(kinds)]
            yield kind, self.data.units.mean(starts.draw(kind, np.random.RandomState(seed)))


def _settled(bank: ExpertBank, result: Result) -> Result:
    """Return a run with all experts fitted to all their rows, while the workers still run."""
    parameters = result.state.parameters
    parameters = replace(parameters, experts=bank.settle(parameters.experts))
    return replace(result, state=replace(result.state, parameters=parameters))


def train(
    gate: GateTrainer,
    bank: ExpertBank,
    law: Law,
    target: Target,
    weights: Floats,
    units: Units,
    n_experts: int,
) -> Trainer:
    """Return the trainer of these parts: by sums over rows if possible, else the general one."""
    kind = SumsTrainer if can_sum(gate, bank, law, units, n_experts) else RowTrainer
    return kind(gate, bank, law, target, weights, units, n_experts)


def _is_deep(gate: Any) -> bool:
    """Tell whether a gate is a tree of more than one level."""
    last = last_step(gate)
    return isinstance(last, HierarchicalGate) and max(forks(last.branching, 1)) > 1
