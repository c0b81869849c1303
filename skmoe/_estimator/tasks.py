"""What is done with y where y are numbers: the regressor's part of ``fit`` and of its answers."""

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._data.target import Target
from .._fit.mixture import Numbers
from .options import default_expert, resolve_response
from .validation import check_numbers


class NumbersMixin:
    """Adds what the base leaves to the task: the law, the target, and what is stored of them."""

    @property
    def _single(self):
        """Whether y has one dimension."""
        return self.dispersion_.ndim == 1

    @property
    def _n_outputs(self):
        return 1 if self._single else self.dispersion_.shape[1]

    def _default_expert(self):
        return default_expert(self.response)

    def _law(self):
        return resolve_response(self.response)

    def _check_y(self, y):
        column = getattr(y, "shape", ())[1:] == (1,)
        if column and not get_tags(self).target_tags.multi_output:
            y = column_or_1d(y, warn=True)
        return check_numbers(y)

    def _class_weights(self, y, weights):
        return weights

    def _check_classes(self, classes):
        raise ValueError(f"classes must be None, as y is no label; got {classes!r}")

    def _may_begin_with(self, y, last):
        return True

    def _target(self, y, weights):
        law = self._law()
        law.check_target(y.reshape(len(y), -1))
        return Target.of(y, weights, law.standardises)

    def _interpreted(self, chunks):
        return chunks

    def _target_of(self, chunks, y, weights):
        return self._target(y[:, 0] if chunks.single else y, weights)

    def _known_y(self, X, y):
        y = check_numbers(y, self._n_outputs)
        check_consistent_length(X, y)
        y = y.reshape(len(y), -1)
        self.response_.check_target(y)
        return y

    def _question(self, law_parameters):
        return Numbers(self.response_, law_parameters, self._n_outputs, self.dispersion_units_)

    def _count_dispersions(self):
        return self.response_.count_parameters(self.law_parameters_)

    def _store_law(self, training, parameters):
        self.law_parameters_ = found = self._law_of(training, parameters)["law_parameters"]
        self.response_ = training.law.fitted(found)
        self.dispersion_units_ = training.law.units
        self.dispersion_coef_ = training.law.coefficients(found)
        scales = found[:, : len(training.target.scale)]
        self.dispersion_ = scales[:, 0] if training.target.single else scales

    def _store_widening(self, factor):
        self.widening_ = factor

    def _law_of(self, training, parameters):
        """Parameters of the law (K, q) for y in its own units, by the name of their attribute."""
        found = training.law.rescaled(parameters.dispersion, training.target.scale)
        # An expert that is a mixture has as many as it has experts.
        found[list(training.bank.own_densities(parameters.experts))] = np.nan
        return {"law_parameters": found}
