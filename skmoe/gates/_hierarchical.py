"""The hierarchical gate: a tree of gates whose leaves are the experts."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View
from .._data.numerics import pack_arrays, row_sum, unpack_arrays
from .._data.pipelines import fit_prefix, last_step
from .._sklearn import HasMethods, Interval, StrOptions
from ..em._protocols import GateTrainer
from ._constant import ConstantGate
from ._resolve import GATES, is_estimator, make_trainer, resolve_gate
from ._softmax._gate import SoftmaxGate
from ._targets import GateMixin, check_targets, shares
from ._tree import (
    arrange,
    check_branching,
    child_masses,
    count_leaves,
    leaf_log_proba,
    preorder,
)

#: A node with less than this share of the total mass learns nothing.
MASS_FLOOR = 1e-8


class HierarchicalGate(GateMixin, BaseEstimator):
    r"""A tree of gates, each of which shares its rows out among its children.

    .. math:: g_k(x) = \prod_{(v, c) \in \text{path to } k} g_{c \mid v}(x)

    The leaves are the experts, in row-major order. A mixture with this gate is the
    hierarchical mixture of experts of Jordan and Jacobs (1994): a node is fitted to
    the shares of its children in the responsibilities, and every row weighs as much
    as the responsibilities under the node.

    Parameters
    ----------
    branching : tuple, default=(2, 2)
        Of integers of at least 2: the number of children of every node at each
        level. Where an entry is itself a tuple, the entries are the children of the
        root instead: a tuple is a subtree, an integer m a node with m leaves, and 1
        a leaf. ``(2, (3, 2))`` has a node with two leaves and a subtree of three
        nodes with two leaves each.
    gate : None, str, gate or classifier, default=None
        What every node is a clone of: None or ``"softmax"`` for ``SoftmaxGate()``,
        another name, a gate, a pipeline that ends in one, or a classifier with
        ``predict_proba``. Its parameters are ``gate__...``. The transformers of a
        pipeline are fitted once for the whole tree, without y; those that need y
        belong before the tree.
    balance : float, default=0.0
        Pseudo-rows per expert of a Dirichlet prior on the experts' shares, a
        part of the objective of EM (``fit`` alone has none); against experts
        that starve.

    Attributes
    ----------
    nodes_ : list of gates
        The fitted nodes in preorder: a node, then the subtrees of its children.
    edges_ : list of ndarray of shape (n_children + 1,), int
        Of each node: the leaves under its child c are those from ``edges[c]`` up to
        ``edges[c + 1]``.
    n_experts_ : int
        Number of leaves.
    scale_ : ndarray of shape (n_columns,)
        Weighted standard deviations of the columns that softmax nodes see; only
        there for such nodes. With them their coefficients can be compared.
    penalty_ : float
        What the penalties of all nodes take from the objective.
    n_parameters_ : int
        Number of free parameters of all nodes; only there if each node knows its own.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

    See Also
    --------
    skmoe.inspection.export_gate_text : The fitted tree in words.

    Notes
    -----
    EM climbs where every node maximises its own conditional term, or improves it, as
    softmax and constant nodes do. Nodes that fit the joint density of x, as Gaussian
    ones do, are normalised before they are multiplied along a path; the term they
    maximise is then another than the one that counts, and the objective may fall.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.gates import HierarchicalGate
    >>> X, y = make_moe_regression(n_experts=4, random_state=0)
    >>> gate = HierarchicalGate((2, 2))
    >>> model = MixtureOfExpertsRegressor(n_experts=4, gate=gate, random_state=0).fit(X, y)
    >>> len(model.gate_.nodes_)
    3
    >>> model.gate_proba(X[:2]).shape
    (2, 4)
    """

    _parameter_constraints = {
        "branching": [tuple, list],
        "gate": [StrOptions(set(GATES)), HasMethods(["fit", "predict_proba"]), None],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, branching=(2, 2), gate=None, *, balance=0.0):
        self.branching = branching
        self.gate = gate
        self.balance = balance

    def __sklearn_tags__(self):
        """Takes what the nodes take."""
        tags = super().__sklearn_tags__()
        gate = "softmax" if self.gate is None else self.gate
        gate = GATES[gate]() if isinstance(gate, str) and gate in GATES else gate
        # What is no estimator is refused by name in `fit`.
        if is_estimator(gate):
            tags.input_tags = get_tags(gate).input_tags
        return tags

    def fit(self, X, targets, sample_weight=None):
        """Fit every node to the shares of its children.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Handed to the nodes as it is.
        targets : array-like of shape (n, n_experts)
            Rows sum to one.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        HierarchicalGate
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, the rows of `targets` do not sum to one,
            or `targets` has another number of columns than there are leaves.
        TypeError
            If `branching` holds something else than integers and tuples, or `gate`
            is neither a gate nor a classifier.
        """
        self._check_params()
        validate_data(self, X, skip_check_array=True)
        targets, weights = check_targets(X, targets, sample_weight)
        self._check_leaves(targets.shape[1], "the number of columns of targets is")
        prefix, last, view = fit_prefix(resolve_gate(self.gate), View(X, weights), None)
        masses, edges = targets * weights[:, None], list(preorder(self.branching))
        floor = MASS_FLOOR * masses.sum()
        nodes = [_fit_node(last, view.X, child_masses(masses, each), floor) for each in edges]
        return self._write([prefix.join(node) for node in nodes], edges, last, view)

    def _check_params(self):
        self._validate_params()
        check_branching(self.branching)

    def _check_leaves(self, n_experts, what):
        n_leaves = count_leaves(self.branching)
        if n_leaves != n_experts:
            raise ValueError(
                f"branching must have as many leaves as there are experts: {self.branching} has "
                f"{n_leaves}, but {what} {n_experts}"
            )

    def _write(self, nodes, edges, last, view):
        """Take over fitted nodes; `last` is what they are clones of, and `view` what it sees."""
        if isinstance(last, SoftmaxGate):
            self.scale_ = view.design.scale
        self.penalty_ = float(sum(getattr(last_step(node), "penalty_", 0.0) for node in nodes))
        self.n_experts_ = int(edges[0][-1])
        self.edges_, self.nodes_ = edges, nodes
        return self

    @property
    def n_parameters_(self):
        """Number of free parameters of all nodes."""
        check_is_fitted(self)
        return sum(last_step(node).n_parameters_ for node in self.nodes_)

    def predict_log_proba(self, X):
        """Log-probabilities of the experts: sums along the paths to them.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        return leaf_log_proba((node.predict_log_proba(X) for node in self.nodes_), self.edges_)

    def em_trainer(self, view, weights, n_experts):
        """Return what EM trains step by step in place of calling ``fit``.

        Parameters
        ----------
        view : View of n rows
        weights : ndarray of shape (n,)
        n_experts : int

        Returns
        -------
        HierarchicalTrainer

        Raises
        ------
        ValueError
            If the tree has another number of leaves than `n_experts`.
        """
        self._check_params()
        self._check_leaves(n_experts, "n_experts is")
        return HierarchicalTrainer(self, view, weights)

    def arrange(self, centers):
        """Tell which cell of a start each leaf should begin with.

        A flat gate does not care how the cells of a start are numbered. A tree does:
        its first cut can part neighbours for good. Cells near each other in x become
        siblings: from the root down, those of a node are ordered along the first
        principal direction of their centres, and cut by the leaves of its children.
        Starts look for a method of this name on any gate. How the cells were numbered
        makes no difference.

        Parameters
        ----------
        centers : array-like of shape (n_experts, n_features)
            Mean of x in each cell, in standardised units; finite.

        Returns
        -------
        ndarray of shape (n_experts,), int
            The number of the cell that each leaf begins with.

        Raises
        ------
        ValueError
            If the tree has another number of leaves than there are cells.
        """
        centers = np.asarray(centers, dtype=np.float64)
        self._check_params()
        self._check_leaves(len(centers), "the number of cells is")
        return arrange(centers, preorder(self.branching))


