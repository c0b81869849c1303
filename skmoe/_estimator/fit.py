"""``fit``: from parameters and data to fitted attributes, in four steps."""

import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import process_routing

from .._data.groups import check_groups, make_units
from .._data.pipelines import is_rigid, last_step
from .._data.splits import make_folds
from .._data.tables import is_in_memory, select
from .._fit.calibration import calibrated
from .._fit.fitting import Fitting
from .._fit.growth import best_runs, by_bic, grow
from .._fit.out_of_core import ChunkedFitting
from .._fit.problem import Data, count_free_parameters
from .._fit.progress import monitoring
from .._sklearn import raise_for_params, routing_enabled
from ..em._loop import Result, Settings
from ..gates import HierarchicalGate
from .criteria import criteria_of
from .options import specify
from .out_of_core import chunks_of
from .validation import (
    check_init,
    check_weights,
    check_X,
    keep_rows,
    resolve_columns,
    resolve_cv,
)
from .warnings import warn_of_outcome, warn_of_resampling


@dataclass(frozen=True)
class TrainingRows:
    """Arguments of one call of ``fit``."""

    X: Any
    y: Any
    sample_weight: Any
    groups: Any
    params: dict


@dataclass(frozen=True)
class Outcome:
    """What a fit ends in.

    Attributes
    ----------
    training : Trainer
    results : list of Result
        Of the runs whose densities are averaged, the best first.
    log : list of dict
        What every start reached.
    path : list of dict
        What every number of experts reached, where the number is chosen.
    widening : float
        Factor that dispersions were multiplied by.
    """

    training: Any
    results: list
    log: list
    path: list
    widening: float


def fitted_draft(model, context, given):
    """Return a fitted copy of a mixture; the mixture stays as it is.

    Parameters
    ----------
    model : mixture
    context : sklearn.callback.CallbackContext or None
    given : TrainingRows
    """
    draft, task = copy.copy(model), model._task()
    for name in _fitted_attributes(draft):
        delattr(draft, name)
    metadata = None if given.sample_weight is None else {"sample_weight": given.sample_weight}
    known = {"estimator": model, "X": given.X, "y": given.y, "metadata": metadata}
    attributes = partial(_attributes_of, draft, task), partial(_fitted_attributes, draft)
    previous = model if model.warm_start and model.__sklearn_is_fitted__() else None
    with monitoring(context, known, *attributes, model.verbose) as monitor:
        _fit(draft, task, given, previous, monitor)
    return draft


def _fit(draft, task, given, previous, monitor):
    """Fit a draft: resolve its parameters, read the data, fit, and store the outcome."""
    rng = random_state(draft.random_state)
    specification, settings = _resolve(draft, task, rng, monitor)
    rows = _read(draft, task, specification, given, previous)
    outcome = rows.fit(draft, task, settings, rng)
    _store(draft, task, outcome)
    warn_of_outcome(draft, outcome)


# ------------------------------------------------------------------------ resolve


def _resolve(draft, task, rng, monitor):
    """Return specification and settings of a fit."""
    specification = specify(draft, task, rng)
    if _chooses_number(draft, specification):
        _check_growth(draft, specification)
    settings = Settings(draft.tol, draft.max_iter, draft.top_k, monitor, draft.accelerate)
    return specification, settings


def _chooses_number(model, specification):
    """Tell whether the number of experts is chosen."""
    is_set = isinstance(last_step(specification.gate), HierarchicalGate)
    is_set |= not isinstance(model.init, str)
    return model.n_experts == "auto" and specification.clones and not is_set


def _check_growth(model, specification):
    """Refuse parameters that rule out a choice of the number of experts."""
    for name, value, refused in [
        ("specialize", model.specialize, not specification.specialize),
    ]:
        if refused:
            raise ValueError(
                f"n_experts must be a number with {name}={value}; got 'auto', which grows one "
                "mixture of experts that specialise, from a single expert"
            )


def random_state(seed):
    """Return a random state; for None a fresh one, so that the global one stays untouched."""
    return np.random.RandomState() if seed is None else check_random_state(seed)


# ------------------------------------------------------------------- read and fit


