"""The only door through which private names of scikit-learn come in."""

import numpy as np
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils import _safe_indexing as take
from sklearn.utils import check_array
from sklearn.utils._indexing import _get_column_indices as column_indices
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params as raise_for_params
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:  # scikit-learn 1.7
    from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLBACKS = (CallbackSupportMixin,)
except ImportError:  # scikit-learn 1.8
    CALLBACKS = ()

    def with_callbacks(method):
        """Return a method as it is, where there are no callbacks."""
        return method


def callback_context(estimator):
    """The context of a call of ``fit``, of as many tasks as there will be; None without callbacks.

    It is to be asked for within a method that `with_callbacks` decorates.
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


#: What numbers may be kept in.
FLOATS = (np.float64, np.float32)


def as_numeric(X, dtype=np.float64):
    """Return X as finite values, CSR where it is sparse, copied only where it must be.

    With `FLOATS` for `dtype`, single precision stays what it is.
    """
    # The check adds all numbers up first; where that overflows it looks at each.
    with np.errstate(over="ignore", invalid="ignore"):
        return check_array(X, accept_sparse="csr", dtype=dtype, input_name="X")
