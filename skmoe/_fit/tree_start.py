"""A start for a tree of gates that is grown from the root, a level at a time.

The cells of other starts are assigned to leaves, but they are drawn without regard to the tree: a
node near the root may have to separate groups of cells that no plane separates. In this start
each leaf of a tree that EM has fitted is split by a small mixture on its own rows, and EM fits
the larger tree before the next split (after Waterhouse and Robinson 1996).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._data.groups import make_units
from .._data.numerics import Bools, Floats
from .._data.pipelines import last_step
from ..experts import Workers
from ..gates import HierarchicalGate, count_leaves, forks, trunk
from .problem import Data
from .progress import SilentMonitor

#: A `Fitting`, whose module imports this one.
Fitting = Any

#: A leaf is split on the rows of which it has at least this share.
_SHARE = 0.01

#: Number of starts of the mixture that splits a leaf.
_CUTS = 3

#: `tol` and `max_iter` of the fits of smaller trees, which need not converge.
_TOL, _ITERATIONS = 1e-3, 30


def grown(fitting: Fitting, workers: Workers) -> Floats:
    """Return responsibilities (U, K) of a tree that is grown from its root.

    Parameters
    ----------
    fitting : Fitting
        Of clones of one expert, with a gate that is a tree. Linear experts are fitted in their
        place.
    workers : Workers
    """
    branching = last_step(fitting.parts.gate).branching
    fitting = fitting.surrogate(HierarchicalGate(branching))
    fitting.settings = replace(
        fitting.settings, monitor=SilentMonitor(), top_k=None, tol=_TOL, max_iter=_ITERATIONS
    )
    resp, depth = np.ones((len(fitting.data.units.weights), 1)), 0
    while max(widths := forks(branching, depth)) > 1:
        if depth > 0:
            tree = _with_tree(fitting, trunk(branching, depth), fitting.data)
            resp = tree.responsibilities(workers, resp=resp)
        parts = [_split(fitting, workers, *leaf) for leaf in zip(resp.T, widths, strict=True)]
        resp, depth = np.hstack(parts), depth + 1
    return np.asfortranarray(resp)


def _split(fitting: Fitting, workers: Workers, mass: Floats, width: int) -> Floats:
    """Divide the responsibilities (U,) of a leaf among its children, (U, width)."""
    shares = np.full((len(mass), width), 1.0 / width)
    inside = mass > _SHARE
    if width > 1 and inside.sum() >= width:
        leaf = _with_tree(fitting, (width,), _weighted(fitting.data, mass, inside))
        shares[inside] = leaf.responsibilities(workers, _CUTS)
    return shares * mass[:, None]


def _with_tree(fitting: Fitting, branching: Any, data: Data) -> Fitting:
    """Return the fitting of another tree, with as many clones as it has leaves."""
    parts = replace(fitting.parts, gate=HierarchicalGate(branching))
    return fitting.other(data, parts, count_leaves(branching))


def _weighted(data: Data, mass: Floats, inside: Bools) -> Data:
    """Return the data of the units `inside`, with weights × the mass (U,) of each unit."""
    weights = data.weights * data.units.spread(mass[:, None])[:, 0]
    rows = np.flatnonzero(data.units.spread(inside[:, None])[:, 0])
    units = make_units(data.units.labels_of_rows, weights)
    return replace(data, weights=weights, units=units).rows(rows)
