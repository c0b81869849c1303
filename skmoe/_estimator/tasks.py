"""Regression and classification: how y is checked, coded for EM, and stored after a fit."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import assert_all_finite, column_or_1d, get_tags
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from .._data.moments import as_codes, survey_labels
from .._data.target import Labels, Target
from .._fit.mixture import FittedClassification, FittedRegression, Posterior
from ..experts import EvidenceLogistic
from ..responses import Categorical
from .options import default_expert, resolve_response
from .validation import check_numbers


@dataclass(frozen=True)
class RegressionTask:
    """Regression: y are numbers, and a response is their law.

    Attributes
    ----------
    response : str or response
        The parameter of the estimator.
    """

    response: Any

    @property
    def law(self) -> Any:
        """The law of y: a clone of its own, checked, and the same for a whole fit."""
        return self._law

    @cached_property
    def _law(self):
        return resolve_response(self.response)

    def default_expert(self, learned=False):
        """Return the unfitted expert of ``experts=None``, with a penalty to be `learned` or not."""
        return default_expert(self.response, learned)

    def check_expert(self, name, expert):
        """Raise a TypeError if an estimator is no regressor."""
        if is_classifier(expert) or not hasattr(expert, "predict"):
            raise TypeError(f"expert {name!r} must be a regressor with predict; got {expert!r}")

    def check_y(self, y, model):
        """Return y as finite numbers, (n,) or (n, m)."""
        column = getattr(y, "shape", ())[1:] == (1,)
        if column and not get_tags(model).target_tags.multi_output:
            y = column_or_1d(y, warn=True)
        return check_numbers(y)

    def row_weights(self, y, weights):
        """Return the sample weights (n,) as they are."""
        return weights

    def target(self, y, weights) -> Any:
        """Return y as experts and law see it."""
        self.law.check_target(y.reshape(len(y), -1))
        return Target.of(y, weights, self.law.standardises)

    def read_chunks(self, chunks) -> tuple[Any, Any]:
        """Return chunks of rows as they are, and what makes the target of some of their rows."""
        return chunks, partial(self._target_of, chunks)

    def _target_of(self, chunks, y, weights):
        return self.target(y[:, 0] if chunks.single else y, weights)

    def fitted_attributes(self, training, state, widening):
        """Return what a fitted regressor stores of its law, by the names of the attributes."""
        law, target = training.law, training.target
        averaged = self.averaged_law(training, state)
        found = averaged["law_parameters"]
        scales = found[:, : len(target.scale)]
        return {
            "law_parameters_": found,
            "response_": law.fitted(found),
            "dispersion_units_": law.units,
            "dispersion_coef_": law.coefficients(found),
            "dispersion_": scales[:, 0] if target.single else scales,
            "widening_": widening,
            "posterior_root_": averaged["posterior_root"],
            "posterior_units_": _units_of(training),
        }

    def averaged_law(self, training, state):
        """Return what ``averaged_`` stores of the law.

        These are its parameters (K, q) in the units of y, and roots (K, p, p) of the posterior
        covariances of the experts' coefficients, if penalties are learned.
        """
        parameters, bank = state.parameters, training.bank
        found = training.law.rescaled(parameters.dispersion, training.target.scale)
        # An expert that is a mixture has as many as it has experts.
        found[list(bank.own_densities(parameters.experts))] = np.nan
        known = bank.strengths is not None
        root = bank.spreads(training.curvatures(state)[1]) if known else None
        return {"law_parameters": found, "posterior_root": root}

    def fitted(self, model, averaged=None):
        """Return the fitted task of a model, or of one of the further starts it averages."""
        dispersion = model.dispersion_
        # A model that an earlier version has stored has no posterior.
        root = getattr(model, "posterior_root_", None)
        if averaged is not None:
            root = averaged.get("posterior_root")
        return FittedRegression(
            model.response_,
            (model.law_parameters_ if averaged is None else averaged["law_parameters"]),
            1 if dispersion.ndim == 1 else dispersion.shape[1],
            model.dispersion_units_,
            dispersion.ndim == 1,
            None if root is None else Posterior(root, model.posterior_units_),
        )

    def known_y(self, X, y, fitted):
        """Return y (n, m) to evaluate a fitted model with."""
        y = check_numbers(y, fitted.n_outputs)
        check_consistent_length(X, y)
        y = y.reshape(len(y), -1)
        fitted.law.check_target(y)
        return y

    def check_classes(self, classes, model):
        """Refuse labels, which regression has none of."""
        raise ValueError(f"classes must be None, as y is no label; got {classes!r}")

    def can_restart_with(self, y, last):
        """Tell whether a model can be fitted anew to y after the rows `last`: always."""
        return True


def _units_of(training):
    """Return means and scales (2, d) of the experts' columns; None if penalties are not learned."""
    if training.bank.strengths is None:
        return None
    design = training.bank.view.design
    return np.stack([design.mean, np.where(design.varying, design.scale, np.inf)])


