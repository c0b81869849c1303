"""The EM loop on matrices: posterior, order of steps, and convergence."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skmoe.em._loop import State, e_step, iterate, run


def states(objectives):
    return (State(k, None, value) for k, value in enumerate(objectives))


@pytest.mark.parametrize("top_k", [None, 1, 2, 3, 7])
def test_e_step_is_bayes_rule_over_the_largest_joint_terms(rng, top_k):
    log_gate = np.log(rng.dirichlet(np.ones(4), 5000))
    log_density = 30 * rng.standard_normal((5000, 4))
    joint = log_gate + log_density
    if top_k is not None and top_k < 4:
        threshold = np.sort(joint, axis=1)[:, -top_k][:, None]
        joint = np.where(joint >= threshold, joint, -np.inf)
    resp, log_likelihood = e_step(log_gate, log_density.copy(), top_k)
    np.testing.assert_allclose(log_likelihood, logsumexp(joint, axis=1), rtol=1e-13)
    np.testing.assert_allclose(resp, np.exp(joint - log_likelihood[:, None]), atol=1e-14)


def test_rows_that_no_expert_explains_follow_the_gate():
    log_gate = np.log([[0.3, 0.7], [0.5, 0.5]])
    resp, log_likelihood = e_step(log_gate, np.array([[-np.inf, -np.inf], [0.0, 0.0]]))
    np.testing.assert_allclose(resp[0], [0.3, 0.7], atol=1e-12)
    assert np.isfinite(log_likelihood).all()


def test_ties_go_to_one_expert():
    resp, _ = e_step(np.zeros((3, 4)), np.zeros((3, 4)), top_k=1)
    np.testing.assert_array_equal(resp, np.eye(4)[[0, 0, 0]])


def test_iterate_advances_from_state_to_state():
    found = iterate(State(0, None, 0.0), lambda state: State(state.parameters + 1, None, 1.0))
    assert [next(found).parameters for _ in range(3)] == [1, 2, 3]


def test_run_stops_where_the_gain_falls_below_tol():
    ended = run(states([0.0, 1.0, 1.5, 1.5 + 1e-6, 9.0]), tol=1e-5, max_iter=10)
    assert ended.converged
    assert len(ended.history) == 4
    assert ended.state.parameters == 3


def test_run_never_calls_a_fall_convergence():
    ended = run(states([0.0, 2.0, 1.0, 1.0, 1.0, 1.0]), tol=1e-5, max_iter=10)
    assert not ended.converged
    assert "fell" in ended.stop_reason
    assert ended.state.objective == 2.0
    assert ended.history == (0.0, 2.0, 1.0, 1.0, 1.0)


def test_run_goes_on_after_a_fall_that_recovers():
    ended = run(states([0.0, 2.0, 1.0, 3.0, 4.0, 5.0]), tol=1e-5, max_iter=10)
    assert ended.state.objective == 5.0


def test_run_may_be_continued_after_max_iter():
    ended = run(states([0.0, 1.0, 2.0, 3.0]), tol=1e-5, max_iter=3)
    assert (ended.converged, ended.stop_reason, len(ended.history)) == (False, None, 3)
