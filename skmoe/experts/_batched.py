"""What all batches of experts share."""

from abc import abstractmethod

from ..em._protocols import ExpertBank


class BatchedBank(ExpertBank):
    """K clones of one estimator on one design, all solved at once."""

    cheap = True

    @staticmethod
    @abstractmethod
    def solves(estimator, loss=None):
        """Tell whether the bank reproduces the fit of an estimator.

        Parameters
        ----------
        estimator : estimator
        loss : {"squares", "poisson", "gamma", "labels"}, optional
            What an expert has to minimise under the law of y; None for any.

        Returns
        -------
        bool
        """

    @classmethod
    def of(cls, template, view, target, n_experts, law):
        """Return the bank of `n_experts` clones of `template`, for an M-step under a law."""
        return cls(template, view, target, n_experts)
