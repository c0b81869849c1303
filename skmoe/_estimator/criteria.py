"""Information criteria of a fitted mixture."""

import warnings

import numpy as np
from scipy.special import entr
from sklearn.utils.validation import check_is_fitted

from .._data.groups import check_groups, make_units
from .._data.pipelines import last_step
from .._data.tables import n_rows
from ..experts import count_parameters


class CriteriaMixin:
    """What both estimators say of fit against size."""

    def aic(self, X, y, groups=None):
        """Akaike's information criterion: lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.

        Returns
        -------
        float
            ``-2 * log-likelihood + 2 * parameters``; NaN, with a warning, where
            the number of free parameters of a part is not known.
        """
        return -2.0 * self._log_likelihood(X, y, groups) + 2.0 * self._count_parameters()

    def bic(self, X, y, groups=None):
        """Schwarz's (1978) information criterion: lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.

        Returns
        -------
        float
            ``-2 * log-likelihood + log(n) * parameters``, n the number of rows or of
            groups; NaN, with a warning, where the number of free parameters of a
            part is not known.
        """
        size = len(y) if groups is None else len(np.unique(groups))
        penalty = float(np.log(size)) * self._count_parameters()
        return -2.0 * self._log_likelihood(X, y, groups) + penalty

    def icl(self, X, y, groups=None):
        """Integrated completed likelihood of Biernacki et al. (2000): lower is better.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        groups : array-like of shape (n,), optional
            Rows with the same label share one expert.

        Returns
        -------
        float
            `bic` plus twice the entropy of the responsibilities: it asks that
            experts be told apart too.
        """
        resp = self.responsibilities(X, y, groups)
        resp = resp if groups is None else resp[np.unique(groups, return_index=True)[1]]
        return self.bic(X, y, groups) + 2.0 * float(entr(resp).sum())

    def _log_likelihood(self, X, y, groups):
        """Of the best start alone: further ones that are averaged with it add no parameters."""
        mixture, X = self._ready(X)
        units = units_of(groups, X)
        logs = mixture.posterior(X, self._known_y(X, y), self.top_k, units)[1]
        return float(logs.sum(dtype=np.float64))

    def _count_parameters(self):
        """Number of free parameters of all parts; NaN, with a warning, if one is unknown."""
        check_is_fitted(self)
        counts = {name: count_parameters(e) for name, e in self.named_experts_.items()}
        counts["gate"] = getattr(last_step(self.gate_), "n_parameters_", np.nan)
        unknown = [name for name, count in counts.items() if np.isnan(count)]
        if unknown:
            warnings.warn(
                f"the number of free parameters of {unknown} is not known, and the criterion NaN",
                UserWarning,
                stacklevel=3,
            )
        return float(sum(counts.values()) + self._count_dispersions())


def units_of(groups, X):
    """The units that have one expert each, of unit weight."""
    return make_units(None if groups is None else check_groups(groups, X), np.ones(n_rows(X)))
