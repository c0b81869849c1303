"""Displays: what is drawn are the numbers of the model."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import entropy, norm
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import HierarchicalGate, SoftmaxGate
from skmoe.inspection import (
    ConvergenceDisplay,
    ExpertUsageDisplay,
    GateDisplay,
    GateTreeDisplay,
    PathDisplay,
    PredictiveDensityDisplay,
)

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge")


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table(seed):
    """Three regimes along `where`, apart in `slope`."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.uniform(-3, 3, (400, 3)), columns=["where", "slope", "other"])
    regime = np.digitize(X["where"], [-1, 1])
    y = np.choose(regime, [X["slope"], -X["slope"], 3.0]) + 0.2 * rng.standard_normal(400)
    return X, np.asarray(y)


@pytest.fixture(scope="module")
def model(table):
    return MixtureOfExpertsRegressor(n_experts=3, random_state=0).fit(*table)


@pytest.fixture(scope="module")
def classifier(table):
    X, y = table
    model = MixtureOfExpertsClassifier(n_experts=3, n_init=1, random_state=0)
    return model.fit(X, np.where(y > 0, "up", "down"))


@pytest.fixture(scope="module")
def mixed(table):
    """A table with a column of text, one of categories and a truth value, and a model of it."""
    X, y = table
    X = X.assign(kind=np.where(X["other"] > 1, "rare", "usual"))
    X["group"] = pd.Categorical(np.where(X["where"] > 1, "b", "a"), categories=["b", "a", "c"])
    X["flag"] = X["slope"] > -2
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind", "group"]), remainder="passthrough"
    )
    model = MixtureOfExpertsRegressor(
        make_pipeline(encoder, LinearRegression()),
        n_experts=2,
        gate=make_pipeline(encoder, SoftmaxGate()),
        n_init=1,
        random_state=0,
    )
    return X, model.fit(X, y)


def typical(X, n):
    """Rows at the means of the columns of a table of numbers."""
    return pd.DataFrame(np.tile(X.mean().to_numpy(), (n, 1)), columns=X.columns)


def drawn(display):
    """Draw, so that what fails in drawing fails here."""
    display.figure_.canvas.draw()
    return display


# Convergence -------------------------------------------------------------------------------


def test_the_line_is_the_history(model):
    display = drawn(ConvergenceDisplay.from_estimator(model))
    steps = np.arange(1, model.n_iter_ + 1)
    assert_array_equal(display.line_.get_xydata(), np.column_stack([steps, model.lower_bounds_]))
    assert_array_equal(display.end_.get_xydata(), [[model.n_iter_, model.lower_bounds_[-1]]])
    assert display.end_.get_label() == "converged"
    assert "nats" in display.ax_.get_ylabel()


def test_points_are_where_the_other_starts_ended(model):
    display = ConvergenceDisplay.from_estimator(model)
    others = [start for start in model.starts_ if not start["chosen"]]
    assert len(others) > 2
    assert set(display.points_) == {start["kind"] for start in others}
    for kind, points in display.points_.items():
        ends = [(s["n_iter"], s["lower_bound"]) for s in others if s["kind"] == kind]
        assert_array_equal(points.get_xydata(), ends)
    assert len({points.get_marker() for points in display.points_.values()}) == len(display.points_)
    labels = [text.get_text() for text in display.legend_.get_texts()]
    assert set(display.points_) <= set(labels)


def test_a_fit_that_was_cut_short_is_drawn_as_such(table):
    model = MixtureOfExpertsRegressor(n_experts=3, max_iter=2, n_init=1, random_state=0)
    display = ConvergenceDisplay.from_estimator(model.fit(*table))
    assert display.end_.get_label() == "ended, not converged"
    assert display.end_.get_fillstyle() == "none"
    assert display.points_ == {}


def test_starts_that_failed_are_left_out():
    failed = {"kind": "random", "chosen": False, "lower_bound": -np.inf, "n_iter": 0}
    won = {"kind": "kmeans", "chosen": True, "lower_bound": -1.0, "n_iter": 2}
    display = ConvergenceDisplay([-2.0, -1.0], [failed, won]).plot()
    assert display.points_ == {}
    assert display.line_.get_label() == "best start (kmeans)"


