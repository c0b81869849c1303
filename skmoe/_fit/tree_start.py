"""A start for a tree of gates that is grown from the root, a level at a time.

The cells that other starts draw are told which leaves they become, but nothing made them for a
tree: a node near the root has to part groups of experts that no single plane may divide. Here
each leaf of a tree that EM has fitted is cut by a small mixture of its own, on its own rows, and
EM fits the larger tree before the next cut (after Waterhouse and Robinson 1996).
"""

from dataclasses import replace

import numpy as np

from .._data.groups import make_units
from .._data.pipelines import last_step
from ..gates import HierarchicalGate, count_leaves, forks, trunk
from .progress import SilentMonitor

#: Rows of which a leaf has a smaller share tell nothing of how it is to be cut.
_SHARE = 0.01

#: Starts of the mixture that cuts a leaf.
_CUTS = 3

#: EM need not end while there are levels to come.
_TOL, _ITERATIONS = 1e-3, 30


def grown(fitting, pool):
    """Return responsibilities (U, K) of a tree that has grown from its root.

    Parameters
    ----------
    fitting : Fitting
        Of clones of one expert, whose gate `is_deep`; linear experts stand in for them.
    pool : Workers
    """
    branching = last_step(fitting.parts.gate).branching
    fitting = fitting.surrogate(HierarchicalGate(branching))
    hasty = {"monitor": SilentMonitor(), "top_k": None, "tol": _TOL, "max_iter": _ITERATIONS}
    fitting.settings = replace(fitting.settings, **hasty)
    resp, depth = np.ones((len(fitting.data.units.weights), 1)), 0
    while max(widths := forks(branching, depth)) > 1:
        if depth > 0:
            tree = _with_tree(fitting, trunk(branching, depth), fitting.data)
            resp = tree.responsibilities(pool, resp=resp)
        cuts = [_cut(fitting, pool, *leaf) for leaf in zip(resp.T, widths, strict=True)]
        resp, depth = np.hstack(cuts), depth + 1
    return np.asfortranarray(resp)


def _cut(fitting, pool, mass, width):
    """Share the responsibilities (U,) of a leaf out among its children, (U, width)."""
    shares = np.full((len(mass), width), 1.0 / width)
    inside = mass > _SHARE
    if width > 1 and inside.sum() >= width:
        leaf = _with_tree(fitting, (width,), _weighted(fitting.data, mass, inside))
        shares[inside] = leaf.responsibilities(pool, _CUTS)
    return shares * mass[:, None]


def _with_tree(fitting, branching, data):
    """The fitting of another tree, and as many clones as it has leaves."""
    parts = replace(fitting.parts, gate=HierarchicalGate(branching))
    return fitting.other(data, parts, count_leaves(branching))


def _weighted(data, mass, inside):
    """The data of the units `inside`, which weigh as much as their mass (U,) says."""
    weights = data.weights * data.units.spread(mass[:, None])[:, 0]
    rows = np.flatnonzero(data.units.spread(inside[:, None])[:, 0])
    units = make_units(data.units.labels_of_rows, weights)
    return replace(data, weights=weights, units=units).rows(rows)
