"""Linear and logistic experts whose penalties are learned with the mixture.

They stand for ``experts=None`` until the mixture is fitted. The fitted experts are a ``Ridge`` or a
``LogisticRegression`` with the penalty that was learned, on standardised columns.
"""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge

from ..em._protocols import Floats


class EvidenceRidge(Ridge):
    """A linear expert whose penalty is learned."""

    def learned(self, strength: float, scale: Floats) -> Ridge:
        """Return an unfitted ``Ridge`` of a penalty on the columns divided by `scale` (d,)."""
        return _with_scale(Ridge(alpha=float(strength)), scale)


class EvidenceLogistic(LogisticRegression):
    """A logistic expert whose penalty is learned."""

    def learned(self, strength: float, scale: Floats) -> LogisticRegression:
        """Return an unfitted ``LogisticRegression`` of a penalty, as `EvidenceRidge`."""
        return _with_scale(LogisticRegression(C=1.0 / float(strength)), scale)


def _with_scale(expert: Any, scale: Floats) -> Any:
    """Note what the columns are divided by before the penalty applies; zero for constant ones."""
    expert.column_scale_ = scale
    return expert
