"""The law of labels given an expert's probabilities."""

import numpy as np


class Categorical:
    """Class labels: a row's log-density is the log-probability of its own class.

    It has no dispersion; it stands where a response stands in regression.
    """

    def fit_dispersion(self, y, log_proba, weights, quadratic):
        """Return nothing: labels have no dispersion."""
        return None

    def log_density(self, y, log_proba, dispersion):
        """Return the log-probabilities (n, K), which are the log-densities."""
        return log_proba

    def penalty(self, dispersion, quadratic):
        """Return the sum of the experts' own penalties (K,)."""
        return float(np.sum(quadratic))
