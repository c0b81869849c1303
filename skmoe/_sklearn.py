"""The private names of scikit-learn that the package uses, and typed names of its base classes.

No other module imports private names of scikit-learn. scikit-learn has no annotations, so that a
class that derives from its classes has an unknown type. Public classes therefore derive from the
base classes of this module: at run time they are those of scikit-learn, and a type checker reads
the declarations below.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.linear_model._base import LinearClassifierMixin as _LinearClassifierMixin
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import HasMethods as _HasMethods
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._param_validation import StrOptions as _StrOptions
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
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks

    CALLBACKS: tuple[type, ...] = (CallbackSupportMixin,)
except ImportError:  # scikit-learn 1.8
    CALLBACKS = ()

    def _with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged, where scikit-learn has no callbacks."""
        return method


if TYPE_CHECKING:

    class Bunch(dict[str, Any]):
        """A dictionary whose entries are attributes too."""

        def __init__(self, **entries: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    class BaseEstimator:
        """An estimator with parameters."""

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def get_metadata_routing(self) -> Any: ...
        def __getstate__(self) -> dict[str, Any]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def __sklearn_clone__(self) -> Self: ...
        def __sklearn_tags__(self) -> Any: ...
        def _validate_params(self) -> None: ...

    class BaseComposition(BaseEstimator):
        """An estimator with named parts."""

        def _get_params(self, attr: str, deep: bool = True) -> dict[str, Any]: ...
        def _set_params(self, attr: str, **params: Any) -> Self: ...
        def _validate_names(self, names: Any) -> None: ...

    class CallbackSupport:
        """An estimator whose ``fit`` can have callbacks."""

        def set_callbacks(self, *callbacks: Any) -> Self: ...

    class ClassifierMixin:
        """A classifier."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    class RegressorMixin:
        """A regressor."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

else:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import Bunch

    BaseComposition = _BaseComposition
    # Without callbacks, an empty class stands for the one of later releases, in its module.
    _empty = {"__module__": "sklearn.callback", "__slots__": ()}
    CallbackSupport = CALLBACKS[0] if CALLBACKS else type("CallbackSupport", (), _empty)

HasMethods: Callable[..., Any] = _HasMethods
Interval: Callable[..., Any] = _Interval
LinearClassifierMixin: type[Any] = _LinearClassifierMixin
StrOptions: Callable[..., Any] = _StrOptions
VisualBlock: Callable[..., Any] = _VisualBlock
check_sample_weight: Callable[..., Any] = _check_sample_weight
column_indices: Callable[..., Any] = _get_column_indices
raise_for_params: Callable[..., None] = _raise_for_params
routing_enabled: Callable[[], bool] = _routing_enabled
take: Callable[..., Any] = _safe_indexing
with_callbacks: Callable[..., Any] = _with_callbacks


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
    "BaseEstimator",
    "Bunch",
    "CallbackSupport",
    "ClassifierMixin",
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "RegressorMixin",
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
