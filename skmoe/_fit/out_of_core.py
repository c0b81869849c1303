"""Fitting to more rows than memory holds: starts on some of them, EM on all, block by block."""

from functools import partial

from .._data.design import View
from .._data.groups import Rows
from .._data.moments import survey
from .._data.pipelines import last_step
from ..em._search import Search
from ..em._sums import BlockSums, curvature_stride
from ..em._sums_trainer import SumsTrainer
from ..experts import is_batched
from ..gates import GaussianGate, SoftmaxGate
from .calibration import calibrated, with_scaled_dispersion
from .fitting import Fitting
from .problem import Data
from .sums_parts import has_sums

#: Experts whose M-step under a law needs only sums over rows, by what they minimise.
_EXPERTS = {
    "squares": "LinearRegression or Ridge",
    "poisson": "PoissonRegressor(alpha=0)",
    "gamma": "GammaRegressor(alpha=0)",
    "labels": "LogisticRegression",
}

#: Coefficients that are solved for at once, at most: their Hessian takes 128 MB.
_LARGEST_SYSTEM = 4096

#: Rows on which starts are tried.
SOME_ROWS = 2**16


def needs_all_rows(parts):
    """Say which of the parts needs all rows at once; None where blocks suffice.

    Parameters
    ----------
    parts : Specification
    """
    template, law = parts.named[0][1], parts.law
    if not has_sums(law):
        return (
            "the response must be Gaussian or Gamma with constant dispersion, or Poisson; "
            f"got {law!r}"
        )
    alike = parts.clones and parts.specialize and len(parts.named) > 1
    plain = last_step(template) is template
    if not (alike and plain and is_batched(template, law.loss)):
        return f"experts must be two or more clones of {_EXPERTS[law.loss]}; got {template!r}"
    balanced = getattr(parts.gate, "balance", 0)
    if type(parts.gate) not in (SoftmaxGate, GaussianGate) or balanced:
        return f"the gate must be GaussianGate, or SoftmaxGate without balance; got {parts.gate!r}"
    return None


class ChunkSums:
    """Folds the rows of chunks into statistics, as `BlockSums` does those of one array.

    Parameters
    ----------
    chunks : Chunks
    units : Standardisation
    moments : Moments
    """

    def __init__(self, chunks, units, moments):
        self.chunks, self.units = chunks, units
        self.total = moments.weight
        self._stride = curvature_stride(moments.n)

    def statistics(self, gate, experts, *, top_k=None, curvature=False):
        """Return the statistics of all rows under parts that `Fold.statistics` takes."""
        asked = {"top_k": top_k, "curvature": curvature, "stride": self._stride}
        return self.chunks.fold(partial(_statistics, self.units, gate, experts, asked))

    def gate_entropy(self, gate, experts):
        """Sum over rows of weights × entropies of the gate's probabilities, in nats."""
        return self.chunks.fold(partial(_gate_entropy, self.units, gate, experts))


def _folded(units, X, y, weights):
    return BlockSums(units.design(X).matrix, units.targets(y), weights)


def _statistics(units, gate, experts, asked, number, X, y, weights):
    return _folded(units, X, y, weights).statistics(gate, experts, **asked)


def _gate_entropy(units, gate, experts, number, X, y, weights):
    return _folded(units, X, y, weights).gate_entropy(gate, experts)


class ChunkedFitting:
    """One call of ``fit`` on rows in chunks.

    Parameters
    ----------
    chunks : Chunks
    parts : Specification
    make_target : callable
        Makes a `Target` or `Labels` of y (n, m), as chunks hold it, and weights (n,).
    settings : Settings
    rng : numpy.random.RandomState
    """

    def __init__(self, chunks, parts, make_target, settings, rng):
        self.chunks, self.parts, self.make_target = chunks, parts, make_target
        self.settings, self.rng = settings, rng

    def run(self, n_features, init, n_init):
        """Fit.

        Parameters
        ----------
        n_features : int
        init : str
        n_init : int or "auto"

        Returns
        -------
        training : SumsTrainer
        result : Result
        log : list of dict
            What every start reached on some of the rows, and the best of them on all.
        widening : float
            What dispersions have been multiplied by, where rows are few.

        Raises
        ------
        ValueError
            If there are more coefficients than can be solved for at once.
        """
        moments, units, some = survey(self.chunks, n_features, self.parts.law, SOME_ROWS, self.rng)
        weights, target = some.weights, self.make_target(some.y, some.weights)
        tried = Data(some.X, target, weights, Rows(weights), None, None, None)
        fitting = Fitting(tried, self.parts, self.settings, None, self.rng)
        small, results, log = fitting.run(init=init, n_init=n_init, given=None, average=1)
        view = View.of(self.chunks.first, weights, units.design(some.X))
        fold = ChunkSums(self.chunks, units, moments)
        training = self._of_all(small, view, target.standardised_by(units), fold)
        state = results[0].state
        dispersion = state.parameters.dispersion
        if dispersion is not None:
            dispersion = small.law.rescaled(dispersion, small.target.scale)
        search = Search(training, training, self.settings)
        start = training.reading(*small.finish(state), dispersion)
        result = search.resume_run(training.expect(start, search.top_k), "all rows")
        for entry in log:
            entry["chosen"] = False
        widening = 1.0
        if len(weights) == moments.n:
            _, widening = calibrated(fitting, small, results)
            result = with_scaled_dispersion(training, result, widening, search.top_k)
        return training, result, log + search.log, widening

    def _of_all(self, small, view, target, fold):
        """The training of the same parts on all rows."""
        n_experts = small.n_experts
        bank = type(small.bank)(small.bank.template, view, target, n_experts)
        gate = small.gate.gate.em_trainer(view, view.weights, n_experts)
        rest = target, view.weights, small.units, n_experts, fold
        training = SumsTrainer(gate, bank, small.law, *rest)
        _check_size(training.parts)
        training.names = small.names
        return training


def _check_size(parts):
    size = max(part.size for part in parts)
    if size > _LARGEST_SYSTEM:
        raise ValueError(
            f"blocks of rows must have fewer columns, or n_experts must be smaller: {size} "
            f"coefficients would be solved for at once, more than {_LARGEST_SYSTEM}"
        )
