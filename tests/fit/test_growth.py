"""``n_experts="auto"``: the number of experts, chosen."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.linear_model import Lasso
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.inspection import PathDisplay
from skmoe.responses import Gaussian


def auto(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": "auto", "random_state": 0} | params)


def table(n_experts, seed=0, n=600):
    return make_moe_regression(n, 2, n_experts=n_experts, random_state=seed)


@pytest.mark.parametrize("n_experts", [1, 2, 3, pytest.param(5, marks=pytest.mark.slow)])
def test_the_number_that_made_the_data_is_found(n_experts):
    hits = sum(auto().fit(*table(n_experts, seed)).n_experts_ == n_experts for seed in range(4))
    assert hits == 4


def test_crossing_lines_are_found_without_a_gate(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, 1))
    side = rng.random(600) < 0.4
    y = np.where(side, 2.0, -1.0) * X[:, 0] + rng.normal(scale=0.3, size=600)
    model = auto(gate="constant").fit(X, y)
    assert model.n_experts_ == 2
    assert {start["kind"] for start in model.starts_} <= {"split", "crossed", "merged"}


def test_the_path_holds_the_scores_of_the_models():
    X, y = table(3)
    model = auto().fit(X, y)
    steps = {step["n_experts"]: step for step in model.path_}
    assert list(steps) == [1, 2, 3, 4, 5]
    assert [step["chosen"] for step in model.path_] == [k == 3 for k in steps]
    chosen = steps[3]
    np.testing.assert_allclose(chosen["log_likelihood"], model.score_samples(X, y).sum())
    np.testing.assert_allclose(chosen["bic"], model.bic(X, y))
    np.testing.assert_allclose(chosen["icl"], model.icl(X, y))
    assert chosen["bic"] == min(step["bic"] for step in model.path_)
    one = MixtureOfExpertsRegressor(n_experts=1).fit(X, y)
    np.testing.assert_allclose(steps[1]["bic"], one.bic(X, y))


def test_growth_reaches_what_many_starts_reach():
    X, y = table(4, seed=3)
    model = auto().fit(X, y)
    assert model.n_experts_ == 4
    many = MixtureOfExpertsRegressor(n_experts=4, n_init=20, random_state=0).fit(X, y)
    assert model.lower_bound_ > many.lower_bound_ - 1e-4


@pytest.mark.parametrize(("n_init", "alpha"), [("auto", 0.1), (3, 0.1), (3, "auto")])
def test_an_average_has_the_best_runs_at_the_chosen_size(n_init, alpha):
    X, y = table(3, seed=1, n=300)
    gate = SoftmaxGate(alpha)
    alone, model = (auto(average=k, n_init=n_init, gate=gate).fit(X, y) for k in (1, 3))
    # Under learned penalties all runs have those of the grown mixture.
    assert len({part["gate"].alpha_ for part in model.averaged_} | {model.gate_.alpha_}) == 1
    assert model.n_experts_ == alone.n_experts_
    assert all(len(part["experts"]) == model.n_experts_ for part in model.averaged_)
    # The grown mixture is one of the candidates.
    bounds = [model.lower_bound_, *(part["lower_bound"] for part in model.averaged_)]
    assert bounds[0] >= alone.lower_bound_ - 1e-12
    assert bounds == sorted(bounds, reverse=True)
    assert 2 <= len(bounds) <= 3
    averaged = [start["lower_bound"] for start in model.starts_ if start["averaged"]]
    np.testing.assert_allclose(sorted(averaged, reverse=True), bounds, rtol=1e-12)
    assert [s["lower_bound"] for s in model.starts_ if s["chosen"]] == [max(averaged)]
    reached = [start["lower_bound"] for start in model.starts_]
    np.testing.assert_allclose(max(reached), bounds[0], rtol=1e-9)


def test_an_average_of_one_expert_is_that_expert():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    model = auto(average=3).fit(X, X.sum(axis=1) + rng.normal(size=200))
    assert (model.n_experts_, model.averaged_) == (1, [])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_average_where_held_out_rows_decide():
    X, y = table(2, n=200)
    model = auto(experts=Lasso(alpha=0.01), average=2, n_init=3, max_iter=10).fit(X, y)
    assert "held_out" in model.path_[0]
    assert {len(part["experts"]) for part in model.averaged_} <= {model.n_experts_}


def test_what_was_cut_badly_is_mended():
    X, y = make_moe_regression(500, 4, n_experts=7, random_state=102)
    model = auto(gate="constant").fit(X, y)
    size = model.n_experts_
    assert {start["kind"] for start in model.starts_} == {"merged"}
    many = MixtureOfExpertsRegressor(n_experts=size, gate="constant", n_init=20, random_state=0)
    assert model.bic(X, y) < many.fit(X, y).bic(X, y)


def test_weights_count_as_rows(seed):
    X, y = table(2, n=300)
    weights = np.random.default_rng(seed).integers(0, 3, size=300)
    weighted = auto().fit(X, y, sample_weight=weights)
    repeated = auto().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert weighted.n_experts_ == repeated.n_experts_
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)
    np.testing.assert_allclose(
        [step["bic"] for step in weighted.path_],
        [step["bic"] for step in repeated.path_],
        rtol=1e-3,
    )


def test_a_classifier_chooses_too():
    X, y = make_moe_classification(1500, 2, n_experts=2, random_state=0)
    model = MixtureOfExpertsClassifier(n_experts="auto", random_state=0).fit(X, y)
    assert model.n_experts_ == 2
    assert model.path_[0]["bic"] > model.path_[1]["bic"]


def test_what_cannot_be_counted_is_scored_by_held_out_rows():
    X, y = table(3, n=400)
    model = auto(experts=Lasso(alpha=0.01)).fit(X, y)
    assert all("bic" not in step for step in model.path_)
    scores = [step["held_out"] for step in model.path_]
    assert model.n_experts_ == 1 + int(np.argmax(scores)) > 1
    assert len(model.experts_) == model.n_experts_
    assert model.starts_[-1]["kind"] in ("grown", "reseeded")
    # A fifth of the rows was held out to choose, and none in the end.
    assert model.score_samples(X, y).mean() > scores[0]


def test_groups_choose_with_their_own_number(seed):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(60), 6)
    X = rng.uniform(0, 3, size=(360, 1))
    slope = np.where(rng.random(60) < 0.5, 1.0, -1.0)[person]
    y = slope * X[:, 0] + rng.normal(scale=1.0, size=360)
    model = auto(gate="constant").fit(X, y, groups=person)
    assert model.n_experts_ == 2
    np.testing.assert_allclose(model.path_[1]["bic"], model.bic(X, y, person))
    trees = auto(experts=DecisionTreeRegressor(max_depth=1), gate="constant")
    assert trees.fit(X, y, groups=person).path_[0]["out_of_fold"] < 0


def test_frames_with_words_and_gaps_pass():
    X, y = table(2, n=300)
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(word=np.where(X[:, 0] > 0, "up", "down"))
    model = auto(gate_features=["a", "b"], expert_features=["a", "b"]).fit(frame, y)
    assert model.n_experts_ == 2
    assert list(model.feature_names_in_) == ["a", "b", "word"]


def test_same_seed_same_choice():
    X, y = table(3)
    first, second = auto().fit(X, y), auto().fit(X, y)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert [step["bic"] for step in first.path_] == [step["bic"] for step in second.path_]


def test_few_rows_end_the_growth():
    X = np.arange(4.0)[:, None]
    model = auto(response=Gaussian(prior=1)).fit(X, [0.0, 1.0, 2.0, 3.1])
    assert model.n_experts_ <= 4
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"specialize": False}, "specialize=False"),
    ],
)
def test_what_rules_a_choice_out_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        auto(**params).fit(*table(2))


@pytest.mark.parametrize("seed", range(2))
def test_cross_fitted_experts_are_compared_out_of_fold(seed):
    """Steps of opposite signs need two trees; gate and dispersions are charged, trees are not."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (300, 2))
    step = np.where(X[:, 0] > 0, 3.0, -3.0) * rng.choice([-1.0, 1.0], 300)
    trees = auto(experts=DecisionTreeRegressor(max_depth=1), gate="constant")
    model = trees.fit(X, step + 0.3 * rng.standard_normal(300))
    sizes = [entry["n_experts"] for entry in model.path_]
    assert sizes in ([1, 2], [1, 2, 4])
    for entry in model.path_:
        charge = 0.5 * np.log(300) * (2 * entry["n_experts"] - 1)
        score = (entry["log_likelihood"] - charge) / 300
        np.testing.assert_allclose(entry["out_of_fold"], score)
    best = max(model.path_, key=lambda entry: entry["out_of_fold"])
    assert best["chosen"]
    assert model.n_experts_ == best["n_experts"] > 1
    assert [start["chosen"] for start in model.starts_].count(True) == 1


