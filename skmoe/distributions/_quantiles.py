"""Quantiles of a mixture, by safeguarded root finding in all rows at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._data.numerics import LARGEST_VALUE
from ._components import Components
from ._law import Floats

#: Largest number of steps of the search for a quantile; bisection alone needs fewer.
_BISECTIONS = 200

#: Largest error of a probability at the quantile that is returned, relative to its tail.
_TOLERANCE = 1e-10
_EPS = float(np.finfo(float).eps)


def quantile(part: Components, q: Floats) -> Floats:
    """Return the quantiles (b, m) of the mixture for probabilities q (b, m)."""
    inside = (q > 0) & (q < 1)
    search = _search_whole if part.law.discrete else _search
    found = search(part, np.where(inside, q, 0.5))
    low, high = part.law.support
    return np.where(inside, found, np.where(q <= 0, low, high))


def _search(part: Components, q: Floats) -> Floats:
    """Return the points where the distribution function crosses q (b, m).

    Chandrupatla's method is inverse quadratic interpolation where the last three points allow
    it, else bisection (Chandrupatla 1997, Advances in Engineering Software 28). Rows that are
    done are left out of further steps.
    """
    points = _Bracket.of(part, q)
    found, active = np.empty_like(q), np.arange(len(q))
    for _ in range(_BISECTIONS):
        done = points.done(q).all(axis=1)
        if done.any():
            found[active[done]] = points.best()[done]
            part, points, q = part.take(~done), points.take(~done), q[~done]
            active = active[~done]
        if not len(active):
            break
        x = points.proposal()
        points = points.cut(x, part.cdf(x) - q)
    found[active] = points.best()
    return found


@dataclass(frozen=True)
class _Bracket:
    """Points on both sides of a root, and the function there.

    Attributes
    ----------
    a, b, c : ndarray of shape (b, m)
        The last point, one on the other side of the root, and the point before the last.
    fa, fb, fc : ndarray of shape (b, m)
        The function at each of them.
    """

    a: Floats
    b: Floats
    c: Floats
    fa: Floats
    fb: Floats
    fc: Floats

    @classmethod
    def of(cls, part: Components, q: Floats) -> "_Bracket":
        """Return the bracket of the components' smallest and largest quantiles."""
        low, high = (np.clip(x, -LARGEST_VALUE, LARGEST_VALUE) for x in part.bracket(q))
        # Rounding may put an end on the wrong side of the root; then the end is the root.
        below = np.minimum(part.cdf(low) - q, 0.0)
        above = np.maximum(part.cdf(high) - q, 0.0)
        return cls(low, high, high, below, above, above)

    def take(self, rows: Any) -> "_Bracket":
        """Return the bracket of some rows."""
        return _Bracket(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def best(self) -> Floats:
        """Return the end at which the function is nearer to zero."""
        return np.where(np.abs(self.fa) <= np.abs(self.fb), self.a, self.b)

    def width(self) -> Floats:
        """Return the distance of the ends."""
        return np.abs(self.b - self.a)

    def finest(self) -> Floats:
        """Return the smallest distance of two points that is distinguished."""
        return 2 * _EPS * np.maximum(np.abs(self.a), np.abs(self.b)) + np.finfo(float).tiny

    def done(self, q: Floats) -> NDArray[np.bool_]:
        """Return where the search has ended, (b, m)."""
        error = np.minimum(np.abs(self.fa), np.abs(self.fb))
        enough = np.maximum(_TOLERANCE * np.minimum(q, 1 - q), _EPS * q)
        return (error <= enough) | (self.width() <= self.finest())

    def proposal(self) -> Floats:
        """Return the next point, between the ends."""
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

    def cut(self, x: Floats, f: Floats) -> "_Bracket":
        """Return the bracket with a new point x, at which the function is f."""
        same = (f < 0) == (self.fa < 0)
        pairs = ((self.a, self.b), (self.fa, self.fb))
        c, fc = (np.where(same, old, across) for old, across in pairs)
        b, fb = (np.where(same, across, old) for old, across in pairs)
        return _Bracket(x, b, c, f, fb, fc)


def _search_whole(part: Components, q: Floats) -> Floats:
    """Return the smallest whole numbers (b, m) whose distribution function reaches q."""
    low, high = part.bracket(q)
    low = np.ceil(low) - 1  # q is not reached at `low`, and is reached at `high`
    found, active = high.copy(), np.arange(len(q))
    while len(active):
        middle = low + np.floor(0.5 * (high - low))
        open_ = (middle > low) & (middle < high)
        going = open_.any(axis=1)
        found[active[~going]] = high[~going]
        part, active = part.take(going), active[going]
        low, high, middle, q = low[going], high[going], middle[going], q[going]
        reached = part.cdf(middle) >= q
        # A closed bracket has its middle at its lower end.
        high = np.where(reached & open_[going], middle, high)
        low = np.where(reached, low, middle)
    return found