def _read(draft, task, specification, given, previous):
    """Return the training rows, in memory or in chunks; write attributes of X to the draft."""
    in_memory = is_in_memory(given.X)
    chunks = None if in_memory else chunks_of(draft, given, specification)
    if chunks is not None:
        return RowsInChunks.read(draft, task, specification, chunks)
    if given.y is None:
        raise ValueError(
            f"This {type(draft).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    return RowsInMemory.read(draft, task, specification, given, previous)


@dataclass(frozen=True)
class RowsInMemory:
    """Training rows that are in memory.

    Attributes
    ----------
    specification : Specification
        With routed parameters of the rows.
    data : Data
    start : (str, ndarray of shape (n, K)) or None
        Kind and responsibilities of a start that is given.
    """

    specification: Any
    data: Any
    start: Any

    @classmethod
    def read(cls, draft, task, specification, given, previous):
        """Check the arguments of ``fit``, and keep the rows of positive weight."""
        X = check_X(draft, given.X, reset=True)
        y = task.check_y(given.y, draft)
        check_consistent_length(X, y)
        n = len(y)
        weights = task.row_weights(y, check_weights(given.sample_weight, X))
        groups = None if given.groups is None else check_groups(given.groups, X)
        kind, resp = _given_start(draft, X, y, groups, len(specification.components), previous)
        cv = resolve_cv(draft.cv, X, y, groups)
        fold = cv if isinstance(cv, np.ndarray) else None
        rows = np.flatnonzero(weights > 0)
        X, y, weights, resp, groups, fold = keep_rows(rows, n, X, y, weights, resp, groups, fold)
        params = {name: keep_rows(rows, n, value)[0] for name, value in given.params.items()}
        params = _route(draft, params, [name for name, _ in specification.named])
        seen = resolve_columns(X, draft.gate_features, "gate_features")
        columns = resolve_columns(X, draft.expert_features, "expert_features")
        draft.gate_columns_, draft.expert_columns_ = seen, columns
        units = make_units(groups, weights)
        if fold is None and cv is not None and _needs_folds(specification):
            number: Any = cv
            fold = make_folds(number, select(X, columns), weights, units, specification.specialize)
        data = Data(X, task.target(y, weights), weights, units, fold, seen, columns)
        start = None if resp is None else (kind, resp)
        return cls(replace(specification, params=params), data, start)

    def fit(self, draft, task, settings, rng):
        """Return the outcome of a fit."""
        parts = self.specification
        warn_of_resampling(parts.named, self.data.weights, parts.specialize)
        fitting = Fitting(self.data, parts, settings, draft.n_jobs, rng)
        if _chooses_number(draft, parts):
            training, results, log, path = self._grown(draft, task, fitting)
            fitting = fitting.sized(training.n_experts)
        else:
            init, path = draft.init if isinstance(draft.init, str) else "auto", []
            training, results, log = fitting.run(
                init=init, n_init=draft.n_init, given=self.start, average=draft.average
            )
        widening = 1.0
        if training.bank.strengths is None:
            # Under learned penalties dispersions pay for the parameters: they are wide enough.
            results, widening = calibrated(fitting, training, results)
        return Outcome(training, results, log, path, widening)

    def _grown(self, draft, task, fitting):
        """Choose the number of experts, and fit the runs whose densities are averaged."""
        criteria = partial(self._criteria, draft, task)
        training, result, log, path = grow(fitting, partial(_assembled, draft, task), criteria)
        if draft.average == 1 or training.n_experts == 1:
            return training, [result], log, path
        sized = fitting.sized(training.n_experts)
        drawn = {"init": draft.init, "n_init": draft.n_init, "average": draft.average}
        training, results, log = best_runs(sized, training, result, log, **drawn)
        chosen = next(step for step in path if step["chosen"])
        if "bic" in chosen:
            # A drawn start may end higher than the grown mixture.
            chosen.update(by_bic(criteria)(training, results[0])[1])
        return training, results, log, path

    def _criteria(self, draft, task, training, result):
        """Return the criteria of a run on the training rows."""
        data = self.data
        return criteria_of(
            _assembled(draft, task, training, result), data.X, data.target.raw, data.units
        )


@dataclass(frozen=True)
class RowsInChunks:
    """Training rows that are read chunk by chunk.

    Attributes
    ----------
    specification : Specification
    chunks : Chunks
    make_target : callable
        Makes the target of y (n, m), as chunks hold it, and weights (n,).
    """

    specification: Any
    chunks: Any
    make_target: Any

    @classmethod
    def read(cls, draft, task, specification, chunks):
        """Check the columns of the first rows, and read labels where y are labels."""
        check_X(draft, chunks.first, reset=True)
        draft.gate_columns_ = draft.expert_columns_ = None
        return cls(specification, *task.read_chunks(chunks))

    def fit(self, draft, task, settings, rng):
        """Return the outcome of a fit."""
        fitting = ChunkedFitting(self.chunks, self.specification, self.make_target, settings, rng)
        training, result, log, widening = fitting.run(
            draft.n_features_in_, draft.init, draft.n_init
        )
        return Outcome(training, [result], log, [], widening)


def _needs_folds(specification):
    """Tell whether an expert may be evaluated out of fold."""
    parts = specification
    return not (parts.auto and parts.specialize and all(is_rigid(e) for _, e in parts.named))


def _given_start(draft, X, y, groups, n_experts, previous):
    """Return kind and responsibilities (n, K) of a start; None for those that are drawn."""
    if not isinstance(draft.init, str):
        return "given", check_init(draft.init, len(y), n_experts)
    if previous is not None and previous.n_experts_ == n_experts:
        return "warm", check_init(previous.responsibilities(X, y, groups), len(y), n_experts)
    return None, None


def _route(model, params, names):
    """Return the fit parameters of each expert, by its name."""
    if not routing_enabled():
        raise_for_params(params, model, "fit")
        return {}
    if not params:
        return {}
    routed = process_routing(model, "fit", **params)
    key = "{}" if isinstance(model.experts, list) else "experts"
    return {name: dict(routed[key.format(name)].fit) for name in names}


# -------------------------------------------------------------------------- store


def _store(draft, task, outcome):
    """Write the fitted attributes."""
    training, (best, *further) = outcome.training, outcome.results
    _store_mixture(draft, task, training, best, outcome.widening)
    draft.averaged_ = [_averaged(task, training, result.state) for result in further]
    draft.starts_, draft.path_ = outcome.log, outcome.path


def _store_mixture(model, task, training, result, widening=1.0):
    """Write the fitted attributes that one run leads to."""
    parameters = result.state.parameters
    model.gate_, model.experts_ = training.finish(result.state)
    model.named_experts_ = Bunch(**dict(zip(training.names, model.experts_, strict=True)))
    model.n_experts_ = len(model.experts_)
    model.n_parameters_ = count_free_parameters(
        model.gate_, model.experts_, training.law, parameters.dispersion
    )
    model.weight_seen_ = training.total
    model.expert_usage_ = training.usage(result.state)
    model.gate_entropy_ = training.gate_entropy(result.state)
    model.starved_experts_ = [training.names[k] for k in parameters.starved]
    model.lower_bound_ = result.state.objective
    model.lower_bounds_ = np.array(result.history)
    model.n_iter_ = len(result.history)
    model.converged_ = result.converged
    model.stop_reason_ = result.stop_reason
    for name, value in task.fitted_attributes(training, result.state, widening).items():
        setattr(model, name, value)


def _averaged(task, training, state):
    """Return what is stored of a further start, whose density is averaged with the best."""
    gate, experts = training.finish(state)
    stored = {"gate": gate, "experts": experts, "lower_bound": state.objective}
    return stored | task.averaged_law(training, state)


def _assembled(draft, task, training, result):
    """Return the model that a fit of a draft would be if it ended with a result."""
    model = copy.copy(draft)
    _store_mixture(model, task, training, result)
    model.averaged_ = []
    return model


def _attributes_of(draft, task, training, state):
    """Return the fitted attributes, as they would be if the fit of a draft ended with a state."""
    result = Result(state, (state.objective,), False, "it goes on")
    return _fitted_attributes(_assembled(draft, task, training, result))


def _fitted_attributes(estimator):
    """Return the fitted attributes by name."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }
