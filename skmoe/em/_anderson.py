"""Anderson acceleration of EM, with a monotone fallback.

EM converges linearly, and slowly where experts overlap. Taken as a fixed-point iteration
x <- G(x), its last steps tell where it is going: Anderson's (1965) mixing combines them so
that the residuals G(x) - x cancel as well as they can. See Walker and Ni (2011), and Henderson
and Varadhan (2019) for EM. A point of a lower objective than the last is refused, and the plain
step taken in its place; so the objective never falls where plain EM never does.
"""

import numpy as np

#: Steps that a combination looks back on.
DEPTH = 10

#: Directions of residuals with smaller singular values, relative to the largest, are noise.
_RCOND = 1e-8


def accelerate(state, training, top_k, tol):
    """Yield the states of accelerated EM, without end.

    Parameters
    ----------
    state : State
        Where to start from.
    training : object
        ``propose(state, top_k)`` returns what the M-step makes of the parameters, ``reach(state,
        parameters, top_k)`` the state of parameters, ``advance(state, top_k)`` a plain step;
        ``pack`` and ``unpack`` turn parameters into a vector and back.
    top_k : int or None
    tol : float
        A step that gains less is compared with a plain one, so that an unlucky combination does
        not pass for convergence.

    Yields
    ------
    State
    """
    memory = _Memory()
    if state.objective == -np.inf:
        # Starting responsibilities belong to no parameters yet.
        state = training.advance(state, top_k)
        yield state
    while True:
        proposed = training.propose(state, top_k)
        target = memory.combine(training.pack(state.parameters), training.pack(proposed))
        new = None
        if target is not None:
            new = training.reach(state, training.unpack(target, proposed), top_k)
        if new is None or not new.objective - state.objective >= tol:
            plain = training.advance(state, top_k, proposed)
            if new is None or not new.objective >= plain.objective:
                memory.forget()
                new = plain
        state = new
        yield state


class _Memory:
    """The last points, and where EM took them."""

    def __init__(self):
        self.images, self.residuals = [], []

    def forget(self):
        """Drop the older half: what it tells of the map is out of date first."""
        kept = max(1, len(self.images) // 2)
        self.images, self.residuals = self.images[-kept:], self.residuals[-kept:]

    def combine(self, here, there):
        """Add a point and its image, both (size,); return the next point, or None at first."""
        if here is None or there is None:
            self.images, self.residuals = [], []
            return None
        self.images.append(there)
        self.residuals.append(there - here)
        del self.images[: -DEPTH - 1], self.residuals[: -DEPTH - 1]
        if len(self.images) == 1:
            return None
        changes = np.diff(np.array(self.residuals), axis=0).T
        share = np.linalg.lstsq(changes, self.residuals[-1], rcond=_RCOND)[0]
        point = there - np.diff(np.array(self.images), axis=0).T @ share
        return point if np.isfinite(point).all() else None
