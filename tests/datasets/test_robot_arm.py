"""The arm moves as a rigid body does: a rod is as good as six points of the same inertia."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation
from sklearn.linear_model import LinearRegression

from skmoe.datasets import make_robot_arm
from skmoe.datasets._rigid_body import accelerations, equations
from skmoe.datasets._robot_arm import ARM

G = 9.81
MASSES = np.repeat([3.0, 2.0, 1.5, 1.0], 6) / 6
LENGTHS = [0.2, 0.4, 0.3, 0.2]
AXES = ["z", "y", "y", "y"]
RADIUS = 0.05


def points(q):
    """Six points for each rod (n, 24, 3), which have its mass, its centre and its inertia.

    Points at distances a, b, c on the axes of a body have moments m (b² + c²) / 3 and so on.
    """
    bodies, turn, hinge = [], Rotation.identity(len(q)), np.zeros((len(q), 3))
    thick = RADIUS * np.sqrt(3) / 2
    for j, (axis, length) in enumerate(zip(AXES, LENGTHS, strict=True)):
        turn = turn * Rotation.from_euler(axis, q[:, [j]])
        own = np.diag([length / 2, thick, thick])
        centre = np.array([length / 2, 0, 0])
        bodies += [hinge + turn.apply(centre + place) for place in (*own, *-own)]
        hinge = hinge + turn.apply([length, 0, 0])
    return np.stack(bodies, axis=1)


def jacobian(q, step=1e-5):
    """Velocities of the points per velocity of a joint, (n, 24, 3, 4), by central differences."""
    moved = [(points(q + e) - points(q - e)) / (2 * step) for e in step * np.eye(4)]
    return np.stack(moved, axis=-1)


def potential(q):
    return G * points(q)[:, :, 2] @ MASSES


def energy(q, rates):
    velocities = np.einsum("nbcj,nj->nbc", jacobian(q), rates)
    return 0.5 * (velocities**2).sum(axis=2) @ MASSES + potential(q)


def inverse_dynamics(q, rates, accelerations, step=2e-5):
    """Torques (n, 4) by d'Alembert: forces on points along a path, projected on the joints."""
    ahead = q + step * rates + 0.5 * step**2 * accelerations
    behind = q - step * rates + 0.5 * step**2 * accelerations
    felt = (points(ahead) - 2 * points(q) + points(behind)) / step**2 + [0, 0, G]
    return np.einsum("b,nbc,nbcj->nj", MASSES, felt, jacobian(q))


@pytest.fixture
def states(rng):
    """Any postures and velocities, those that are never drawn included, (n, 4) each."""
    return rng.uniform(-np.pi, np.pi, (50, 4)), rng.uniform(-5, 5, (50, 4))


# Mechanics -----------------------------------------------------------------------------------


def test_torques_come_back_from_the_accelerations():
    X, y = make_robot_arm(200, noise=0, random_state=0)
    q, rates, torques = np.split(X, 3, axis=1)
    assert_allclose(inverse_dynamics(q, rates, y), torques, atol=1e-5)


def test_torques_come_back_in_any_state(states, rng):
    torques = rng.uniform(-20, 20, (50, 4))
    answer = accelerations(ARM, *states, torques)
    assert_allclose(inverse_dynamics(*states, answer), torques, atol=1e-4)


def test_mass_matrix_is_that_of_the_points(states):
    q, rates = states
    mass, _ = equations(ARM, q, rates)
    moving = jacobian(q)
    assert_allclose(mass, np.einsum("b,nbci,nbcj->nij", MASSES, moving, moving), atol=1e-8)
    assert_allclose(mass, np.swapaxes(mass, 1, 2), rtol=0, atol=1e-14)
    assert np.linalg.eigvalsh(mass).min() > 0


