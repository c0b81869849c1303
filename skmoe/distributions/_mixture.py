"""The distribution of y in each row, block by block."""

from collections.abc import Callable, Iterator
from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._data.numerics import BLOCK_ROWS, blocks
from ._components import Components, Rows, Seed, make_generator, without_idle
from ._law import ComponentLaw, Floats
from ._modes import highest
from ._quantiles import quantile

#: Size of a block, as rows times components times outputs, and the fewest rows of one.
_BLOCK_ENTRIES = 2**17
_FEWEST_ROWS = 64


class MixtureDistribution:
    """Distribution of y in each row: a mixture of components that follow one law.

    ``predict_dist`` of a regressor returns one. Everything is computed block by block, so
    that little memory is needed beyond the result.

    Parameters
    ----------
    law : response
        The law that the components follow, of :mod:`skmoe.responses`.
    weights : ndarray of shape (n, C)
        Rows sum to one. A component without weight may have any finite mean.
    means : ndarray of shape (n, C, m)
        Predictions of the components.
    parameters : ndarray of shape (C, q) or (n, C, q)
        Parameters of the law for each component. Scales of the m outputs come first where the
        law has them.
    single : bool
        Whether y has one dimension. Results then have no axis of outputs.
    dtype : dtype, default=numpy.float64
        Type of the results.

    Examples
    --------
    Two rows, each with two components of equal weight:

    >>> import numpy as np
    >>> from skmoe.distributions import MixtureDistribution
    >>> from skmoe.responses import Gaussian
    >>> means = np.array([[[-1.0], [1.0]], [[-5.0], [5.0]]])
    >>> dist = MixtureDistribution(Gaussian(), np.full((2, 2), 0.5), means, np.ones((2, 1)), True)
    >>> dist
    MixtureDistribution(law=Gaussian, n_rows=2, n_components=2, n_outputs=1)
    >>> dist.mean()
    array([0., 0.])
    >>> dist.var()
    array([ 2., 26.])
    >>> dist.ppf(np.array([0.25, 0.75])[:, None]).shape
    (2, 2)
    """

    def __init__(
        self,
        law: ComponentLaw,
        weights: Floats,
        means: Floats,
        parameters: Floats,
        single: bool,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.law: ComponentLaw = law
        self.weights: Floats = weights
        self.means: Floats = means
        self.parameters: Floats = parameters
        self.single: bool = single
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def __len__(self) -> int:
        return len(self.means)

    def __repr__(self) -> str:
        n, n_components, m = self.means.shape
        return (
            f"{type(self).__name__}(law={type(self.law).__name__}, n_rows={n}, "
            f"n_components={n_components}, n_outputs={m})"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one value for every row: (n,) or (n, m)."""
        n, _, m = self.means.shape
        return (n,) if self.single else (n, m)

    def take(self, rows: Rows) -> "MixtureDistribution":
        """Distributions of some of the rows.

        Parameters
        ----------
        rows : slice, or ndarray of int or bool
            Selects the rows.

        Returns
        -------
        MixtureDistribution
            In it components without weight have the mean of the heaviest one of their row.
        """
        parameters = self.parameters if self.parameters.ndim == 2 else self.parameters[rows]
        weights = np.asarray(self.weights[rows], dtype=float)
        means = without_idle(weights, np.asarray(self.means[rows], dtype=float))
        return MixtureDistribution(self.law, weights, means, parameters, self.single, self.dtype)

    def mean(self) -> Floats:
        """Means of y.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: part.mean())

    def std(self) -> Floats:
        """Standard deviations of y: spread within components and between them.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: part.std())

    def var(self) -> Floats:
        """Variances of y, the squares of `std`.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: np.square(part.std()))

    def mode(self) -> Floats:
        """Points of highest density, joint over outputs.

        The mode is the best point that ascents from the modes of all components reach. It is a
        whole number for laws of whole numbers.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(highest)

    def logpdf(self, y: ArrayLike) -> Floats:
        """Log-densities, or log-probabilities, of y, joint over outputs.

        Parameters
        ----------
        y : array-like that broadcasts to (..., n) or (..., n, m)
            A number stands for all rows; ``y[:, None]`` gives every row all entries.

        Returns
        -------
        ndarray of shape (..., n)
        """
        values = self._spread(y, "y")
        n_axes = values.ndim - (0 if self.single else 1)
        out = np.empty(values.shape[:n_axes], self.dtype)
        return self._mapped(lambda part, block: part.log_density(block), values, out)

    def pdf(self, y: ArrayLike) -> Floats:
        """Densities, or probabilities, of y, joint over outputs.

        Parameters
        ----------
        y : array-like that broadcasts to (..., n) or (..., n, m)

        Returns
        -------
        ndarray of shape (..., n)
        """
        out = self.logpdf(y)
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(out, out=out)

    def cdf(self, y: ArrayLike) -> Floats:
        """Probabilities that y is not larger, for each output alone.

        Parameters
        ----------
        y : array-like that broadcasts to (..., n) or (..., n, m)

        Returns
        -------
        ndarray of shape (..., n) or (..., n, m)
        """
        values = self._spread(y, "y")
        out = np.empty(values.shape, self.dtype)
        return self._mapped(lambda part, block: part.cdf(block), values, out)

    def ppf(self, q: ArrayLike) -> Floats:
        """Quantiles of each output.

        Parameters
        ----------
        q : array-like that broadcasts to (..., n) or (..., n, m)
            Probabilities. A number stands for all rows, an array of shape (n,) has one for each
            row; ``q[:, None]`` gives every row several levels ((Q, 1, 1) with several outputs).

        Returns
        -------
        ndarray of shape (..., n) or (..., n, m)
            Points where the distribution function is within 1e-10 of q, relative to the nearer
            tail; the ends of the law's support for 0 and 1. For laws of whole numbers they are
            the smallest ones whose distribution function reaches q.

        Raises
        ------
        ValueError
            If a probability is not within 0 and 1, or the shape does not broadcast.
        """
        q = np.asarray(q, dtype=float)
        if not ((q >= 0) & (q <= 1)).all():
            raise ValueError("q must be probabilities between 0 and 1, without NaN")
        values = self._spread(q, "q")
        return self._mapped(quantile, values, np.empty(values.shape, self.dtype))

    def interval(self, coverage: float = 0.9) -> Floats:
        """Equal-tailed intervals.

        Parameters
        ----------
        coverage : float, default=0.9
            Probability of the interval.

        Returns
        -------
        ndarray of shape (n, 2) or (n, m, 2)
            Lower and upper ends.
        """
        if not (isinstance(coverage, Real) and 0 < coverage <= 1):
            raise ValueError(f"coverage must be a number in (0, 1], got {coverage!r}")
        out = np.empty((*self.shape, 2), self.dtype)
        out[..., 0] = self.ppf(0.5 - 0.5 * coverage)
        out[..., 1] = self.ppf(0.5 + 0.5 * coverage)
        return out

    def sample(self, n: int = 1, random_state: Seed = None) -> Floats:
        """Draw from the distribution of each row.

        Parameters
        ----------
        n : int, default=1
            Number of draws for each row.
        random_state : int, RandomState, Generator or None, default=None
            Seed or source of random numbers. None for a fresh seed; the global random state is
            never used.

        Returns
        -------
        ndarray of shape (n_rows, n) or (n_rows, m, n)
        """
        if not isinstance(n, Integral) or n < 0:
            raise ValueError(f"n must be a whole number that is not negative, got {n!r}")
        rng = make_generator(random_state)
        out = np.empty((*self.shape, n), self.dtype)
        for rows, part in self._parts():
            block = out[rows]
            for some in blocks(n, max(1, self._most_rows() // len(block))):
                draws = part.sample(some.stop - some.start, rng)
                _store(block, (..., some), draws.reshape(*block.shape[:-1], -1))
        return out

    def _most_rows(self) -> int:
        """Return the number of rows of a block."""
        _, n_components, m = self.means.shape
        size = _BLOCK_ENTRIES // max(1, n_components * m)
        return min(BLOCK_ROWS, max(_FEWEST_ROWS, size))

    def _parts(self) -> Iterator[tuple[slice, Components]]:
        """Yield slices of rows and the components of these rows."""
        for rows in blocks(len(self), self._most_rows()):
            some = self.take(rows)
            yield rows, Components(self.law, some.weights, some.means, some.parameters)

    def _filled(self, function: Callable[[Components], Floats]) -> Floats:
        """Return the values (b, m) of all blocks, put together."""
        out = np.empty(self.shape, self.dtype)
        for rows, part in self._parts():
            _store(out, rows, function(part).reshape(out[rows].shape))
        return out

    def _mapped(
        self, function: Callable[[Components, Floats], Floats], values: Floats, out: Floats
    ) -> Floats:
        """Fill `out` with a function of blocks and of values at one or more levels."""
        m = self.means.shape[2]
        lead = (1, *values.shape[: values.ndim - len(self.shape)])
        values, target = values[None], out[None]
        for rows, part in self._parts():
            for some in blocks(prod(lead), max(1, self._most_rows() // len(part))):
                levels = np.unravel_index(np.arange(some.start, some.stop), lead)
                index, times = (*levels, rows), some.stop - some.start
                found = function(part.tiled(times), values[index].reshape(-1, m))
                _store(target, index, found.reshape(times, len(part), *out.shape[len(lead) :]))
        return out

    def _spread(self, values: ArrayLike, name: str) -> Floats:
        """Return values broadcast to (..., n) or (..., n, m), as a view."""
        values = np.asarray(values, dtype=float)
        levels = f"{name}[:, None]" if self.single else f"{name}[:, None, None]"
        try:
            shape = np.broadcast_shapes(values.shape, self.shape)
        except ValueError:
            shape = ()
        if shape[len(shape) - len(self.shape) :] != self.shape:
            raise ValueError(
                f"{name} must be a number or broadcast to one value for each row, "
                f"{self.shape}, got the shape {values.shape}; pass {levels} "
                "for several levels in every row"
            )
        return np.broadcast_to(values, shape)


def _store(out: Floats, index: Any, values: Floats) -> None:
    """Store values; in single precision too large ones become infinite."""
    with np.errstate(over="ignore"):
        out[index] = values
