"""The hierarchical mixture of experts by the textbook's recursion, row by row.

Jordan and Jacobs (1994), equations 6 to 21, with plain Python loops. A node is a
dict with the weights of its gate (``coef`` (m, d), ``intercept`` (m,)) and the list of
its ``children``, nodes or the numbers of experts. Nothing here is shared with the
package: gates are maximised by L-BFGS, experts by least squares or L-BFGS.
"""

import math

import numpy as np
from scipy.optimize import minimize


def grow(branching, gates):
    """Return the tree of a tuple of numbers; `gates` yields (coef, intercept) in preorder."""
    gates, leaves = iter(gates), iter(range(math.prod(branching)))

    def node(level):
        if level == len(branching):
            return next(leaves)
        coef, intercept = next(gates)
        children = [node(level + 1) for _ in range(branching[level])]
        return {"coef": coef, "intercept": intercept, "children": children}

    return node(0)


def inner_nodes(node):
    """Return the nodes of a tree in preorder."""
    if not isinstance(node, dict):
        return []
    return [node] + [below for child in node["children"] for below in inner_nodes(child)]


def gate(node, x):
    """Probabilities g that a node gives its children at one row."""
    logits = []
    for c in range(len(node["children"])):
        logits.append(
            node["intercept"][c] + sum(w * v for w, v in zip(node["coef"][c], x, strict=True))
        )
    largest = max(logits)
    terms = [math.exp(logit - largest) for logit in logits]
    return [term / sum(terms) for term in terms]


def density(node, x, experts):
    """Density of y in a node: those of its children, mixed by its gate."""
    if not isinstance(node, dict):
        return experts[node]
    parts = [density(child, x, experts) for child in node["children"]]
    return sum(g * p for g, p in zip(gate(node, x), parts, strict=True))


def conditional_posteriors(node, x, experts):
    """Posteriors h of the children of every node, in preorder, given the node."""
    if not isinstance(node, dict):
        return []
    parts = [density(child, x, experts) for child in node["children"]]
    joint = [g * p for g, p in zip(gate(node, x), parts, strict=True)]
    below = [h for child in node["children"] for h in conditional_posteriors(child, x, experts)]
    return [[term / sum(joint) for term in joint], *below]


def products(node, values, product=1.0):
    """Products along the paths to the leaves of what each node gives its children.

    `values` is an iterator over the nodes in preorder.
    """
    if not isinstance(node, dict):
        return [product]
    own = next(values)
    return [
        leaf
        for child, value in zip(node["children"], own, strict=True)
        for leaf in products(child, values, product * value)
    ]


def node_masses(node, posteriors, product=1.0):
    """Products of the posteriors on the path to every node, in preorder."""
    if not isinstance(node, dict):
        return []
    own = next(posteriors)
    below = [
        mass
        for child, h in zip(node["children"], own, strict=True)
        for mass in node_masses(child, posteriors, product * h)
    ]
    return [product, *below]


def expectation(tree, X, experts):
    """E-step: what EM needs of every row.

    Parameters
    ----------
    tree : dict
    X : ndarray of shape (n, d)
    experts : ndarray of shape (n, K)
        Density of the row's y under each expert.

    Returns
    -------
    dict
        ``gate`` and ``resp`` (n, K), ``log_likelihood`` (n,), ``mass`` (n, nodes), and
        ``targets``: for each node the posteriors (n, m) of its children.
    """
    found = {"gate": [], "resp": [], "log_likelihood": [], "mass": [], "targets": []}
    for x, densities in zip(X.tolist(), experts.tolist(), strict=True):
        h = conditional_posteriors(tree, x, densities)
        g = [gate(node, x) for node in inner_nodes(tree)]
        found["gate"].append(products(tree, iter(g)))
        found["resp"].append(products(tree, iter(h)))
        found["log_likelihood"].append(math.log(density(tree, x, densities)))
        found["mass"].append(node_masses(tree, iter(h)))
        found["targets"].append(h)
    targets = [np.array(of_node) for of_node in zip(*found.pop("targets"), strict=True)]
    return {name: np.array(value) for name, value in found.items()} | {"targets": targets}


def fit_softmax(X, targets, weights, spread, alpha):
    """Maximise ``sum_i w_i sum_c t_ic log g_c(x_i) - alpha / 2 * ||spread * coef||^2``.

    Returns
    -------
    coef : ndarray of shape (m, d)
    intercept : ndarray of shape (m,)
        Both with the sum zero over the children.
    """
    n_children, d = targets.shape[1], X.shape[1]
    Z = np.column_stack([X / spread, np.ones(len(X))])

    def negative(vector):
        B = vector.reshape(n_children, d + 1)
        logits = Z @ B.T
        top = logits.max(axis=1, keepdims=True)
        log_proba = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        residual = weights[:, None] * (targets - np.exp(log_proba))
        penalised = B * np.append(np.ones(d), 0.0)
        value = weights @ (targets * log_proba).sum(axis=1) - 0.5 * alpha * (penalised**2).sum()
        return -value, -(residual.T @ Z - alpha * penalised).ravel()

    B = climb(negative, n_children * (d + 1)).reshape(n_children, d + 1)
    B = B - B.mean(axis=0)
    return B[:, :-1] / spread, B[:, -1]


def climb(negative, size):
    """Minimise a smooth convex function with its gradient, from zero."""
    options = {"gtol": 1e-11, "ftol": 0.0, "maxiter": 5000, "maxfun": 20000, "maxcor": 30}
    return minimize(negative, np.zeros(size), jac=True, method="L-BFGS-B", options=options).x


def fit_linear(X, y, weights):
    """Weighted least squares and the standard deviation of what it leaves."""
    root = np.sqrt(weights)
    Z = np.column_stack([X, np.ones(len(X))])
    coef = np.linalg.lstsq(Z * root[:, None], y * root, rcond=None)[0]
    squares = (y - Z @ coef) ** 2
    return coef[:-1], coef[-1], math.sqrt((weights @ squares) / weights.sum())


def fit_logistic(X, codes, weights, n_classes, C):
    """Weighted multinomial logistic regression with scikit-learn's penalty, at its optimum."""
    targets = np.eye(n_classes)[codes]
    return fit_softmax(X, targets, weights, np.ones(X.shape[1]), 1.0 / C)
