"""Standard errors of linear experts: closed forms, differences, identities, coverage, flexmix."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, GaussianGate, SoftmaxGate
from skmoe.inspection._summary import Summary, summary
from skmoe.responses import Gaussian
from tests.golden.make_refit import CASES, case, golden
from tests.oracles.inference import Classification, Regression, covariance, row_scores

pytestmark = pytest.mark.filterwarnings("ignore:EM did not converge", "ignore:the weights of the")

PLAIN = {"prior": 0.0, "floor": 1e-9}


def draw(rng, n=400, d=2, K=2, noise=0.6):
    """Rows of overlapping experts, and who each belongs to."""
    X = rng.standard_normal((n, d))
    coef = np.linspace(-1.5, 1.5, K)[:, None] * np.ones(d) + 0.3 * rng.standard_normal((K, d))
    logits = X @ np.linspace(-1, 1, K * d).reshape(K, d).T
    expert = (logits + rng.gumbel(size=(n, K))).argmax(axis=1)
    y = (X * coef[expert]).sum(axis=1) + expert + noise * (1 + 0.5 * expert) * rng.normal(size=n)
    return X, y, np.eye(K)[expert]


def exact(init, *, shared=False, gate=None, expert=None, response=PLAIN, **params):
    """A mixture that climbs to the maximum of its likelihood."""
    settings = {"init": init, "tol": 1e-13, "max_iter": 3000, **params}
    gate = SoftmaxGate(alpha=0) if gate is None else gate
    law = Gaussian(**response, shared=shared)
    return MixtureOfExpertsRegressor(
        expert, n_experts=init.shape[1], gate=gate, response=law, **settings
    )


def classifier(init, C=np.inf, alpha=0.0):
    return MixtureOfExpertsClassifier(
        LogisticRegression(C=C),
        n_experts=init.shape[1],
        gate=SoftmaxGate(alpha=alpha),
        init=init,
        tol=1e-13,
        max_iter=5000,
    )


def draw_classes(rng, n=1500, n_classes=3, K=2):
    X = rng.standard_normal((n, 2))
    expert = (rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)
    coef = 2.5 * rng.standard_normal((K, n_classes, 2))
    logits = np.einsum("nd,ncd->nc", X, coef[expert])
    return X, (logits + rng.gumbel(size=(n, n_classes))).argmax(axis=1), np.eye(K)[expert]


def agree(table, expected, tol=1e-5):
    """Compare covariances, entries in units of the standard errors of both parameters."""
    units = np.sqrt(np.diag(expected))
    units = np.outer(units, units)
    assert_allclose(table.covariance / units, expected / units, rtol=0, atol=tol)


# Closed forms and differences --------------------------------------------------------------


def test_one_expert_is_ordinary_least_squares(rng):
    X, y, _ = draw(rng)
    table = summary(exact(np.ones((400, 1))).fit(X, y), X, y)
    Z = np.column_stack([np.ones(400), X])
    beta, squares = np.linalg.lstsq(Z, y, rcond=None)[:2]
    variance = squares[0] / 400
    assert_allclose(table.coef, [*beta, np.sqrt(variance)])
    expected = np.sqrt(np.append(variance * np.diag(np.linalg.inv(Z.T @ Z)), variance / 800))
    assert_allclose(table.std_err, expected, rtol=1e-9)


def test_one_logistic_expert_has_the_usual_errors(rng):
    X, codes, _ = draw_classes(rng, n_classes=2)
    model = classifier(np.ones((1500, 1))).fit(X, codes)
    proba = model.predict_proba(X)[:, 1]
    Z = np.column_stack([np.ones(1500), X])
    expected = np.linalg.inv((Z.T * proba * (1 - proba)) @ Z)
    assert_allclose(summary(model, X, codes).covariance, expected, rtol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("K", [2, 3])
def test_observed_information_is_minus_the_hessian(rng, K, shared):
    X, y, init = draw(rng, 800, K=K)
    model = exact(init, shared=shared).fit(X, y)
    table = summary(model, X, y)
    expected = covariance(Regression(X, X, y, K, shared), table)
    agree(table, expected)


def test_constant_gate_and_columns_of_each_side(rng):
    X, y, init = draw(rng, 800)
    model = exact(init, gate=ConstantGate()).fit(X, y)
    table = summary(model, X, y)
    weights = model.gate_.weights_
    assert_allclose(table.coef[6], np.log(weights[1] / weights[0]))
    expected = covariance(Regression(X, X[:, :0], y, 2), table)
    agree(table, expected)
    model = exact(init, gate_features=[1], expert_features=[1, 0]).fit(X, y)
    table = summary(model, X, y)
    expected = covariance(Regression(X[:, ::-1], X[:, 1:], y, 2), table)
    agree(table, expected)
    assert [name for part, _, name in table.labels if part == "gate"] == ["intercept", "x1"]
    assert [label[2] for label in table.labels[:3]] == ["intercept", "x1", "x0"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_observed_information_of_logistic_experts(rng, n_classes):
    X, codes, init = draw_classes(rng, n_classes=n_classes)
    table = summary(classifier(init).fit(X, codes), X, codes)
    expected = covariance(Classification(X, codes, 2, n_classes), table)
    agree(table, expected)


@pytest.mark.parametrize("shared", [False, True])
def test_penalties_of_a_regressor_are_part_of_the_information(rng, shared):
    X, y, init = draw(rng, 300)
    response = {"prior": 20.0, "prior_scale": 0.4}
    gate = SoftmaxGate(alpha=30.0)
    settings = {"gate": gate, "expert": Ridge(alpha=25.0), "response": response}
    model = exact(init, shared=shared, **settings).fit(X, y)
    table, problem = summary(model, X, y), Regression(X, X, y, 2, shared)

    def objective(theta):
        _, _, coef, _, log_sigma = problem.arrays(theta)
        gate = problem.arrays(theta)[0]
        standardised = (gate - gate.mean(axis=0)) * X.std(axis=0)
        ridge = 12.5 * ((coef * np.exp(-log_sigma)[:, None]) ** 2).sum()
        prior = log_sigma - np.log(y.std()) + 0.5 * (0.4 * y.std() * np.exp(-log_sigma)) ** 2
        prior = prior[0] if shared else prior.sum()
        penalties = 15.0 * (standardised**2).sum() + ridge + 20.0 * prior
        return problem.rows(theta).sum() - penalties

    assert_allclose(objective(problem.read(table)[0]) / 300, model.lower_bound_, atol=1e-9)
    expected = covariance(problem, table, objective)
    agree(table, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_penalties_of_a_classifier_are_part_of_the_information(rng, n_classes):
    X, codes, init = draw_classes(rng, 1000, n_classes)
    model = classifier(init, C=0.5, alpha=4.0).fit(X, codes)
    table, problem = summary(model, X, codes), Classification(X, codes, 2, n_classes)

    def objective(theta):
        gate, _, coef, _ = problem.arrays(theta)
        standardised = (gate - gate.mean(axis=0)) * X.std(axis=0)
        experts = coef[:, 1] if n_classes == 2 else coef - coef.mean(axis=1, keepdims=True)
        penalties = 2.0 * (standardised**2).sum() + 1.0 * (experts**2).sum()
        return problem.rows(theta).sum() - penalties

    assert_allclose(objective(table.coef) / 1000, model.lower_bound_, atol=1e-9)
    agree(table, covariance(problem, table, objective))


def test_prior_of_a_constant_gate_is_part_of_the_information(rng):
    X, y, init = draw(rng, 300, K=3)
    model = exact(init, gate=ConstantGate(prior=40.0)).fit(X, y)
    table, problem = summary(model, X, y), Regression(X, X[:, :0], y, 3)

    def objective(theta):
        gate = problem.arrays(theta)[1]
        return problem.rows(theta).sum() + 40.0 * (gate - np.logaddexp.reduce(gate)).sum()

    expected = covariance(problem, table, objective)
    agree(table, expected)


def test_sandwich_is_made_of_the_scores_of_rows(rng):
    X, y, init = draw(rng)
    model = exact(init).fit(X, y)
    table, robust = summary(model, X, y), summary(model, X, y, covariance="sandwich")
    scores = row_scores(Regression(X, X, y, 2), table)
    assert np.abs(scores.sum(axis=0) * table.std_err).max() < 1e-3
    expected = table.covariance @ scores.T @ scores @ table.covariance
    agree(robust, expected)


def test_classes_that_an_expert_has_not_seen(rng):
    X, codes, init = draw_classes(rng)
    codes = np.where((init[:, 1] == 1) & (codes == 2), 0, codes)
    experts = [("one", LogisticRegression(C=100)), ("two", LogisticRegression(C=100, tol=1e-8))]
    model = MixtureOfExpertsClassifier(experts, init=init, tol=1e-9, max_iter=500).fit(X, codes)
    assert model.experts_[1].classes_.tolist() == [0, 1]
    table = summary(model, X, codes)
    assert np.isfinite(table.std_err).all()
    names = [name for part, expert, name in table.labels if (part, expert) == ("expert", "two")]
    assert names == ["intercept", "x0", "x1"]


# Identities --------------------------------------------------------------------------------


@pytest.fixture
def fitted(rng):
    X, y, init = draw(rng)
    return exact(init).fit(X, y), X, y, init


@pytest.mark.parametrize("kind", ["observed", "sandwich"])
def test_order_of_rows_and_blocks_do_not_matter(rng, fitted, kind, monkeypatch):
    model, X, y, _ = fitted
    table, order = summary(model, X, y, covariance=kind), rng.permutation(len(y))
    monkeypatch.setattr("skmoe.inspection._information._BLOCK_ENTRIES", 500)
    shuffled = summary(model, X[order], y[order], covariance=kind)
    assert_allclose(shuffled.covariance, table.covariance, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("kind", ["observed", "sandwich"])
def test_weights_are_repeated_rows(rng, fitted, kind):
    model, X, y, init = fitted
    weights = rng.integers(0, 4, len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    model = exact(init).fit(X, y, sample_weight=weights)
    table = summary(model, X, y, weights, covariance=kind)
    expected = summary(model, X[twice], y[twice], covariance=kind)
    assert_allclose(table.covariance, expected.covariance, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1e-6, 1e6), (1e9, 1e-9), (1.0, 1e3)])
def test_units_of_x_and_y(fitted, a, b):
    model, X, y, init = fitted
    table = summary(model, X, y)
    other = summary(exact(init).fit(a * X, b * y), a * X, b * y)
    of_x = np.array([0 if name in ("intercept", "sigma") else -1 for *_, name in table.labels])
    of_y = np.array([part != "gate" for part, *_ in table.labels])
    factor = a**of_x * b**of_y
    assert_allclose(other.coef, factor * table.coef, rtol=1e-4, atol=1e-6 * b)
    assert_allclose(other.std_err, factor * table.std_err, rtol=1e-4)


def test_shift_of_x_moves_intercepts_only(fitted):
    model, X, y, init = fitted
    table = summary(model, X, y)
    other = summary(exact(init).fit(X + 1e4, y), X + 1e4, y)
    slopes = np.array([name != "intercept" for *_, name in table.labels])
    assert_allclose(other.std_err[slopes], table.std_err[slopes], rtol=1e-4)


def test_order_of_experts_turns_contrasts_round(fitted):
    model, X, y, init = fitted
    table, other = summary(model, X, y), summary(exact(init[:, ::-1]).fit(X, y), X, y)
    order = [3, 4, 5, 0, 1, 2, 6, 7, 8, 10, 9]
    sign = np.where(np.array([part == "gate" for part, *_ in table.labels]), -1, 1)
    assert_allclose(other.coef[order] * sign, table.coef, rtol=1e-4, atol=1e-6)
    assert_allclose(other.std_err[order], table.std_err, rtol=1e-4)


def test_form_of_the_table_does_not_matter(fitted):
    model, X, y, _ = fitted
    table = summary(model, X, y)
    for form in (X.tolist(), sparse.csr_array(X), sparse.csc_array(X)):
        assert_allclose(summary(model, form, y.tolist()).covariance, table.covariance)
    single = clone(model).fit(X.astype(np.float32), y)
    found = summary(single, X.astype(np.float32), y)
    assert_allclose(found.std_err, table.std_err, rtol=1e-3)


def test_pipelines_are_their_last_steps_on_transformed_columns(fitted):
    _, X, y, init = fitted
    frame = pd.DataFrame(X, columns=["a", "b"])
    cubic = PolynomialFeatures(2, include_bias=False)
    gate = make_pipeline(StandardScaler(), "passthrough", SoftmaxGate(alpha=0))
    expert = make_pipeline(cubic, LinearRegression())
    model = exact(init, gate=gate, expert=expert).fit(frame, y)
    table = summary(model, frame, y)
    names = [name for *_, name in table.labels]
    assert names[:6] == ["intercept", "a", "b", "a^2", "a b", "b^2"]
    assert names[12:15] == ["intercept", "a", "b"]
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    problem = Regression(cubic.fit_transform(X), scaled, y, 2)
    agree(table, covariance(problem, table))
    nameless = make_pipeline(FunctionTransformer(np.exp), LinearRegression())
    model = exact(init, expert=nameless, tol=1e-9).fit(frame, y)
    assert [name for *_, name in summary(model, frame, y).labels][:3] == ["intercept", "x0", "x1"]


def test_experts_of_different_kinds(fitted):
    _, X, y, init = fitted
    experts = [("full", LinearRegression()), ("through", LinearRegression(fit_intercept=False))]
    model = MixtureOfExpertsRegressor(
        experts, gate=SoftmaxGate(alpha=0), response=Gaussian(**PLAIN), init=init, tol=1e-13
    ).fit(X, y)
    table = summary(model, X, y)
    assert [name for _, expert, name in table.labels if expert == "through"][:2] == ["x0", "x1"]
    problem = Regression(X, X, y, 2)
    theta, slope = problem.read(table)

    class Through(Regression):
        def rows(self, theta):
            return super().rows(np.insert(theta, 3, 0.0))

    expected = covariance(Through(X, X, y, 2), table)
    agree(table, expected)
    assert len(theta) == len(slope) == 10


# Groups ------------------------------------------------------------------------------------


def test_groups_of_one_row_are_rows(rng, fitted):
    model, X, y, _ = fitted
    table = summary(model, X, y)
    alone = summary(model, X, y, groups=rng.permutation(len(y)))
    assert_allclose(alone.covariance, table.covariance, rtol=1e-8)


@pytest.mark.parametrize("as_frame", [False, True])
def test_groups_share_their_expert(rng, as_frame):
    n, size = 200, 3
    groups = rng.permutation(np.repeat(np.arange(n), size))
    X = draw(rng, n * size)[0]
    kind = (rng.random(n) < 0.4)[groups]
    y = np.where(kind, X[:, 0], -X[:, 0]) + rng.standard_normal(n * size)
    table_in = pd.DataFrame(X, columns=["a", "b"]) if as_frame else X
    model = exact(np.column_stack([kind, ~kind]) * 1.0).fit(table_in, y, groups=groups)
    table = summary(model, table_in, y, groups=groups)
    member = np.equal.outer(np.arange(n), groups).astype(float)

    class Grouped(Regression):
        def rows(self, theta):
            gate, gate0, coef, intercept, log_sigma = self.arrays(theta)
            logits = (member @ X / size) @ gate.T + gate0
            density = stats.norm.logpdf(y[:, None], X @ coef.T + intercept, np.exp(log_sigma))
            joint = logits + member @ density
            return np.logaddexp.reduce(joint, axis=1) - np.logaddexp.reduce(logits, axis=1)

    expected = covariance(Grouped(X, X, y, 2), table)
    agree(table, expected)
    assert_allclose(
        summary(model, table_in, y, np.full(n * size, 2.0), groups=groups).covariance,
        table.covariance / 2,
    )
    with pytest.raises(ValueError, match="the same in all rows of a group"):
        summary(model, table_in, y, rng.random(n * size), groups=groups)


# What it cannot do -------------------------------------------------------------------------


def test_collinear_columns_are_named(fitted):
    _, X, y, init = fitted
    X = np.column_stack([X, X[:, 0], np.ones(len(X))])
    model = exact(init, gate_features=[0, 1], tol=1e-10).fit(X, y)
    with pytest.warns(UserWarning, match="'expert expert_0 x0', 'expert expert_0 x2'"):
        table = summary(model, X, y)
    lost = {
        name
        for (*_, name), error in zip(table.labels, table.std_err, strict=True)
        if error != error
    }
    assert {"x0", "x2", "x3"} <= lost
    assert "x1" not in lost
    plain = summary(exact(init, tol=1e-10).fit(X[:, :2], y), X[:, :2], y)
    of_x1 = [j for j, (*_, name) in enumerate(table.labels) if name == "x1"]
    assert_allclose(table.std_err[of_x1], plain.std_err[[2, 5, 8]], rtol=1e-3)
    assert "nan" not in str(table)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_gate_with_complete_separation_is_named(rng):
    X = rng.uniform(-1, 1, (200, 1))
    side = X[:, 0] > 0
    y = np.where(side, 5 + X[:, 0], -5 - X[:, 0]) + 0.1 * rng.standard_normal(200)
    model = exact(np.column_stack([side, ~side]) * 1.0).fit(X, y)
    with pytest.warns(UserWarning, match="'gate expert_1 x0'"):
        table = summary(model, X, y)
    Z = np.column_stack([np.ones(side.sum()), X[side]])
    expected = np.sqrt(np.diag(np.linalg.inv(Z.T @ Z))) * table.coef[-2]
    assert_allclose(table.std_err[:2], expected, rtol=1e-6)
    assert np.isnan(table.std_err[4:6]).all()


def test_a_fit_that_has_not_converged_is_noted(rng, fitted):
    model, X, y, _ = fitted
    with pytest.warns(UserWarning, match="standard errors away from the fit"):
        summary(model, X, y + 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary(MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y), X, y)


class Mine(MixtureOfExpertsRegressor):
    """Still a mixture."""


@pytest.mark.parametrize(
    ("params", "part"),
    [
        (
            {"experts": DecisionTreeRegressor(max_depth=2), "cv": None},
            "expert 'expert_0'.*DecisionTree",
        ),
        ({"experts": PoissonRegressor()}, "expert 'expert_0'.*PoissonRegressor"),
        ({"experts": MixtureOfExpertsRegressor(n_experts=1)}, "expert 'expert_0'.*Mixture"),
        ({"gate": GaussianGate()}, "gate.*GaussianGate"),
        ({"gate": SoftmaxGate(balance=3.0)}, "gate.*balance=0"),
        ({"gate": LogisticRegression()}, "gate.*ClassifierGate"),
        ({"top_k": 1}, "top_k must be None; got 1"),
        ({"average": 2, "init": "auto", "n_init": 8}, "average must be 1; got 2"),
        ({"specialize": False}, "specialize must be True"),
    ],
)
def test_parts_without_standard_errors_are_named(fitted, params, part):
    _, X, y, init = fitted
    params = {"n_experts": 2, "init": init, "random_state": 0, "max_iter": 20, **params}
    y = np.abs(y) if "Poisson" in part else y
    model = Mine(**params).fit(X, y)
    with pytest.raises((TypeError, ValueError), match=part) as error:
        summary(model, X, y)
    assert "SoftmaxGate or ConstantGate" in str(error.value)


def test_other_refusals(fitted):
    model, X, y, init = fitted
    with pytest.raises(TypeError, match="got LinearRegression"):
        summary(LinearRegression().fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        summary(clone(model), X, y)
    with pytest.raises(ValueError, match="covariance must be one of"):
        summary(model, X, y, covariance="robust")
    with pytest.raises(ValueError, match="coverage must be between"):
        summary(model, X, y, coverage=95)
    with pytest.raises(ValueError, match="sample_weight"):
        summary(model, X, y, -np.ones(len(y)))
    both = np.column_stack([y, y[::-1]])
    double = exact(init, max_iter=5).fit(X, both)
    with pytest.raises(ValueError, match="one output; got 2"):
        summary(double, X, both)
    uneven = clone(model).set_params(response=Gaussian(dispersion="linear"), max_iter=5, tol=1.0)
    with pytest.raises(ValueError, match="response must have dispersion='constant'"):
        summary(uneven.fit(X, y), X, y)
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    frozen = MixtureOfExpertsRegressor([("a", frozen), ("b", LinearRegression())], init=init)
    with pytest.raises(TypeError, match="expert 'a' must be a linear model"):
        summary(frozen.fit(X, y), X, y)
    balanced = MixtureOfExpertsClassifier(n_experts=2, class_weight="balanced", init=init)
    balanced.fit(X, y > 0)
    with pytest.raises(ValueError, match="class_weight must be None"):
        summary(balanced, X, y > 0)


# The table ---------------------------------------------------------------------------------


def test_columns_of_the_frame_follow_from_coef_and_std_err(fitted):
    model, X, y, _ = fitted
    table = summary(model, X, y, coverage=0.9)
    frame = table.to_frame()
    assert list(frame) == ["part", "expert", "name", "coef", "std_err", "z", "p", "low", "high"]
    assert len(frame) == len(table.covariance) == 11
    sigma = frame["part"] == "dispersion"
    others = frame[~sigma]
    assert_allclose(others["z"], others["coef"] / others["std_err"])
    assert_allclose(others["p"], 2 * stats.norm.sf(others["z"].abs()))
    ends = stats.norm.interval(0.9, others["coef"], others["std_err"])
    assert_allclose(others[["low", "high"]].T, ends)
    of_log = stats.norm.interval(
        0.9, np.log(frame[sigma]["coef"]), frame[sigma]["std_err"] / frame[sigma]["coef"]
    )
    assert_allclose(np.log(frame[sigma][["low", "high"]]).T, of_log)
    assert frame[sigma][["z", "p"]].isna().all(axis=None)
    assert_allclose(frame[sigma]["coef"], model.dispersion_)
    assert_allclose(others["coef"][:3], [model.experts_[0].intercept_, *model.experts_[0].coef_])
    gate = np.column_stack([model.gate_.intercept_, model.gate_.coef_])
    assert_allclose(others["coef"][6:9], gate[1] - gate[0])


def test_text_and_html_hold_the_same_numbers(fitted):
    model, X, y, _ = fitted
    table = summary(model, X, y)
    lines = str(table).split("\n")
    assert lines[0] == "standard errors from the observed information, intervals of 95 %"
    assert f"expert_0, share {model.expert_usage_[0]:.3f}" in lines
    assert "gate, expert_1 against expert_0" in lines
    rows = [line for line in lines if line.startswith(("x0", "x1", "intercept"))]
    assert len(rows) == 9
    assert {len(row) for row in rows[:3]} == {len(rows[0])}
    html = table._repr_html_()
    for line in rows:
        for cell in line.split():
            assert f">{cell}</td>" in html
    strange = Summary([("expert", "a", "<x>")], [1.0], [[1.0]], {"a": 1.0}, "theory")
    assert "&lt;x&gt;" in strange._repr_html_()


def test_classes_beyond_two_are_named(rng):
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    model = MixtureOfExpertsClassifier(LogisticRegression(max_iter=1000), n_experts=1).fit(X, y)
    table = summary(model, X, y)
    assert table.labels[0] == ("expert", "expert_0", "versicolor: intercept")
    assert table.labels[-1] == ("expert", "expert_0", "virginica: petal width (cm)")
    coef = model.experts_[0].coef_
    assert_allclose(table.coef[1:5], coef[1] - coef[0])


def test_shared_dispersion_stands_alone(rng):
    X, y, init = draw(rng)
    table = summary(exact(init, shared=True).fit(X, y), X, y)
    assert table.labels[-1] == ("dispersion", "all", "sigma")
    assert "dispersion of all experts" in str(table)


def test_the_model_stays_as_it_was(fitted):
    model, X, y, _ = fitted
    before = model.predict(X)
    X.flags.writeable = y.flags.writeable = False
    summary(model, X, y)
    assert_array_equal(model.predict(X), before)


# Flexmix, and simulation -------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_standard_errors_of_flexmix(name):
    X, y, resp, n_gate = case(name)
    K, d = resp.shape[1], X.shape[1]
    gate = SoftmaxGate(alpha=0) if n_gate else ConstantGate()
    table = summary(exact(resp, gate=gate).fit(X, y), X, y)
    log_sigma = np.array([part == "dispersion" for part, *_ in table.labels])
    coef = np.where(log_sigma, np.log(np.where(log_sigma, table.coef, 1.0)), table.coef)
    errors = np.where(log_sigma, table.std_err / np.abs(table.coef), table.std_err)
    gate_first = K * (d + 1)
    order = [
        *(j for k in range(K) for j in [*range(k * (d + 1), (k + 1) * (d + 1)), len(coef) - K + k]),
        *range(gate_first, len(coef) - K),
    ]
    found = golden()[name]
    away = (coef[order] - found["estimate"]) / found["std_err"]
    assert np.abs(away).max() < 1e-4
    assert_allclose(errors[order], found["std_err"], rtol=1e-4)


@pytest.mark.slow
def test_intervals_cover():
    """1000 tables: a coverage of 95 % has a standard error of 0.7 per cent."""
    rng = np.random.default_rng(0)
    truth = np.array([-1.0, -1.0, 1.0, 2.0, 0.3, 1.2, 0.8, 0.5])
    inside = {"observed": [], "sandwich": []}
    for _ in range(1000):
        X = rng.standard_normal((500, 1))
        x, errors = X[:, 0], rng.standard_normal(500)
        second = rng.random(500) < 1 / (1 + np.exp(-truth[4] - truth[5] * x))
        lines = truth[[0, 2]] + np.outer(x, truth[[1, 3]]) + np.outer(errors, truth[6:])
        y = np.where(second, lines[:, 1], lines[:, 0])
        model = exact(np.column_stack([~second, second]) * 1.0, tol=1e-9).fit(X, y)
        for kind, hits in inside.items():
            table = summary(model, X, y, covariance=kind)
            hits.append((table.low <= truth) & (truth <= table.high))
    for kind, hits in inside.items():
        covered = np.mean(hits, axis=0)
        assert (covered > 0.925).all(), (kind, covered)
        assert (covered < 0.975).all(), (kind, covered)
        assert 0.935 < covered.mean() < 0.965
