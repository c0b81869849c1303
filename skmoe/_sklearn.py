"""The private names of scikit-learn that the package uses; no other module imports any."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params, _routing_enabled
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ImportError:  # scikit-learn 1.7
    from sklearn.utils._estimator_html_repr import (  # pyright: ignore[reportMissingImports]
        _VisualBlock,
    )

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLBACKS: tuple[type, ...] = (CallbackSupportMixin,)
except ImportError:  # scikit-learn 1.8
    CALLBACKS = ()
    _Method = TypeVar("_Method", bound=Callable[..., Any])

    def with_callbacks(method: _Method) -> _Method:
        """Return the method unchanged, where scikit-learn has no callbacks."""
        return method


BaseComposition = _BaseComposition
VisualBlock = _VisualBlock
check_sample_weight: Callable[..., Any] = _check_sample_weight
column_indices: Callable[..., Any] = _get_column_indices
raise_for_params: Callable[..., None] = _raise_for_params
routing_enabled: Callable[[], bool] = _routing_enabled
take: Callable[..., Any] = _safe_indexing


def callback_context(estimator: Any) -> Any:
    """Return the context of a call of ``fit`` with any number of tasks; None without callbacks.

    Call it within a method that `with_callbacks` decorates.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    return estimator._init_callback_context(max_subtasks=None)


__all__ = [
    "CALLBACKS",
    "FLOATS",
    "BaseComposition",
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "StrOptions",
    "VisualBlock",
    "as_numeric",
    "callback_context",
    "check_sample_weight",
    "column_indices",
    "raise_for_params",
    "routing_enabled",
    "take",
    "with_callbacks",
]


#: Types in which numbers may be stored.
FLOATS = (np.float64, np.float32)


def as_numeric(X: Any, dtype: DTypeLike | tuple[type, ...] = np.float64) -> Any:
    """Return X as finite values, CSR where it is sparse, copied only where it must be.

    With `FLOATS` for `dtype`, single precision is kept.
    """
    # The check first sums all numbers; where the sum overflows it checks each of them.
    with np.errstate(over="ignore", invalid="ignore"):
        return check_array(X, accept_sparse="csr", dtype=dtype, input_name="X")
