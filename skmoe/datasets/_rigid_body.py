"""Dynamics of a chain of rods that are joined by hinges, for many states at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

#: Metres per second squared.
GRAVITY = 9.81

Floats = NDArray[np.floating]

_ALONG, _UP = np.eye(3)[0], np.eye(3)[2]


@dataclass(frozen=True)
class Rod:
    """A uniform round rod that begins at a hinge.

    Attributes
    ----------
    axis : ndarray of shape (3,)
        Of the hinge, a unit vector in the coordinates of the rod; the rod itself lies along
        the first of them.
    length, radius : float
        In metres.
    mass : float
        In kilograms.
    """

    axis: Floats
    length: float
    radius: float
    mass: float

    @property
    def inertia(self) -> Floats:
        """Moments of inertia about the centre, (3,)."""
        along = self.radius**2 / 2
        across = self.radius**2 / 4 + self.length**2 / 12
        return self.mass * np.array([along, across, across])


def accelerations(rods: Sequence[Rod], angles: Floats, rates: Floats, torques: Floats) -> Floats:
    """Return the accelerations of the hinges (n, n_rods) in radians per second squared.

    Parameters
    ----------
    rods : list of Rod
        From the fixed end on.
    angles, rates, torques : ndarray of shape (n, n_rods)
        Of the hinges, in radians, radians per second and newton metres.
    """
    mass, resistance = equations(rods, angles, rates)
    return np.linalg.solve(mass, (torques - resistance)[..., np.newaxis])[..., 0]


def equations(rods: Sequence[Rod], angles: Floats, rates: Floats) -> tuple[Floats, Floats]:
    """Return mass matrices (n, n_rods, n_rods) and torques (n, n_rods) of unaccelerated motion.

    They follow from Newton's law for the centre of each rod and Euler's law for its rotation,
    projected on the directions in which the hinges move.
    """
    n, size = angles.shape
    mass, resistance = np.zeros((n, size, size)), np.zeros((n, size))
    frame = _Frame.fixed(n)
    hinges: list[tuple[Floats, Floats]] = []
    for rod, angle, rate in zip(rods, angles.T, rates.T, strict=True):
        frame = frame.turned(rod.axis, angle, rate)
        hinges.append((frame.directed(rod.axis), frame.origin))
        centre = frame.moved(rod.length / 2)
        moving, turning = _jacobians(hinges, centre.origin, size)
        inertia = (frame.rotation * rod.inertia) @ _transposed(frame.rotation)
        mass += rod.mass * _transposed(moving) @ moving + _transposed(turning) @ inertia @ turning
        force = rod.mass * centre.acceleration
        swing = np.cross(frame.spin, _times(inertia, frame.spin))
        moment = _times(inertia, frame.spin_rate) + swing
        resistance += _times(_transposed(moving), force) + _times(_transposed(turning), moment)
        frame = frame.moved(rod.length)
    return mass, resistance


@dataclass(frozen=True)
class _Frame:
    """Position of a rod, and its motion while no hinge accelerates.

    Attributes
    ----------
    rotation : ndarray of shape (n, 3, 3)
        From coordinates of the rod to those of the world.
    origin, acceleration : ndarray of shape (n, 3)
        Of a point of the rod. An upward acceleration of the world stands for gravity.
    spin, spin_rate : ndarray of shape (n, 3)
        Angular velocity and its derivative.
    """

    rotation: Floats
    origin: Floats
    acceleration: Floats
    spin: Floats
    spin_rate: Floats

    @classmethod
    def fixed(cls, n: int) -> "_Frame":
        """Return the frame of the world, n times."""
        still = np.zeros((n, 3))
        return cls(np.tile(np.eye(3), (n, 1, 1)), still, still + GRAVITY * _UP, still, still)

    def directed(self, vector: Floats) -> Floats:
        """Return a vector of the rod in coordinates of the world, (n, 3)."""
        return self.rotation @ vector

    def turned(self, axis: Floats, angle: Floats, rate: Floats) -> "_Frame":
        """Return the frame of the next rod, behind a hinge."""
        relative = rate[:, np.newaxis] * self.directed(axis)
        return replace(
            self,
            rotation=self.rotation @ _rotations(axis, angle),
            spin=self.spin + relative,
            spin_rate=self.spin_rate + np.cross(self.spin, relative),
        )

    def moved(self, distance: float) -> "_Frame":
        """Return the frame of the same rod at a point further along it."""
        step = distance * self.directed(_ALONG)
        pull = np.cross(self.spin, np.cross(self.spin, step))
        return replace(
            self,
            origin=self.origin + step,
            acceleration=self.acceleration + np.cross(self.spin_rate, step) + pull,
        )


def _rotations(axis: Floats, angle: Floats) -> Floats:
    """Return rotations about one axis (n, 3, 3), by Rodrigues' formula."""
    across = np.cross(np.eye(3), axis)
    sine, versine = np.sin(angle), 1 - np.cos(angle)
    return np.eye(3) + np.multiply.outer(sine, across) + np.multiply.outer(versine, across @ across)


def _jacobians(
    hinges: list[tuple[Floats, Floats]], point: Floats, size: int
) -> tuple[Floats, Floats]:
    """Return velocities of a point and of its rod's rotation per rate of a hinge, (n, 3, size)."""
    moving, turning = np.zeros((2, len(point), 3, size))
    for j, (axis, origin) in enumerate(hinges):
        moving[:, :, j], turning[:, :, j] = np.cross(axis, point - origin), axis
    return moving, turning


def _transposed(matrices: Floats) -> Floats:
    return np.swapaxes(matrices, 1, 2)


def _times(matrices: Floats, vectors: Floats) -> Floats:
    return (matrices @ vectors[..., np.newaxis])[..., 0]
