"""Fitting to more rows than memory holds: starts on some of them, EM on all, block by block."""

from functools import partial

from ._design import View
from ._fitting import Fitting
from ._folding import FoldTraining
from ._problem import Data
from ._search import Search
from ._survey import survey
from ._target import Target
from ._units import Rows
from .em._blocks import LinearFold, curvature_stride
from .experts import is_linear, is_logistic
from .gates import SoftmaxGate
from .responses import Gaussian

#: Rows on which starts are tried.
SOME_ROWS = 2**16


def misfit(parts, labels=False):
    """Say which of the parts needs all rows at once; None where blocks will do.

    Parameters
    ----------
    parts : Parts
    labels : bool
        Whether y are labels.
    """
    template = parts.named[0][1]
    alike = parts.clones and parts.specialize and len(parts.named) > 1
    if not (alike and (is_logistic if labels else is_linear)(template)):
        kinds = "LogisticRegression" if labels else "LinearRegression or Ridge"
        return f"experts must be two or more clones of {kinds}; got {template!r}"
    if type(parts.gate) is not SoftmaxGate or parts.gate.balance:
        return f"the gate must be SoftmaxGate without balance; got {parts.gate!r}"
    if labels:
        return None
    if type(parts.law) is not Gaussian or parts.law.dispersion != "constant":
        return f"the response must be Gaussian with constant dispersion; got {parts.law!r}"
    return None


class BlockFold:
    """Folds the rows of chunks into statistics, as `LinearFold` does those of one array.

    Parameters
    ----------
    chunks : Chunks
    units : Units
    moments : Moments
    """

    def __init__(self, chunks, units, moments):
        self.chunks, self.units = chunks, units
        self.total = moments.weight
        self._stride = curvature_stride(moments.n)

    def statistics(self, parameters, *, top_k=None, curvature=False):
        """Return the statistics of all rows under `parameters`."""
        asked = {"top_k": top_k, "curvature": curvature, "stride": self._stride}
        return self.chunks.fold(partial(_statistics, self.units, parameters, asked))

    def gate_entropy(self, parameters):
        """Sum over rows of weights × entropies of the gate's probabilities, in nats."""
        return self.chunks.fold(partial(_gate_entropy, self.units, parameters))


def _folded(units, X, y, weights):
    return LinearFold(units.design(X).matrix, units.targets(y), weights)


def _statistics(units, parameters, asked, number, X, y, weights):
    return _folded(units, X, y, weights).statistics(parameters, **asked)


def _gate_entropy(units, parameters, number, X, y, weights):
    return _folded(units, X, y, weights).gate_entropy(parameters)


class BlockFitting:
    """One call of ``fit`` on rows in chunks.

    Parameters
    ----------
    chunks : Chunks
    parts : Parts
    settings : Settings
    rng : numpy.random.RandomState
    """

    def __init__(self, chunks, parts, settings, rng):
        self.chunks, self.parts, self.settings, self.rng = chunks, parts, settings, rng

    def run(self, n_features, init, n_init):
        """Fit.

        Parameters
        ----------
        n_features : int
        init : str
        n_init : int or "auto"

        Returns
        -------
        training : FoldTraining
        result : Result
        log : list of dict
            What every start reached on some of the rows, and the best of them on all.
        """
        moments, units, some = survey(self.chunks, n_features, SOME_ROWS, self.rng)
        y, weights = some.y[:, 0] if self.chunks.single else some.y, some.weights
        tried = Data(some.X, Target.of(y, weights), weights, Rows(weights), None, None, None)
        fitting = Fitting(tried, self.parts, self.settings, None, self.rng)
        small, results, log = fitting.run(init=init, n_init=n_init, given=None, average=1)
        view = View.of(self.chunks.first, weights, units.design(some.X))
        target = Target(y, units.targets(some.y), units.y_mean, units.y_scale)
        training = self._of_all(small, view, target, BlockFold(self.chunks, units, moments))
        state = results[0].state
        dispersion = small.law.rescaled(state.parameters.dispersion, small.target.scale)
        search = Search(training, training, self.settings)
        start = training.reading(*small.finish(state), dispersion)
        result = search.went_on(training.expect(start, search.top_k), "all rows")
        for entry in log:
            entry["chosen"] = False
        return training, result, log + search.log

    def _of_all(self, small, view, target, fold):
        """The training of the same parts on all rows."""
        n_experts = small.n_experts
        bank = type(small.bank)(small.bank.template, view, target, n_experts)
        gate = type(small.gate)(small.gate.gate, view, view.weights, n_experts)
        rest = target, view.weights, small.units, n_experts, fold
        training = FoldTraining(gate, bank, small.law, *rest)
        training.names = small.names
        return training
