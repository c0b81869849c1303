"""What every law of y answers to."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, clone

from .._version import VersionedMixin


class Response(VersionedMixin, ABC, BaseEstimator):
    """Law of y around an expert's prediction: what a law of one's own derives from.

    A law has `parameters` of shape (K, q), all of them positive: the dispersions of m outputs
    for each of K experts, and behind them whatever else it estimates. In training they belong
    to y in units of its standard deviation where `standardises` is true.

    Attributes
    ----------
    discrete : bool
        Whether y is a whole number.
    support : (float, float)
        Between what y can be.
    standardises : bool
        Whether y is shifted and scaled before experts and law see it.
    loss : {"squares", "poisson", "gamma"}
        What an expert has to minimise: those that minimise another are fitted one by one.
    reweights : bool
        Whether the experts' rows are weighted anew in every iteration, by `working_weights`.
    multi_output : bool
        Whether y may have several outputs.
    n_scales : int
        Dispersions that an expert carries.
    dispersion : {"constant", "linear"}
        Whether dispersions depend on x.
    units : None
        Of the columns that dispersions depend on.
    correlated : bool
        Whether the outputs depend on one another given the expert: penalties of the experts
        then come for all pairs of outputs.
    """

    _parameter_constraints = {}

    discrete = False
    support = (-np.inf, np.inf)
    standardises = True
    loss = "squares"
    reweights = False
    multi_output = True
    n_scales = 1
    dispersion = "constant"
    units = None
    correlated = False

    def check_target(self, y):
        """Refuse what the law gives no density.

        Parameters
        ----------
        y : ndarray of shape (n, m)

        Raises
        ------
        ValueError
            Saying what y must be.
        """

    def has_sums(self):
        """Tell whether densities and dispersions need only sums over rows.

        A law says so for itself alone: what derives from it may need all rows.

        Returns
        -------
        bool
        """
        return False

    @abstractmethod
    def deviance(self, y, mean):
        """Return what density and dispersion are made of, zero where an expert hits y.

        Parameters
        ----------
        y : ndarray of shape (n, m)
        mean : ndarray of shape (n, K, m)
            Predictions; overwritten.

        Returns
        -------
        ndarray of shape (n, K, m)
            The further from zero the worse; of either sign where the law needs it.
        """

    def working_weights(self, deviance, parameters):
        """Return the factors of the weights that experts are fitted with.

        Least squares with them must improve the expert's term of the objective.

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
    def fit_dispersion(self, deviance, masses, quadratic, old=None):
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
            Those of the last iterate.

        Returns
        -------
        ndarray of shape (K, q)
        """

    @abstractmethod
    def log_density(self, deviance, parameters, y):
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
            Nats.
        """

    @abstractmethod
    def penalty(self, parameters, quadratic):
        """Return what priors and the experts' own penalties take from the objective.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)
        quadratic : ndarray of shape (K, m), or (K, m, m) where `correlated`

        Returns
        -------
        float
        """

    def confined(self, parameters):
        """Return parameters within the bounds of the law.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (K, q)
        """
        return parameters

    def remember(self, parameters):
        """Keep what is to be read off the law of a fitted mixture.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        Response
            Itself.
        """
        return self

    def fitted(self, parameters):
        """Return the law of a fitted mixture.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        Response
            Another one, that remembers them.
        """
        return clone(self).remember(parameters)

    def coefficients(self, parameters):
        """Return what features add to the logarithm of dispersions: nothing.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)
        """

    def rescaled(self, parameters, scale):
        """Return parameters for y in other units.

        Parameters
        ----------
        parameters : ndarray of shape (K, q) or (n, K, q)
        scale : ndarray of shape (m,)
            One of the old units in new ones.

        Returns
        -------
        ndarray of shape (K, q) or (n, K, q)
        """
        out = np.array(parameters, dtype=float)
        out[..., : len(scale)] *= scale
        return out

    def log_peak(self, parameters, y):
        """Return the largest log-densities that an expert could give each row.

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

    def logpdf(self, y, mean, parameters):
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
    def cdf(self, y, mean, parameters):
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
    def ppf(self, q, mean, parameters):
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

    def mode(self, mean, parameters):
        """Return where the density is highest.

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
    def variance(self, mean, parameters):
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

    def std(self, mean, parameters):
        """Return the standard deviations of y around the prediction.

        Parameters
        ----------
        mean : ndarray of shape (n, K, m)
        parameters : ndarray of shape (K, q)

        Returns
        -------
        ndarray of shape (n, K, m)
            Or one that broadcasts to it.
        """
        return np.sqrt(self.variance(mean, parameters))

    @abstractmethod
    def sample(self, mean, parameters, rng):
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

    def count_parameters(self, parameters):
        """Return the number of free parameters.

        Parameters
        ----------
        parameters : ndarray of shape (K, q)

        Returns
        -------
        int
        """
        return parameters.shape[1] if getattr(self, "shared", False) else parameters.size


def pooled(sums, mass, shared):
    """Return sums (K, ...) and masses (K, 1): those of all experts together where they share."""
    mass = mass[:, None]
    if not shared:
        return sums, mass
    sums = sums.sum(axis=0, keepdims=True).repeat(len(mass), axis=0)
    return sums, mass.sum(axis=0, keepdims=True)