def test_batches_are_called_batches(table):
    X, y = table
    model = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    for rows in np.array_split(np.arange(400), 4):
        model.partial_fit(X.iloc[rows], y[rows])
    display = ConvergenceDisplay.from_estimator(model)
    assert display.ax_.get_xlabel() == "batch"
    assert_array_equal(display.line_.get_ydata(), model.lower_bounds_)
    assert display.points_ == {}


# The gate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "classifier"])
def test_curves_are_the_probabilities_of_the_gate(name, table, request):
    X, model = table[0], request.getfixturevalue(name)
    display = drawn(GateDisplay.from_estimator(model, X, "where", grid_resolution=30))
    rows = typical(X, 30)
    rows["where"] = np.linspace(X["where"].min(), X["where"].max(), 30)
    proba = model.gate_proba(rows)
    for k, line in enumerate(display.lines_):
        assert_allclose(line.get_xdata(), rows["where"])
        assert_allclose(line.get_ydata(), proba[:, k])
        assert line.get_label() == f"expert_{k}"
    assert display.ax_.get_xlabel() == "where"
    assert (display.surface_, display.boundaries_) == (None, [])


def test_areas_are_those_of_the_most_probable_expert(model, table):
    X = table[0]
    display = GateDisplay.from_estimator(model, X, ["slope", "where"], grid_resolution=25)
    display = drawn(display)
    rows = typical(X, 1)
    for i, j in [(0, 0), (3, 12), (20, 5), (24, 24), (7, 24)]:
        rows["slope"], rows["where"] = display.values[0][i], display.values[1][j]
        proba = model.gate_proba(rows)[0]
        hue = np.array(to_rgb(["#0072B2", "#E69F00", "#009E73"][proba.argmax()]))
        certainty = (3 * proba.max() - 1) / 2
        cell = display.surface_.get_facecolor().reshape(25, 25, 4)[j, i, :3]
        assert_allclose(cell, 1 - certainty * (1 - hue), atol=1e-6)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("slope", "where")
    assert_allclose(display.ax_.get_xlim(), [X["slope"].min(), X["slope"].max()], atol=0.2)


def test_boundaries_are_where_the_first_two_are_alike(model, table):
    X = table[0]
    display = GateDisplay.from_estimator(model, X, ["where", "slope"])
    assert len(display.boundaries_) == len(display.legend_.get_texts()) > 1
    rows = typical(X, 1)
    for boundary in display.boundaries_:
        for place in boundary.get_paths()[0].vertices[::10]:
            rows["where"], rows["slope"] = place
            second, first = np.sort(model.gate_proba(rows)[0])[-2:]
            assert first - second < 0.05


def test_a_tree_of_gates_has_its_areas_too(table):
    X, y = table
    model = MixtureOfExpertsRegressor(gate=HierarchicalGate(), n_init=1, random_state=0)
    display = GateDisplay.from_estimator(model.fit(X, y), X, [0, 1], grid_resolution=20)
    assert_allclose(display.proba.sum(axis=2), 1.0)


def test_a_single_expert_has_all_of_the_area(table):
    X, y = table
    model = MixtureOfExpertsRegressor(n_experts=1, random_state=0).fit(X, y)
    display = drawn(GateDisplay.from_estimator(model, X, [0, 1], grid_resolution=5))
    assert display.boundaries_ == []
    colour = to_rgb("#0072B2")
    assert_allclose(display.surface_.get_facecolor()[:, :3], np.tile(colour, (25, 1)), atol=1e-6)


# Where other columns stay ------------------------------------------------------------------


def test_other_columns_stay_at_the_given_values(model, table):
    X = table[0]
    at = {"where": 2.5, 2: -1.0}
    display = GateDisplay.from_estimator(model, X, "slope", at=at, grid_resolution=10)
    slope = np.linspace(X["slope"].min(), X["slope"].max(), 10)
    rows = pd.DataFrame({"where": 2.5, "slope": slope, "other": -1.0})
    assert_allclose(display.proba, model.gate_proba(rows))


