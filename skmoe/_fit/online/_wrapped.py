"""Experts with a ``partial_fit`` of their own, on a stream."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from ..._data.pipelines import is_rigid
from ..._data.weighted_fit import partial_fit_weighted
from ..._errors import naming
from ..._sklearn import as_numeric
from ...em._row_trainer import MASS_FLOOR
from ._decay import Decayed

#: Share of a row's weight that an expert learns from where it is not responsible at all: it has
#: to know of all labels when it begins.
FROM_ALL = 1e-3


@dataclass(frozen=True)
class WrappedStream:
    """Estimators that go on learning, each by one ``partial_fit`` a batch.

    They see numbers without names of columns; `finish` gives names back.

    Attributes
    ----------
    named : list of (str, estimator)
        Unfitted.
    experts : list of estimator
        Fitted.
    spread : Spread or Sure
        What their answers are taken for.
    """

    named: list
    experts: list
    spread: Any

    @classmethod
    def of(cls, model, named, target):
        """Those of a fitted mixture, given the estimators that they are clones of."""
        experts = [_nameless(expert) for expert in model.experts_]
        if target.classes is not None:
            return cls(named, experts, Sure())
        dispersion = model.dispersion_.reshape(len(experts), -1) / target.scale
        return cls(named, experts, Spread(model.response_, dispersion))

    @property
    def cheap(self):
        """Whether a fit to the last rows costs little: it needs no folds."""
        return all(is_rigid(estimator) for _, estimator in self.named)

    @staticmethod
    def seen(view):
        """What of a batch they look at."""
        return as_numeric(view.X, (np.float64, np.float32))

    def log_density(self, X, target):
        """Log-densities (n, K) of a batch, standardised."""
        return self.spread.log_density(self._answers(X, target), target)

    def _answers(self, X, target):
        """What they say of a batch: (n, K, m), or (n, K) of labels."""
        answers = []
        for (name, _), expert in zip(self.named, self.experts, strict=True):
            with naming(f"expert {name!r}", "prediction"):
                answers.append(target.read(expert, X))
        return np.stack(answers, axis=1)

    def learned(self, X, target, resp, weights, rate):
        """Return the experts after a batch; their errors are those before it."""
        masses = np.asfortranarray(resp * weights[:, None])
        if rate is None:
            spread = self.spread.begun(masses, weights.sum())
            experts = self._complete(X, target, resp, weights)
        else:
            spread = self.spread.learned(self._answers(X, target), target, masses, weights, rate)
            alive = masses.sum(axis=0) > MASS_FLOOR * weights.sum()
            experts = [
                self._fit_to_all(k, copy.deepcopy(expert), X, target, masses[:, k])
                if alive[k]
                else expert
                for k, expert in enumerate(self.experts)
            ]
        return replace(self, experts=experts, spread=spread)

    def _complete(self, X, target, resp, weights):
        """The experts; those that have not met all labels begin anew, with a little from all."""
        classes = target.classes
        return [
            expert
            if classes is None or np.array_equal(expert.classes_, classes)
            else self._fit_to_all(
                k, clone(self.named[k][1]), X, target, np.maximum(resp[:, k], FROM_ALL) * weights
            )
            for k, expert in enumerate(self.experts)
        ]

    def _fit_to_all(self, k, expert, X, target, weights):
        with naming(f"expert {self.named[k][0]!r}", "partial_fit"):
            classes = target.classes
            return partial_fit_weighted(expert, X, target.raw, weights, classes)

    def finish(self, view, target):
        """The fitted experts, with the names of the columns."""
        experts = [copy.copy(expert) for expert in self.experts]
        for expert in experts:
            validate_data(expert, view.X, skip_check_array=True)
        return experts

    def law_parameters(self, target):
        """Dispersions (K, m) in the units of y; None of labels."""
        return self.spread.parameters(target)


def _nameless(expert):
    """A copy of a fitted expert that knows no names of columns."""
    expert = copy.copy(expert)
    vars(expert).pop("feature_names_in_", None)
    return expert


@dataclass(frozen=True)
class Spread:
    """Dispersions of a Gaussian law, by decayed sums.

    Attributes
    ----------
    law : Gaussian
    dispersion : ndarray of shape (K, m)
        Standardised.
    moments : Decayed or None
        Of r (y - f)² (K, m) and r (K,).
    """

    law: Any
    dispersion: np.ndarray
    moments: Any = None

    def log_density(self, answers, target):
        """Log-densities (n, K) of a batch, given answers (n, K, m)."""
        deviance = self.law.deviance(target.values, answers)
        return self.law.log_density(deviance, self.dispersion, target.values)

    def begun(self, masses, weight):
        """After the first batch, whose dispersions are known."""
        mass = masses.sum(axis=0)
        sums = self.dispersion**2 * mass[:, None], mass
        return replace(self, moments=Decayed.of(sums, weight))

    def learned(self, answers, target, masses, weights, rate):
        """After a batch, given the answers before it."""
        deviance = self.law.deviance(target.values, answers)
        sums = (masses[:, :, None] * deviance).sum(axis=0), masses.sum(axis=0)
        moments = self.moments.with_batch(sums, weights.sum(), rate)
        squares, mass = moments.sums
        found = self.law.dispersion_of_sums(squares, mass, np.zeros_like(squares))
        alive = mass > MASS_FLOOR * moments.weight
        dispersion = np.where(alive[:, None], found, self.dispersion)
        return replace(self, dispersion=dispersion, moments=moments)

    def parameters(self, target):
        """Dispersions (K, m) in the units of y."""
        return self.dispersion * target.scale


@dataclass(frozen=True)
class Sure:
    """Nothing to learn: answers are log-probabilities of labels."""

    def log_density(self, answers, target):
        """The answers (n, K)."""
        return answers

    def begun(self, masses, weight):
        """Itself."""
        return self

    def learned(self, answers, target, masses, weights, rate):
        """Itself."""
        return self

    def parameters(self, target):
        """None."""
        return None