@dataclass(frozen=True)
class ClassificationTask:
    """Classification: y are labels, and experts give probabilities to the classes.

    Attributes
    ----------
    class_weight : dict, "balanced" or None
        The parameter of the estimator.
    """

    class_weight: Any

    @property
    def law(self) -> Any:
        """The law of y."""
        return Categorical()

    def default_expert(self, learned=False):
        """Return the unfitted expert of ``experts=None``, with a penalty to be `learned` or not."""
        return EvidenceLogistic() if learned else LogisticRegression()

    def check_expert(self, name, expert):
        """Raise a TypeError if an estimator is no classifier with probabilities."""
        if not hasattr(expert, "predict_proba"):
            raise TypeError(
                f"expert {name!r} must be a classifier with predict_proba; got {expert!r}. "
                "CalibratedClassifierCV gives probabilities to one that has none."
            )

    def check_y(self, y, model):
        """Return y as labels (n,)."""
        y = column_or_1d(y, warn=True)
        if y.dtype == object and any(label is None for label in y.tolist()):
            raise ValueError("Input y contains None: every row must have a label")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def row_weights(self, y, weights):
        """Return sample weights (n,) multiplied by the weights of the classes."""
        if self.class_weight is None:
            return weights
        classes, codes = np.unique(y, return_inverse=True)
        return weights * self._weights_of(classes, np.bincount(codes, weights))[codes]

    def _weights_of(self, classes, mass):
        """Return weights (n_classes,) of the classes, whose rows have the weights `mass`."""
        if self.class_weight is None:
            return np.ones(len(classes))
        if isinstance(self.class_weight, dict):
            return compute_class_weight(self.class_weight, classes=classes, y=classes)
        present = mass > 0
        return np.divide(mass.sum() / present.sum(), mass, where=present, out=mass * 0)

    def target(self, y, weights) -> Any:
        """Return y as experts and law see it."""
        classes, codes = np.unique(y, return_inverse=True)
        return Labels(y, codes, _several(classes))

    def read_chunks(self, chunks) -> tuple[Any, Any]:
        """Return chunks whose y are codes of labels, and what makes the target of their rows."""
        labels = survey_labels(chunks)
        by_class = self._weights_of(labels.classes, labels.mass)
        check_classification_targets(labels.classes)
        classes = _several(labels.classes[by_class > 0])
        coded = chunks.interpreted(partial(as_codes, classes=labels.classes, by_class=by_class))
        return coded, partial(_coded_target, classes)

    def fitted_attributes(self, training, state, widening):
        """Return what a fitted classifier stores of y, by the names of the attributes."""
        return {"classes_": training.target.classes}

    def averaged_law(self, training, state):
        """Return nothing: labels have no dispersion."""
        return {}

    def fitted(self, model, averaged=None):
        """Return the fitted task of a model, the same for all starts that it averages."""
        return FittedClassification(model.classes_)

    def known_y(self, X, y, fitted):
        """Return codes (n,) of the labels of y, to evaluate a fitted model with."""
        y = column_or_1d(y)
        check_consistent_length(X, y)
        unknown = sorted(set(y.tolist()) - set(fitted.classes.tolist()), key=str)
        if unknown:
            raise ValueError(f"y must hold labels known from fit; got also {unknown}")
        return np.searchsorted(fitted.classes, y)

    def check_classes(self, classes, model):
        """Refuse labels other than those of the first batch."""
        given = np.unique(classes)
        if model.__sklearn_is_fitted__() and not np.array_equal(given, model.classes_):
            raise ValueError(
                f"classes must be those of the first batch, {model.classes_.tolist()}; "
                f"got {given.tolist()}"
            )

    def can_restart_with(self, y, last):
        """Tell whether a model can be fitted anew to y: only where y has all labels of `last`."""
        return bool(np.isin(last, y).all())


def _coded_target(classes, y, weights):
    """Return the target of codes (n, 1) of the classes."""
    codes = y[:, 0].astype(int)
    return Labels(classes[codes], codes, classes)


def _several(classes):
    """Return the classes, if there are several."""
    if len(classes) < 2:
        raise ValueError(
            f"y must have at least two classes in rows of positive weight; got one class: "
            f"{classes.tolist()}"
        )
    return classes
