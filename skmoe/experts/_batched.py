"""The base class of banks whose experts are solved in one batch."""

from abc import abstractmethod
from typing import Any, Self

from .._data.design import View
from ..em._protocols import ExpertBank, Law, Target

#: A single expert is at its optimum once a Newton step gains less than this per unit of weight, so
#: that its linear predictor moves by about 1e-9; or after so many steps, where there is no optimum.
LEAST_GAIN, MOST_STEPS = 1e-18, 50


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
