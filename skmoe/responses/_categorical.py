"""The law of labels given an expert's probabilities."""

import numpy as np


class Categorical:
    """Class labels: a row's log-density is the log-probability of its own class.

    It has no dispersion; it stands where a response stands in regression.
    """

    loss = "labels"
    reweights = False
    n_scales = 1
    dispersion = "constant"
    correlated = False
    standardises = False

    def check_target(self, y):
        """Codes of labels are what they are."""

    def deviance(self, y, log_proba):
        """Return the log-probabilities (n, K) of the row's own class as they are."""
        return log_proba

    def fit_dispersion(self, deviance, masses, quadratic, old=None):
        """Return nothing: labels have no dispersion."""
        return None

    def log_density(self, deviance, dispersion, y=None):
        """Return the log-probabilities (n, K), which are the log-densities."""
        return deviance

    def log_peak(self, dispersion, y):
        """Return the largest log-probability that a class can have."""
        return 0.0

    def count_parameters(self, dispersion):
        """Return zero: labels have no dispersion."""
        return 0

    def penalty(self, dispersion, quadratic):
        """Return the sum of the experts' own penalties (K,)."""
        return float(np.sum(quadratic))
