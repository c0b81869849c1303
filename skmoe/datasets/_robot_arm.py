"""A robot arm: accelerations as a function of positions, velocities and torques."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._checks import check_integer, check_real
from ._rigid_body import Rod, accelerations

_ACROSS, _UP = np.eye(3)[1], np.eye(3)[2]

#: Waist, shoulder, elbow and wrist: the first turns about the vertical, the others lift.
ARM: list[Rod] = [
    Rod(axis=_UP, length=0.2, radius=0.05, mass=3.0),
    Rod(axis=_ACROSS, length=0.4, radius=0.05, mass=2.0),
    Rod(axis=_ACROSS, length=0.3, radius=0.05, mass=1.5),
    Rod(axis=_ACROSS, length=0.2, radius=0.05, mass=1.0),
]
#: Mid posture: the elbow at a right angle, all else straight; radians.
_POSTURE = np.array([0.0, 0.0, np.pi / 2, 0.0])
#: Largest distance of a joint from the mid posture, radians. The arm is the less linear the
#: larger it is: with this value a linear model has the error of Jordan and Jacobs (1994).
_REACH = 1.075
#: Largest velocity, radians per second.
_SPEED = 2.0
#: Largest torques, newton metres: about 25 radians per second squared for a joint that moves alone.
_STRENGTH = np.array([30.0, 18.0, 5.0, 0.35])
#: Standard deviations of the accelerations, radians per second squared.
_SPREAD = np.array([21.3, 32.7, 73.6, 144.2])


def make_robot_arm(
    n_samples: int = 15000,
    *,
    noise: float = 0.3,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Draw states of a robot arm, and the accelerations that follow from them.

    The arm moves in three dimensions and has four joints: a waist that turns about the
    vertical, and a shoulder, an elbow and a wrist that lift. Between them are uniform round
    rods of 0.2, 0.4, 0.3 and 0.2 metres and 3, 2, 1.5 and 1 kilograms, all with a radius of
    0.05 metres; the first is horizontal. Positions :math:`q`, velocities :math:`\dot q` and
    torques :math:`\tau` are independent and uniform, and the accelerations solve the equations
    of motion without friction:

    .. math:: M(q)\, \ddot q + c(q, \dot q) + g(q) = \tau,

    with the mass matrix :math:`M`, Coriolis and centrifugal torques :math:`c`, and those of
    gravity :math:`g`. Positions go 1.075 radians to either side of a posture with the elbow at a
    right angle and all else straight, velocities to 2 radians per second, torques to 30, 18, 5
    and 0.35 newton metres. Normal errors of measurement are added to the accelerations.

    This is the problem on which [1]_ evaluated hierarchical mixtures. The arm is another one, as
    the constants of theirs are not published. The reach of the joints and the size of the errors
    are chosen such that the relative errors of two models are near the published ones: 0.31 for a
    linear model, 0.09 for a neural network with one layer of 60 units. The relative error is the
    mean squared error as a fraction of the variance, on average over the four accelerations.

    Parameters
    ----------
    n_samples : int, default=15000
        Number of rows.

    noise : float, default=0.3
        Standard deviation of the errors of measurement, as a fraction of that of the accelerations
        themselves, which is 21.3, 32.7, 73.6 and 144.2 radians per second squared.

    random_state : int, RandomState instance or None, default=None
        Seed of all draws.

    Returns
    -------
    X : ndarray of shape (n_samples, 12)
        Positions of the four joints in radians, their velocities in radians per second, and
        their torques in newton metres.

    y : ndarray of shape (n_samples, 4)
        Accelerations of the joints, in radians per second squared.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter is out of range.

    See Also
    --------
    make_moe_regression : Data from a true mixture of experts.

    References
    ----------
    .. [1] M. I. Jordan, R. A. Jacobs, "Hierarchical mixtures of experts and the EM algorithm",
           Neural Computation 6(2), 1994, pages 181-214.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from skmoe.datasets import make_robot_arm
    >>> X, y = make_robot_arm(random_state=0)
    >>> X.shape, y.shape
    ((15000, 12), (15000, 4))
    >>> print(f"{1 - LinearRegression().fit(X, y).score(X, y):.2f}")
    0.31
    """
    check_integer("n_samples", n_samples, minimum=1)
    check_real("noise", noise, minimum=0.0)
    rng = check_random_state(random_state)
    state = rng.uniform(-1, 1, size=(n_samples, 3, len(ARM)))
    state *= [np.full(4, _REACH), np.full(4, _SPEED), _STRENGTH]
    state[:, 0] += _POSTURE
    y = accelerations(ARM, *state.swapaxes(0, 1))
    y += noise * _SPREAD * rng.standard_normal(y.shape)
    return state.reshape(n_samples, -1), y
