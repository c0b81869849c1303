"""A seeded generator of tables that users have and that break naive code."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

#: Number of rows and columns of a table without hostile traits: from, to.
ROWS, COLUMNS = (12, 30), (1, 5)


@dataclass(frozen=True)
class Table:
    """A table, and whether it may be refused.

    Attributes
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    numbers, labels : y of the regressor and of the classifier, shape (n,)
    weights : ndarray of shape (n,) or None
    traits : tuple of str
        What is hostile about it.
    refusable : bool
        Whether a clear error is as good a result as a model.
    """

    X: Any
    numbers: Any
    labels: Any
    weights: Any = None
    traits: tuple = ()
    refusable: bool = False

    @property
    def in_single_precision(self):
        """Whether all numbers survive where an expert, as trees do, rounds them."""
        if "text_column" in self.traits:
            return True
        values = self.X.toarray() if sparse.issparse(self.X) else np.asarray(self.X)
        values = np.abs(values.astype(float)).ravel()
        if self.weights is not None:
            values = np.append(values, np.abs(self.weights))
        smallest = values[values > 0].min(initial=1.0)
        return values.max(initial=0.0) < 1e38 and smallest > 1e-38


def draw(seed):
    """Return a table with one to three hostile traits."""
    rng = np.random.default_rng(seed)
    table = _plain(rng)
    names = list(TRAITS)
    # Every trait has its turn; what comes with it is drawn.
    chosen = [names[seed % len(names)], *rng.choice(names, size=rng.integers(3), replace=False)]
    for name in sorted(set(chosen), key=names.index):
        table = TRAITS[name](table, rng)
    return replace(table, traits=tuple(sorted(set(chosen), key=names.index)))


def _plain(rng):
    n, d = rng.integers(*ROWS), rng.integers(*COLUMNS)
    X = rng.standard_normal((n, d))
    side = X[:, 0] > 0
    numbers = np.where(side, 2.0, -2.0) * X[:, -1] + 0.1 * rng.standard_normal(n)
    labels = (numbers + side > 0).astype(int) + (numbers > 2)
    labels[:3] = 0, 1, 2
    return Table(X, numbers, labels)


# ------------------------------------------------- of the rows: first, while X is an array


def _keep(table, rows):
    parts = {"X": table.X[rows], "numbers": table.numbers[rows], "labels": table.labels[rows]}
    return replace(table, **parts)


def one_row(table, rng):
    return replace(_keep(table, slice(0, 1)), refusable=True)


def fewer_rows_than_experts(table, rng):
    return _keep(table, slice(0, rng.integers(2, 4)))


def all_rows_equal(table, rng):
    return replace(table, X=np.repeat(table.X[:1], len(table.X), axis=0))


def few_distinct_rows(table, rng):
    return _keep(table, np.r_[0:3, rng.integers(3, size=20)] % len(table.X))


# ------------------------------------------------------------------------------ of X


def constant_column(table, rng):
    value = rng.choice([0.0, 1.0, 1 / 3, -1e9, 1e150])
    return replace(table, X=np.column_stack([table.X, np.full(len(table.X), value)]))


def constant_columns_only(table, rng):
    return replace(table, X=np.full_like(table.X, 0.1))


def duplicated_columns(table, rng):
    return replace(table, X=np.column_stack([table.X, table.X, 3 * table.X[:, :1] - 1]))


def more_columns_than_rows(table, rng):
    return replace(table, X=np.column_stack([table.X, rng.standard_normal((len(table.X), 60))]))


def one_column(table, rng):
    return replace(table, X=table.X[:, :1])


def scaled_columns(table, rng):
    return replace(table, X=table.X * 10.0 ** rng.integers(-150, 151, size=table.X.shape[1]))


def tiny_X(table, rng):
    return replace(table, X=table.X * 1e-150)


def huge_X(table, rng):
    return replace(table, X=table.X * 1e150)


def far_from_zero(table, rng):
    return replace(table, X=table.X + 1e9)


def outlier_in_X(table, rng):
    X = table.X.copy()
    X[rng.integers(len(X)), 0] = rng.choice([1e6, -1e30, 1e150])
    return replace(table, X=X)


def subnormal_X(table, rng):
    return replace(table, X=table.X * 1e-310)


def largest_X(table, rng):
    return replace(table, X=np.sign(table.X) * np.finfo(float).max, refusable=True)


# ------------------------------------------------------------------------------ of y


def constant_y(table, rng):
    value = rng.choice([0.0, 0.1, 1e150, -1e-150])
    return replace(table, numbers=np.full(len(table.X), value))


def one_class(table, rng):
    return replace(table, labels=np.full(len(table.X), 2), refusable=True)


def rare_class(table, rng):
    labels = np.zeros(len(table.X), dtype=int)
    labels[-1] = 1
    return replace(table, labels=labels)


def every_row_its_class(table, rng):
    table = _keep(table, slice(0, 12))
    return replace(
        table, labels=np.arange(len(table.X)), refusable=table.refusable or len(table.X) < 2
    )


def separable(table, rng):
    side = table.X[:, 0] > np.median(table.X[:, 0])
    return replace(table, numbers=100.0 * side, labels=_two_kinds(side.astype(int)))


def bool_labels(table, rng):
    return replace(table, labels=_two_kinds(table.labels > 0))


def text_labels(table, rng):
    return replace(table, labels=np.array(["no", "yes", "perhaps"])[table.labels % 3])


def scaled_y(table, rng):
    return replace(table, numbers=table.numbers * 10.0 ** rng.integers(-150, 151))


def vanishing_y(table, rng):
    return replace(table, numbers=table.numbers * 1e-200)


def outlier_in_y(table, rng):
    numbers = np.array(table.numbers)
    numbers[rng.integers(len(numbers))] = rng.choice([1e6, -1e30, 1e150])
    return replace(table, numbers=numbers)


def count_y(table, rng):
    return replace(table, numbers=np.abs(table.numbers // 1e3 * 1e3).astype(np.float64).round())


def several_outputs(table, rng):
    y = table.numbers
    return replace(table, numbers=np.column_stack([y, np.full(len(y), 7.0), 1e-100 * y]))


def nan_in_y(table, rng):
    numbers, labels = np.array(table.numbers), table.labels.astype(object)
    numbers[0], labels[0] = rng.choice([np.nan, np.inf]), np.nan
    return replace(table, numbers=numbers, labels=labels, refusable=True)


def _two_kinds(labels):
    """Make sure that two rows differ, where there are two."""
    labels = labels.copy()
    labels[:1] = labels.dtype.type(0)
    labels[-1:] = labels.dtype.type(1)
    return labels


# ------------------------------------------------------------------------ of the weights


def zero_weights(table, rng):
    weights = rng.integers(3, size=len(table.X)).astype(float)
    weights[:4] = 1.0
    return replace(table, weights=weights, refusable=True)


def all_weights_zero(table, rng):
    return replace(table, weights=np.zeros(len(table.X)), refusable=True)


def negative_weights(table, rng):
    return replace(table, weights=rng.standard_normal(len(table.X)), refusable=True)


def nan_weights(table, rng):
    return replace(table, weights=np.full(len(table.X), np.nan), refusable=True)


def tiny_weights(table, rng):
    return replace(table, weights=np.full(len(table.X), 10.0 ** -rng.integers(5, 150)))


def huge_weights(table, rng):
    return replace(table, weights=np.full(len(table.X), 10.0 ** rng.integers(5, 150)))


def uneven_weights(table, rng):
    return replace(table, weights=10.0 ** rng.uniform(-20, 20, size=len(table.X)))


# -------------------------------------- of the container: last, after all that needs an array


def no_columns(table, rng):
    return replace(table, X=table.X[:, :0], refusable=True)


def nan_in_X(table, rng):
    X = table.X.copy()
    X[rng.integers(len(X)), :1] = rng.choice([np.nan, np.inf, -np.inf])
    return replace(table, X=X, refusable=True)


def integer_X(table, rng):
    with np.errstate(invalid="ignore"):
        return replace(table, X=table.X.astype(np.int32))


def bool_X(table, rng):
    return replace(table, X=table.X > 0)


def single_precision(table, rng):
    with np.errstate(over="ignore"):
        X = table.X.astype(np.float32)
    return replace(table, X=X, refusable=table.refusable or not np.isfinite(X).all())


def read_only(table, rng):
    X = np.asfortranarray(table.X)
    X.flags.writeable = False
    return replace(table, X=X)


def object_numbers(table, rng):
    return replace(table, X=table.X.astype(object))


def text_column(table, rng):
    X = table.X.astype(object)
    X[:, :1] = "red"
    return replace(table, X=X, refusable=True)


def sparse_X(table, rng):
    if table.X.dtype == object:
        return table
    container = rng.choice([sparse.csr_array, sparse.csc_matrix])
    return replace(table, X=container(np.where(table.X > 0, table.X, 0)))


def data_frame(table, rng):
    if sparse.issparse(table.X):
        return table
    names = [f"column {j}" for j in range(table.X.shape[1])]
    return replace(table, X=pd.DataFrame(table.X, columns=names))


TRAITS = {
    trait.__name__: trait
    for trait in [
        one_row, fewer_rows_than_experts, all_rows_equal, few_distinct_rows,
        constant_column, constant_columns_only, duplicated_columns, more_columns_than_rows,
        one_column, scaled_columns, tiny_X, huge_X, far_from_zero, outlier_in_X,
        subnormal_X, largest_X,
        constant_y, one_class, rare_class, every_row_its_class, separable, bool_labels,
        text_labels, scaled_y, vanishing_y, outlier_in_y, count_y, several_outputs, nan_in_y,
        zero_weights, all_weights_zero, negative_weights, nan_weights, tiny_weights,
        huge_weights, uneven_weights,
        no_columns, nan_in_X, integer_X, bool_X, single_precision, read_only, object_numbers,
        text_column, sparse_X, data_frame,
    ]
}  # fmt: skip
