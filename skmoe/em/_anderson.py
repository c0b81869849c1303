"""Anderson acceleration of EM, with a monotone fallback.

EM converges linearly, and slowly where experts overlap. It is a fixed-point iteration x <- G(x).
Anderson's (1965) mixing combines its last steps so that the norm of the combined residual
G(x) - x is smallest. See Walker and Ni (2011), and Henderson and Varadhan (2019) for EM. Where
the combination has a lower objective than the last state, the plain step is taken in its place.
The objective therefore never decreases where that of plain EM never does.
"""

from collections.abc import Iterator

import numpy as np

from ._loop import State
from ._protocols import Floats, Trainer

#: Number of earlier steps that are combined.
DEPTH = 10

#: Directions of residuals with smaller singular values, relative to the largest, are noise.
_RCOND = 1e-8


def accelerate(state: State, training: Trainer, top_k: int | None, tol: float) -> Iterator[State]:
    """Yield the states of accelerated EM, without end.

    Parameters
    ----------
    state : State
        The state before the first iteration.
    training : Trainer
        Of its methods, `propose`, `reach`, `advance`, `pack` and `unpack` are used.
    top_k : int or None
    tol : float
        A step that gains less is compared with a plain one. So a poor combination is not mistaken
        for convergence.

    Yields
    ------
    State
    """
    history = _History()
    if state.objective == -np.inf:
        # A start has responsibilities, but no parameters yet.
        state = training.advance(state, top_k)
        yield state
    while True:
        proposed = training.propose(state, top_k)
        target = history.combine(training.pack(state.parameters), training.pack(proposed))
        new = None
        if target is not None:
            new = training.reach(state, training.unpack(target, proposed), top_k)
        if new is None or not new.objective - state.objective >= tol:
            plain = training.advance(state, top_k, proposed)
            if new is None or not new.objective >= plain.objective:
                history.drop_older_half()
                new = plain
        state = new
        yield state


class _History:
    """The last points, as images G(x) and residuals G(x) - x."""

    def __init__(self):
        self.images: list[Floats] = []
        self.residuals: list[Floats] = []

    def drop_older_half(self) -> None:
        """Drop the older half of the points, which approximate the map worst."""
        kept = max(1, len(self.images) // 2)
        self.images, self.residuals = self.images[-kept:], self.residuals[-kept:]

    def combine(self, point: Floats | None, image: Floats | None) -> Floats | None:
        """Add a point and its image, both (size,); return the next point.

        It is None for the first point, and where the point or its image is None.
        """
        if point is None or image is None:
            self.images, self.residuals = [], []
            return None
        self.images.append(image)
        self.residuals.append(image - point)
        del self.images[: -DEPTH - 1], self.residuals[: -DEPTH - 1]
        if len(self.images) == 1:
            return None
        changes: Floats = np.diff(np.array(self.residuals), axis=0).T
        share = np.linalg.lstsq(changes, self.residuals[-1], rcond=_RCOND)[0]
        combined = image - np.diff(np.array(self.images), axis=0).T @ share
        return combined if np.isfinite(combined).all() else None
