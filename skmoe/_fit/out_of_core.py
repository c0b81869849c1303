"""Fits to more rows than memory holds: starts on a sample of the rows, then EM on all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._data.chunks import Summable
from .._data.design import View
from .._data.groups import Rows
from .._data.moments import Moments, Standardisation, survey
from .._data.pipelines import last_step
from .._data.target import Labels, Target
from ..em._loop import Result, Settings
from ..em._parts import SumsParts
from ..em._protocols import ExpertForm, Floats, GateForm
from ..em._search import Search
from ..em._sums import BlockSums, Statistics, curvature_stride
from ..em._sums_trainer import SumsTrainer
from ..experts import batch_of
from ..gates import GateMixin
from .calibration import calibrated, with_scaled_dispersion
from .fitting import Fitting
from .problem import Data, Specification

#: Experts whose M-step under a law needs only sums over rows, by the loss of the law.
_EXPERTS = {
    "squares": "LinearRegression or Ridge",
    "poisson": "PoissonRegressor(alpha=0)",
    "gamma": "GammaRegressor(alpha=0)",
    "labels": "LogisticRegression",
}

#: Largest number of coefficients that are solved for at once. Their Hessian takes 128 MB.
_LARGEST_SYSTEM = 4096

#: Largest `tol` of a single expert, for which EM is Newton's method.
_SINGLE_TOL = 1e-13

#: Largest number of rows on which starts are tried.
SOME_ROWS = 2**16


def needs_all_rows(parts: Specification) -> str | None:
    """Return a sentence on the part that needs all rows at once; None where blocks suffice.

    Parameters
    ----------
    parts : Specification
    """
    template, law, gate = parts.named[0][1], parts.law, parts.gate
    if not law.has_sums():
        return (
            "the response must be Gaussian or Gamma with constant dispersion, or Poisson; "
            f"got {law!r}"
        )
    alike = parts.clones and parts.specialize
    plain = last_step(template) is template
    if not (alike and plain and batch_of(template, law.loss)):
        return f"experts must be clones of {_EXPERTS[law.loss]}; got {template!r}"
    if not (isinstance(gate, GateMixin) and gate.has_sums()):
        return f"the gate must be GaussianGate, or SoftmaxGate without balance; got {gate!r}"
    return None


class ChunkSums:
    """Sums of the M-step over the rows of chunks, as `BlockSums` makes them of arrays.

    Parameters
    ----------
    chunks : Chunks or DaskChunks
    standardisation : Standardisation
    moments : Moments
    """

    def __init__(self, chunks: Summable, standardisation: Standardisation, moments: Moments):
        self.chunks, self.standardisation = chunks, standardisation
        self.total = moments.weight
        self._stride = curvature_stride(moments.n)

    def statistics(
        self,
        gate: Callable[[], GateForm],
        experts: Callable[[], ExpertForm],
        *,
        top_k: int | None = None,
        curvature: bool = False,
    ) -> Statistics:
        """Return the statistics of all rows; parameters are as of `BlockSums.statistics`."""
        options = {"top_k": top_k, "curvature": curvature, "stride": self._stride}
        return self.chunks.sum_of(
            partial(_statistics, self.standardisation, gate, experts, options)
        )

    def gate_entropy(
        self, gate: Callable[[], GateForm], experts: Callable[[], ExpertForm]
    ) -> float:
        """Return the sum over rows of weights × entropies of the gate's probabilities, in nats."""
        return self.chunks.sum_of(partial(_gate_entropy, self.standardisation, gate, experts))


def _block_sums(
    standardisation: Standardisation, X: Floats, y: Floats, weights: Floats
) -> BlockSums:
    return BlockSums(standardisation.design(X).matrix, standardisation.targets(y), weights)


def _statistics(
    standardisation: Standardisation,
    gate: Callable[[], GateForm],
    experts: Callable[[], ExpertForm],
    options: dict[str, Any],
    number: int,
    X: Floats,
    y: Floats,
    weights: Floats,
) -> Statistics:
    return _block_sums(standardisation, X, y, weights).statistics(gate, experts, **options)


