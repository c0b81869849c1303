"""Constructor parameters and the objects that they mean."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import GammaRegressor, LinearRegression, PoissonRegressor

from .._data.pipelines import innermost, is_distribution, last_step
from .._fit.problem import Specification
from ..experts import EvidenceRidge
from ..gates import HierarchicalGate, SoftmaxGate, is_estimator, resolve_gate
from ..responses import Gamma, Gaussian, Laplace, Poisson, Response, StudentT


class Estimator(Protocol):
    """An object with parameters, as every estimator of scikit-learn is."""

    def get_params(self, deep: bool = True) -> Any: ...


class CrossValidator(Protocol):
    """A splitter of scikit-learn, whose methods may have further parameters."""

    def split(self, *args: Any, **kwargs: Any) -> Any: ...
    def get_n_splits(self, *args: Any, **kwargs: Any) -> Any: ...


#: Columns as ``ColumnTransformer`` selects them; None for all.
Columns = str | int | slice | ArrayLike | Callable[[Any], Any] | None

#: Starts.
Init = Literal["auto", "kmeans", "random", "split"] | ArrayLike

#: How rows are split for cross-fitting.
Splitter = int | Literal["auto"] | CrossValidator | Iterable[tuple[Any, Any]] | None

RESPONSES = {
    "gamma": Gamma,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "poisson": Poisson,
    "student_t": StudentT,
}

#: The expert of the regressor's ``experts=None``, by the loss that experts minimise.
DEFAULT_EXPERTS = {
    "squares": LinearRegression(),
    # Newton's method, to the optimum: the other solver crawls where columns differ in scale.
    "poisson": PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8),
    "gamma": GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-8),
}


def resolve_response(response):
    """Return a response of its own for the parameter `response`."""
    if isinstance(response, str):
        return RESPONSES[response]()
    response = clone(response)
    response._validate_params()
    return response


def default_expert(response, learned=False):
    """Return the unfitted regressor that ``experts=None`` means under a `response`.

    With `learned` the penalty of linear experts is learned where the law allows it.
    """
    law = read_response(response)
    if learned and law.loss == "squares" and law.has_sums():
        return EvidenceRidge()
    return clone(DEFAULT_EXPERTS[law.loss])


def read_response(response):
    """Return the law for the parameter `response`, unchecked; Gaussian for any other object.

    Estimators have tags before `fit` refuses an object that is no law.
    """
    if isinstance(response, str):
        return RESPONSES.get(response, Gaussian)()
    return response if isinstance(response, Response) else Gaussian()


def resolve_experts(experts, n_experts, default, reserved):
    """Return the names and unfitted estimators of the parameter `experts`.

    Parameters
    ----------
    experts : None, estimator or list of (str, estimator)
    n_experts : int
        Number of clones of a single estimator.
    default : estimator
        The expert that None means.
    reserved : collection of str
        Names of constructor parameters, which no expert may have.

    Returns
    -------
    list of (str, estimator)

    Raises
    ------
    ValueError
        If names are not unique or not usable, or no expert is left.
    TypeError
        If an entry is not a pair of a name and an estimator.
    """
    if not isinstance(experts, list):
        template = default if experts is None else experts
        return [(f"expert_{k}", template) for k in range(n_experts)]
    for entry in experts:
        if not isinstance(entry, tuple) or len(entry) != 2 or not isinstance(entry[0], str):
            raise TypeError(f"experts must be a list of (name, estimator) pairs; got {entry!r}")
    names = [name for name, _ in experts]
    _check_names(names, reserved)
    kept = [(name, expert) for name, expert in experts if not _is_dropped(expert)]
    if not kept:
        raise ValueError("experts must hold at least one estimator that is not 'drop'; got none")
    return kept


def share_fits(named, clones, specialize, n_scales):
    """Return the experts to fit, and the components of the mixture that share them.

    Parameters
    ----------
    named : list of (str, estimator)
    clones : bool
        Whether they are clones of one estimator: all the same fit, unless they specialise.
    specialize : bool
    n_scales : int
        Components for each expert.

    Returns
    -------
    named : list of (str, estimator)
    components : list of (str, int)
        Name, and number of the expert.

    Raises
    ------
    ValueError
        If experts that specialise are to carry several scales.
    """
    if specialize and n_scales > 1:
        raise ValueError(
            f"response n_scales must be 1 with specialize=True; got {n_scales}: experts carry "
            "several scales where all are fitted to the same rows"
        )
    shared = clones and not specialize and not is_frozen(named[0][1])
    components = [
        (name if scale == 0 else f"{name}#{scale + 1}", 0 if shared else number)
        for number, (name, _) in enumerate(named)
        for scale in range(n_scales)
    ]
    return (named[:1] if shared else named), components


def is_frozen(expert):
    """Tell whether an expert keeps its fit."""
    return isinstance(expert, FrozenEstimator)


def _is_dropped(expert):
    return isinstance(expert, str) and expert == "drop"


def _check_names(names, reserved):
    if len(set(names)) != len(names):
        raise ValueError(f"experts must have unique names; got {names}")
    clashes = sorted(set(names) & set(reserved))
    if clashes:
        raise ValueError(f"experts must not be named like constructor parameters; got {clashes}")
    joined = [name for name in names if "__" in name]
    if joined:
        raise ValueError(f"names of experts must not contain '__'; got {joined}")


def check_expert(name, expert, task):
    """Raise a TypeError if an estimator cannot be an expert of a task.

    Parameters
    ----------
    name : str
    expert : estimator
    task : Task
    """
    if not is_estimator(expert):
        raise TypeError(
            f"expert {name!r} must be an instance of a scikit-learn estimator; got {expert!r}"
        )
    task.check_expert(name, expert)


def check_nested(named, law):
    """Refuse an expert that is a mixture with another law than `law`.

    Raises
    ------
    ValueError
        Naming it.
    """
    for name, expert in named:
        if not is_distribution(expert):
            continue
        inner = innermost(expert).response
        if type(resolve_response(inner)) is not type(law):
            raise ValueError(
                f"expert {name!r} must be a mixture with the response {type(law).__name__}, as "
                f"the mixture it is an expert of; got {inner!r}"
            )


def seed_parts(estimator, rng):
    """Give a seed to every ``random_state`` of an estimator that has none.

    A seed that the user set stays.
    """
    params = estimator.get_params(deep=True)
    unset = [
        key
        for key in sorted(params)
        if (key == "random_state" or key.endswith("__random_state")) and params[key] is None
    ]
    if unset:
        estimator.set_params(**{key: int(rng.randint(2**31 - 1)) for key in unset})
    return estimator


def specify(model, task, rng, learns=True):
    """Return the specification that the parameters of a mixture mean.

    Parameters
    ----------
    model : mixture
    task : Task
    rng : numpy.random.RandomState
        Seeds the parts.
    learns : bool
        Whether penalties may be learned.
    """
    gate = resolve_gate(model.gate)
    learned = learns and _learns_penalties(model, gate)
    clones = not isinstance(model.experts, list)
    count = _known_number(model, gate)
    reserved = model.get_params(deep=False)
    named = resolve_experts(model.experts, count, task.default_expert(learned), reserved)
    for name, expert in named:
        check_expert(name, expert, task)
    check_nested(named, task.law)
    specialize = model.specialize and not all(is_frozen(expert) for _, expert in named)
    named, components = share_fits(named, clones, specialize, task.law.n_scales)
    named = [(name, seed_parts(clone(expert), rng)) for name, expert in named]
    gate = seed_parts(gate, rng)
    auto = isinstance(model.cv, str)
    return Specification(gate, named, components, clones, specialize, auto, task.law, {})


def _learns_penalties(model, gate):
    """Tell whether a mixture learns the penalties of its own experts, as those of its gate."""
    last = last_step(gate)
    plain = model.specialize and (model.cv is None or isinstance(model.cv, str))
    return plain and isinstance(last, SoftmaxGate) and last.learns()


def _known_number(model, gate):
    """Return the number of clones: of "auto" that of a tree's leaves or of a given start, else one.

    From one expert on the number is chosen, where nothing else sets it.
    """
    if model.n_experts != "auto":
        return model.n_experts
    last = last_step(gate)
    if isinstance(last, HierarchicalGate):
        return last.n_leaves()
    return 1 if isinstance(model.init, str) else np.asarray(model.init).shape[-1]
