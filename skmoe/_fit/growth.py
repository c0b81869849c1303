"""Choosing the number of experts: grow by splitting, and stop when it no longer pays.

A mixture of K + 1 experts begins as one of K, of which one expert is cut in two, its gate and
all other experts kept (the split moves of Ueda, Nakano, Ghahramani and Hinton 2000). What was
cut badly early on is mended at the end: the experts of the next larger mixture are merged, each
in turn, and the better of the two mixtures of the chosen size is kept.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr

from .._data.splits import unit_folds
from ..em._search import Search
from .problem import count_free_parameters

#: Mixtures that are tried beyond the best before growth stops.
PATIENCE = 2

#: Cuts that are tried for one more expert, and how many of them are followed for longer.
_CUTS = 6
_FINALISTS = 2

#: What the other part of a cut expert keeps of each row.
_KEPT = 0.05


#: Where parameters cannot be counted, one part in so many is held out.
_HELD_OUT = 5


@dataclass(frozen=True)
class Grown:
    """A mixture on the path.

    Attributes
    ----------
    training : RowTrainer
    result : Result
    log : list of dict
        What every start reached.
    value : float
        The criterion, lower is better.
    entry : dict
        What a user sees of it.
    """

    training: Any
    result: Any
    log: list
    value: float
    entry: dict


def bic(training, result):
    """Schwarz's criterion of a mixture, NaN where its parameters cannot be counted.

    Parameters
    ----------
    training : RowTrainer
    result : Result

    Returns
    -------
    value : float
    known : dict
        ``log_likelihood``, ``bic`` and ``icl``.
    """
    state = result.state
    log_likelihood = training.total_log_likelihood(state)
    parameters = count_free_parameters(training, state)
    value = -2.0 * log_likelihood + np.log(training.weights.sum()) * parameters
    resp = training.responsibilities(state, None)
    icl = value + 2.0 * float(training.weights @ entr(resp).sum(axis=1))
    return value, {"log_likelihood": log_likelihood, "bic": value, "icl": icl}


class HeldOut:
    """Judges mixtures by rows that they were not fitted to.

    Parameters
    ----------
    data : Data
    assemble : callable
        Maps a training and a result to a fitted estimator.
    """

    def __init__(self, data, assemble):
        self.data, self.assemble = data, assemble

    def log_score(self, training, result):
        """Return minus the mean log-score of a mixture, and what is to be known of it."""
        data, model = self.data, self.assemble(training, result)
        scores = model.score_samples(data.X, data.target.raw, data.units.labels_of_rows)
        score = float(np.average(scores, weights=data.units.weights))
        log_likelihood = training.total_log_likelihood(result.state)
        return -score, {"log_likelihood": log_likelihood, "held_out": score}


def grow(fitting, assemble):
    """Choose the number of experts, by BIC where parameters can be counted, else held out.

    Parameters
    ----------
    fitting : Fitting
    assemble : callable
        Maps a training and a result to a fitted estimator.

    Returns
    -------
    training : RowTrainer
    result : Result
    log : list of dict
        What every start of the chosen mixture reached.
    path : list of dict
        What is to be known of each mixture.
    """
    with fitting.workers() as pool:
        growth = Growth(fitting.sized, bic, pool)
        first = growth.first()
        if not np.isnan(first.value):
            best, path = growth.run(first)
            return best.training, best.result, best.log, path
        units, data = fitting.data.units, fitting.data
        held = unit_folds(data.X, data.weights, units, _HELD_OUT) == 0
        judge = HeldOut(data.rows(np.flatnonzero(held)), assemble)
        growth = Growth(fitting.on(np.flatnonzero(~held)).sized, judge.log_score, pool)
        best, path = growth.run(growth.first())
        model = assemble(best.training, best.result)
        resp = model.responsibilities(data.X, data.target.raw, units.labels_of_rows)
        training = fitting.sized(best.training.n_experts).training(pool)
        search = Search(training, training, fitting.settings)
        result = search.best_of_full([("grown", units.mean(resp))], drawn=False)[0]
        return training, result, search.log, path


class Growth:
    """Grows mixtures and chooses one.

    Parameters
    ----------
    make : callable
        Maps a number of experts to a `Fitting`.
    judge : callable
        Maps a training and a result to the criterion, lower is better, and a dict of what is to
        be known of the mixture.
    pool : Workers
    """

    def __init__(self, make, judge, pool):
        self.make, self.judge, self.pool = make, judge, pool

    def run(self, first):
        """Grow from a single expert.

        Parameters
        ----------
        first : Grown

        Returns
        -------
        best : Grown
            The chosen mixture.
        path : list of dict
            What is to be known of each mixture, in order.
        """
        best = last = first
        after, path, failures = None, [best.entry], 0
        while failures < PATIENCE and not self._is_full(last):
            last = self._grown(last)
            path.append(last.entry)
            if last.value < best.value:
                best, after, failures = last, None, 0
            else:
                after, failures = after or last, failures + 1
        if after is not None and best.training.n_experts > 1:
            best = self._mended(best, after)
            path[best.training.n_experts - 1] = best.entry
        for entry in path:
            entry["chosen"] = entry is best.entry
        return best, path

    def _mended(self, best, larger):
        """The better of the chosen mixture, and of one merged from the next larger."""
        began = time.perf_counter()
        merged = self._fitted(best.training.n_experts, self._merged(larger), began)
        merged.entry["seconds"] += best.entry["seconds"]
        return merged if merged.value < best.value else best

    def _is_full(self, grown):
        """Whether there are no units left to give a further expert some of its own."""
        return grown.training.n_experts >= len(grown.training.weights)

    def first(self):
        """Return the mixture of one expert."""
        began = time.perf_counter()
        ones = np.ones((len(self.make(1).data.units.weights), 1))
        return self._fitted(1, lambda training: [("single", ones)], began)

    def _grown(self, smaller):
        began = time.perf_counter()
        return self._fitted(
            smaller.training.n_experts + 1, lambda training: self._cut(smaller, training), began
        )

    def _fitted(self, n_experts, starts, began):
        """Fit from the best of the starts that a new training is given, and judge."""
        fitting = self.make(n_experts)
        training = fitting.training(self.pool)
        search = Search(training, training, fitting.settings, finalists=_FINALISTS)
        drawn = starts(training)
        if len(drawn) == 1 or not training.cheap:
            result = search.best_of_full(drawn[:1], drawn=False)[0]
        else:
            result = search.best_of_short(iter(drawn))[0]
        value, known = self.judge(training, result)
        entry = {"n_experts": n_experts, **known, "seconds": time.perf_counter() - began}
        return Grown(training, result, search.log, value, entry)

    def _cut(self, smaller, training):
        """Starts in which one expert of a smaller mixture is cut in two, the likeliest first."""
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
                drawn.append((kind, _cut_in_two(resp, k, units.mean(side[:, None])[:, 0])))
        return drawn

    def _merged(self, larger):
        """Starts in which one expert of a larger mixture has given its rows to the others."""

        def starts(training):
            state = larger.result.state
            resp = larger.training.responsibilities(state, None)
            return [("merged", _without(resp, k)) for k in range(resp.shape[1])]

        return starts


def _worst_explained(resp, log_likelihood, weights):
    """Numbers of the experts by what their rows lack of the best explained rows, most first."""
    lack = np.median(log_likelihood) - log_likelihood
    lack = np.clip(lack, 0.0, 10.0 * np.abs(lack).mean() + 1.0)
    mass = weights @ resp
    # Half what is unexplained, half sheer size: a cut of few rows can gain little.
    return np.argsort(-(weights * lack) @ resp - 0.1 * mass, kind="stable")


def _cut_in_two(resp, k, side):
    """Responsibilities (U, K + 1) in which a new expert takes one `side`, (U,), of expert k."""
    share = _KEPT + (1.0 - 2.0 * _KEPT) * side
    new = np.empty((resp.shape[1] + 1, len(resp))).T
    new[:, :-1] = resp
    new[:, k] = resp[:, k] * (1.0 - share)
    new[:, -1] = resp[:, k] * share
    return new


def _without(resp, k):
    """Responsibilities (U, K - 1) in which the others have shared out the rows of expert k."""
    rest = np.delete(resp, k, axis=1) + 1e-3 / resp.shape[1]
    return np.asfortranarray(rest / rest.sum(axis=1, keepdims=True))
