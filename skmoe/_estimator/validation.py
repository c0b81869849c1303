"""Checks of the arguments of public methods."""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.model_selection import check_cv
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._data.tables import n_rows
from .._data.target import LARGEST_Y
from .._errors import naming
from .._sklearn import check_sample_weight, column_indices, take


def check_X(estimator, X, *, reset):
    """Validate the form of X; the parts that use X validate its content.

    Data frames stay data frames, sparse matrices stay sparse, and numbers keep
    their type, so that experts and gates get X as it is.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_``, or is compared with them.
    X : array-like, sparse matrix or data frame of shape (n, d)
    reset : bool

    Returns
    -------
    ndarray, sparse matrix or data frame of shape (n, d)

    Raises
    ------
    ValueError
        If X has not two dimensions, has no rows, or has other columns than in ``fit``.
    TypeError
        If X is a table whose rows are not in memory.
    """
    if hasattr(type(X), "columns") and not hasattr(X, "shape"):
        raise TypeError(
            "X must be an array, a sparse matrix or a data frame, with its rows in memory; got "
            f"{type(X).__name__}"
        )
    if hasattr(X, "columns") and not sparse.issparse(X):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        if n_rows(X) == 0:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={X.shape}) while at least 1 is required."
            )
        return X
    return validate_data(
        estimator,
        X,
        dtype=None,
        accept_sparse=["csr", "csc"],
        ensure_all_finite=False,
        reset=reset,
    )


def check_numbers(y, n_outputs=None):
    """Validate a numeric y as float64, (n,) or (n, m).

    Raises
    ------
    ValueError
        If y is not numeric, not finite, or has another number of columns.
    """
    try:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    except ValueError as error:
        raise ValueError(f"y must be numbers: {error}") from error
    if y.dtype.kind not in "fiub":
        raise ValueError(f"y must be numeric; got the type {y.dtype}")
    # Sums over columns in another memory order would differ in their last digit.
    y = np.ascontiguousarray(y, dtype=np.float64)
    if np.abs(y).max(initial=0.0) > LARGEST_Y:
        raise ValueError(
            f"y must lie within ±{LARGEST_Y:g}, where its square is a number; rescale it"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    columns = 1 if y.ndim == 1 else y.shape[1]
    if y.ndim > 2 or (n_outputs is not None and columns != n_outputs):
        raise ValueError(f"y must have {n_outputs or 'one or more'} columns; got {y.shape}")
    return y


def check_weights(sample_weight, X):
    """Validate sample weights as float64 of shape (n,); ones for None.

    Raises
    ------
    ValueError
        If one is negative or not finite, or all are zero.
    """
    counted = np.empty((n_rows(X), 1))
    try:
        if sample_weight is not None:
            # The empty index makes a number of an array without dimensions.
            sample_weight = np.asarray(sample_weight, dtype=np.float64)[()]
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must be numbers: {error}") from error
    weights = check_sample_weight(
        sample_weight, counted, dtype=np.float64, ensure_non_negative=True
    )
    if not (weights > 0).any():
        raise ValueError("sample_weight must have at least one positive entry; all are zero")
    return weights


def check_init(init, n, n_experts):
    """Validate starting responsibilities (n, K).

    Raises
    ------
    ValueError
        If the shape is wrong, an entry is negative or a row has the sum zero.
    """
    resp = check_array(init, dtype=np.float64, input_name="init")
    if resp.shape != (n, n_experts):
        raise ValueError(
            f"init must have the shape (n_samples, n_experts) = {(n, n_experts)}; got {resp.shape}"
        )
    if resp.min() < 0 or (resp.sum(axis=1) == 0).any():
        raise ValueError("init must have non-negative entries and no row of zeros")
    return np.asfortranarray(resp / resp.sum(axis=1, keepdims=True))


def resolve_cv(cv, X, y, groups):
    """Return the fold of each row (n,) where `cv` splits the rows, else `cv` as it is.

    Parameters
    ----------
    cv : None, "auto", int, splitter or iterable of (train, test)
    X : array, sparse matrix or data frame of shape (n, d)
    y : ndarray of shape (n,) or (n, m)
    groups : ndarray of shape (n,) or None
        For the splitter.

    Raises
    ------
    ValueError
        If not every row is in one test set, and in all other training sets.
    """
    if cv is None or isinstance(cv, (str, Integral)):
        return cv
    fold, tested, trained = np.zeros((3, n_rows(X)), dtype=int)
    splits = list(check_cv(cv).split(X, y, groups))
    for number, (train, test) in enumerate(splits):
        fold[test] = number
        np.add.at(tested, test, 1)
        np.add.at(trained, train, 1)
    if len(splits) < 2 or (tested != 1).any() or (trained != len(splits) - 1).any():
        raise ValueError(
            "cv must put every row in one test set and in the training sets of all other folds, "
            f"as KFold does; got {cv!r}"
        )
    return fold


def resolve_columns(X, columns, parameter):
    """Return the positions of selected columns, or None for all of them.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n, d)
    columns : None, str, int, slice, array-like or callable
    parameter : str
        Name of the parameter, for the message.

    Returns
    -------
    list of int or None

    Raises
    ------
    ValueError
        If a column does not exist, or none is selected.
    """
    if columns is None:
        return None
    if callable(columns):
        with naming(parameter, "selection of columns"):
            columns = columns(X)
    if isinstance(columns, (tuple, set, np.ndarray)):
        columns = list(columns)
    try:
        found = [int(j) for j in column_indices(X, columns)]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(
            f"{parameter} must select columns of X; got {columns!r}: {error}"
        ) from error
    if not found:
        raise ValueError(f"{parameter} must select at least one column of X; got {columns!r}")
    return None if found == list(range(X.shape[1])) else found


def keep_rows(rows, n, *arrays):
    """Return the given rows of each array that has `n` of them; others as they are."""
    if len(rows) == n:
        return arrays
    return tuple(take(array, rows) if _has_rows(array, n) else array for array in arrays)


def _has_rows(array, n):
    counted = hasattr(array, "shape") or isinstance(array, (list, tuple))
    return counted and np.ndim(array) > 0 and n_rows(array) == n
