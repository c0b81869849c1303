"""Conversion of a fitted model to an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from onnx import ModelProto

#: Oldest version of ONNX's operators that can be written.
_OLDEST_OPSET = 15

#: Version of the operators of machine learning; later versions deprecate those on trees.
_ML_OPSET = 3


def to_onnx(
    model: Any, X: Any, *, target_opset: int | None = None, options: dict[Any, Any] | None = None
) -> ModelProto:
    """Convert a fitted mixture, or a pipeline that ends in one, to ONNX.

    Predictions are computed in double precision for any X; they are returned in single
    precision where X is in single precision.

    Parameters
    ----------
    model : estimator
        A fitted :class:`~skmoe.MixtureOfExpertsRegressor`,
        :class:`~skmoe.MixtureOfExpertsClassifier`, gate of :mod:`skmoe.gates`, or
        ``Pipeline`` that ends in one of them.
    X : array-like or data frame of shape (n, n_features)
        Rows like those that the graph will be evaluated on; only their types and their
        number of columns count. An array is one input, ``X``; each column of a data
        frame is an input (n, 1) with its name.
    target_opset : int, optional
        Version of ONNX's operators, at least 15; by default the newest that skl2onnx
        supports.
    options : dict, optional
        Options of skl2onnx. ``{"zipmap": True}`` for probabilities as dictionaries.

    Returns
    -------
    onnx.ModelProto
        Of a regressor with the output ``variable`` (n, n_outputs), of a classifier
        with ``label`` (n,) and ``probabilities`` (n, n_classes), of a gate with the
        probabilities ``variable`` (n, n_experts).

    Raises
    ------
    ImportError
        If skl2onnx is not installed. The message says how to install it.
    ValueError
        If a part cannot be converted, which the message names; if X is sparse, or
        `target_opset` is too old.
    NotFittedError
        If the model is not fitted.

    Examples
    --------
    A graph with one input and one output:

    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.export import to_onnx
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    >>> graph = to_onnx(model.fit(X, y), X).graph
    >>> [each.name for each in graph.input], [each.name for each in graph.output]
    (['X'], ['variable'])
    """
    skl2onnx = _skl2onnx()
    from ._register import register

    check_is_fitted(model)
    register()
    return skl2onnx.to_onnx(
        model,
        _first_row(X),
        name=type(model).__name__,
        target_opset=_opsets(target_opset),
        options=_options(model, options),
    )


def _skl2onnx() -> Any:
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError(
            "to_onnx needs skl2onnx, an extra of skmoe: pip install 'skmoe[onnx]'"
        ) from error
    return skl2onnx


def _first_row(X: Any) -> Any:
    if sparse.issparse(X):
        raise ValueError("X must be dense to be exported to ONNX, which has no sparse inputs")
    return X[:1] if hasattr(X, "shape") else np.asarray(X)[:1]


def _opsets(target_opset: int | None) -> dict[str, int]:
    """Return the versions of the operators, by domain."""
    from skl2onnx import __max_supported_opset__

    newest = __max_supported_opset__ if target_opset is None else target_opset
    if not _OLDEST_OPSET <= newest <= __max_supported_opset__:
        raise ValueError(
            f"target_opset must be between {_OLDEST_OPSET} and {__max_supported_opset__}, the "
            f"newest of skl2onnx; got {target_opset}"
        )
    return {"": newest, "ai.onnx.ml": _ML_OPSET}


def _options(model: Any, options: dict[Any, Any] | None) -> dict[Any, Any] | None:
    """Return options by the model that they belong to; those with names are the whole model's.

    A classifier's probabilities are one tensor, unless the options set ``zipmap``.
    """
    options = dict(options or {})
    own = {"zipmap": False} if is_classifier(model) else {}
    own |= {name: options.pop(name) for name in list(options) if isinstance(name, str)}
    return ({id(model): own} if own else {}) | options or None
