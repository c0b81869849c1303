"""Who handles what, in words: a rule on the columns for each expert."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from .._sklearn import take

#: Categories of a column that rules may name: the most frequent ones.
_MOST_CATEGORIES = 20

#: A leaf of the tree that rules are read from has at least this share of the rows.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Rule:
    """Where an expert's rows are.

    Attributes
    ----------
    expert : str
        Name of the expert.
    share : float
        Share of the rows that the expert is the most probable one of.
    conditions : tuple of str
        What holds in the region; none where all rows are in it.
    covered : float
        Share of the expert's rows that lie in the region.
    purity : float
        Share of the rows in the region that are the expert's.
    """

    expert: str
    share: float
    conditions: tuple
    covered: float
    purity: float

    def __str__(self):
        """One line."""
        if not self.share:
            return f"{self.expert}: most probable in no row"
        region = " and ".join(self.conditions) or "everywhere"
        return (
            f"{self.expert}, {self.share:.0%} of rows: {region} "
            f"(holds {self.covered:.0%} of its rows; {self.purity:.0%} of the rows there are its)"
        )


def expert_rules(est, X, *, feature_names=None, max_depth=3):
    """Describe the rows of each expert by a few conditions on the columns.

    A shallow decision tree learns from X which expert is the most probable. Of its leaves, an
    expert's region is the one that holds most of its rows among those where it prevails.

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
        If `max_depth` is no positive integer, or there is not a name for each column.

    See Also
    --------
    export_gate_text : The gate itself.

    Notes
    -----
    The rules approximate the gate: how well, is what each says of itself.

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
    if not isinstance(max_depth, Integral) or max_depth < 1:
        raise ValueError(f"max_depth must be an integer >= 1; got {max_depth!r}")
    if sparse.issparse(X):
        raise TypeError("X must be dense; got a sparse matrix: hand in X.toarray()")
    check_is_fitted(est)
    mixture, seen = est, X
    if isinstance(est, Pipeline):
        mixture = est[-1]
        seen = est[:-1].transform(X) if len(est) > 1 else X
    assigned = mixture.apply(seen)
    questions = _questions(X, feature_names)
    answers = np.column_stack([question.answers for question in questions])
    least = max(1, int(_LEAST_SHARE * len(assigned)))
    tree = DecisionTreeClassifier(max_depth=max_depth, min_samples_leaf=least, random_state=0)
    leaves = tree.fit(answers, assigned).apply(answers)
    paths = _paths(tree.tree_)
    return [
        _rule(name, k, assigned, leaves, paths, questions)
        for k, name in enumerate(mixture.named_experts_)
    ]


def _rule(name, k, assigned, leaves, paths, questions):
    own = assigned == k
    if not own.any():
        return Rule(name, 0.0, (), 0.0, 0.0)
    numbers, inverse = np.unique(leaves, return_inverse=True)
    held = np.bincount(inverse, own)
    purity = held / np.bincount(inverse)
    prevails = [_most_frequent(assigned[inverse == i]) == k for i in range(len(numbers))]
    # Where it prevails nowhere, the leaf that has most of it.
    best = int(np.argmax(np.where(prevails, held, 0.0) if any(prevails) else purity))
    conditions = _conditions(paths[numbers[best]], questions)
    covered = float(held[best] / own.sum())
    return Rule(name, float(own.mean()), conditions, covered, float(purity[best]))


def _most_frequent(numbers):
    return np.bincount(numbers).argmax()


# Columns -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Question:
    """Numbers of a column, or whether it is of a category."""

    name: str
    category: object
    answers: np.ndarray

    def says(self, low, high):
        """What is known of a row whose answer is above `low` and at most `high`."""
        if self.category is not None:
            return f"{self.name} is {'' if low > 0 else 'not '}{self.category}"
        if np.isinf(low):
            return f"{self.name} <= {high:.4g}"
        if np.isinf(high):
            return f"{self.name} > {low:.4g}"
        return f"{low:.4g} < {self.name} <= {high:.4g}"


def _questions(X, feature_names):
    frame = hasattr(X, "columns")
    table = X if frame else np.asarray(X)
    width = table.shape[1]
    names = list(table.columns if frame else [f"x{j}" for j in range(width)])
    names = names if feature_names is None else list(feature_names)
    if len(names) != width:
        raise ValueError(f"feature_names must have {width} names, one a column; got {len(names)}")
    columns = [np.asarray(take(table, j, axis=1)) for j in range(width)]
    return [q for name, column in zip(names, columns, strict=True) for q in _asked(name, column)]


def _asked(name, column):
    """Yield what may be asked of a column."""
    try:
        yield _Question(str(name), None, column.astype(np.float64))
        return
    except (ValueError, TypeError):
        labels = np.array(["missing" if _is_missing(value) else str(value) for value in column])
    found, counts = np.unique(labels, return_counts=True)
    for category in found[np.argsort(-counts, kind="stable")][:_MOST_CATEGORIES]:
        yield _Question(str(name), str(category), (labels == category).astype(np.float64))


def _is_missing(value):
    return value is None or (isinstance(value, float) and np.isnan(value))


# Trees -------------------------------------------------------------------------------------


def _paths(tree):
    """Bounds of the answers in each leaf: {question: (low, high)}."""
    paths, stack = {}, [(0, {})]
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


def _conditions(bounds, questions):
    """Bounds in words; that a column is one category makes it none of the others."""
    named = {
        questions[j].name for j, (low, _) in bounds.items() if questions[j].category and low > 0
    }
    return tuple(
        questions[j].says(low, high)
        for j, (low, high) in bounds.items()
        if low > 0 or questions[j].category is None or questions[j].name not in named
    )
