"""The hierarchical gate: a tree of gates whose leaves are the experts."""

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data.design import View
from .._data.numerics import pack_arrays, row_sum, unpack_arrays
from .._data.pipelines import fit_prefix, last_step
from .._sklearn import BaseEstimator, HasMethods, Interval, StrOptions
from ..em._protocols import Floats, GateTrainer, Ints, State
from ._constant import ConstantGate
from ._resolve import GATES, is_estimator, make_trainer, resolve_gate
from ._softmax import SoftmaxGate
from ._targets import GateMixin, check_targets, shares
from ._tree import (
    arrange,
    check_branching,
    child_masses,
    count_leaves,
    leaf_log_proba,
    preorder,
)

#: A node with less than this share of the total mass is not updated.
MASS_FLOOR = 1e-8


class HierarchicalGate(GateMixin, BaseEstimator):
    r"""A tree of gates, each of which predicts probabilities of its children.

    .. math:: g_k(x) = \prod_{(v, c) \in \text{path to } k} g_{c \mid v}(x)

    The leaves are the experts, in row-major order. A mixture with this gate is the
    hierarchical mixture of experts of Jordan and Jacobs (1994). The targets of a node
    are the shares of its children in the responsibilities, and the weight of a row is
    the sum of its responsibilities under the node.

    Parameters
    ----------
    branching : tuple, default=(2, 2)
        Integers of at least 2 are the numbers of children of every node at each
        level. If an entry is itself a tuple, the entries are instead the children of
        the root: a tuple is a subtree, an integer m is a node with m leaves, and 1
        is a leaf. ``(2, (3, 2))`` has a node with two leaves and a subtree of three
        nodes with two leaves each.
    gate : None, str, gate or classifier, default=None
        Every node is a clone of it: None or ``"softmax"`` for ``SoftmaxGate()``,
        another name, a gate, a pipeline that ends in one, or a classifier with
        ``predict_proba``. Its parameters are ``gate__...``. The transformers of a
        pipeline are fitted once for the whole tree, without y; transformers that
        need y belong into a pipeline that ends in the tree.
    balance : float, default=0.0
        Pseudo-rows per expert of a Dirichlet prior on the experts' shares,
        which keeps experts from losing all their rows. The prior is part of the
        objective of EM; ``fit`` alone has none.

    Attributes
    ----------
    nodes_ : list of gates
        The fitted nodes in preorder: a node comes before the subtrees of its children.
    edges_ : list of ndarray of shape (n_children + 1,), int
        Edges of each node: the leaves under its child c have the numbers from
        ``edges[c]`` up to ``edges[c + 1]``.
    n_experts_ : int
        Number of leaves.
    scale_ : ndarray of shape (n_columns,)
        Weighted standard deviations of the columns of softmax nodes; only for such
        nodes. Coefficients multiplied by them are comparable.
    penalty_ : float
        Sum of the penalties of all nodes, which is subtracted from the objective.
    n_parameters_ : int
        Number of free parameters of all nodes; only if each node has ``n_parameters_``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if X has names that are strings.

    See Also
    --------
    skmoe.inspection.export_gate_text : Text that describes the fitted tree.

    Notes
    -----
    The objective never falls in EM if every node maximises or improves its own
    conditional term, as softmax and constant nodes do. Nodes that fit the joint density
    of x, as Gaussian nodes do, are normalised before they are multiplied along a path.
    Their M-step then maximises another term than that of the objective, which may fall.

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

    _parameter_constraints: dict[str, Any] = {
        "branching": [tuple, list],
        "gate": [StrOptions(set(GATES)), HasMethods(["fit", "predict_proba"]), None],
        "balance": [Interval(Real, 0, None, closed="left")],
    }

    branching: Sequence[Any]
    gate: Any
    balance: float
    nodes_: list[Any]
    edges_: list[Ints]
    n_experts_: int
    scale_: Floats
    penalty_: float

    def __init__(
        self, branching: Sequence[Any] = (2, 2), gate: Any = None, *, balance: float = 0.0
    ) -> None:
        self.branching = branching
        self.gate = gate
        self.balance = balance

    def __sklearn_tags__(self) -> Any:
        """Tags of X are those of the nodes."""
        tags = super().__sklearn_tags__()
        gate = "softmax" if self.gate is None else self.gate
        gate = GATES[gate]() if isinstance(gate, str) and gate in GATES else gate
        # Anything that is no estimator is an error in `fit`, which names it.
        if is_estimator(gate):
            tags.input_tags = get_tags(gate).input_tags
        return tags

    def fit(self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit every node to the shares of its children.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features)
            Passed to the nodes unchanged.
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
            or the number of columns of `targets` is not the number of leaves.
        TypeError
            If `branching` contains anything but integers and tuples, or `gate` is
            neither a gate nor a classifier.
        """
        self._check_params()
        validate_data(self, X, skip_check_array=True)
        targets, weights = check_targets(X, targets, sample_weight)
        self._check_leaves(targets.shape[1], "the number of columns of targets is")
        prefix, last, view = fit_prefix(resolve_gate(self.gate), View(X, weights), None)
        last = _node_gate(last)
        masses, edges = targets * weights[:, None], list(preorder(self.branching))
        floor = MASS_FLOOR * masses.sum()
        nodes = [_fit_node(last, view.X, child_masses(masses, each), floor) for each in edges]
        return self._write([prefix.join(node) for node in nodes], edges, last, view)

    def _check_params(self) -> None:
        self._validate_params()
        check_branching(self.branching)

    def _check_leaves(self, n_experts: int, what: str) -> None:
        n_leaves = count_leaves(self.branching)
        if n_leaves != n_experts:
            raise ValueError(
                f"branching must have as many leaves as there are experts: {self.branching} has "
                f"{n_leaves}, but {what} {n_experts}"
            )

    def _write(self, nodes: list[Any], edges: list[Ints], last: Any, view: View) -> Self:
        """Set the fitted attributes; nodes are fitted clones of `last`, which see `view`."""
        if isinstance(last, SoftmaxGate):
            self.scale_ = view.design.scale
        self.penalty_ = float(sum(getattr(last_step(node), "penalty_", 0.0) for node in nodes))
        self.n_experts_ = int(edges[0][-1])
        self.edges_, self.nodes_ = edges, nodes
        return self

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters of all nodes."""
        check_is_fitted(self)
        return sum(last_step(node).n_parameters_ for node in self.nodes_)

    def predict_log_proba(self, X: Any) -> Floats:
        """Log-probabilities of the experts: sums over the nodes on the paths to them.

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

    def em_trainer(self, view: View, weights: Floats, n_experts: int) -> GateTrainer:
        """Return the trainer of the gate, which EM updates instead of calling ``fit``.

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
            If the number of leaves is not `n_experts`.
        """
        self._check_params()
        self._check_leaves(n_experts, "n_experts is")
        return HierarchicalTrainer(self, view, weights)

    def arrange(self, centers: Floats) -> Ints:
        """Return the cell of an initialisation that each leaf begins with.

        The order of cells does not matter to a flat gate. It matters to a tree, whose
        root may separate neighbouring cells. Cells near each other in x become
        siblings: from the root down, the cells of a node are ordered along the first
        principal direction of their centres, and divided among its children by their
        numbers of leaves. The result does not depend on how the cells are numbered.
        The initialisation of EM calls this method on any gate that has it.

        Parameters
        ----------
        centers : array-like of shape (n_experts, n_features)
            Mean of standardised x in each cell; finite.

        Returns
        -------
        ndarray of shape (n_experts,), int
            Number of the cell of each leaf.

        Raises
        ------
        ValueError
            If the number of leaves is not the number of cells.
        """
        centers = np.asarray(centers, dtype=np.float64)
        self._check_params()
        self._check_leaves(len(centers), "the number of cells is")
        return arrange(centers, preorder(self.branching))


