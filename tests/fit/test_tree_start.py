"""A tree of gates starts from one that has grown from its root."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._fit.fitting import Fitting
from skmoe._fit.tree_start import _CUTS
from skmoe.datasets import make_moe_regression, make_robot_arm
from skmoe.gates import HierarchicalGate, count_leaves, forks, trunk
from skmoe.gates._tree import preorder

TREES = [(2,), (5,), (2, 3), (2, 2, 2), (2, (3, 2)), ((2, 2), 1, 3), (1, (1, (2, 2)))]


def levels(branching):
    depth = 0
    while max(forks(branching, depth)) > 1:
        depth += 1
    return depth


@pytest.mark.parametrize("branching", TREES)
def test_a_trunk_forks_into_the_next(branching):
    depths = range(1, levels(branching))
    for depth in depths:
        leaves = count_leaves(trunk(branching, depth))
        assert len(forks(branching, depth)) == leaves
        assert sum(forks(branching, depth)) == count_leaves(trunk(branching, depth + 1))
        HierarchicalGate(trunk(branching, depth))._check_params()
    whole = trunk(branching, levels(branching))
    for mine, given in zip(preorder(whole), preorder(branching), strict=True):
        assert_array_equal(mine, given)


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_it_ends_higher_than_most_where_y_is_smooth(seed):
    X, y = make_robot_arm(3000, random_state=seed)
    gate = HierarchicalGate((2, 2, 2))
    model = MixtureOfExpertsRegressor(n_experts=8, gate=gate, tol=1e-3, random_state=0).fit(X, y)
    reached = {start["kind"]: [] for start in model.starts_}
    for start in model.starts_:
        reached[start["kind"]].append(start["lower_bound"])
    others = [bound for kind, bounds in reached.items() if kind != "grown" for bound in bounds]
    assert len(reached["grown"]) == 1
    assert reached["grown"][0] > np.median(others) + 0.02


def test_what_is_averaged_may_all_have_grown():
    X, y = make_robot_arm(1500, random_state=0)
    gate = HierarchicalGate((2, 2))
    model = MixtureOfExpertsRegressor(gate=gate, average=3, tol=1e-3, random_state=0).fit(X, y)
    reached = [start["lower_bound"] for start in model.starts_ if start["kind"] == "grown"]
    assert len(reached) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"gate": HierarchicalGate((4,))},
        {"gate": HierarchicalGate((2, 2)), "init": "random"},
        {"gate": HierarchicalGate((2, 2)), "n_init": 3},
        {"gate": "softmax"},
        {
            "gate": HierarchicalGate((2, 2)),
            "experts": RandomForestRegressor(5, random_state=0),
            "max_iter": 2,
        },
    ],
    ids=["one level", "random starts", "so many starts", "no tree", "costly experts"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nothing_grows_without_need(params):
    X, y = make_moe_regression(150, 2, n_experts=4, random_state=0)
    model = MixtureOfExpertsRegressor(n_experts=4, random_state=0, **params | {"tol": 1e-2})
    assert "grown" not in {start["kind"] for start in model.fit(X, y).starts_}


def only_grown(monkeypatch):
    """Draw no other start of the mixture itself."""
    draw = Fitting._draw

    def none(self, cheap, init, n_starts):
        return draw(self, cheap, init, n_starts) if n_starts == _CUTS else iter(())

    monkeypatch.setattr(Fitting, "_draw", none)


@pytest.mark.parametrize("branching", [(3, 2), (2, (3, 2)), (1, (1, (2, 2)))])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_any_tree_of_either_task(branching, task, monkeypatch, rng):
    only_grown(monkeypatch)
    X = rng.normal(size=(300, 3))
    y = 2 * np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=300)
    kind = MixtureOfExpertsRegressor
    if task == "classification":
        kind, y = MixtureOfExpertsClassifier, np.digitize(y, [-1, 1])
    gate = HierarchicalGate(branching)
    model = kind(n_experts=count_leaves(branching), gate=gate, random_state=0).fit(X, y)
    assert model.starts_[0]["kind"] == "grown"
    assert np.isfinite(model.starts_[0]["lower_bound"])


def test_twice_the_weight_is_two_rows(monkeypatch, rng):
    only_grown(monkeypatch)
    X, y = make_moe_regression(200, 2, n_experts=4, random_state=0)
    times = rng.integers(1, 4, size=200)
    gate = HierarchicalGate((2, 2))
    one = MixtureOfExpertsRegressor(gate=gate, random_state=0, tol=1e-3)
    once = one.fit(X, y, sample_weight=times).lower_bound_
    order = rng.permutation(times.sum())
    again = one.fit(np.repeat(X, times, axis=0)[order], np.repeat(y, times)[order]).lower_bound_
    assert_allclose(again, once, rtol=1e-6)


def test_groups_stay_whole(monkeypatch, rng):
    only_grown(monkeypatch)
    X, y = make_moe_regression(240, 2, n_experts=4, random_state=0)
    gate = HierarchicalGate((2, 2))
    groups = np.repeat(np.arange(80), 3)
    model = MixtureOfExpertsRegressor(gate=gate, random_state=0).fit(X, y, groups=groups)
    assert model.starts_[0]["kind"] == "grown"
    assert np.isfinite(model.lower_bound_)


@pytest.mark.parametrize("n", [3, 9])
@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
def test_fewer_rows_than_leaves(n, monkeypatch, rng):
    only_grown(monkeypatch)
    X = rng.normal(size=(n, 2))
    gate = HierarchicalGate((2, 2, 2))
    model = MixtureOfExpertsRegressor(n_experts=8, gate=gate, random_state=0).fit(X, X[:, 0])
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.filterwarnings("ignore:no rows were left:UserWarning")
def test_columns_of_text_and_gaps_are_replaced_by_numbers(monkeypatch, rng):
    pd = pytest.importorskip("pandas")
    only_grown(monkeypatch)
    side = np.where(rng.uniform(size=200) < 0.5, "left", "right")
    X = pd.DataFrame({"a": rng.normal(size=200), "side": side})
    y = np.where(side == "left", 3 * X["a"], -3 * X["a"]) + 0.1 * rng.normal(size=200)
    coded = make_column_transformer((OneHotEncoder(), ["side"]), remainder="passthrough")
    tree = make_pipeline(coded, HierarchicalGate((2, 2)))
    expert = make_pipeline(coded, LinearRegression())
    model = MixtureOfExpertsRegressor(expert, gate=tree, random_state=0).fit(X, y)
    assert model.starts_[0]["kind"] == "grown"
    assert model.score(X, y) > 0.95
