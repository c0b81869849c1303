"""What has one latent expert each: a row, or all rows of a group.

EM knows units. Experts see rows; the gate sees one row a unit, and a unit's log-density is the
sum of those of its rows.
"""

import numpy as np
from scipy import sparse

from .._sklearn import take
from .tables import n_rows, with_columns


class Rows:
    """Every row is a unit.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Sample weights.
    """

    def __init__(self, weights):
        self.weights = weights

    #: Labels that make the same units again; None for rows alone.
    labels_of_rows = None

    def rows(self, rows, weights):
        """The units of some rows, with these weights."""
        return Rows(weights)

    def table(self, X):
        """What the gate sees of X: X."""
        return X

    def first(self, values):
        """Values of the units: those of the rows."""
        return values

    def gather(self, log_density):
        """Sums over the rows of a unit: as they are."""
        return log_density

    def spread(self, values):
        """Values of the unit that a row belongs to: as they are."""
        return values

    def mean(self, values):
        """Means over the rows of a unit: as they are."""
        return values


class Groups:
    """All rows of a group are one unit; units are in the order of the sorted labels.

    Parameters
    ----------
    labels : array-like of shape (n,)
    weights : ndarray of shape (n,)
        Sample weights: of a group, which stands as often as they say.

    Raises
    ------
    ValueError
        If the weights differ within a group.
    """

    def __init__(self, labels, weights):
        self.labels, self._first, self.codes, self._sizes = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        self.weights = weights[self._first]
        if (weights != self.weights[self.codes]).any():
            raise ValueError(
                "sample_weight must be the same in all rows of a group, class_weight included: it "
                "says how often the group stands"
            )
        ones = np.ones(len(self.codes))
        self._member = sparse.csr_array((ones, (self.codes, np.arange(len(self.codes)))))

    @property
    def labels_of_rows(self):
        """Labels (n,) that make the same units again."""
        return self.labels[self.codes]

    def rows(self, rows, weights):
        """The units of some rows, which hold whole groups, with these weights."""
        return Groups(self.labels[self.codes[rows]], weights)

    def table(self, X):
        """One row a group, (G, d): the mean of numbers; other columns are constant in a group.

        Raises
        ------
        ValueError
            If a column that is not numeric varies within a group.
        """
        if sparse.issparse(X):
            return sparse.csr_matrix(sparse.diags(1.0 / self._sizes) @ (self._member @ X))
        if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
            return self.mean(X)
        means = {}
        for j in range(X.shape[1]):
            column = np.asarray(take(X, j, axis=1))
            if column.dtype.kind in "fiub":
                means[j] = self.mean(column[:, None])[:, 0]
            else:
                self._check_constant(column, j, X)
        return with_columns(take(X, self._first), means)

    def _check_constant(self, column, j, X):
        text = column.astype(str)
        if (text != text[self._first][self.codes]).any():
            name = X.columns[j] if hasattr(X, "columns") else j
            raise ValueError(
                f"gate_features must be numeric or the same in all rows of a group: the gate gives "
                f"a group one expert; column {name!r} varies within groups"
            )

    def first(self, values):
        """Values of the first row of each group."""
        return values[self._first]

    def gather(self, log_density):
        """Sums (G, K) over the rows of each group."""
        return np.asfortranarray(self._member @ log_density)

    def spread(self, values):
        """Values (n, K) of the group that each row belongs to."""
        return np.asfortranarray(values[self.codes])

    def mean(self, values):
        """Means (G, K) over the rows of each group."""
        return np.asfortranarray((self._member @ values) / self._sizes[:, None])


def make_units(groups, weights):
    """Return the units of rows with these group labels, or of rows alone for None."""
    return Rows(weights) if groups is None else Groups(groups, weights)


def check_groups(groups, X):
    """Validate group labels as an array (n,).

    Raises
    ------
    ValueError
        If their number is not that of the rows, or one is missing.
    """
    groups = np.asarray(groups)
    if groups.ndim != 1 or len(groups) != n_rows(X):
        raise ValueError(
            f"groups must have one label a row, the shape {(n_rows(X),)}; got {groups.shape}"
        )
    missing = groups != groups  # NaN, of any type
    if missing.any() or any(label is None for label in groups.tolist()):
        raise ValueError("groups must be known for all rows; got NaN or None")
    try:
        np.unique(groups)
    except TypeError as error:
        raise ValueError(f"groups must have labels of one type: {error}") from error
    return groups
