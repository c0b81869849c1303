"""Rules in words that describe the rows of each expert by conditions on the columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from .._sklearn import take
from ._types import Ints

#: Lower and upper bounds of features, by their numbers.
Bounds = dict[int, tuple[float, float]]

#: Categories of a column that rules may name: the most frequent ones.
_MOST_CATEGORIES = 20

#: Smallest share of the rows in a leaf of the tree that rules are derived from.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Rule:
    """The region of an expert's rows.

    Attributes
    ----------
    expert : str
        Name of the expert.
    share : float
        Share of the rows for which the expert is the most probable one.
    conditions : tuple of str
        Conditions that define the region; empty where all rows are in it.
    covered : float
        Share of the expert's rows that lie in the region.
    purity : float
        Share of the rows in the region that are the expert's.
    """

    expert: str
    share: float
    conditions: tuple[str, ...]
    covered: float
    purity: float

    def __str__(self) -> str:
        """Return the rule as one line."""
        if not self.share:
            return f"{self.expert}: most probable in no row"
        region = " and ".join(self.conditions) or "everywhere"
        return (
            f"{self.expert}, {self.share:.0%} of rows: {region} "
            f"(holds {self.covered:.0%} of its rows; {self.purity:.0%} of the rows there are its)"
        )


def expert_rules(
    est: Any, X: Any, *, feature_names: Sequence[str] | None = None, max_depth: int = 3
) -> list[Rule]:
    """Describe the rows of each expert by a few conditions on the columns.

    A shallow decision tree is fitted to the most probable expert of each row of X. The region of
    an expert is the leaf with most of its rows among the leaves where it is the most frequent one.

    Parameters
    ----------
    est : MixtureOfExpertsRegressor, MixtureOfExpertsClassifier, or pipeline that ends in one
        Fitted.
    X : array-like or data frame of shape (n, n_features)
        Rows to describe, as `est` takes them.
    feature_names : list of str, default=None
        Names of the columns; by default those of the data frame, or x0, x1, ...
    max_depth : int, default=3
        Largest number of conditions.

    Returns
    -------
    list of Rule
        In the order of the experts; as a string each is a sentence.

    Raises
    ------
    TypeError
        If X is sparse.
    ValueError
        If `max_depth` is not a positive integer, or `feature_names` does not have a name for
        each column.

    See Also
    --------
    export_gate_text : The gate itself.

    Notes
    -----
    The rules approximate the gate. `covered` and `purity` of each rule measure how well.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.inspection import expert_rules
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(x, np.abs(x[:, 0]))
    >>> rules = expert_rules(model, x, feature_names=["slope"])
    >>> for line in sorted(f"{rule.share:.0%} of rows: {rule.conditions[0]}" for rule in rules):
    ...     print(line)
    50% of rows: slope <= 0
    50% of rows: slope > 0
    """
    if not isinstance(max_depth, Integral) or int(max_depth) < 1:
        raise ValueError(f"max_depth must be an integer >= 1; got {max_depth!r}")
    if sparse.issparse(X):
        raise TypeError("X must be dense; got a sparse matrix: hand in X.toarray()")
    check_is_fitted(est)
    mixture: Any = est
    seen = X
    if isinstance(est, Pipeline):
        mixture = est[-1]
        seen = est[:-1].transform(X) if len(est) > 1 else X
    assigned = mixture.apply(seen)
    features = _features(X, feature_names)
    values = np.column_stack([feature.values for feature in features])
    least = max(1, int(_LEAST_SHARE * len(assigned)))
    tree = DecisionTreeClassifier(max_depth=max_depth, min_samples_leaf=least, random_state=0)
    leaves = tree.fit(values, assigned).apply(values)
    paths = _paths(tree.tree_)
    return [
        _rule(name, k, assigned, leaves, paths, features)
        for k, name in enumerate(mixture.named_experts_)
    ]


def _rule(
    name: Any,
    k: int,
    assigned: Ints,
    leaves: Ints,
    paths: dict[int, Bounds],
    features: "list[_Feature]",
) -> Rule:
    own = assigned == k
    if not own.any():
        return Rule(name, 0.0, (), 0.0, 0.0)
    numbers, inverse = np.unique(leaves, return_inverse=True)
    held = np.bincount(inverse, own)
    purity = held / np.bincount(inverse)
    prevails = [_most_frequent(assigned[inverse == i]) == k for i in range(len(numbers))]
    # An expert that is most frequent in no leaf gets the leaf with its largest share of rows.
    best = int(np.argmax(np.where(prevails, held, 0.0) if any(prevails) else purity))
    conditions = _conditions(paths[numbers[best]], features)
    covered = float(held[best] / own.sum())
    return Rule(name, float(own.mean()), conditions, covered, float(purity[best]))


def _most_frequent(numbers: Ints) -> int:
    """Return the most frequent number; of several the smallest."""
    return int(np.bincount(numbers).argmax())


# Columns -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Feature:
    """A feature that conditions refer to: a numeric column, or the indicator of a category."""

    name: str
    category: object
    values: NDArray[np.float64]

    def condition(self, low: float, high: float) -> str:
        """Return the condition that the feature is above `low` and at most `high`, in words."""
        if self.category is not None:
            return f"{self.name} is {'' if low > 0 else 'not '}{self.category}"
        if np.isinf(low):
            return f"{self.name} <= {high:.4g}"
        if np.isinf(high):
            return f"{self.name} > {low:.4g}"
        return f"{low:.4g} < {self.name} <= {high:.4g}"


def _features(X: Any, feature_names: Sequence[str] | None) -> list[_Feature]:
    frame = hasattr(X, "columns")
    table: Any = X if frame else np.asarray(X)
    width = table.shape[1]
    names = list(table.columns if frame else [f"x{j}" for j in range(width)])
    names = names if feature_names is None else list(feature_names)
    if len(names) != width:
        raise ValueError(f"feature_names must have {width} names, one a column; got {len(names)}")
    columns = [np.asarray(take(table, j, axis=1)) for j in range(width)]
    return [
        each
        for name, column in zip(names, columns, strict=True)
        for each in _features_of(name, column)
    ]


def _features_of(name: Any, column: NDArray[Any]) -> Iterator[_Feature]:
    """Yield the features of a column: its numbers, or an indicator for each category."""
    try:
        yield _Feature(str(name), None, column.astype(np.float64))
        return
    except (ValueError, TypeError):
        labels = np.array(["missing" if _is_missing(value) else str(value) for value in column])
    found, counts = np.unique(labels, return_counts=True)
    for category in found[np.argsort(-counts, kind="stable")][:_MOST_CATEGORIES]:
        yield _Feature(str(name), str(category), (labels == category).astype(np.float64))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


# Trees -------------------------------------------------------------------------------------


def _paths(tree: Any) -> dict[int, Bounds]:
    """Return the bounds of the features in each leaf."""
    paths: dict[int, Bounds] = {}
    stack: list[tuple[int, Bounds]] = [(0, {})]
    while stack:
        node, bounds = stack.pop()
        left, right = tree.children_left[node], tree.children_right[node]
        if left == right:
            paths[node] = bounds
            continue
        j, cut = int(tree.feature[node]), float(tree.threshold[node])
        low, high = bounds.get(j, (-np.inf, np.inf))
        stack.append((left, bounds | {j: (low, min(high, cut))}))
        stack.append((right, bounds | {j: (max(low, cut), high)}))
    return paths


def _conditions(bounds: Bounds, features: list[_Feature]) -> tuple[str, ...]:
    """Return bounds in words; a column that is one category is none of the others."""
    named = {features[j].name for j, (low, _) in bounds.items() if features[j].category and low > 0}
    return tuple(
        features[j].condition(low, high)
        for j, (low, high) in bounds.items()
        if low > 0 or features[j].category is None or features[j].name not in named
    )
