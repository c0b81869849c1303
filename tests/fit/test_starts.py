"""The default starts end near the best of many, where EM has many optima."""

import numpy as np
import pytest

from skmoe.em._starts import PLAN, PLANS
from tests._hard_tables import INDICATORS, THREE_CLASSES
from tests.benchmarks.starts import NEAR, NEAR_IN_ALL, NEEDED, fit_labels, fit_law

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")

#: Objectives that the best of 200 starts reaches, as `tests/benchmarks/starts.py` prints them.
BEST = {
    "gated, 500 x 2, K = 2": -0.5637,
    "gated, 1000 x 5, K = 3": -0.4273,
    "gated, 2000 x 10, K = 4": -0.3729,
    "gated, 300 x 3, K = 3": -0.4965,
    "softly gated, 1000 x 6, K = 4": -0.6626,
    "hidden, 800 x 8, K = 3": -0.7468,
    "crossed, 600 x 5, K = 4": -0.3502,
    "renamed, 800 x 8, K = 3": -0.3207,
    "renamed, 600 x 5, K = 4": -0.4590,
    "chessboard, 1000 x 3, K = 4": -0.5908,
}

#: On this table of indicators all gamma experts overlap, and few of even 100 starts end alike.
OVERLAPPING = "gamma, 300 x 4, K = 4"


def gap(name, seed):
    """Nats a row between the default starts and the best of 200."""
    return BEST[name] - fit_labels(*THREE_CLASSES[name](), seed).lower_bound_


@pytest.mark.parametrize(
    ("name", "seed"), [("renamed, 800 x 8, K = 3", 1), ("renamed, 600 x 5, K = 4", 0)]
)
def test_three_classes_end_near_the_best_of_many_starts(name, seed):
    # The six to twelve starts of least squares end 0.10 and 0.02 below.
    assert gap(name, seed) <= NEAR


@pytest.mark.slow
def test_nine_tables_of_three_classes_in_ten_end_near_the_best_of_200_starts():
    gaps = [np.median([gap(name, seed) for seed in range(5)]) for name in THREE_CLASSES]
    assert sum(gap <= NEAR for gap in gaps) >= NEEDED, gaps


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason="few of 100 starts end alike"))
        if name == OVERLAPPING
        else name
        for name in INDICATORS
    ],
)
def test_laws_of_indicators_end_near_100_starts(name):
    law, draw = INDICATORS[name]
    X, y, n_experts = draw()
    many = fit_law(law, X, y, n_experts, 100, n_init=100).lower_bound_
    reached = [fit_law(law, X, y, n_experts, seed).lower_bound_ for seed in range(6)]
    assert len(y) * (many - np.median(reached)) <= NEAR_IN_ALL


def test_there_are_more_starts_where_tables_are_small():
    assert [PLAN.n_starts(work, 4) for work in (1, 2**17, 2**30)] == [24, 8, 6]
    assert PLAN.n_starts(1, 2) == 12
    for plan in PLANS.values():
        assert plan.n_starts(1, 4) == plan.most > PLAN.most
        assert set(PLAN.kinds) < set(plan.kinds)


@pytest.mark.parametrize(("law", "n_starts"), [("poisson", 48), ("gamma", 48), ("gaussian", 12)])
def test_the_law_decides_on_the_plan(law, n_starts):
    _, draw = INDICATORS["poisson, 60 x 2, K = 2"]
    X, y, n_experts = draw()
    log = fit_law(law, X, y + 1.0, n_experts, 0).starts_
    kinds = {start["kind"] for start in log}
    assert len(log) == n_starts
    assert ("split" in kinds) == (law != "gaussian")