@pytest.mark.parametrize("display", [GateDisplay, PredictiveDensityDisplay])
def test_text_stays_at_its_most_frequent_value(display, mixed):
    X, model = mixed
    shown = display.from_estimator(model, X, "slope", grid_resolution=10)
    means = X[["where", "other"]].mean()
    rows = pd.DataFrame({
        "where": means["where"],
        "slope": np.linspace(X["slope"].min(), X["slope"].max(), 10),
        "other": means["other"],
        "kind": "usual",
        "group": pd.Categorical(["a"] * 10, categories=["b", "a", "c"]),
        "flag": True,
    })  # fmt: skip
    assert_allclose(shown.proba, model.gate_proba(rows))
    told = display.from_estimator(
        model, X, "slope", at={"kind": "rare", "flag": False}, grid_resolution=10
    )
    assert_allclose(told.proba, model.gate_proba(rows.assign(kind="rare", flag=False)))


def test_columns_with_gaps_have_means_and_ranges_of_what_is_there(model, table):
    X = table[0].copy()
    X.iloc[:50, 0] = np.nan
    X.iloc[50:80, 2] = np.nan
    display = GateDisplay.from_estimator(model, X, "where", grid_resolution=5)
    assert_allclose(display.values[0][[0, -1]], [X["where"].min(), X["where"].max()])
    rows = typical(X, 5).assign(where=display.values[0])
    assert_allclose(display.proba, model.gate_proba(rows))


def test_tables_without_names_have_numbers(table):
    X, y = table[0].to_numpy(), table[1]
    model = MixtureOfExpertsRegressor(n_experts=2, n_init=1, random_state=0).fit(X, y)
    display = GateDisplay.from_estimator(model, X.tolist(), [-1, "x0"], grid_resolution=4)
    assert display.feature_names == ["x2", "x0"]
    rows = np.array([[X[:, 0].min(), X[:, 1].mean(), X[:, 2].max()]])
    assert_allclose(display.proba[3, 0], model.gate_proba(rows)[0])


# Usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "classifier"])
@pytest.mark.parametrize("posterior", [False, True])
def test_usage_is_that_of_the_rows(name, posterior, table, request):
    (X, y), model = table, request.getfixturevalue(name)
    y = np.where(y > 0, "up", "down") if name == "classifier" else y
    proba = model.responsibilities(X, y) if posterior else model.gate_proba(X)
    display = drawn(ExpertUsageDisplay.from_estimator(model, X, y if posterior else None))
    assert_allclose([bar.get_width() for bar in display.bars_], proba.mean(axis=0))
    first = [(proba.argmax(axis=1) == k).mean() for k in range(3)]
    assert_allclose(display.points_.get_xdata(), first)
    for k, line in enumerate(display.lines_.get_segments()):
        assert_allclose(line, np.column_stack([np.quantile(proba[:, k], [0.1, 0.9]), [k, k]]))
    assert display.entropy_ == pytest.approx(entropy(proba, axis=1).mean())
    assert display.share_entropy_ == pytest.approx(entropy(proba.mean(axis=0)))
    assert f"{display.entropy_:.2f}" in display.ax_.get_title()
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["expert_0", "expert_1", "expert_2"]


def test_usage_of_the_training_rows_is_that_of_the_fit(model, table):
    shares = ExpertUsageDisplay.from_estimator(model, *table).share_
    assert_allclose(shares, model.expert_usage_, atol=1e-2)
    of_the_gate = ExpertUsageDisplay.from_estimator(model, table[0])
    assert of_the_gate.entropy_ == pytest.approx(model.gate_entropy_, abs=1e-2)


def test_entropies_at_their_ends():
    certain = ExpertUsageDisplay(np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]], expert_names="abcd").plot()
    assert certain.entropy_ == 0
    assert certain.share_entropy_ == pytest.approx(np.log(4))
    even = ExpertUsageDisplay(np.full((5, 4), 0.25), expert_names="abcd").plot()
    assert even.entropy_ == pytest.approx(np.log(4))
    assert_allclose(even.spread_, 0.25)


# Density -----------------------------------------------------------------------------------