def test_the_number_that_is_known_is_not_chosen():
    X, y = table(2)
    tree = auto(gate=HierarchicalGate((2, 2)), n_init=1).fit(X, y)
    assert tree.n_experts_ == 4
    assert tree.path_ == []
    resp = np.full((len(y), 3), 1.0 / 3.0)
    resp[: len(y) // 2] = [0.6, 0.2, 0.2]
    assert auto(init=resp).fit(X, y).n_experts_ == 3


def test_a_typo_is_refused():
    with pytest.raises(ValueError, match="'n_experts' parameter"):
        auto(n_experts="atuo").fit(*table(2))


def test_a_list_is_not_counted():
    X, y = table(2)
    model = auto(experts=[("a", Lasso(alpha=0.01)), ("b", Lasso(alpha=0.1))]).fit(X, y)
    assert model.n_experts_ == 2
    assert model.path_ == []


def test_the_path_is_drawn():
    X, y = table(2)
    model = auto(gate=SoftmaxGate(alpha=1.0)).fit(X, y)
    display = PathDisplay.from_estimator(model)
    sizes, values = display.line_.get_data()
    assert list(sizes) == [step["n_experts"] for step in model.path_]
    assert list(values) == [step["bic"] for step in model.path_]
    assert display.chosen_.get_data()[0] == [2]
    assert PathDisplay.from_estimator(model, criterion="icl", ax=display.ax_).ax_ is display.ax_
    with pytest.raises(ValueError, match="criterion must be one of"):
        PathDisplay.from_estimator(model, criterion="aic")
    with pytest.raises(ValueError, match="n_experts='auto'"):
        PathDisplay.from_estimator(clone(model).set_params(n_experts=2).fit(X, y))
    plt.close("all")
