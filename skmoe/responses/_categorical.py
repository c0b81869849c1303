"""The law of labels given an expert's probabilities."""

from __future__ import annotations

import numpy as np

from ..em._protocols import Floats


class Categorical:
    """Law of class labels: a row's log-density is the log-probability of its own class.

    It is the law of a classifier, as a `Response` is that of a regressor. It has no dispersion:
    its parameters are None. Its deviances are log-probabilities (n, K).
    """

    loss: str = "labels"
    reweights: bool = False
    n_scales: int = 1
    dispersion: str = "constant"
    correlated: bool = False
    standardises: bool = False

    def check_target(self, y: Floats) -> None:
        """Accept y: all codes of labels are valid."""

    def has_sums(self) -> bool:
        """Return True: the density of a label needs its log-probability alone."""
        return True

    def working_weights(self, deviance: Floats, parameters: Floats | None) -> Floats:
        """Return ones: rows are not reweighted."""
        return np.ones(deviance.shape)

    def confined(self, parameters: Floats) -> Floats:
        """Return the parameters: labels have none."""
        return parameters

    def rescaled(self, parameters: Floats, scale: Floats) -> Floats:
        """Return the parameters: labels have none."""
        return parameters

    def deviance(self, y: Floats, mean: Floats) -> Floats:
        """Return the log-probabilities (n, K) of the row's own class, which are the predictions."""
        return mean

    def fit_dispersion(
        self,
        deviance: Floats,
        masses: Floats,
        quadratic: Floats,
        old: Floats | None = None,
    ) -> None:
        """Return None: there are no parameters."""
        return None

    def log_density(
        self, deviance: Floats, parameters: Floats | None, y: Floats | None = None
    ) -> Floats:
        """Return the log-probabilities (n, K), which are the log-densities."""
        return deviance

    def log_peak(self, parameters: Floats | None, y: Floats | None) -> float:
        """Return zero: the largest log-probability of a class."""
        return 0.0

    def count_parameters(self, parameters: Floats | None) -> int:
        """Return zero: there are no parameters."""
        return 0

    def penalty(self, parameters: Floats | None, quadratic: Floats) -> float:
        """Return the sum of the experts' own penalties (K,)."""
        return float(np.sum(quadratic))

    def learned(self, parameters: Floats | None, masses: Floats) -> tuple[Categorical, float]:
        """Return the law and zero: there is no prior to learn."""
        return self, 0.0