def test_density_is_that_of_y(model, table):
    X = table[0]
    display = drawn(PredictiveDensityDisplay.from_estimator(model, X, "where"))
    rows = typical(X, 200).assign(where=display.values)
    dist = model.predict_dist(rows)
    cells = display.surface_.get_array().reshape(200, 200)
    centres = 0.5 * (display.y_edges[1:] + display.y_edges[:-1])
    assert_allclose(cells, dist.pdf(centres[:, None]), atol=0.02 * cells.max())
    height = display.y_edges[1] - display.y_edges[0]
    assert cells.sum(axis=0).min() * height > 0.985
    assert cells.sum(axis=0).max() * height <= 1.0 + 1e-9
    assert_allclose(display.mean_.get_ydata(), dist.mean())
    ends = [line.get_ydata() for line in display.interval_]
    assert_allclose(np.transpose(ends), dist.interval(0.9))
    experts, gate = model.expert_predict(rows), model.gate_proba(rows)
    for k, line in enumerate(display.lines_):
        assert_allclose(line.get_ydata(), np.where(gate[:, k] > 0.05, experts[:, k], np.nan))
    labels = [text.get_text() for text in display.legend_.get_texts()]
    assert labels[:-2] == [f"expert_{k}" for k in np.flatnonzero(gate.max(axis=0) > 0.05)]
    assert labels[-2:] == ["mean", "90 % interval"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("where", "y")


def test_density_of_one_expert_is_normal(rng):
    X = rng.uniform(0, 1, (300, 1))
    y = 2 * X[:, 0] + 0.5 * rng.standard_normal(300)
    model = MixtureOfExpertsRegressor(n_experts=1, random_state=0).fit(X, y)
    display = PredictiveDensityDisplay.from_estimator(model, X, 0, coverage=0.5)
    law = norm(model.predict(display.values[:, None])[:, None], model.dispersion_[0])
    between = np.diff(law.cdf(display.y_edges), axis=1) / np.diff(display.y_edges)
    assert_allclose(display.density, between, atol=1e-9)
    assert_allclose(display.interval, law.ppf([0.25, 0.75]), rtol=1e-7)
    assert display.interval_[0].get_label() == "50 % interval"


def test_laws_of_whole_numbers_have_a_cell_for_each(rng):
    X = rng.uniform(0, 2, (300, 1))
    y = rng.poisson(np.exp(X[:, 0]))
    model = MixtureOfExpertsRegressor(
        n_experts=1, response="poisson", n_init=1, random_state=0
    ).fit(X, y)
    display = PredictiveDensityDisplay.from_estimator(model, X, 0, grid_resolution=20)
    numbers = 0.5 * (display.y_edges[1:] + display.y_edges[:-1])
    assert_array_equal(numbers, np.arange(numbers[0], numbers[0] + len(numbers)))
    dist = model.predict_dist(display.values[:, None])
    assert_allclose(display.density.T, dist.pdf(numbers[:, None]), atol=1e-12)


def test_one_of_several_outputs(table):
    X, y = table
    alone = MixtureOfExpertsRegressor(n_experts=1, random_state=0).fit(X, 10 * y)
    both = MixtureOfExpertsRegressor(n_experts=1, random_state=0)
    both.fit(X, np.column_stack([y, 10 * y]))
    expected = PredictiveDensityDisplay.from_estimator(alone, X, "slope", grid_resolution=20)
    display = PredictiveDensityDisplay.from_estimator(
        both, X, "slope", target=1, grid_resolution=20
    )
    for name in ("y_edges", "density", "mean", "interval", "expert_means"):
        assert_allclose(getattr(display, name), getattr(expected, name), rtol=1e-5, atol=1e-8)
    assert display.ax_.get_ylabel() == "y1"
    with pytest.raises(ValueError, match=r"target must be an integer from 0 to 1; got 2"):
        PredictiveDensityDisplay.from_estimator(both, X, "slope", target=2)


# What all have in common -------------------------------------------------------------------

CALLS = {
    "ConvergenceDisplay": lambda model, X, **kw: ConvergenceDisplay.from_estimator(model, **kw),
    "GateDisplay": lambda model, X, **kw: GateDisplay.from_estimator(model, X, "where", **kw),
    "GateDisplay, areas": lambda model, X, **kw: GateDisplay.from_estimator(model, X, [0, 1], **kw),
    "ExpertUsageDisplay": ExpertUsageDisplay.from_estimator,
    "PredictiveDensityDisplay": lambda model, X, **kw: PredictiveDensityDisplay.from_estimator(
        model, X, "where", **kw
    ),
}
OF_X = [name for name in CALLS if name != "ConvergenceDisplay"]
OF_FEATURES = [GateDisplay, PredictiveDensityDisplay]


@pytest.mark.parametrize("name", CALLS)
def test_displays_take_axes(name, model, table):
    _, (left, right) = plt.subplots(1, 2)
    display = CALLS[name](model, table[0], ax=right)
    assert display.ax_ is right
    assert display.figure_ is right.figure
    assert not left.has_data()
    assert display.plot(ax=left) is display
    assert display.ax_ is left
    assert left.has_data()


@pytest.mark.parametrize("name", CALLS)
def test_text_is_neither_cut_nor_on_top_of_other_text(name, model, table):
    display = drawn(CALLS[name](model, table[0]))
    figure, ax = display.figure_, display.ax_
    ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    visible = [text for text in ticks if text.get_text() and _within(text, ax)]
    texts = [ax.xaxis.label, ax.yaxis.label, ax.title, *visible, *display.legend_.get_texts()]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    whole = figure.bbox
    assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in boxes)
    assert all(whole.y0 <= b.y0 and b.y1 <= whole.y1 for b in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def _within(tick, ax):
    """Whether a tick is within the limits: those beyond are not drawn."""
    box, frame = tick.get_window_extent(), ax.get_window_extent()
    return (frame.x0 <= (box.x0 + box.x1) / 2 <= frame.x1) or (
        frame.y0 <= (box.y0 + box.y1) / 2 <= frame.y1
    )


@pytest.mark.parametrize(
    ("name", "options", "artists", "getter", "value"),
    [
        ("ConvergenceDisplay", {"line_kw": {"color": "red"}}, "line_", "get_color", "red"),
        ("GateDisplay", {"line_kw": {"linewidth": 7}}, "lines_", "get_linewidth", 7),
        ("GateDisplay, areas", {"surface_kw": {"alpha": 0.3}}, "surface_", "get_alpha", 0.3),
        ("ExpertUsageDisplay", {"bar_kw": {"alpha": 0.3}}, "bars_", "get_alpha", 0.3),
        ("PredictiveDensityDisplay", {"line_kw": {"alpha": 0.3}}, "lines_", "get_alpha", 0.3),
    ],
)
def test_displays_take_styles(name, options, artists, getter, value, model, table):
    found = getattr(CALLS[name](model, table[0], **options), artists)
    first = found[0] if hasattr(found, "__getitem__") else found
    assert getattr(first, getter)() == value


def test_many_experts_have_a_colour_each(rng):
    proba = rng.dirichlet(np.ones(20), size=50)
    names = [f"expert_{k}" for k in range(20)]
    display = GateDisplay([np.arange(50.0)], proba, feature_names=["x"], expert_names=names).plot()
    assert len({line.get_color() for line in display.lines_}) == 20


@pytest.mark.parametrize("name", CALLS)
def test_other_models_are_refused(name, table):
    X, y = table
    with pytest.raises(NotFittedError):
        CALLS[name](MixtureOfExpertsRegressor(), X)
    with pytest.raises(TypeError, match=r"estimator must be a Mix.*; got LinearRegression"):
        CALLS[name](LinearRegression().fit(X, y), X)


def test_a_classifier_has_no_density(classifier, table):
    with pytest.raises(TypeError, match=r"must be a MixtureOfExpertsRegressor; got MixtureOfEx"):
        PredictiveDensityDisplay.from_estimator(classifier, table[0], "where")


@pytest.mark.parametrize("name", OF_X)
def test_missing_columns_are_named(name, model, table):
    with pytest.raises(ValueError, match=r"(?s)missing.*slope"):
        CALLS[name](model, table[0].drop(columns="slope"))


@pytest.mark.parametrize("display", OF_FEATURES)
@pytest.mark.parametrize(
    ("feature", "at", "error", "message"),
    [
        ("hue", None, ValueError, r"features must name columns of X \(where, slope, .*got 'hue'"),
        (6, None, ValueError, r"features must name columns .*; got 6"),
        (1.5, None, TypeError, r"features must name columns by name or position; got 1\.5"),
        (True, None, TypeError, r"by name or position; got True"),
        ("kind", None, ValueError, r"features must be numeric; 'kind' is not"),
        ("slope", {"hue": 1}, ValueError, r"at must name columns of X .*; got 'hue'"),
        ("slope", {"slope": 1}, ValueError, r"at must not hold what varies; got \['slope'\]"),
        ("slope", [1, 2], TypeError, r"at must be a mapping of features to values or None; got"),
    ],
)
def test_wrong_features_are_named(display, feature, at, error, message, mixed):
    X, model = mixed
    with pytest.raises(error, match=message):
        display.from_estimator(model, X, feature, at=at)


@pytest.mark.parametrize("features", [[], ["where"] * 2, ["where", "slope", "other"]])
def test_number_of_features_is_one_or_two(features, model, table):
    with pytest.raises(ValueError, match="features must be one column or two; got"):
        GateDisplay.from_estimator(model, table[0], features)


@pytest.mark.parametrize("display", OF_FEATURES)
@pytest.mark.parametrize("resolution", [1, 10.0])
def test_resolution_is_a_number_of_points(resolution, display, model, table):
    with pytest.raises(ValueError, match=r"grid_resolution must be an integer >= 2; got 1"):
        display.from_estimator(model, table[0], "where", grid_resolution=resolution)


def test_columns_that_do_not_vary_are_refused(model, table):
    with pytest.raises(ValueError, match=r"several finite values in X; 'where' has 1 alone"):
        GateDisplay.from_estimator(model, table[0].assign(where=1.0), "where")


@pytest.mark.parametrize("bad", [np.empty((0, 3)), np.zeros(3)])
def test_tables_need_rows(bad, model):
    with pytest.raises(ValueError, match="X must be a table with rows; got the shape"):
        GateDisplay.from_estimator(model, bad, 0)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_number_of_columns_is_checked(model):
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
        GateDisplay.from_estimator(model, np.ones((4, 2)), 0)


def test_sparse_tables_are_refused(table):
    X, y = sparse.csr_array(table[0].to_numpy()), table[1]
    model = MixtureOfExpertsRegressor(n_experts=2, n_init=1, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="X must be dense; got a sparse matrix"):
        GateDisplay.from_estimator(model, X, 0)
    assert ExpertUsageDisplay.from_estimator(model, X).share_.sum() == pytest.approx(1)


@pytest.mark.parametrize("coverage", [0, 1.0, -1, "most"])
def test_coverage_is_a_probability(coverage, model, table):
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1; got"):
        PredictiveDensityDisplay.from_estimator(model, table[0], "where", coverage=coverage)


@pytest.mark.parametrize("quantiles", [(0.9, 0.1), (0, 2), (0.5,)])
def test_quantiles_are_in_order(quantiles, model, table):
    with pytest.raises(ValueError, match="quantiles must be two from 0 to 1, in order; got"):
        ExpertUsageDisplay.from_estimator(model, table[0], quantiles=quantiles)


@pytest.mark.parametrize("name", [*CALLS, "PathDisplay", "GateTreeDisplay"])
def test_without_matplotlib_the_extra_is_named(name, model, table, monkeypatch):
    X, y = table
    tree = MixtureOfExpertsRegressor(gate=HierarchicalGate(), n_init=1, random_state=0)
    path = [{"n_experts": 1, "bic": 0.0, "chosen": True}]
    others = {
        "PathDisplay": PathDisplay(path, criterion="bic").plot,
        "GateTreeDisplay": lambda: GateTreeDisplay.from_estimator(tree.fit(X, y)),
    }
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'skmoe\[plot\]'"):
        others[name]() if name in others else CALLS[name](model, X)
