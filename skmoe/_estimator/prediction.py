"""Methods of a fitted mixture that do not depend on its task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._data.tables import read_only
from .._fit.combination import COMBINATIONS, AveragedMixture
from .._fit.mixture import Mixture
from ..experts import batch_of
from .base import BaseMixtureOfExperts
from .criteria import criteria_of, units_of, unknown_parts, weighted_rows
from .validation import check_X
from .warnings import warn_of_small_weights, warn_of_unknown_parameters


class FittedMixture(BaseMixtureOfExperts):
    """Responsibilities, scores and criteria: what both estimators have after ``fit``."""

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether ``fit`` has succeeded."""
        return hasattr(self, "gate_")

    def _mixture(self):
        """Return the mixture of the best start, and of the further starts averaged with it."""
        check_is_fitted(self)
        # `top_k` and `combine` are read again at prediction.
        self._validate_params()
        task, experts = self._task(), list(self.named_experts_.values())
        mixtures = [self._of(self.gate_, experts, task.fitted(self))]
        mixtures += [
            self._of(each["gate"], each["experts"], task.fitted(self, each))
            for each in self.averaged_
        ]
        return AveragedMixture(mixtures, self.top_k, COMBINATIONS[self.combine])

    def _of(self, gate, experts, task):
        return Mixture(
            gate=gate,
            experts=list(zip(self.named_experts_, experts, strict=True)),
            task=task,
            gate_columns=self.gate_columns_,
            expert_columns=self.expert_columns_,
            dense=all(batch_of(expert) is not None for expert in experts),
        )

    def _prepared(self, X):
        """Return the averaged mixture, and X validated."""
        mixture = self._mixture()
        return mixture, read_only(check_X(self, X, reset=False))

    def _known_y(self, X, y, mixture):
        """Return y as the mixture evaluates it: numbers (n, m), or codes of labels (n,)."""
        return self._task().known_y(X, y, mixture.task)

    def gate_proba(self, X: Any) -> NDArray[np.floating]:
        """Probabilities of the experts by the gate alone, before top-k routing.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
            Rows sum to one.
        """
        mixture, X = self._prepared(X)
        return like(X, mixture.best.weights(X, None))

    def apply(self, X: Any) -> NDArray[np.intp]:
        """Index of the most probable expert of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,), int
        """
        mixture, X = self._prepared(X)
        return mixture.best.log_gate(X).argmax(axis=1)

    def responsibilities(
        self, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Posterior probabilities of the experts given x and y.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert: they have the same
            probabilities, those given all of them.

        Returns
        -------
        ndarray of shape (n, n_experts)
            Rows sum to one; zero for experts that `top_k` does not evaluate.
        """
        mixture, X = self._prepared(X)
        y, units = self._known_y(X, y, mixture), units_of(groups, X)
        return like(X, units.spread(mixture.best.posterior(X, y, self.top_k, units)[0]))

    def score_samples(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Log-density, or log-probability, of y given x.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs), optional
            None for the model's own prediction: how sure the model is of it.
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert, and have one joint density.

        Returns
        -------
        ndarray of shape (n,) or (n_groups,)
            Nats; for a regressor in the units of y. Groups are in the order of
            their sorted labels.
        """
        mixture, X = self._prepared(X)
        # Both estimators have the method, with parameters of their own.
        model: Any = self
        y = self._known_y(X, model.predict(X) if y is None else y, mixture)
        return like(X, mixture.log_density(X, y, units_of(groups, X)))

    def aic(
        self,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Akaike's information criterion: lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.
        sample_weight : array-like of shape (n,), optional
            How many times each row counts. A row of weight two counts as two equal
            rows. None for one each. Weights of classes multiply them, as in ``fit``.

        Returns
        -------
        float
            ``-2 * log-likelihood + 2 * n_parameters_``; NaN, with a warning, where
            the number of free parameters of a part is not known.
        """
        return self._criteria(X, y, groups, sample_weight).aic

    def bic(
        self,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Schwarz's (1978) information criterion: lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.
        sample_weight : array-like of shape (n,), optional
            How many times each row counts, as for `aic`. Only their scale decides
            how much a parameter costs, so that weights that sum to one, say, have to
            be multiplied by the number of rows. A warning says so where their mean is
            below 0.1.

        Returns
        -------
        float
            ``-2 * log-likelihood + log(n) * n_parameters_``, n the sum of the weights
            of rows or of groups; NaN, with a warning, where the number of free
            parameters of a part is not known. ``path_`` holds the same values.
        """
        return self._criteria(X, y, groups, sample_weight).bic

    def icl(
        self,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Integrated completed likelihood of Biernacki et al. (2000): lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.
        sample_weight : array-like of shape (n,), optional
            How many times each row counts, as for `bic`.

        Returns
        -------
        float
            `bic` plus twice the entropy of the responsibilities: it prefers experts
            that are well separated.
        """
        return self._criteria(X, y, groups, sample_weight).icl

    def _criteria(self, X, y, groups, sample_weight):
        """Return the criteria, with a warning of whatever makes them useless."""
        check_is_fitted(self)
        X, y, units = weighted_rows(self, X, y, groups, sample_weight)
        warn_of_small_weights(units.weights)
        found = criteria_of(self, X, y, units)
        if np.isnan(found.n_parameters):
            warn_of_unknown_parameters(unknown_parts(self))
        return found


def like(X, result):
    """Return `result` in single precision where X is, unless it would overflow there."""
    if getattr(X, "dtype", None) != np.float32:
        return result
    if np.abs(result).max(initial=0.0) > np.finfo(np.float32).max:
        return result
    return result.astype(np.float32)
