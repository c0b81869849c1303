"""Choice of the number of experts: mixtures grow by splits until a criterion no longer improves.

A mixture of K + 1 experts begins as one of K, of which one expert is split in two, its gate and
all other experts kept (the split moves of Ueda, Nakano, Ghahramani and Hinton 2000). Early splits
may be poor. Therefore, at the end, each expert of the next larger mixture is merged into the
others in turn, and the better of the two mixtures of the chosen size is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .._data.numerics import Floats, Ints
from .._data.splits import unit_folds
from ..em._learning import continued, learn, learn_all, with_penalties_near
from ..em._loop import Result
from ..em._protocols import Trainer
from ..em._search import Search, distinct
from ..experts import Workers
from .doubling import double
from .fitting import Fitting, Start
from .problem import Data

#: Number of larger mixtures than the best that are tried before growth stops.
PATIENCE = 2

#: Growth also stops where a larger mixture loses so many nats of evidence at once.
_HOPELESS = 15.0

#: Number of splits that are tried for one more expert, and of those that are run for longer.
_CUTS = 6
_FINALISTS = 2

#: Share of each row that the other half of a split expert keeps.
_KEPT = 0.05

#: Where parameters cannot be counted, one of this many folds is held out.
_HELD_OUT = 5

#: Returns the criterion of a mixture, lower is better, and what is known of the mixture.
Judge = Callable[[Trainer, Result], tuple[float, dict[str, Any]]]


@dataclass(frozen=True)
class Grown:
    """A mixture on the path of growing mixtures.

    Attributes
    ----------
    training : Trainer
    result : Result
    log : list of dict
        What is known of the run of each start.
    value : float
        The criterion, lower is better.
    entry : dict
        The mixture's entry in ``path_``.
    """

    training: Trainer
    result: Result
    log: list[dict[str, Any]]
    value: float
    entry: dict[str, Any]


class Criteria(Protocol):
    """Criteria of a fitted mixture on the training rows; BIC is NaN where it is not known."""

    @property
    def log_likelihood(self) -> float: ...
    @property
    def bic(self) -> float: ...
    @property
    def icl(self) -> float: ...


def by_bic(criteria: Callable[[Trainer, Result], Criteria]) -> Judge:
    """Return the judge of mixtures by Schwarz's criterion."""

    def judge(training: Trainer, result: Result) -> tuple[float, dict[str, Any]]:
        found = criteria(training, result)
        known = {"log_likelihood": found.log_likelihood, "bic": found.bic, "icl": found.icl}
        return found.bic, known

    return judge


class HeldOutRows:
    """Rows by which mixtures that were not fitted to them are compared.

    Parameters
    ----------
    data : Data
    assemble : callable
        Maps a trainer and a result to a fitted estimator.
    """

    def __init__(self, data: Data, assemble: Callable[[Trainer, Result], Any]):
        self.data, self.assemble = data, assemble

    def log_score(self, training: Trainer, result: Result) -> tuple[float, dict[str, Any]]:
        """Return minus the mean log-score of a mixture, and what is known of the mixture."""
        data, model = self.data, self.assemble(training, result)
        scores = model.score_samples(data.X, data.target.raw, data.units.labels_of_rows)
        score = float(np.average(scores, weights=data.units.weights))
        log_likelihood = training.total_log_likelihood(result.state)
        return -score, {"log_likelihood": log_likelihood, "held_out": score}


def grow(
    fitting: Fitting,
    assemble: Callable[[Trainer, Result], Any],
    criteria: Callable[[Trainer, Result], Criteria],
) -> tuple[Trainer, Result, list[dict[str, Any]], list[dict[str, Any]]]:
    """Choose the number of experts: by evidence or BIC, out of fold, or by held-out rows.

    Parameters
    ----------
    fitting : Fitting
    assemble : callable
        Maps a trainer and a result to a fitted estimator.
    criteria : callable
        Maps a trainer and a result to their criteria on the training rows.

    Returns
    -------
    training : Trainer
    result : Result
    log : list of dict
        What is known of the run of each start of the chosen mixture.
    path : list of dict
        What is known of each mixture.
    """
    with fitting.workers() as workers:
        growth = Growth(fitting.sized, by_bic(criteria), workers)
        first = growth.first()
        if not np.isnan(first.value):
            best, path = growth.run(first)
            return best.training, best.result, best.log, path
        units, data = fitting.data.units, fitting.data
        if fitting.cross_fitting().holds_out(fitting.parts.named[0][1]):
            found, path = double(fitting, workers)
            return found.training, found.result, found.log, path
        held = unit_folds(data.X, data.weights, units, _HELD_OUT) == 0
        judge = HeldOutRows(data.rows(np.flatnonzero(held)), assemble)
        growth = Growth(fitting.on(np.flatnonzero(~held)).sized, judge.log_score, workers)
        best, path = growth.run(growth.first())
        model = assemble(best.training, best.result)
        resp = model.responsibilities(data.X, data.target.raw, units.labels_of_rows)
        training = fitting.sized(best.training.n_experts).training(workers)
        search = Search(training, training, fitting.settings)
        results = search.best_of_full([("grown", units.mean(resp))], drawn=False)
        results = learn_all(search, results) if search.learns else results
        return search.training, results[0], search.log, path


