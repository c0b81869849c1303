"""The base class of banks whose experts are solved in one batch."""

from abc import abstractmethod
from typing import Any, Self

from .._data.design import View
from ..em._protocols import ExpertBank, Law, Target


class BatchedBank(ExpertBank):
    """K clones of one estimator on one design, all solved at once."""

    cheap: bool = True

    @abstractmethod
    def __init__(self, template: Any, view: View, target: Target, n_experts: int) -> None: ...

    @staticmethod
    @abstractmethod
    def solves(estimator: Any, loss: str | None = None) -> bool:
        """Tell whether the bank reproduces the fit of an estimator.

        Parameters
        ----------
        estimator : estimator
        loss : {"squares", "poisson", "gamma", "labels"}, optional
            Loss that an expert has to minimise under the law of y; None for any.

        Returns
        -------
        bool
        """

    @classmethod
    def of(cls, template: Any, view: View, target: Target, n_experts: int, law: Law) -> Self:
        """Return the bank of `n_experts` clones of `template`, under a law."""
        return cls(template, view, target, n_experts)
