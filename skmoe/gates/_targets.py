"""The base class of gates, and functions on soft targets."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length

from .._sklearn import check_sample_weight
from .._version import VersionedMixin
from ..em._protocols import Floats


class GateMixin(VersionedMixin):
    """Base class of gates, which predict probabilities of experts given x."""

    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def has_sums(self) -> bool:
        """Tell whether EM can train the gate from sums over rows.

        Returns
        -------
        bool
        """
        return False

    def learns_online(self) -> bool:
        """Tell whether EM can train the gate batch by batch.

        Returns
        -------
        bool
        """
        return False

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the experts.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
            Rows sum to one.
        """
        gate: Any = self  # subclasses have the method
        return np.exp(gate.predict_log_proba(X))


def check_targets(X: Any, targets: Any, sample_weight: ArrayLike | None) -> tuple[Floats, Floats]:
    """Validate soft targets (n, K) and weights (n,).

    Raises
    ------
    ValueError
        If lengths differ, a target is negative, or rows do not sum to one.
    """
    targets = check_array(targets, dtype=np.float64, input_name="targets")
    check_consistent_length(X, targets, sample_weight)
    if targets.min() < 0 or not np.allclose(targets.sum(axis=1), 1.0, rtol=0, atol=1e-6):
        raise ValueError(
            "targets must be probabilities: non-negative, each row with the sum one; got a "
            f"minimum of {targets.min():g} and row sums from {targets.sum(axis=1).min():g} to "
            f"{targets.sum(axis=1).max():g}"
        )
    weights = check_sample_weight(
        sample_weight, np.empty((len(targets), 1)), dtype=np.float64, ensure_non_negative=True
    )
    return np.asfortranarray(targets), weights


def shares(masses: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return targets (n, K), whose rows sum to one, and weights (n,), for masses (n, K).

    Rows without mass get equal targets and the weight zero; other rows keep their `weights`.
    """
    total = masses.sum(axis=1, keepdims=True)
    empty = total[:, 0] <= 0
    if not empty.any():
        return masses / total, weights
    total[empty] = 1.0
    targets = np.where(empty[:, None], 1.0 / masses.shape[1], masses / total)
    return targets, np.where(empty, 0.0, weights)


def is_gate(estimator: Any) -> bool:
    """Tell whether an estimator, or the last step of a pipeline, is a gate.

    A gate's ``fit`` takes soft targets under the name ``targets``.
    """
    if isinstance(estimator, Pipeline):
        return is_gate(estimator.steps[-1][1])
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict_log_proba")):
        return False
    return "targets" in inspect.signature(estimator.fit).parameters
