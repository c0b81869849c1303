"""The predictive mixture: what the model says of y, row by row."""

from dataclasses import dataclass
from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import ndtri

from ._numerics import BLOCK_ROWS, LARGEST_VALUE, blocks

__all__ = ["MixtureDistribution"]

#: Most steps of the search for a quantile; bisection alone would end within them.
_BISECTIONS = 200

#: Largest error of a probability at the quantile that is returned, relative to its tail.
_TOLERANCE = 1e-10
_EPS = float(np.finfo(float).eps)

#: Rows times components times outputs that are worked on at once, and the fewest rows.
_BLOCK_ENTRIES = 2**17
_FEWEST_ROWS = 64

#: Of the ascent to a mode: most rounds, and the step of differences relative to the scale.
_ROUNDS = 50
_DIFFERENCE = 1e-4
_SHORTER = (1.0, 0.25, 0.06, 0.015)


class MixtureDistribution:
    """Distribution of y in each row: a mixture of components that follow one law.

    What ``predict_dist`` of a regressor returns. All of it is computed block by block, so
    that beyond the result little memory is needed.

    Parameters
    ----------
    law : response
        What the components follow, of :mod:`skmoe.responses`.
    weights : ndarray of shape (n, C)
        Rows sum to one. A component without weight may have any finite mean.
    means : ndarray of shape (n, C, m)
        Predictions of the components.
    parameters : ndarray of shape (C, q) or (n, C, q)
        Of the law, for each component: scales of the m outputs first where it has scales.
    single : bool
        Whether y has one dimension. Results then have no axis of outputs.
    dtype : dtype, default=numpy.float64
        Of the results.

    Examples
    --------
    Heads or tails, and as sure of it in both rows:

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

    def __init__(self, law, weights, means, parameters, single, dtype=np.float64):
        self.law = law
        self.weights = weights
        self.means = means
        self.parameters = parameters
        self.single = single
        self.dtype = np.dtype(dtype)

    def __len__(self):
        return len(self.means)

    def __repr__(self):
        n, n_components, m = self.means.shape
        return (
            f"{type(self).__name__}(law={type(self.law).__name__}, n_rows={n}, "
            f"n_components={n_components}, n_outputs={m})"
        )

    @property
    def shape(self):
        """Shape of one value for every row: (n,) or (n, m)."""
        n, _, m = self.means.shape
        return (n,) if self.single else (n, m)

    def take(self, rows):
        """Distributions of some of the rows.

        Parameters
        ----------
        rows : slice, or ndarray of int or bool
            Which rows.

        Returns
        -------
        MixtureDistribution
            Components without weight have the mean of the heaviest one of their row.
        """
        parameters = self.parameters if self.parameters.ndim == 2 else self.parameters[rows]
        weights = np.asarray(self.weights[rows], dtype=float)
        means = _without_idle(weights, np.asarray(self.means[rows], dtype=float))
        return MixtureDistribution(self.law, weights, means, parameters, self.single, self.dtype)

    def mean(self):
        """Means of y.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: part.mean())

    def std(self):
        """Standard deviations of y: errors within components and disagreement between them.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: part.std())

    def var(self):
        """Variances of y, the squares of `std`.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(lambda part: np.square(part.std()))

    def mode(self):
        """Points of highest density, joint over outputs.

        An ascent from the mode of every component; the best of all. For laws of whole numbers
        a whole number.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
        """
        return self._filled(_highest)

    def logpdf(self, y):
        """Log-densities, or log-probabilities, of y, joint over outputs.

        Parameters
        ----------
        y : array-like that broadcasts to (..., n) or (..., n, m)
            A number stands for all rows, ``y[:, None]`` asks every row about each entry.

        Returns
        -------
        ndarray of shape (..., n)
        """
        values = self._spread(y, "y")
        n_axes = values.ndim - (0 if self.single else 1)
        out = np.empty(values.shape[:n_axes], self.dtype)
        return self._mapped(lambda part, block: part.log_density(block), values, out)

    def pdf(self, y):
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

    def cdf(self, y):
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

    def ppf(self, q):
        """Quantiles of each output.

        Parameters
        ----------
        q : array-like that broadcasts to (..., n) or (..., n, m)
            Probabilities. A number is asked of all rows, an array of shape (n,) row by row;
            ``q[:, None]`` asks every row for several levels ((Q, 1, 1) with several outputs).

        Returns
        -------
        ndarray of shape (..., n) or (..., n, m)
            Where the distribution function is within 1e-10 of q, relative to the nearer
            tail; the ends of the law's support for 0 and 1. For laws of whole numbers the
            smallest whose distribution function reaches q.

        Raises
        ------
        ValueError
            If a probability is not within 0 and 1, or the shape does not broadcast.
        """
        q = np.asarray(q, dtype=float)
        if not ((q >= 0) & (q <= 1)).all():
            raise ValueError("q must be probabilities between 0 and 1, without NaN")
        values = self._spread(q, "q")
        return self._mapped(_quantile, values, np.empty(values.shape, self.dtype))

    def interval(self, coverage=0.9):
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

    def sample(self, n=1, random_state=None):
        """Draw from the distribution of each row.

        Parameters
        ----------
        n : int, default=1
            Draws a row.
        random_state : int, RandomState, Generator or None, default=None
            Seed. None for a fresh one; the global random state is never touched.

        Returns
        -------
        ndarray of shape (n_rows, n) or (n_rows, m, n)
        """
        if not isinstance(n, Integral) or n < 0:
            raise ValueError(f"n must be a whole number that is not negative, got {n!r}")
        rng = _generator(random_state)
        out = np.empty((*self.shape, n), self.dtype)
        for rows, part in self._parts():
            block = out[rows]
            for some in blocks(n, max(1, self._most_rows() // len(block))):
                draws = part.sample(some.stop - some.start, rng)
                _store(block, (..., some), draws.reshape(*block.shape[:-1], -1))
        return out

    def _most_rows(self):
        """Rows that are worked on at once."""
        _, n_components, m = self.means.shape
        size = _BLOCK_ENTRIES // max(1, n_components * m)
        return min(BLOCK_ROWS, max(_FEWEST_ROWS, size))

    def _parts(self):
        """Yield slices of rows and the components there."""
        for rows in blocks(len(self), self._most_rows()):
            some = self.take(rows)
            yield rows, Components(self.law, some.weights, some.means, some.parameters)

    def _filled(self, function):
        """One value (b, m) of each block, put together."""
        out = np.empty(self.shape, self.dtype)
        for rows, part in self._parts():
            _store(out, rows, function(part).reshape(out[rows].shape))
        return out

    def _mapped(self, function, values, out):
        """Fill `out` with a function of blocks and their values; few rows answer many levels."""
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

    def _spread(self, values, name):
        """Values (..., n) or (..., n, m), as a view."""
        values = np.asarray(values, dtype=float)
        levels = f"{name}[:, None]" if self.single else f"{name}[:, None, None]"
        try:
            shape = np.broadcast_shapes(values.shape, self.shape)
        except ValueError:
            shape = ()
        if shape[len(shape) - len(self.shape) :] != self.shape:
            raise ValueError(
                f"{name} must be a number or broadcast to one value for each row, "
                f"{self.shape}, got the shape {values.shape}; ask for several levels "
                f"in every row with {levels}"
            )
        return np.broadcast_to(values, shape)


def _store(out, index, values):
    """Put values in their place; in single precision too large ones are infinite."""
    with np.errstate(over="ignore"):
        out[index] = values


# A block of rows ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Components:
    """Components of a few rows, all of them with means that the law can use.

    Attributes
    ----------
    law : response
    weights : ndarray of shape (b, C)
    means : ndarray of shape (b, C, m)
    parameters : ndarray of shape (C, q) or (b, C, q)
    """

    law: Any
    weights: np.ndarray
    means: np.ndarray
    parameters: np.ndarray

    def __len__(self):
        return len(self.weights)

    def tiled(self, times):
        """The same rows several times over."""
        return self if times == 1 else self.take(np.tile(np.arange(len(self)), times))

    def take(self, rows):
        """The same for some of the rows."""
        parameters = self.parameters if self.parameters.ndim == 2 else self.parameters[rows]
        return Components(self.law, self.weights[rows], self.means[rows], parameters)

    def average(self, values):
        """Mean (b, m) of (b, C, m) values of the components."""
        total = np.zeros((len(values), values.shape[2]))
        for k, weight in enumerate(self.weights.T):
            total += weight[:, None] * values[:, k]
        return total

    def mean(self):
        """Means (b, m)."""
        return self.average(self.means)

    def std(self):
        """Standard deviations (b, m). Squares of far outliers would overflow; `hypot` does not."""
        mean = self.mean()
        variance = self.law.variance(self.means, self.parameters)
        deviations = np.broadcast_to(np.sqrt(variance), self.means.shape)
        total = np.zeros_like(mean)
        for k, weight in enumerate(self.weights.T):
            spread = np.hypot(deviations[:, k], self.means[:, k] - mean)
            share = np.sqrt(weight)[:, None]
            # An infinite variance counts only where its component does.
            part = np.multiply(share, spread, out=np.zeros_like(total), where=share > 0)
            total = np.hypot(total, part)
        return total

    def cdf(self, y):
        """Distribution functions (b, m)."""
        with np.errstate(over="ignore", under="ignore", divide="ignore"):
            return self.average(self.law.cdf(y, self.means, self.parameters))

    def log_density(self, y):
        """Log-densities (b,), joint over outputs."""
        with np.errstate(all="ignore"):
            joint = self.law.logpdf(y, self.means, self.parameters) + np.log(self.weights)
            joint[self.weights <= 0] = -np.inf
            return np.logaddexp.reduce(joint, axis=1)

    def quantiles(self, q):
        """Quantiles (b, C, m) of each component."""
        return self.law.ppf(q, self.means, self.parameters)

    def bracket(self, q):
        """Smallest and largest quantile (b, m) of components that count."""
        quantiles, counts = self.quantiles(q), self.weights[:, :, None] > 0
        low = np.where(counts, quantiles, np.inf).min(axis=1)
        high = np.where(counts, quantiles, -np.inf).max(axis=1)
        return low, high

    def sample(self, n, rng):
        """Draws (b, m, n)."""
        b, _, m = self.means.shape
        rows, chosen = np.repeat(np.arange(b), n), self._chosen(n, rng).ravel()
        shared = self.parameters.ndim == 2
        parameters = self.parameters[chosen] if shared else self.parameters[rows, chosen]
        draws = self.law.sample(self.means[rows, chosen], parameters, rng)
        return draws.reshape(b, n, m).swapaxes(1, 2)

    def _chosen(self, n, rng):
        """Components (b, n), as often as they weigh."""
        cumulative = self.weights.cumsum(axis=1)
        total = cumulative[:, -1:]
        level = rng.uniform(size=(len(total), n)) * total
        chosen = np.zeros(level.shape, dtype=int)
        for reached in cumulative.T:
            chosen += reached[:, None] <= level
        # Rounding may put the level at the end, where no component is left.
        return np.minimum(chosen, (cumulative < total).sum(axis=1, keepdims=True))


def _without_idle(weights, means):
    """Means in which components without weight repeat the heaviest one of their row."""
    idle = weights <= 0
    if not idle.any():
        return means
    heaviest = np.take_along_axis(means, weights.argmax(axis=1)[:, None, None], axis=1)
    return np.where(idle[:, :, None], heaviest, means)


def _generator(random_state):
    """A source of random numbers that is not the global one."""
    if isinstance(random_state, np.random.Generator | np.random.RandomState):
        return random_state
    if random_state is None or isinstance(random_state, Integral):
        return np.random.default_rng(random_state)
    raise ValueError(
        "random_state must be an int, a RandomState, a Generator or None, "
        f"got {type(random_state).__name__}"
    )


# Quantiles ---------------------------------------------------------------------------------


def _quantile(part, q):
    """Quantiles (b, m) of the mixture for probabilities q (b, m)."""
    inside = (q > 0) & (q < 1)
    search = _search_whole if part.law.discrete else _search
    found = search(part, np.where(inside, q, 0.5))
    low, high = part.law.support
    return np.where(inside, found, np.where(q <= 0, low, high))


def _search(part, q):
    """Where the distribution function crosses q (b, m), by Chandrupatla's method.

    Inverse quadratic interpolation where the last three points allow it, else bisection
    (Chandrupatla 1997, Advances in Engineering Software 28). Rows leave when done.
    """
    points = _Bracket.of(part, q)
    answer, active = np.empty_like(q), np.arange(len(q))
    for _ in range(_BISECTIONS):
        done = points.done(q).all(axis=1)
        if done.any():
            answer[active[done]] = points.best()[done]
            part, points, q = part.take(~done), points.take(~done), q[~done]
            active = active[~done]
        if not len(active):
            break
        x = points.proposal()
        points = points.cut(x, part.cdf(x) - q)
    answer[active] = points.best()
    return answer


@dataclass(frozen=True)
class _Bracket:
    """The last point, the one across the root, one more, and the function at each, (b, m)."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    fa: np.ndarray
    fb: np.ndarray
    fc: np.ndarray

    @classmethod
    def of(cls, part, q):
        low, high = (np.clip(x, -LARGEST_VALUE, LARGEST_VALUE) for x in part.bracket(q))
        # Rounding may put the ends on the wrong side; then they are the answer.
        below = np.minimum(part.cdf(low) - q, 0.0)
        above = np.maximum(part.cdf(high) - q, 0.0)
        return cls(low, high, high, below, above, above)

    def take(self, rows):
        return _Bracket(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def best(self):
        return np.where(np.abs(self.fa) <= np.abs(self.fb), self.a, self.b)

    def width(self):
        return np.abs(self.b - self.a)

    def finest(self):
        """Least distance of two points that counts."""
        return 2 * _EPS * np.maximum(np.abs(self.a), np.abs(self.b)) + np.finfo(float).tiny

    def done(self, q):
        error = np.minimum(np.abs(self.fa), np.abs(self.fb))
        enough = np.maximum(_TOLERANCE * np.minimum(q, 1 - q), _EPS * q)
        return (error <= enough) | (self.width() <= self.finest())

    def proposal(self):
        a, b, c, fa, fb, fc = (getattr(self, name) for name in self.__dataclass_fields__)
        with np.errstate(all="ignore"):
            x, f = (a - b) / (c - b), (fa - fb) / (fc - fb)
            quadratic = fa / (fb - fa) * fc / (fb - fc)
            quadratic += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            share = np.where((f**2 < x) & ((1 - f) ** 2 < 1 - x), quadratic, 0.5)
            # Two points only: the secant.
            share = np.where(c == b, fa / (fa - fb), share)
            least = np.minimum(self.finest() / self.width(), 0.5)
        share = np.where(np.isfinite(share), share, 0.5)
        return a + np.clip(share, least, 1 - least) * (b - a)

    def cut(self, x, f):
        same = (f < 0) == (self.fa < 0)
        pairs = ((self.a, self.b), (self.fa, self.fb))
        c, fc = (np.where(same, old, across) for old, across in pairs)
        b, fb = (np.where(same, across, old) for old, across in pairs)
        return _Bracket(x, b, c, f, fb, fc)


def _search_whole(part, q):
    """Smallest whole numbers (b, m) whose distribution function reaches q, by bisection."""
    low, high = part.bracket(q)
    low = np.ceil(low) - 1  # not reached there; reached at the other end
    answer, active = high.copy(), np.arange(len(q))
    while len(active):
        middle = low + np.floor(0.5 * (high - low))
        open_ = (middle > low) & (middle < high)
        going = open_.any(axis=1)
        answer[active[~going]] = high[~going]
        part, active = part.take(going), active[going]
        low, high, middle, q = low[going], high[going], middle[going], q[going]
        reached = part.cdf(middle) >= q
        # A closed bracket has its middle at its lower end.
        high = np.where(reached & open_[going], middle, high)
        low = np.where(reached, low, middle)
    return answer


# Modes -------------------------------------------------------------------------------------


def _highest(part):
    """Points (b, m) of highest density, the best of what ascents from each component reach."""
    starts = np.broadcast_to(part.law.mode(part.means, part.parameters), part.means.shape)
    spreads = _spreads(part)
    best = starts[:, 0].copy()
    top = np.full(len(best), -np.inf)
    climb = _climb_whole if part.law.discrete else _climb
    for k, weight in enumerate(part.weights.T):
        rows = np.flatnonzero(weight > 0)
        x, height = climb(part.take(rows), starts[rows, k].copy(), spreads[rows, k])
        higher = height > top[rows]
        best[rows[higher]], top[rows[higher]] = x[higher], height[higher]
    return best


def _spreads(part):
    """Scales (b, C, m) of the components, from their quartiles, which all laws have."""
    lower, upper = (part.quantiles(np.full_like(part.means[:, 0], level)) for level in (0.25, 0.75))
    spread = (upper - lower) / (ndtri(0.75) - ndtri(0.25))
    finest = np.maximum(np.abs(part.means) * 1e-8, np.finfo(float).tiny)
    return np.maximum(np.where(np.isfinite(spread), spread, 0.0), finest)


def _climb(part, x, spread):
    """Ascend from x (b, m), output by output, by Newton steps that never descend."""
    height = part.log_density(x)
    active = np.arange(len(x))
    for _ in range(_ROUNDS):
        if not len(active):
            break
        some, at, here = part.take(active), x[active], height[active]
        moved = np.zeros_like(at)
        for j in range(at.shape[1]):
            step = _newton(some, at, here, j, spread[active, j])
            here, moved[:, j] = _stepped(some, at, here, j, step)
        x[active], height[active] = at, here
        active = active[(np.abs(moved) > 1e-6 * spread[active]).any(axis=1)]
    return x, height


def _newton(part, x, height, j, spread):
    """Steps (b,) of output j towards where the slope of the log-density vanishes."""
    h = _DIFFERENCE * spread
    ahead, behind = (part.log_density(_shifted(x, j, sign * h)) for sign in (1.0, -1.0))
    with np.errstate(all="ignore"):
        slope, bend = (ahead - behind) / (2 * h), (ahead - 2 * height + behind) / h**2
        uphill = np.sign(ahead - behind) * spread
        step = np.where(bend < 0, -slope / bend, uphill)
    # Next to the end of the support a difference is infinite.
    step = np.where(np.isfinite(step), step, np.nan_to_num(uphill))
    return np.clip(step, -4 * spread, 4 * spread)


def _stepped(part, x, height, j, step):
    """Move x along output j where it gains; return the heights and the moves."""
    start, moved = x[:, j].copy(), np.zeros_like(step)
    for shorter in _SHORTER:
        waiting = np.flatnonzero((moved == 0) & (step != 0))
        if not len(waiting):
            break
        trial = _shifted(x[waiting], j, shorter * step[waiting])
        reached = part.take(waiting).log_density(trial)
        gained = reached > height[waiting]
        rows = waiting[gained]
        x[rows], moved[rows] = trial[gained], shorter * step[rows]
        height = height.copy()
        height[rows] = reached[gained]
    return height, x[:, j] - start


def _climb_whole(part, x, spread):
    """Ascend from whole numbers x (b, m): strides double as long as they gain."""
    height = part.log_density(x)
    stride, active = np.ones_like(x), np.arange(len(x))
    while len(active):
        some, at, here, length = part.take(active), x[active], height[active], stride[active]
        gained = np.zeros(at.shape, dtype=bool)
        for j in range(at.shape[1]):
            for sign in (1.0, -1.0):
                trial = _shifted(at, j, sign * length[:, j])
                reached = some.log_density(trial)
                better = reached > here
                at[better], here[better] = trial[better], reached[better]
                gained[:, j] |= better
        x[active], height[active] = at, here
        ends = (~gained & (length <= 1)).all(axis=1)
        stride[active] = np.where(gained, 2 * length, np.maximum(np.floor(length / 2), 1))
        active = active[~ends]
    return x, height


def _shifted(x, j, step):
    """A copy of x (b, m) with output j moved by steps (b,)."""
    x = x.copy()
    x[:, j] += step
    return x
