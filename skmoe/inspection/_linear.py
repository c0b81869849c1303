"""Checks whether a mixture has linear experts, and its parameters by name."""

from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .. import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from ..gates import ConstantGate, SoftmaxGate
from ._types import Floats, Ints, Mixture

#: The supported mixtures, for messages.
_POSSIBLE = (
    "standard errors are available for linear, logistic, Poisson or gamma regressions (with coef_ "
    "and intercept_) and a SoftmaxGate or ConstantGate, each also as the last step of a pipeline, "
    "in a soft mixture fitted once; for other responses by bootstrap alone"
)


def refuse(problem: str, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise an error whose message also lists the supported mixtures."""
    raise kind(f"{problem}; {_POSSIBLE}")


def check_model(est: Any) -> None:
    """Raise an error that names the part for which standard errors are not available."""
    if not isinstance(est, MixtureOfExpertsRegressor | MixtureOfExpertsClassifier):
        refuse(f"est must be a mixture of experts; got {type(est).__name__}", TypeError)
    check_is_fitted(est)
    for name, wrong, wanted in [
        ("top_k", est.top_k is not None, "None"),
        ("average", bool(est.averaged_), "1"),
        ("specialize", not est.specialize, "True"),
        ("class_weight", getattr(est, "class_weight", None) is not None, "None"),
    ]:
        if wrong:
            refuse(f"{name} must be {wanted}; got {getattr(est, name)!r}")
    _check_gate(last_step(est.gate_))
    if is_regressor(est) and est.dispersion_.size > est.n_experts_:
        refuse(f"y must have one output; got {est.dispersion_.shape[1]}")
    if is_regressor(est) and est.dispersion_coef_ is not None:
        refuse("the response must have dispersion='constant'; got 'linear'")
    for name, expert in est.named_experts_.items():
        _check_expert(name, last_step(expert))


def _check_gate(gate: Any) -> None:
    if not isinstance(gate, SoftmaxGate | ConstantGate):
        refuse(f"the gate must be a softmax or constant one; got {type(gate).__name__}", TypeError)
    balance = getattr(gate, "balance", 0.0)
    if balance:
        refuse(f"the gate must have balance=0; got {balance}")


def _check_expert(name: str, expert: Any) -> None:
    frozen = isinstance(expert, FrozenEstimator)
    if frozen or not (hasattr(expert, "coef_") and hasattr(expert, "intercept_")):
        refuse(f"expert {name!r} must be a linear model; got {type(expert).__name__}", TypeError)


def is_regressor(est: Mixture) -> TypeGuard[MixtureOfExpertsRegressor]:
    """Tell whether y is numeric."""
    return isinstance(est, MixtureOfExpertsRegressor)


def has_dispersions(est: Mixture) -> TypeGuard[MixtureOfExpertsRegressor]:
    """Tell whether the law of y estimates dispersions."""
    return is_regressor(est) and est.response_.count_parameters(est.law_parameters_) > 0


def is_shared(est: Mixture) -> bool:
    """Tell whether all experts have one dispersion."""
    return has_dispersions(est) and getattr(est.response_, "shared", False)


# Pipelines ---------------------------------------------------------------------------------


def last_step(estimator: Any) -> Any:
    """Return the estimator that a pipeline, however nested, ends in."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def transformers(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline before the last one, in order."""
    found = []
    while isinstance(estimator, Pipeline):
        found += [step for _, step in estimator.steps[:-1] if step not in (None, "passthrough")]
        estimator = estimator.steps[-1][1]
    return found


def _names(est: Mixture, columns: Any, part: Any, count: int) -> list[str]:
    """Return the names (count,) of the columns of a part's last step."""
    numbered = [f"x{j}" for j in range(est.n_features_in_)]
    names = np.asarray(getattr(est, "feature_names_in_", numbered), dtype=object)
    names = names if columns is None else names[columns]
    try:
        for step in transformers(part):
            names = step.get_feature_names_out(names)
    except (AttributeError, ValueError):
        names = []
    return list(map(str, names)) if len(names) == count else [f"x{j}" for j in range(count)]


# Parameters --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affine:
    """Coefficients of one part, the intercept first where there is one.

    Attributes
    ----------
    coef : ndarray of shape (m, p)
        For a regressor m is 1; for a classifier the number of classes or, if there are two, 1;
        for a gate the number of experts.
    names : list of str, of length p
    intercept : bool
    classes : tuple
        Classes of the rows of `coef`.
    """

    coef: Floats
    names: list[str]
    intercept: bool
    classes: tuple[Any, ...] = ()

    @property
    def full(self) -> Floats:
        """Coefficients of all rows; those of the first of two classes are zero."""
        if len(self.classes) != 2:
            return self.coef
        return np.vstack([np.zeros_like(self.coef), self.coef])

    @property
    def contrasts(self) -> Floats:
        """Coefficients less those of the first row; a regressor's coefficients as they are."""
        return self.full[1:] - self.full[0] if len(self.full) > 1 else self.full

    @property
    def contrast_names(self) -> list[str]:
        """Names of the entries of `contrasts`; with three or more classes they name the class."""
        if len(self.classes) < 3:
            return self.names
        return [f"{label}: {name}" for label in self.classes[1:] for name in self.names]


def read_expert(est: Mixture, expert: Any) -> Affine:
    """Return the coefficients of an expert as `Affine`."""
    last = last_step(expert)
    coef = np.atleast_2d(np.asarray(last.coef_, dtype=np.float64))
    names = _names(est, est.expert_columns_, expert, coef.shape[1])
    classes = () if is_regressor(est) else tuple(last.classes_.tolist())
    if not getattr(last, "fit_intercept", True):
        return Affine(coef, names, False, classes)
    intercept = np.broadcast_to(np.asarray(last.intercept_, dtype=np.float64).ravel(), len(coef))
    return Affine(np.column_stack([intercept, coef]), ["intercept", *names], True, classes)


def read_gate(est: Mixture) -> Affine:
    """Return the coefficients of the gate as `Affine`."""
    gate = last_step(est.gate_)
    if isinstance(gate, ConstantGate):
        return Affine(np.log(gate.weights_)[:, None], ["intercept"], True)
    names = _names(est, est.gate_columns_, est.gate_, gate.coef_.shape[1])
    return Affine(np.column_stack([gate.intercept_, gate.coef_]), ["intercept", *names], True)


def read_parameters(
    est: Mixture, order: Ints | None = None
) -> tuple[list[tuple[str, str, str]], Floats]:
    """Return labels and values of all parameters, in the order of a summary.

    Coefficients of the experts, contrasts of the gate against the first expert, dispersions.

    Parameters
    ----------
    est : fitted mixture
    order : array of int, optional
        The number of the expert in each place.

    Returns
    -------
    labels : list of (part, expert, name)
    values : ndarray of shape (P,)
    """
    names = list(est.named_experts_)
    order = np.arange(len(names)) if order is None else order
    experts = [read_expert(est, est.experts_[k]) for k in order]
    gate = read_gate(est)
    gate = Affine(gate.coef[order], gate.names, True)
    labels = [
        ("expert", name, column)
        for name, expert in zip(names, experts, strict=True)
        for column in expert.contrast_names
    ]
    values = [expert.contrasts.ravel() for expert in experts]
    labels += [("gate", name, column) for name in names[1:] for column in gate.names]
    values += [gate.contrasts.ravel()] if len(names) > 1 else []
    if has_dispersions(est):
        shared = is_shared(est)
        labels += [("dispersion", name, _symbol(est)) for name in (["all"] if shared else names)]
        values.append(est.dispersion_.ravel()[order][: 1 if shared else None])
    return labels, np.concatenate(values)


def _symbol(est: Any) -> str:
    """Return the name of a dispersion: sigma in units of y, phi without units."""
    return "sigma" if est.response_.standardises else "phi"
