"""Modes of a mixture, by an ascent from every component."""

import numpy as np
from scipy.special import ndtri

from ._components import Components
from ._law import Floats

#: Largest number of rounds, and the step of finite differences relative to the scale.
_ROUNDS = 200
_DIFFERENCE = 1e-4
#: Factors by which a step that gains nothing is shortened.
_SHORTER = (1.0, 0.25, 0.06, 0.015)


def highest(part: Components) -> Floats:
    """Return the points (b, m) of highest density that ascents from all components reach."""
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


def _spreads(part: Components) -> Floats:
    """Return scales (b, C, m) of the components, from their quartiles, which all laws have."""
    lower, upper = (part.quantiles(np.full_like(part.means[:, 0], level)) for level in (0.25, 0.75))
    spread = (upper - lower) / (ndtri(0.75) - ndtri(0.25))
    finest = np.maximum(np.abs(part.means) * 1e-8, np.finfo(float).tiny)
    return np.maximum(np.where(np.isfinite(spread), spread, 0.0), finest)


def _climb(part: Components, x: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Ascend from x (b, m), output by output, by Newton steps that never descend."""
    height = part.log_density(x)
    active = np.arange(len(x))
    for _ in range(_ROUNDS):
        if not len(active):
            break
        some, begun, wide = part.take(active), x[active], spread[active]
        at, here = begun.copy(), height[active]
        for j in range(at.shape[1]):
            here = _line(some, at, here, wide * (np.arange(at.shape[1]) == j))
        if at.shape[1] > 1:
            # Where outputs are correlated, the density has a ridge: one more step goes along it.
            here = _line(some, at, here, _scaled(at - begun, wide))
        x[active], height[active] = at, here
        active = active[(np.abs(at - begun) > 1e-6 * wide).any(axis=1)]
    return x, height


def _scaled(move: Floats, spread: Floats) -> Floats:
    """Return moves (b, m) scaled to the length of `spread`; moves of no length stay zero."""
    length = np.abs(move / spread).max(axis=1, keepdims=True)
    return np.divide(move, length, out=np.zeros_like(move), where=length > 0)


def _line(part: Components, x: Floats, height: Floats, along: Floats) -> Floats:
    """Move x along directions (b, m) where that gains; return the new log-densities."""
    step = _newton(part, x, height, along)
    moved = np.zeros_like(step)
    for shorter in _SHORTER:
        waiting = np.flatnonzero((moved == 0) & (step != 0))
        if not len(waiting):
            break
        trial = x[waiting] + (shorter * step[waiting])[:, None] * along[waiting]
        reached = part.take(waiting).log_density(trial)
        gained = reached > height[waiting]
        rows = waiting[gained]
        x[rows], moved[rows] = trial[gained], shorter * step[rows]
        height = height.copy()
        height[rows] = reached[gained]
    return height


def _newton(part: Components, x: Floats, height: Floats, along: Floats) -> Floats:
    """Return Newton steps (b,) along directions (b, m) to a zero of the log-density's slope."""
    h = _DIFFERENCE
    ahead, behind = (part.log_density(x + sign * h * along) for sign in (1.0, -1.0))
    with np.errstate(all="ignore"):
        slope, bend = (ahead - behind) / (2 * h), (ahead - 2 * height + behind) / h**2
        uphill = np.sign(ahead - behind)
        step = np.where(bend < 0, -slope / bend, uphill)
    # Next to the end of the support a difference is infinite.
    step = np.where(np.isfinite(step), step, np.nan_to_num(uphill))
    return np.clip(step, -4.0, 4.0)


def _climb_whole(part: Components, x: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Ascend from whole numbers x (b, m); a stride doubles while it gains, and halves else."""
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


def _shifted(x: Floats, j: int, step: Floats) -> Floats:
    """Return a copy of x (b, m) with output j moved by steps (b,)."""
    x = x.copy()
    x[:, j] += step
    return x
