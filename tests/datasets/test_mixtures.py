"""The generators draw from the very law whose parameters they return."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from skmoe.datasets import make_moe_classification, make_moe_regression

GENERATORS = [make_moe_regression, make_moe_classification]

# A standard normal statistic exceeds this once in five hundred thousand.
LARGEST_Z = 4.75


def gate_proba(X, params):
    return softmax(X @ params.gate_coef.T + params.gate_intercept, axis=1)


def score_z(indicator, probabilities, X):
    """Return z-scores of the likelihood equations of a multinomial law, (n_columns, K).

    With the true probabilities, each sum over rows of (indicator - probability) x has mean zero
    and the variance below; one wrong coefficient or intercept moves it by many deviations.
    """
    A = np.column_stack([np.ones(len(X)), X])
    total = A.T @ (indicator - probabilities)
    variance = (A**2).T @ (probabilities * (1 - probabilities))
    return total / np.sqrt(variance)


# The law -------------------------------------------------------------------------------------


@pytest.mark.parametrize("generator", GENERATORS)
def test_experts_are_drawn_from_the_returned_gate(generator):
    X, _, params = generator(20_000, 4, n_experts=3, return_params=True, random_state=0)
    chosen = params.expert[:, np.newaxis] == np.arange(3)
    assert np.abs(score_z(chosen, gate_proba(X, params), X)).max() < LARGEST_Z

    params.gate_coef[0, 0] += 0.5
    assert np.abs(score_z(chosen, gate_proba(X, params), X)).max() > 2 * LARGEST_Z


@pytest.mark.parametrize("noise", [0.3, [0.1, 0.5, 2.0]])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_residuals_have_the_returned_sigma(noise, n_targets):
    n = 20_000
    X, y, params = make_moe_regression(
        n, 4, noise=noise, n_targets=n_targets, return_params=True, random_state=1
    )
    np.testing.assert_array_equal(params.sigma, np.broadcast_to(noise, 3))
    for k in range(3):
        rows = params.expert == k
        prediction = X[rows] @ params.expert_coef[k].T + params.expert_intercept[k]
        z = ((y[rows] - prediction) / params.sigma[k]).ravel()
        assert abs(z.mean()) * np.sqrt(z.size) < LARGEST_Z
        assert abs(np.mean(z**2) - 1) * np.sqrt(z.size / 2) < LARGEST_Z


def test_without_noise_the_target_is_that_of_the_expert():
    X, y, params = make_moe_regression(50, 3, noise=0, return_params=True, random_state=2)
    of_all = X @ params.expert_coef.T + params.expert_intercept
    np.testing.assert_allclose(y, of_all[np.arange(50), params.expert], rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_labels_are_drawn_from_the_expert_of_the_row(n_classes):
    X, y, params = make_moe_classification(
        20_000, 4, n_classes=n_classes, sharpness=1.0, return_params=True, random_state=3
    )
    for k in range(3):
        rows = params.expert == k
        logits = X[rows] @ params.expert_coef[k].T + params.expert_intercept[k]
        drawn = y[rows, np.newaxis] == np.arange(n_classes)
        assert np.abs(score_z(drawn, softmax(logits, axis=1), X[rows])).max() < LARGEST_Z


def centres_of(params):
    """Return the centres m of a gate with a = c m and b = -c |m|^2 / 2 for a common c."""
    c = -np.sum(params.gate_coef**2, axis=1) / (2 * params.gate_intercept)
    np.testing.assert_allclose(c, c[0])
    return params.gate_coef / c[0]


def test_separation_is_the_mean_log_odds_against_the_nearest_at_the_own_centre():
    *_, params = make_moe_regression(
        10, 3, n_experts=4, separation=6.5, return_params=True, random_state=4
    )
    centres = centres_of(params)
    at_centres = log_softmax(centres @ params.gate_coef.T + params.gate_intercept, axis=1)
    np.testing.assert_array_equal(at_centres.argmax(axis=1), np.arange(4))
    ascending = np.sort(at_centres, axis=1)
    assert np.mean(ascending[:, -1] - ascending[:, -2]) == pytest.approx(6.5)


def test_classes_meet_at_the_centre_of_each_expert():
    *_, params = make_moe_classification(10, 3, n_classes=4, return_params=True, random_state=4)
    for centre, coef, intercept in zip(
        centres_of(params), params.expert_coef, params.expert_intercept, strict=True
    ):
        np.testing.assert_allclose(coef @ centre + intercept, 0, atol=1e-12)


@pytest.mark.parametrize("generator", GENERATORS)
def test_without_separation_the_gate_is_constant(generator):
    X, _, params = generator(100, separation=0, return_params=True, random_state=5)
    np.testing.assert_array_equal(gate_proba(X, params), np.full((100, 3), 1 / 3))


@pytest.mark.parametrize(("n_features", "n_experts"), [(1, 3), (2, 6), (5, 3), (10, 4), (20, 2)])
def test_experts_have_similar_shares(n_features, n_experts):
    *_, params = make_moe_regression(
        4000, n_features, n_experts=n_experts, return_params=True, random_state=6
    )
    shares = np.bincount(params.expert, minlength=n_experts) / 4000
    assert shares.min() > 0.5 / n_experts
    assert shares.max() < 2 / n_experts


def test_features_are_standard_normal():
    X, _ = make_moe_regression(20_000, 3, random_state=7)
    assert np.abs(X.mean(axis=0)).max() * np.sqrt(20_000) < LARGEST_Z
    assert np.abs(np.cov(X.T) - np.eye(3)).max() * np.sqrt(20_000 / 2) < LARGEST_Z


# What comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n_targets", "outputs"), [(1, ()), (3, (3,))])
def test_shapes_for_regression(n_targets, outputs):
    X, y, params = make_moe_regression(
        30, 4, n_experts=2, n_targets=n_targets, return_params=True, random_state=0
    )
    assert X.shape == (30, 4)
    assert y.shape == (30, *outputs)
    assert {name: value.shape for name, value in params.items()} == {
        "gate_coef": (2, 4),
        "gate_intercept": (2,),
        "expert_coef": (2, *outputs, 4),
        "expert_intercept": (2, *outputs),
        "sigma": (2,),
        "expert": (30,),
    }


def test_shapes_for_classification():
    X, y, params = make_moe_classification(
        300, 4, n_experts=2, n_classes=3, return_params=True, random_state=0
    )
    assert X.shape == (300, 4)
    np.testing.assert_array_equal(np.unique(y), [0, 1, 2])
    assert {name: value.shape for name, value in params.items()} == {
        "gate_coef": (2, 4),
        "gate_intercept": (2,),
        "expert_coef": (2, 3, 4),
        "expert_intercept": (2, 3),
        "expert": (300,),
    }


@pytest.mark.parametrize("generator", GENERATORS)
def test_only_informative_columns_have_coefficients(generator):
    *_, params = generator(10, 9, n_informative=4, return_params=True, random_state=1)
    by_gate = np.any(params.gate_coef != 0, axis=0)
    by_experts = np.any(params.expert_coef.reshape(-1, 9) != 0, axis=0)
    assert by_gate.sum() == 4
    np.testing.assert_array_equal(by_gate, by_experts)


@pytest.mark.parametrize("generator", GENERATORS)
def test_one_expert_handles_everything(generator):
    X, _, params = generator(20, n_experts=1, return_params=True, random_state=0)
    np.testing.assert_array_equal(params.expert, 0)
    np.testing.assert_array_equal(gate_proba(X, params), 1)


@pytest.mark.parametrize("generator", GENERATORS)
def test_same_seed_same_data(generator):
    X, y, params = generator(40, return_params=True, random_state=11)
    again_X, again_y = generator(40, random_state=np.random.RandomState(11))
    np.testing.assert_array_equal(X, again_X)
    np.testing.assert_array_equal(y, again_y)
    other_X, _, other = generator(40, return_params=True, random_state=12)
    assert not np.any(other_X == X)
    assert not np.any(params.gate_coef == other.gate_coef)


# Parameters out of range ---------------------------------------------------------------------


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, r"n_samples must be an integer >= 1, got 0"),
        ({"n_samples": 10.0}, TypeError, r"n_samples must be an integer >= 1, got 10\.0"),
        ({"n_features": -1}, ValueError, r"n_features must be an integer >= 1, got -1"),
        ({"n_experts": 0}, ValueError, r"n_experts must be an integer >= 1, got 0"),
        ({"n_experts": "3"}, TypeError, r"n_experts must be an integer >= 1, got '3'"),
        ({"n_experts": True}, TypeError, r"n_experts must be an integer >= 1, got True"),
        ({"n_informative": 6}, ValueError, r"n_informative must be an integer from 1 to 5, got 6"),
        ({"n_informative": 0}, ValueError, r"n_informative must be an integer from 1 to 5, got 0"),
        ({"separation": -1}, ValueError, r"separation must be a finite number >= 0, got -1"),
        ({"separation": np.nan}, ValueError, r"separation must be a finite number >= 0, got nan"),
        ({"separation": np.inf}, ValueError, r"separation must be a finite number >= 0, got inf"),
        ({"separation": None}, TypeError, r"separation must be a finite number >= 0, got None"),
        ({"random_state": "a"}, ValueError, r"'a' cannot be used to seed"),
    ],
)
def test_bad_parameter_is_named(generator, parameters, error, message):
    with pytest.raises(error, match=message):
        generator(**parameters)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_targets": 0}, ValueError, r"n_targets must be an integer >= 1, got 0"),
        ({"noise": -0.1}, ValueError, r"noise must be a finite number >= 0, got -0\.1"),
        ({"noise": True}, TypeError, r"noise must be a finite number >= 0, got True"),
        ({"noise": "much"}, TypeError, r"noise must be a number or an array .*, got 'much'"),
        ({"noise": [1, [2, 3], 4]}, TypeError, r"noise must be a number or an array of numbers"),
        ({"noise": [1, 2]}, ValueError, r"noise must .* shape .* = \(3,\), got shape \(2,\)"),
        ({"noise": [1, 2, -3]}, ValueError, r"noise must hold finite numbers >= 0, got"),
    ],
)
def test_bad_parameter_of_the_regression_is_named(parameters, error, message):
    with pytest.raises(error, match=message):
        make_moe_regression(**parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_classes": 1}, r"n_classes must be an integer >= 2, got 1"),
        ({"sharpness": -2.0}, r"sharpness must be a finite number >= 0, got -2\.0"),
    ],
)
def test_bad_parameter_of_the_classification_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_moe_classification(**parameters)
