"""What every gate shares: its targets and its probabilities."""

import inspect

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length

from .._sklearn import check_sample_weight
from .._version import VersionedMixin


class GateMixin(VersionedMixin):
    """A gate predicts probabilities of experts, given x."""

    def has_sums(self):
        """Tell whether EM needs only sums over rows of this gate.

        Returns
        -------
        bool
        """
        return False

    def learns_online(self):
        """Tell whether the gate can learn batch by batch.

        Returns
        -------
        bool
        """
        return False

    def predict_proba(self, X):
        """Probabilities of the experts.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
            Rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))


def check_targets(X, targets, sample_weight):
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


def shares(masses, weights):
    """Split (n, K) masses into targets whose rows sum to one, and weights (n,).

    A row without mass gets the weight zero.
    """
    total = masses.sum(axis=1, keepdims=True)
    empty = total[:, 0] <= 0
    if not empty.any():
        return masses / total, weights
    total[empty] = 1.0
    targets = np.where(empty[:, None], 1.0 / masses.shape[1], masses / total)
    return targets, np.where(empty, 0.0, weights)


def is_gate(estimator):
    """Tell whether an estimator, or the last step of a pipeline, is a gate.

    A gate's ``fit`` takes soft targets under the name ``targets``.
    """
    if isinstance(estimator, Pipeline):
        return is_gate(estimator.steps[-1][1])
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict_log_proba")):
        return False
    return "targets" in inspect.signature(estimator.fit).parameters