def best_runs(
    fitting: Fitting, training: Trainer, grown: Result, log: list[dict[str, Any]], **drawn: Any
) -> tuple[Trainer, list[Result], list[dict[str, Any]]]:
    """Return the best runs at the chosen size: that of the grown mixture, and of drawn starts.

    Parameters
    ----------
    fitting : Fitting
        Of the chosen size.
    training : Trainer
        Of the grown mixture.
    grown : Result
    log : list of dict
        What is known of the starts of the grown mixture.
    **drawn : dict
        ``init``, ``n_init`` and ``average`` of `Fitting.run`.

    Returns
    -------
    training : Trainer
    results : list of Result
        Of at most ``average`` runs, the best first.
    log : list of dict
        What is known of all starts.
    """
    other, results, drawn_log = fitting.run(given=None, **drawn)
    marked = [entry for entry in drawn_log if entry["averaged"]]
    marked.sort(key=lambda entry: (not entry["chosen"], -entry["lower_bound"]))
    search = Search(training, training, fitting.settings)
    if search.learns:
        # Objectives can be compared under the same penalties only.
        results = [
            continued(search, other, training, run, None, "learned penalties") for run in results
        ]
        for entry, run in zip(marked, results, strict=True):
            entry["lower_bound"] = float(run.state.objective)
    entries = [next(entry for entry in log if entry["chosen"]), *marked]
    runs = dict(enumerate([grown, *results]))
    kept = distinct(runs, lambda run: run.state.objective, drawn["average"])
    for number, entry in enumerate(entries):
        entry.update(chosen=number == kept[0], averaged=number in kept)
    return training, [runs[number] for number in kept], log + drawn_log


