"""The class that every law of y derives from."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from .._sklearn import BaseEstimator
from .._version import VersionedMixin
from ..em._protocols import Floats

#: Generators of random numbers that a law can draw with.
Random = np.random.Generator | np.random.RandomState


class Response(VersionedMixin, ABC, BaseEstimator):
    """Law of y around an expert's prediction; the base class of all laws, also of users' own.

    A law has `parameters` of shape (K, q), all of them positive. For each of K experts they hold
    the dispersions of m outputs, followed by whatever else the law estimates. Where `standardises`
    is true, training uses y divided by its standard deviation, and parameters belong to that y.

    Attributes
    ----------
    discrete : bool
        Whether y is a whole number.
    support : (float, float)
        Smallest and largest value of y.
    standardises : bool
        Whether y is shifted and scaled before experts are fitted and the law is evaluated.
    loss : {"squares", "poisson", "gamma"}
        Loss that an expert has to minimise. Experts that minimise another loss are fitted one
        by one.
    reweights : bool
        Whether experts are fitted with the weights of `working_weights`, which change in every
        iteration.
    multi_output : bool
        Whether y may have several outputs.
    n_scales : int
        Number of dispersions of an expert.
    dispersion : {"constant", "linear"}
        Whether dispersions depend on x.
    units : None
        Means and standard deviations of the columns that dispersions depend on; None for a law
        that has not been bound to training rows.
    correlated : bool
        Whether the outputs depend on one another given the expert. Penalties of the experts
        are then computed for all pairs of outputs.
    shared : bool
        Whether all experts share one set of parameters.
    """

    _parameter_constraints: dict[str, Any] = {}

    discrete: bool = False
    support: tuple[float, float] = (-np.inf, np.inf)
    standardises: bool = True
    loss: str = "squares"
    reweights: bool = False
    multi_output: bool = True
    n_scales: int = 1
    dispersion: str = "constant"
    units: Floats | None = None
    correlated: bool = False
    shared: bool = False

    def check_target(self, y: Floats) -> None:
        """Raise an error if y lies outside the law's support.

        Parameters
        ----------
        y : ndarray of shape (n, m)

        Raises
        ------
        ValueError
            If a value of y has no density. The message states what y must be.
        """

    def has_sums(self) -> bool:
        """Tell whether densities and dispersions need only sums over rows.

        A class that returns True does so for itself only, since a class derived from it may
        need all rows at once.

        Returns
        -------
        bool
        """
        return False

    @abstractmethod
    def deviance(self, y: Floats, mean: Floats) -> Floats:
        """Return the deviances that density and dispersion are computed from.

        A deviance is zero where the prediction equals y.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
            Predictions; overwritten.

        Returns
        -------
        ndarray of shape (n, K, m)
            Larger in absolute value where the prediction is worse; signed where the law needs it.
        """

    def working_weights(self, deviance: Floats, parameters: Floats) -> Floats:
        """Return factors that responsibilities × sample weights are multiplied by.

        Experts are fitted with the products. Least squares with them must improve the expert's
        term of the objective.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
            Of the last iterate.
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K)
        """
        return np.ones(deviance.shape[:2])

    @abstractmethod
    def fit_dispersion(
        self, deviance: Floats, masses: Floats, quadratic: Floats, old: Floats | None = None
    ) -> Floats:
        """Return the parameters that maximise the objective given the means, or raise it.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
        masses : ndarray of shape (n, K)
            Responsibilities × sample weights.
        quadratic : ndarray of shape (K, m), or (K, m, m) where `correlated`
            Penalties of the experts, alpha × squared norm, in squared units of y; or
            alpha × products of the coefficients of two outputs.
        old : ndarray of shape (K, q), optional
            Parameters of the last iterate.

        Returns
        -------
        ndarray of shape (K, q)
        """

    @abstractmethod
    def log_density(self, deviance: Floats, parameters: Floats, y: Floats) -> Floats:
        """Return log-densities, joint over outputs.

        Parameters
        ----------
        deviance : ndarray of shape (n, K, m)
            May be overwritten.
        parameters : ndarray of shape (K, q)
        y : ndarray of shape (n, m)

        Returns
        -------
        ndarray of shape (n, K)
            In nats.
        """

    @abstractmethod
    def penalty(self, parameters: Floats, quadratic: Floats) -> float:
        """Return the penalties of priors and experts, which are subtracted from the objective.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)
        quadratic : ndarray of shape (K, m), or (K, m, m) where `correlated`

        Returns
        -------
        float
        """

    def confined(self, parameters: Floats) -> Floats:
        """Return the parameters, moved into the bounds of the law where they are outside.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (K, q)
        """
        return parameters

    def remember(self, parameters: Floats) -> Self:
        """Set the fitted attributes of the law, for a fitted mixture.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        Response
            Itself.
        """
        return self

    def fitted(self, parameters: Floats) -> Self:
        """Return the law of a fitted mixture.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        Response
            A clone with fitted attributes.
        """
        return clone(self).remember(parameters)

    def learned(self, parameters: Floats, masses: Floats) -> tuple[Self, float]:
        """Return the law with the prior that the evidence prefers.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)
        masses : ndarray of shape (K,)

        Returns
        -------
        law : Response
        volume : float
            Logarithm of the posterior's volume divided by the prior's, in nats.
        """
        return self, 0.0

    def coefficients(self, parameters: Floats) -> Floats | None:
        """Return None: dispersions of this law do not depend on features.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        None
            A law with ``dispersion="linear"``, in training, has coefficients (K, p).
        """
        return None

    def rescaled(self, parameters: Floats, scale: Floats) -> Floats:
        """Return parameters for y in other units.

        Parameters
        ----------
        parameters : ndarray of shape (K, q) or (n, K, q)
        scale : ndarray of shape (m,)
            Size of one old unit, in new units.

        Returns
        -------
        ndarray of shape (K, q) or (n, K, q)
        """
        out = np.array(parameters, dtype=float)
        out[..., : len(scale)] *= scale
        return out

    def log_peak(self, parameters: Floats, y: Floats) -> Floats:
        """Return the log-densities of each row if an expert predicted it exactly.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)
        y : ndarray of shape (n, m)

        Returns
        -------
        ndarray of shape (n, K)
        """
        shape = len(y), parameters.shape[-2], y.shape[1]
        return self.log_density(np.zeros(shape), parameters, y)

    def logpdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        """Return log-densities of y, joint over outputs.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K)
        """
        return self.log_density(self.deviance(y, mean.copy()), parameters, y)

    @abstractmethod
    def cdf(self, y: Floats, mean: Floats, parameters: Floats) -> Floats:
        """Return the distribution functions of each output.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
        """

    @abstractmethod
    def ppf(self, q: Floats, mean: Floats, parameters: Floats) -> Floats:
        """Return the quantiles of each output.

        Parameters
        ----------
        q : ndarray of shape (n, m)
            Probabilities.
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
        """

    def mode(self, mean: Floats, parameters: Floats) -> Floats:
        """Return the points of highest density.

        Parameters
        ----------
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        return mean

    @abstractmethod
    def variance(self, mean: Floats, parameters: Floats) -> Floats:
        """Return the variances of y around the prediction.

        Parameters
        ----------
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
            Or one that broadcasts to it.
        """

    def std(self, mean: Floats, parameters: Floats) -> Floats:
        """Return the standard deviations of y around the prediction.

        Parameters
        ----------
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        return np.sqrt(self.variance(mean, parameters))

    @abstractmethod
    def sample(self, mean: Floats, parameters: Floats, rng: Random) -> Floats:
        """Draw y once for each row.

        Parameters
        ----------
        mean : ndarray of shape (n, m)
        parameters : ndarray of shape (n, q)
        rng : numpy.random.Generator or numpy.random.RandomState

        Returns
        -------
        ndarray of shape (n, m)
        """

    def count_parameters(self, parameters: Floats) -> int:
        """Return the number of free parameters.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        int
        """
        return parameters.shape[1] if self.shared else parameters.size