def _gate_entropy(
    standardisation: Standardisation,
    gate: Callable[[], GateForm],
    experts: Callable[[], ExpertForm],
    number: int,
    X: Floats,
    y: Floats,
    weights: Floats,
) -> float:
    return _block_sums(standardisation, X, y, weights).gate_entropy(gate, experts)


class ChunkedFitting:
    """One call of ``fit`` on rows in chunks.

    Parameters
    ----------
    chunks : Chunks or DaskChunks
    parts : Specification
    make_target : callable
        Returns the `Target` or `Labels` of y (n, m), as chunks hold it, and weights (n,).
    settings : Settings
    rng : numpy.random.RandomState
    """

    def __init__(
        self,
        chunks: Summable,
        parts: Specification,
        make_target: Callable[[NDArray, Floats], Target | Labels],
        settings: Settings,
        rng: np.random.RandomState,
    ):
        self.chunks, self.parts, self.make_target = chunks, parts, make_target
        self.settings, self.rng = settings, rng

    def run(
        self, n_features: int, init: str, n_init: int | str
    ) -> tuple[SumsTrainer, Result, list[dict], float]:
        """Fit the mixture: try starts on a sample of the rows, and run EM on all from the best.

        Parameters
        ----------
        n_features : int
        init : {"auto", "kmeans", "random", "split"}
        n_init : int or "auto"

        Returns
        -------
        training : SumsTrainer
        result : Result
        log : list of dict
            Results of all starts on the sample, and of the best of them on all rows.
        widening : float
            Factor by which dispersions were multiplied; one unless rows are few.

        Raises
        ------
        ValueError
            If there are more coefficients than can be solved for at once.
        """
        moments, standardisation, some = survey(
            self.chunks, n_features, self.parts.law, SOME_ROWS, self.rng
        )
        weights, target = some.weights, self.make_target(some.y, some.weights)
        sample = Data(some.X, target, weights, Rows(weights), None, None, None)
        fitting = Fitting(sample, self.parts, self.settings, None, self.rng)
        small, results, log = fitting.run(init=init, n_init=n_init, given=None, average=1)
        view = View.of(self.chunks.first, weights, standardisation.design(some.X))
        if standardisation.rank is not None:
            view.rank = standardisation.rank
        sums = ChunkSums(self.chunks, standardisation, moments)
        whole = target.standardised_by(standardisation.y_mean, standardisation.y_scale)
        training = self._trainer_of_all(small, view, whole, sums)
        state = results[0].state
        dispersion, scale = state.parameters.dispersion, small.target.scale
        if dispersion is not None and scale is not None:
            dispersion = small.law.rescaled(dispersion, scale)
        search = Search(training, training, self._settings_of_all(training))
        start = training.reading(*small.finish(state), dispersion)
        result = search.resume_run(training.expect(start, search.top_k), "all rows")
        for entry in log:
            entry["chosen"] = False
        widening = 1.0
        if len(weights) == moments.n:
            _, widening = calibrated(fitting, small, results)
            result = with_scaled_dispersion(training, result, widening, search.top_k)
        return training, result, log + search.log, widening

    def _settings_of_all(self, training: SumsTrainer) -> Settings:
        """Return the settings of the run on all rows; a single expert reaches its optimum."""
        tol = self.settings.tol
        return replace(self.settings, tol=min(tol, _SINGLE_TOL) if training.n_experts == 1 else tol)

    def _trainer_of_all(
        self, small: Any, view: View, target: Target | Labels, sums: ChunkSums
    ) -> SumsTrainer:
        """Return the trainer on all rows of the parts of `small`, the trainer on the sample."""
        n_experts = small.n_experts
        bank = type(small.bank)(small.bank.template, view, target, n_experts)
        gate = small.gate.gate.em_trainer(view, view.weights, n_experts)
        training = SumsTrainer(
            gate, bank, small.law, target, view.weights, small.units, n_experts, sums
        )
        _check_size(training.parts)
        training.names = small.names
        return training


def _check_size(parts: SumsParts) -> None:
    size = max(part.size for part in parts)
    if size > _LARGEST_SYSTEM:
        raise ValueError(
            f"blocks of rows must have fewer columns, or n_experts must be smaller: {size} "
            f"coefficients would be solved for at once, more than {_LARGEST_SYSTEM}"
        )
