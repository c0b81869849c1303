"""What a distribution evaluates of the law that its components follow."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class ComponentLaw(Protocol):
    """A law of y given the predictions of components: a `skmoe.responses.Response` is one.

    Shapes: y and q are (b, m), means are (b, C, m), parameters are (C, q) or (b, C, q).
    """

    @property
    def discrete(self) -> bool:
        """Whether y is a whole number."""
        ...

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value of y."""
        ...

    def logpdf(self, y: Any, mean: Any, parameters: Any) -> Any:
        """Return log-densities (b, C), joint over outputs."""
        ...

    def cdf(self, y: Any, mean: Any, parameters: Any) -> Any:
        """Return the distribution functions (b, C, m)."""
        ...

    def ppf(self, q: Any, mean: Any, parameters: Any) -> Any:
        """Return the quantiles (b, C, m)."""
        ...

    def mode(self, mean: Any, parameters: Any) -> Any:
        """Return the points of highest density, (b, C, m)."""
        ...

    def std(self, mean: Any, parameters: Any) -> Any:
        """Return standard deviations that broadcast to (b, C, m)."""
        ...

    def sample(self, mean: Any, parameters: Any, rng: Any) -> Any:
        """Draw y (n, m) for means (n, m) and parameters (n, q)."""
        ...