def _node_gate(gate: Any) -> Any:
    """Return the gate of a node, whose penalty is not learned."""
    return gate.with_fixed_penalty() if isinstance(gate, SoftmaxGate) else gate


def _fit_node(gate: Any, X: Any, masses: Floats, floor: float) -> Any:
    """Return a clone of `gate` fitted to (n, n_children) masses; a constant gate without mass."""
    targets, weights = shares(masses, row_sum(masses))
    if weights.sum() <= floor:
        return ConstantGate().fit(X, np.full(masses.shape, 1.0 / masses.shape[1]))
    return clone(gate).fit(X, targets, sample_weight=weights)


class HierarchicalTrainer(GateTrainer):
    """Trainer of a tree of gates, with one trainer per node.

    A state is the tuple of the nodes' states, in preorder.

    Parameters
    ----------
    gate : HierarchicalGate
    view : View of n rows
    weights : ndarray of shape (n,)
    """

    def __init__(self, gate: HierarchicalGate, view: View, weights: Floats) -> None:
        self.gate, self.view, self.weights = gate, view, weights
        self.edges = list(preorder(gate.branching))
        # Nodes share the transformers and the transformed X.
        self._prefix, node, self._node_view = fit_prefix(resolve_gate(gate.gate), view, None)
        self._node = _node_gate(node)
        self.nodes = [
            make_trainer(self._node, self._node_view, None, weights, len(edges) - 1)
            for edges in self.edges
        ]
        self.cheap: bool = all(trainer.cheap for trainer in self.nodes)

    def update(self, masses: Floats, state: State | None, weights: Floats | None = None) -> State:
        """Return the next state, with every node updated to the shares of its children.

        Parameters
        ----------
        masses : ndarray of shape (n, n_experts)
            Responsibilities × weights.
        state : tuple or None
        weights : ndarray of shape (n,), optional
            Weights of the rows; by default those of the training set.

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

    def log_proba(self, state: State) -> Floats:
        """Return log-probabilities (n, n_experts) of the training rows."""
        parts = (trainer.log_proba(each) for trainer, each in self._pairs(state))
        return leaf_log_proba(parts, self.edges)

    def penalty(self, state: State) -> float:
        """Return the sum of the penalties of all nodes."""
        return float(sum(trainer.penalty(each) for trainer, each in self._pairs(state)))

    def pack(self, state: State) -> Floats | None:
        """Return the state as one vector; None where a node has no such form."""
        parts: list[Any] = [trainer.pack(each) for trainer, each in self._pairs(state)]
        return None if any(part is None for part in parts) else pack_arrays(*parts)

    def unpack(self, vector: Floats, like: State) -> State:
        """Return the state of a packed vector, in the form of another state."""
        pairs = list(self._pairs(like))
        packed: list[Any] = [trainer.pack(each) for trainer, each in pairs]
        vectors = unpack_arrays(vector, [part.shape for part in packed])
        return tuple(
            trainer.unpack(part, each) for part, (trainer, each) in zip(vectors, pairs, strict=True)
        )

    def strip(self, state: State) -> State:
        """Return the state without arrays of n rows."""
        return tuple(trainer.strip(each) for trainer, each in self._pairs(state))

    def restore(self, state: State) -> State:
        """Return the state that `strip` was given."""
        return tuple(trainer.restore(each) for trainer, each in self._pairs(state))

    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""
        gate = clone(self.gate)
        validate_data(gate, self.view.X, skip_check_array=True)
        nodes = [self._prefix.join(trainer.finish(each)) for trainer, each in self._pairs(state)]
        return gate._write(nodes, self.edges, self._node, self._node_view)

    def _pairs(self, state: State) -> Iterator[tuple[GateTrainer, State]]:
        return zip(self.nodes, state, strict=True)


def _update_node(
    trainer: GateTrainer, masses: Floats, old: State | None, weights: Floats, floor: float
) -> State:
    """Return the next state of a node; one without mass keeps its own."""
    mass = row_sum(masses)
    if mass.sum() > floor:
        return trainer.update(masses, old, weights=mass)
    if old is not None:
        return old
    # Without an earlier state, the node is fitted to equal shares of its children.
    equal = np.repeat(weights[:, None] / masses.shape[1], masses.shape[1], axis=1)
    return trainer.update(np.asfortranarray(equal), None, weights=weights)
