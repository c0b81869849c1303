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

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "StrOptions",
    "VisualBlock",
    "as_numeric",
    "check_sample_weight",
    "column_indices",
    "raise_for_params",
    "routing_enabled",
    "take",
]


def as_numeric(X, dtype=np.float64):
    """Return X as finite numbers, CSR where it is sparse, copied only where it must be.

    They are of the type `dtype`; of several the first, where X has none of them.
    """
    # The check adds all numbers up first; where that overflows it looks at each.
    with np.errstate(over="ignore", invalid="ignore"):
        return check_array(X, accept_sparse="csr", dtype=dtype, input_name="X")
