"""The tree of a hierarchical gate as text and as a plot: its numbers are those of the model."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, HierarchicalGate, SoftmaxGate
from skmoe.inspection import GateTreeDisplay, export_gate_text

pytestmark = pytest.mark.filterwarnings(
    "ignore:EM did not converge",
    "ignore:no rows were left:UserWarning",
    "ignore:the experts .* had lost their rows:UserWarning",
)

LINE = re.compile(
    r"(?P<indent>(\|   |\|-- )*)(\[(?P<lead>[^]]*)\] )?(?P<name>\S+), share (?P<share>[\d.]+)"
    r"(, (?P<text>.*))?"
)


@pytest.fixture
def frame(rng):
    """Four regimes: by the sign of `far`, then by that of `near`; `noise` tells nothing."""
    X = pd.DataFrame(rng.uniform(-1, 1, (600, 3)), columns=["far", "near", "noise"])
    X["far"] *= 1e4
    number = 2 * (X["far"] > 0) + (X["near"] > 0)
    y = np.choose(number, [5.0, 6.0, -6.0, -5.0]) + 0.1 * rng.standard_normal(600)
    return X, y, np.eye(4)[number]


def fitted(frame, gate=None, **params):
    X, y, init = frame
    gate = HierarchicalGate((2, 2)) if gate is None else gate
    params = {"init": init, **params}
    return MixtureOfExpertsRegressor(n_experts=4, gate=gate, **params).fit(X, y)


def parsed(model, **options):
    lines = export_gate_text(model, **options).split("\n")
    return [LINE.fullmatch(line).groupdict() for line in lines]


def numbers(lead):
    return {name: float(value) for name, value in (pair.split() for pair in lead.split(", "))}


def test_lines_are_the_nodes_and_the_experts_in_their_order(frame):
    found = parsed(fitted(frame))
    assert [line["name"] for line in found] == [
        "node",
        *["node", "expert_0", "expert_1"],
        *["node", "expert_2", "expert_3"],
    ]
    assert [len(line["indent"]) // 4 for line in found] == [0, 1, 2, 2, 1, 2, 2]


def test_unequal_trees_are_indented_by_depth(frame):
    X, y, _ = frame
    gate = HierarchicalGate((1, 2, (2, 2)))
    model = MixtureOfExpertsRegressor(n_experts=7, gate=gate, n_init=1, random_state=0).fit(X, y)
    found = parsed(model)
    names = (
        "node expert_0 node expert_1 expert_2 node node expert_3 expert_4 node expert_5 expert_6"
    )
    assert [line["name"] for line in found] == names.split()
    assert [len(line["indent"]) // 4 for line in found] == [0, 1, 1, 2, 2, 1, 2, 3, 3, 2, 3, 3]


def test_shares_and_spreads_are_those_of_the_model(frame):
    model = fitted(frame)
    found = parsed(model, decimals=6)
    leaves = [line for line in found if line["name"] != "node"]
    assert_allclose([float(leaf["share"]) for leaf in leaves], model.expert_usage_, atol=1e-6)
    spreads = [float(leaf["text"].removeprefix("spread ")) for leaf in leaves]
    assert_allclose(spreads, model.dispersion_, atol=1e-6)
    shares = [float(line["share"]) for line in found if line["name"] == "node"]
    usage = model.expert_usage_
    assert_allclose(shares, [1.0, usage[:2].sum(), usage[2:].sum()], atol=1e-6)


def test_nodes_split_on_the_columns_that_separate_their_children(frame):
    found = parsed(fitted(frame), max_features=1)
    splits = [line["text"] for line in found if line["name"] == "node"]
    # In raw units the weights of `far` are ten thousand times too small to be seen.
    assert splits == ["splits on far", "splits on near", "splits on near"]
    assert numbers(found[1]["lead"])["far"] < 0 < numbers(found[4]["lead"])["far"]


def test_leads_are_weights_for_a_step_of_one_standard_deviation(frame):
    X, _, _ = frame
    model = fitted(frame)
    found = parsed(model, decimals=6)
    children = [[found[1], found[4]], [found[2], found[3]], [found[5], found[6]]]
    for node, lines in zip(model.gate_.nodes_, children, strict=True):
        expected = (node.coef_ - node.coef_.mean(axis=0)) * X.to_numpy().std(axis=0)
        for line, row in zip(lines, expected, strict=True):
            lead = numbers(line["lead"])
            assert_allclose([lead[name] for name in X], row, atol=2e-6)
        largest = sorted(X, key=lambda name: -abs(numbers(lines[0]["lead"])[name]))
        assert list(numbers(lines[0]["lead"])) == largest


def test_scale_and_shift_leave_the_text_as_it_is(frame):
    X, y, init = frame
    moved = X * [1e-3, 50.0, 7.0] + [1.0, 2.0, 3.0]
    assert export_gate_text(fitted((moved, y, init))) == export_gate_text(fitted(frame))


def test_weights_that_the_digits_do_not_show_are_left_out(frame):
    gate = HierarchicalGate(gate=SoftmaxGate(alpha=1e9))
    found = parsed(fitted(frame, gate))
    assert found[0]["text"] == "splits on no column"
    assert found[1]["lead"] is None
    assert parsed(fitted(frame), max_features=0)[0]["text"] == "splits on no column"


def test_names_of_columns(frame):
    X, y, init = frame
    bare = fitted((X.to_numpy(), y, init))
    assert numbers(parsed(bare)[1]["lead"]).keys() == {"x0", "x1", "x2"}
    given = parsed(bare, feature_names=["a", "b", "c"])
    assert numbers(given[1]["lead"]).keys() == {"a", "b", "c"}
    with pytest.raises(ValueError, match=r"feature_names must name the 3 columns .* got 2"):
        export_gate_text(bare, feature_names=["a", "b"])
    part = fitted(frame, gate_features=["near", "far"])
    assert numbers(parsed(part)[1]["lead"]).keys() == {"near", "far"}
    assert parsed(part, max_features=1)[0]["text"] == "splits on far"


@pytest.mark.parametrize("inside", [False, True])
def test_names_pass_through_transformers(inside, frame):
    X, y, init = frame
    X = X.assign(side=np.where(X["far"] > 0, "u", "v")).drop(columns="far")
    encoder = make_column_transformer(
        (OneHotEncoder(), ["side"]), remainder="passthrough", verbose_feature_names_out=False
    )
    gate = make_pipeline(encoder, StandardScaler(), HierarchicalGate())
    if inside:
        gate = HierarchicalGate(gate=make_pipeline(encoder, StandardScaler(), SoftmaxGate()))
    model = fitted((X, y, init), gate, expert_features=["near", "noise"])
    found = parsed(model, max_features=2)
    assert set(found[0]["text"].removeprefix("splits on ").split(", ")) == {"side_u", "side_v"}
    assert found[1]["text"].startswith("splits on near")


def test_transformers_without_names_leave_numbers(frame):
    gate = make_pipeline(FunctionTransformer(np.asarray), HierarchicalGate())
    assert set(numbers(parsed(fitted(frame, gate))[1]["lead"])) == {"x0", "x1", "x2"}


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        (ConstantGate(), "ConstantGate"),
        (DecisionTreeClassifier(max_depth=1, random_state=0), "DecisionTreeClassifier"),
        (
            make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=1, random_state=0)),
            "DecisionTreeClassifier",
        ),
    ],
    ids=repr,
)
def test_other_nodes_are_named(node, kind, frame):
    found = parsed(fitted(frame, HierarchicalGate(gate=node), max_iter=5))
    assert found[0]["text"] == f"splits by {kind}"
    assert found[1]["lead"] is None


def test_names_of_experts_and_several_outputs(frame):
    X, y, init = frame
    experts = [("flat", Ridge()), *((name, LinearRegression()) for name in "abc")]
    model = MixtureOfExpertsRegressor(experts, gate=HierarchicalGate(), init=init)
    found = parsed(model.fit(X, np.column_stack([y, 10 * y])))
    leaves = [line for line in found if line["name"] != "node"]
    assert [leaf["name"] for leaf in leaves] == ["flat", "a", "b", "c"]
    row = leaves[2]["text"].removeprefix("spread ").split(", ")
    assert_allclose([float(value) for value in row], model.dispersion_[2], atol=0.005)


def test_experts_of_a_classifier_have_no_spread(frame):
    X, y, init = frame
    model = MixtureOfExpertsClassifier(n_experts=4, gate=HierarchicalGate(), init=init)
    found = parsed(model.fit(X, y > 0))
    assert found[2]["name"] == "expert_0"
    assert found[2]["text"] is None


@pytest.mark.parametrize("read", [export_gate_text, GateTreeDisplay.from_estimator])
def test_models_without_a_tree_are_refused(read, frame):
    X, y, _ = frame
    with pytest.raises(NotFittedError):
        read(MixtureOfExpertsRegressor(gate=HierarchicalGate()))
    flat = MixtureOfExpertsRegressor(n_experts=2, n_init=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"HierarchicalGate.* got the gate SoftmaxGate"):
        read(flat)
    with pytest.raises(ValueError, match="of LinearRegression"):
        read(LinearRegression().fit(X, y))


# The plot ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


def test_the_plot_holds_what_the_text_holds(frame):
    model = fitted(frame)
    display = GateTreeDisplay.from_estimator(model, max_features=2, decimals=3)
    lines = export_gate_text(model, max_features=2, decimals=3).split("\n")
    for drawn, line in zip(display.text_, lines, strict=True):
        assert drawn.get_text().replace("]\n", "] ").replace("\n", ", ") == line.lstrip("|- ")
    assert display.figure_ is display.ax_.figure


def test_lines_join_children_to_their_parents_and_do_not_cross(frame):
    X, y, _ = frame
    gate = HierarchicalGate((1, 2, (2, 2)))
    model = MixtureOfExpertsRegressor(n_experts=7, gate=gate, n_init=1, random_state=0).fit(X, y)
    display = GateTreeDisplay.from_estimator(model)
    places = [text.get_position() for text in display.text_]
    assert len(set(places)) == len(places)
    parents = [0, 0, 2, 2, 0, 5, 6, 6, 5, 9, 9]
    for child, (line, parent) in enumerate(zip(display.lines_, parents, strict=True), start=1):
        assert_allclose(line.get_xydata(), [places[parent], places[child]])
    heights = [
        y for (x, y), text in zip(places, display.text_, strict=True) if "expert" in text.get_text()
    ]
    assert heights == sorted(heights)
    widths = [line.get_linewidth() for line in display.lines_]
    shares = [float(re.search(r"share ([\d.]+)", text.get_text())[1]) for text in display.text_]
    assert np.corrcoef(widths, shares[1:])[0, 1] > 0.999


def test_the_plot_takes_axes_and_styles(frame):
    model = fitted(frame)
    _, axes = plt.subplots(1, 2)
    display = GateTreeDisplay.from_estimator(
        model, ax=axes[1], line_kw={"color": "red"}, text_kw={"fontsize": 5}
    )
    assert display.ax_ is axes[1]
    assert not axes[0].texts
    assert display.lines_[0].get_color() == "red"
    assert display.text_[0].get_fontsize() == 5
    assert display.plot(ax=axes[0]) is display
    assert display.ax_ is axes[0]


def test_the_plot_of_a_single_node(frame):
    X, y, _ = frame
    model = MixtureOfExpertsRegressor(
        n_experts=2, gate=HierarchicalGate((2,)), n_init=1, random_state=0
    ).fit(X, y)
    display = GateTreeDisplay.from_estimator(clone(model).fit(X, y))
    display.figure_.canvas.draw()
    assert len(display.lines_) == 2