def test_without_torques_energy_is_kept(states):
    q, rates = states[0][:3], 0.2 * states[1][:3]
    before, step = energy(q, rates), 5e-4

    def derivative(state):
        return np.stack([state[1], accelerations(ARM, *state, np.zeros_like(q))])

    state = np.stack([q, rates])
    for _ in range(400):  # Runge and Kutta
        first = derivative(state)
        second = derivative(state + 0.5 * step * first)
        third = derivative(state + 0.5 * step * second)
        fourth = derivative(state + step * third)
        state = state + step * (first + 2 * second + 2 * third + fourth) / 6
    after = energy(*state)
    assert_allclose(after, before, atol=1e-6)
    exchanged = np.abs(potential(state[0]) - potential(q))
    assert exchanged.max() > 1.0


def test_torques_that_carry_the_weight_hold_the_arm_at_rest(states):
    q, step = states[0], 1e-5
    weight = [(potential(q + e) - potential(q - e)) / (2 * step) for e in step * np.eye(4)]
    answer = accelerations(ARM, q, np.zeros_like(q), np.transpose(weight))
    assert_allclose(answer, 0, atol=1e-5)
    assert_allclose(weight[0], 0, atol=1e-8)  # about the vertical there is nothing to carry


# What comes back -----------------------------------------------------------------------------


def test_states_are_uniform_over_their_ranges():
    X, y = make_robot_arm(random_state=0)
    assert X.shape == (15000, 12)
    assert y.shape == (15000, 4)
    largest = np.array([1.075] * 4 + [2.0] * 4 + [30.0, 18.0, 5.0, 0.35])
    centre = np.array([0, 0, np.pi / 2] + [0] * 9)
    U = (X - centre) / largest
    assert_allclose(U.min(axis=0), -1, atol=2e-3)
    assert_allclose(U.max(axis=0), 1, atol=2e-3)
    z = U.mean(axis=0) * np.sqrt(3 * len(U))
    assert np.abs(z).max() < 4.75
    correlation = np.corrcoef(U.T) - np.eye(12)
    assert np.abs(correlation).max() * np.sqrt(len(U)) < 4.75


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_model_has_the_published_error(seed):
    X, y = make_robot_arm(20000, random_state=seed)
    model = LinearRegression().fit(X[:15000], y[:15000])
    assert 1 - model.score(X[15000:], y[15000:]) == pytest.approx(0.31, abs=0.01)


def test_errors_are_a_share_of_the_spread_of_each_acceleration():
    X, y = make_robot_arm(20000, noise=0, random_state=1)
    same, noisy = make_robot_arm(20000, noise=0.5, random_state=1)
    assert_array_equal(same, X)
    z = (noisy - y) / (0.5 * y.std(axis=0))
    assert np.abs(z.mean(axis=0)).max() * np.sqrt(len(z)) < 4.75
    assert_allclose(np.cov(z.T), np.eye(4), atol=0.06)
    assert abs(np.corrcoef(np.abs(z[:, 3]), np.abs(y[:, 3]))[0, 1]) * np.sqrt(len(z)) < 4.75
    _, default = make_robot_arm(20000, random_state=1)
    assert_allclose(default - y, 0.6 * (noisy - y), rtol=1e-9)


def test_same_seed_same_arm_movements():
    X, y = make_robot_arm(30, random_state=3)
    again = make_robot_arm(30, random_state=np.random.RandomState(3))
    assert_array_equal(again[0], X)
    assert_array_equal(again[1], y)
    assert not np.any(make_robot_arm(30, random_state=4)[0] == X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, r"n_samples must be an integer >= 1, got 0"),
        ({"n_samples": 2.0}, TypeError, r"n_samples must be an integer >= 1, got 2\.0"),
        ({"noise": -1}, ValueError, r"noise must be a finite number >= 0, got -1"),
        ({"noise": np.inf}, ValueError, r"noise must be a finite number >= 0, got inf"),
        ({"noise": "much"}, TypeError, r"noise must be a finite number >= 0, got 'much'"),
        ({"random_state": "a"}, ValueError, r"'a' cannot be used to seed"),
    ],
)
def test_bad_parameter_of_the_arm_is_named(parameters, error, message):
    with pytest.raises(error, match=message):
        make_robot_arm(**parameters)
