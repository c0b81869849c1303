"""What a fitted mixture answers, whatever its task."""

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from .._data.design import read_only
from .._fit.mixture import Mixture
from ..experts import batch_of
from .criteria import units_of
from .validation import check_X


class AnswersMixin:
    """Adds the questions that both estimators answer alike, and the mixture that is asked."""

    def __sklearn_is_fitted__(self):
        """Whether ``fit`` has ended well."""
        return hasattr(self, "gate_")

    def _mixture(self):
        check_is_fitted(self)
        # `top_k` and `combine` are read again at prediction.
        self._validate_params()
        return self._of(
            self.gate_, list(self.named_experts_.values()), getattr(self, "law_parameters_", None)
        )

    def _of(self, gate, experts, law_parameters):
        """The mixture of these fitted parts."""
        return Mixture(
            gate=gate,
            experts=list(zip(self.named_experts_, experts, strict=True)),
            question=self._question(law_parameters),
            gate_columns=self.gate_columns_,
            expert_columns=self.expert_columns_,
            dense=all(batch_of(e) is not None for e in experts),
        )

    def _ready(self, X):
        """Return the mixture, and X validated."""
        mixture = self._mixture()
        return mixture, read_only(check_X(self, X, reset=False))

    def _averaged(self, X):
        """Return the mixtures whose densities are averaged, the best first, and X validated."""
        mixture, X = self._ready(X)
        further = [
            self._of(m["gate"], m["experts"], m.get("law_parameters")) for m in self.averaged_
        ]
        return [mixture, *further], X

    def gate_proba(self, X):
        """Probabilities of the experts by the gate alone, before top-k routing.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
            Rows sum to one.
        """
        mixture, X = self._ready(X)
        return like(X, mixture.weights(X, None))

    def apply(self, X):
        """Index of the most probable expert of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,), int
        """
        mixture, X = self._ready(X)
        return mixture.log_gate(X).argmax(axis=1)

    def responsibilities(self, X, y, groups=None):
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
            Rows sum to one; zero for experts that `top_k` does not ask.
        """
        mixture, X = self._ready(X)
        y, units = self._known_y(X, y), units_of(groups, X)
        return like(X, units.spread(mixture.posterior(X, y, self.top_k, units)[0]))

    def score_samples(self, X, y=None, groups=None):
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
        mixtures, X = self._averaged(X)
        y, units = self._known_y(X, self.predict(X) if y is None else y), units_of(groups, X)
        logs = [mixture.posterior(X, y, self.top_k, units)[1] for mixture in mixtures]
        return like(X, logsumexp(logs, axis=0) - np.log(len(logs)))


def like(X, result):
    """Return `result` in single precision where X is, unless it would overflow there."""
    if getattr(X, "dtype", None) != np.float32:
        return result
    if np.abs(result).max(initial=0.0) > np.finfo(np.float32).max:
        return result
    return result.astype(np.float32)