class Growth:
    """A sequence of growing mixtures, of which one is chosen.

    Parameters
    ----------
    make : callable
        Maps a number of experts to a `Fitting`.
    judge : callable
        Maps a trainer and a result to the criterion, lower is better, and a dict of what is known
        of the mixture.
    workers : Workers
    """

    def __init__(self, make: Callable[[int], Fitting], judge: Judge, workers: Workers):
        self.make, self.judge, self.workers = make, judge, workers

    def run(self, first: Grown) -> tuple[Grown, list[dict[str, Any]]]:
        """Grow the mixture from a single expert, and choose its size.

        Parameters
        ----------
        first : Grown

        Returns
        -------
        best : Grown
            The chosen mixture.
        path : list of dict
            What is known of each mixture, in the order of their sizes.
        """
        best = last = first
        after: Grown | None = None
        path, failures = [best.entry], 0
        while failures < PATIENCE and not self._is_full(last):
            last = self._grown(last)
            path.append(last.entry)
            if last.value < best.value:
                best, after, failures = last, None, 0
            else:
                after, failures = after or last, failures + 1
                if "log_evidence" in last.entry and last.value > best.value + _HOPELESS:
                    break
        if after is not None and best.training.n_experts > 1:
            best = self._better_of_merged(best, after)
            path[best.training.n_experts - 1] = best.entry
        for entry in path:
            entry["chosen"] = entry is best.entry
        return best, path

    def _better_of_merged(self, best: Grown, larger: Grown) -> Grown:
        """Return the better of the chosen mixture, and one merged from the next larger."""
        began = time.perf_counter()
        merged = self._fitted(best.training.n_experts, self._merged(larger), began, larger.training)
        merged.entry["seconds"] += best.entry["seconds"]
        return merged if merged.value < best.value else best

    def _is_full(self, grown: Grown) -> bool:
        """Tell whether there are as many experts as units."""
        return grown.training.n_experts >= len(grown.training.weights)

    def first(self) -> Grown:
        """Return the mixture of one expert."""
        began = time.perf_counter()
        ones = np.ones((len(self.make(1).data.units.weights), 1))
        return self._fitted(1, lambda training: [("single", ones)], began)

    def _grown(self, smaller: Grown) -> Grown:
        """Return the mixture of one more expert."""
        began = time.perf_counter()
        return self._fitted(
            smaller.training.n_experts + 1,
            lambda training: self._splits(smaller, training),
            began,
            smaller.training,
        )

    def _fitted(
        self,
        n_experts: int,
        starts: Callable[[Trainer], list[Start]],
        began: float,
        near: Trainer | None = None,
    ) -> Grown:
        """Fit a mixture from the best of the starts for its trainer, and judge it.

        Penalties that are learned begin with those of a mixture of about the same size.
        """
        fitting = self.make(n_experts)
        training = fitting.training(self.workers)
        if near is not None:
            training = with_penalties_near(training, near)
        search = Search(training, training, fitting.settings, finalists=_FINALISTS)
        drawn = starts(training)
        if len(drawn) == 1 or not training.cheap:
            result = search.best_of_full(drawn[:1], drawn=False)[0]
        else:
            result = search.best_of_short(iter(drawn))[0]
        log_evidence = np.nan
        if search.learns:
            learned = learn(search, result)
            search.update_chosen(learned.result)
            training, result, log_evidence = learned.training, learned.result, learned.log_evidence
        value, known = self.judge(training, result)
        if training.bank.strengths is not None:
            known["log_evidence"] = log_evidence
            value = -log_evidence if _all_have_rows(training, result) else np.inf
        entry = {"n_experts": n_experts, **known, "seconds": time.perf_counter() - began}
        return Grown(training, result, search.log, value, entry)

    def _splits(self, smaller: Grown, training: Trainer) -> list[Start]:
        """Return starts in which an expert of a smaller mixture is split, best candidates first."""
        state, units = smaller.result.state, smaller.training.units
        resp = smaller.training.responsibilities(state, None)
        log_likelihood = smaller.training.log_likelihood(state, None)
        fitting = self.make(training.n_experts)
        starts = fitting.starts(training)
        order = _worst_explained(resp, log_likelihood, units.weights)
        drawn = []
        for k in order[: _CUTS // 2]:
            rows = units.spread(resp)[:, k]
            for kind, side in starts.halves(rows, fitting.rng).items():
                drawn.append((kind, _split_in_two(resp, k, units.mean(side[:, None])[:, 0])))
        return drawn

    def _merged(self, larger: Grown) -> Callable[[Trainer], list[Start]]:
        """Return starts in which the rows of an expert of a larger mixture go to the others."""

        def starts(training: Trainer) -> list[Start]:
            state = larger.result.state
            resp = larger.training.responsibilities(state, None)
            return [("merged", _without(resp, k)) for k in range(resp.shape[1])]

        return starts


def _all_have_rows(training: Trainer, result: Result) -> bool:
    """Tell whether every expert has the weight of a row: one without any multiplies K! alone."""
    return bool((training.usage(result.state) * training.total >= 1.0).all())


def _worst_explained(resp: Floats, log_likelihood: Floats, weights: Floats) -> Ints:
    """Sort experts by how far the log-likelihood of their rows is below the median, worst first.

    The size of an expert counts too.
    """
    lack = np.median(log_likelihood) - log_likelihood
    lack = np.clip(lack, 0.0, 10.0 * np.abs(lack).mean() + 1.0)
    mass = weights @ resp
    # A split of an expert of few rows can gain little.
    return np.argsort(-(weights * lack) @ resp - 0.1 * mass, kind="stable")


def _split_in_two(resp: Floats, k: int, side: Floats) -> Floats:
    """Return responsibilities (U, K + 1): a new expert has one `side`, (U,), of expert k."""
    share = _KEPT + (1.0 - 2.0 * _KEPT) * side
    new = np.empty((resp.shape[1] + 1, len(resp))).T
    new[:, :-1] = resp
    new[:, k] = resp[:, k] * (1.0 - share)
    new[:, -1] = resp[:, k] * share
    return new


def _without(resp: Floats, k: int) -> Floats:
    """Return responsibilities (U, K - 1) in which the rows of expert k go to the others."""
    rest = np.delete(resp, k, axis=1) + 1e-3 / resp.shape[1]
    return np.asfortranarray(rest / rest.sum(axis=1, keepdims=True))