def _fit_node(gate, X, masses, floor):
    """Fit a clone of `gate` to (n, n_children) masses; without any it becomes constant."""
    targets, weights = shares(masses, row_sum(masses))
    if weights.sum() <= floor:
        return ConstantGate().fit(X, np.full(masses.shape, 1.0 / masses.shape[1]))
    return clone(gate).fit(X, targets, sample_weight=weights)


class HierarchicalTrainer(GateTrainer):
    """Trains the nodes of a tree, each by a trainer of its own.

    A state is the tuple of their states, in preorder, and immutable as they are.

    Parameters
    ----------
    gate : HierarchicalGate
    view : View of n rows
    weights : ndarray of shape (n,)
    """

    def __init__(self, gate, view, weights):
        self.gate, self.view, self.weights = gate, view, weights
        self.edges = list(preorder(gate.branching))
        # Nodes share the transformers, and what these make of X.
        self._prefix, self._last, self._seen = fit_prefix(resolve_gate(gate.gate), view, None)
        self.nodes = [
            make_trainer(self._last, self._seen, None, weights, len(edges) - 1)
            for edges in self.edges
        ]

    @property
    def cheap(self):
        """Whether an iteration costs little, as it does for all nodes alike."""
        return all(trainer.cheap for trainer in self.nodes)

    def update(self, masses, state, weights=None):
        """Return the next state: every node towards the shares of its children.

        Parameters
        ----------
        masses : ndarray of shape (n, n_experts)
            Responsibilities × weights.
        state : tuple or None
        weights : ndarray of shape (n,), optional
            Weights of the rows, where they are not those of the training set.

        Returns
        -------
        tuple
        """
        weights = self.weights if weights is None else weights
        old = (None,) * len(self.nodes) if state is None else state
        floor = MASS_FLOOR * weights.sum()
        return tuple(
            _update_node(trainer, child_masses(masses, edges), last, weights, floor)
            for trainer, edges, last in zip(self.nodes, self.edges, old, strict=True)
        )

    def log_proba(self, state):
        """Log-probabilities (n, n_experts) on the training rows."""
        parts = (trainer.log_proba(each) for trainer, each in self._pairs(state))
        return leaf_log_proba(parts, self.edges)

    def penalty(self, state):
        """What the penalties of all nodes take from the objective."""
        return float(sum(trainer.penalty(each) for trainer, each in self._pairs(state)))

    def pack(self, state):
        """Return the state as one vector; None where a node has no such form."""
        parts = [trainer.pack(each) for trainer, each in self._pairs(state)]
        return None if any(part is None for part in parts) else pack_arrays(*parts)

    def unpack(self, vector, like):
        """The state of a vector, in the form of another."""
        pairs = list(self._pairs(like))
        vectors = unpack_arrays(vector, [trainer.pack(each).shape for trainer, each in pairs])
        return tuple(
            trainer.unpack(part, each) for part, (trainer, each) in zip(vectors, pairs, strict=True)
        )

    def strip(self, state):
        """The state without its arrays of n rows."""
        return tuple(trainer.strip(each) for trainer, each in self._pairs(state))

    def restore(self, stripped):
        """The state that `strip` made small."""
        return tuple(trainer.restore(each) for trainer, each in self._pairs(stripped))

    def finish(self, state):
        """The fitted gate of a state."""
        gate = clone(self.gate)
        validate_data(gate, self.view.X, skip_check_array=True)
        nodes = [self._prefix.join(trainer.finish(each)) for trainer, each in self._pairs(state)]
        return gate._write(nodes, self.edges, self._last, self._seen)

    def _pairs(self, state):
        return zip(self.nodes, state, strict=True)


def _update_node(trainer, masses, old, weights, floor):
    """Return the next state of a node; one without mass keeps its own."""
    mass = row_sum(masses)
    if mass.sum() > floor:
        return trainer.update(masses, old, weights=mass)
    if old is not None:
        return old
    # Without a last fit to keep, its children are alike to it.
    even = np.repeat(weights[:, None] / masses.shape[1], masses.shape[1], axis=1)
    return trainer.update(np.asfortranarray(even), None, weights=weights)
