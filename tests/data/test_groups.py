"""Rows of a group share one latent expert: repeated measurements of one thing."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn import config_context
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import SoftmaxGate
from skmoe.responses import Gaussian
from tests.golden.problems import TABLES, columns, read_table
from tests.oracles import groups as textbook

Regressor, Classifier = MixtureOfExpertsRegressor, MixtureOfExpertsClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:EM did not converge", "ignore:no rows were left:UserWarning"
)

G = 40

#: The plain likelihood: nothing in the objective but the data.
PLAIN = Gaussian(prior=0, floor=1e-9)


@pytest.fixture
def table(rng):
    """X (n, 2), y, labels of the classifier and group labels; groups have one to six rows."""
    labels = rng.permutation(1000)[:G]
    groups = rng.permutation(np.repeat(labels, rng.integers(1, 7, G)))
    place = dict(zip(labels.tolist(), rng.standard_normal((G, 2)), strict=True))
    centres = np.array([place[label] for label in groups.tolist()])
    X = centres + 0.7 * rng.standard_normal((len(groups), 2))
    side = centres[:, 0] + 0.3 * np.sin(groups) > 0
    y = np.where(side, 2.0 * X[:, 1] + 1.0, -X[:, 1]) + 0.4 * rng.standard_normal(len(groups))
    return X, y, np.digitize(y, [-0.5, 1.0]), groups


def start(groups, n_experts, rng):
    """Responsibilities (G, K) of groups, and the same for rows (n, K)."""
    resp = rng.dirichlet(np.ones(n_experts), len(np.unique(groups)))
    return resp, resp[np.unique(groups, return_inverse=True)[1]]


def means_of(X, groups):
    """Means of the columns in every group (G, d), by hand."""
    return np.array([X[groups == label].mean(axis=0) for label in np.unique(groups)])


# The textbook ------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_iterations_are_the_textbooks(weighted, table, rng):
    X, y, _, groups = table
    resp, init = start(groups, 3, rng)
    weights = rng.integers(1, 4, G).astype(float) if weighted else np.ones(G)
    row_weights = weights[np.unique(groups, return_inverse=True)[1]]
    params = {"gate": "constant", "response": PLAIN, "accelerate": False, "tol": 0}
    model = Regressor(n_experts=3, init=init, max_iter=12, **params)
    model.fit(X, y, sample_weight=row_weights, groups=groups)
    found = textbook.em(X, y, groups.tolist(), resp, textbook.constant_gate, 12, weights)
    assert_allclose(model.lower_bounds_ * row_weights.sum(), found["history"], rtol=1e-8)
    for expert, sigma, (coef, intercept, deviation) in zip(
        model.experts_, model.dispersion_, found["experts"], strict=True
    ):
        assert_allclose([*expert.coef_, expert.intercept_, sigma], [*coef, intercept, deviation])
    assert_allclose(model.gate_.weights_, found["share"])
    assert_allclose(model.expert_usage_, weights @ found["resp"] / weights.sum(), rtol=1e-6)
    place = np.unique(groups, return_inverse=True)[1]
    assert_allclose(model.responsibilities(X, y, groups), found["resp"][place], atol=1e-7)
    assert_allclose(model.score_samples(X, y, groups), found["log_likelihood"], rtol=1e-7)


def test_a_softmax_gate_sees_the_means_of_the_groups(table, rng):
    X, y, _, groups = table
    resp, init = start(groups, 2, rng)
    gate, alpha = SoftmaxGate(alpha=0.5), 0.5
    model = Regressor(n_experts=2, gate=gate, response=PLAIN, init=init, tol=1e-13, max_iter=5000)
    model.fit(X, y, groups=groups)
    found = textbook.em(X, y, groups.tolist(), resp, textbook.softmax_gate(alpha), 150)
    value = found["history"][-1] - found["penalty"]
    assert_allclose(model.lower_bound_ * len(y), value, rtol=1e-6)
    assert_allclose(model.gate_.coef_, found["coef"], atol=1e-3)
    assert_allclose(model.gate_.intercept_, found["intercept"], atol=1e-3)
    assert_allclose(model.score_samples(X, y, groups), found["log_likelihood"], atol=1e-3)


def normal_log_likelihood(X, y, groups, share, experts):
    """Of flexmix's model, by the formula: one label a group, weights that know nothing of x."""
    total = 0.0
    for label in np.unique(groups):
        rows = groups == label
        terms = [
            np.log(p) + norm.logpdf(y[rows], X[rows] @ coef + intercept, sigma).sum()
            for p, (coef, intercept, sigma) in zip(share, experts, strict=True)
        ]
        total += logsumexp(terms)
    return total


@pytest.mark.skipif(not TABLES.is_dir(), reason="the classic tables are not here")
def test_flexmix_reaches_the_same_on_npreg():
    file = read_table("NPreg.csv")
    X, y, groups = columns(file, ["x", "x^2"]), file["yn"], file["id2"]
    model = Regressor(n_experts=2, gate="constant", response=PLAIN, tol=1e-12, random_state=0)
    model.fit(X, y, groups=groups)
    experts = [
        (expert.coef_, expert.intercept_, sigma)
        for expert, sigma in zip(model.experts_, model.dispersion_, strict=True)
    ]
    share = model.gate_.weights_
    value = normal_log_likelihood(X, y, groups, share, experts)
    assert_allclose(model.score_samples(X, y, groups).sum(), value, rtol=1e-9)
    # flexmix multiplies the mean squared residual by n / (n - rank): a little off the maximum.
    wider = np.sqrt(len(y) / (len(y) - 3))
    unbiased = [(coef, intercept, wider * sigma) for coef, intercept, sigma in experts]
    reference = normal_log_likelihood(X, y, groups, share, unbiased)
    assert abs(reference - -561.5651) < 1e-2
    assert reference < value < reference + 0.1


# Identities --------------------------------------------------------------------------------

VARIANTS = {
    "default": Regressor(n_experts=3),
    "constant": Regressor(n_experts=3, gate="constant"),
    "gaussian": Regressor(n_experts=2, gate="gaussian"),
    "hard": Regressor(n_experts=2, top_k=1),
    "wrapped": Regressor([("a", LinearRegression()), ("b", Ridge())]),
    "trees": Regressor(DecisionTreeRegressor(max_depth=2, random_state=0), 2),
    "pool": Regressor([("a", Ridge()), ("b", Ridge(1e3))], specialize=False),
    "classifier": Classifier(n_experts=2),
}


@pytest.fixture(params=VARIANTS)
def problem(request, table):
    """A model without acceleration, whose path hangs on the last digits, and a table for it."""
    X, numbers, labels, groups = table
    model = VARIANTS[request.param]
    model.set_params(accelerate=False, tol=1e-6, random_state=0)
    return model, X, labels if request.param == "classifier" else numbers, groups


def answers(model, X, y, groups):
    return [
        model.lower_bound_,
        model.predict_proba(X) if isinstance(model, Classifier) else model.predict(X),
        model.gate_proba(X),
        model.responsibilities(X, y, groups),
    ]


def check_same(found, expected, atol=1e-6):
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, atol=atol)


def test_groups_of_one_row_are_no_groups(problem, monkeypatch):
    # The sums over blocks of rows take other steps to the same optimum.
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    model, X, y, _ = problem
    plain = answers(model.fit(X, y), X, y, None)
    lone = np.arange(len(y))
    check_same(answers(model.fit(X, y, groups=lone), X, y, lone), plain, atol=1e-12)
    assert_array_equal(model.score_samples(X, y, lone), model.score_samples(X, y))


def test_neither_the_order_of_rows_nor_the_labels_matter(problem, rng):
    model, X, y, groups = problem
    plain = answers(model.fit(X, y, groups=groups), X, y, groups)
    rows = rng.permutation(len(y))
    renamed = np.array([f"group {-label}" for label in groups])
    model.fit(X[rows], y[rows], groups=renamed[rows])
    check_same(answers(model, X, y, renamed), plain)


def test_a_weight_of_two_is_the_group_written_twice(problem, rng):
    model, X, y, groups = problem
    counts = dict(zip(np.unique(groups).tolist(), rng.integers(0, 3, G).tolist(), strict=True))
    weights = np.array([counts[label] for label in groups.tolist()], dtype=float)
    weighted = answers(model.fit(X, y, weights, groups), X, y, groups)
    copies = [(np.flatnonzero(weights > copy), copy) for copy in range(2)]
    rows = np.concatenate([rows for rows, _ in copies])
    labels = np.concatenate([groups[rows] + 5000 * copy for rows, copy in copies])
    model.fit(X[rows], y[rows], groups=labels)
    check_same(answers(model, X, y, groups), weighted)


# What is said of groups --------------------------------------------------------------------


def test_density_and_responsibilities_by_hand(table):
    X, y, _, groups = table
    model = Regressor(n_experts=3, random_state=0).fit(X, y, groups=groups)
    log_gate = model.gate_.predict_log_proba(means_of(X, groups))
    of_rows = norm.logpdf(y[:, None], model.expert_predict(X), model.dispersion_)
    joint = log_gate + [of_rows[groups == label].sum(axis=0) for label in np.unique(groups)]
    value = logsumexp(joint, axis=1)
    assert_allclose(model.score_samples(X, y, groups), value, rtol=1e-9)
    place = np.unique(groups, return_inverse=True)[1]
    expected = np.exp(joint - value[:, None])[place]
    found = model.responsibilities(X, y, groups)
    assert_allclose(found, expected, atol=1e-9)
    for label in groups:
        assert np.ptp(found[groups == label], axis=0).max() == 0.0
    # The objective is this, less what the parts declare.
    penalty = model.gate_.penalty_ + model.response_.penalty(
        model.dispersion_[:, None] / y.std(), np.zeros((3, 1))
    )
    assert_allclose(model.lower_bound_ * len(y), value.sum() - penalty, rtol=1e-9)


def test_density_of_a_classifier_by_hand(table):
    X, _, labels, groups = table
    model = Classifier(n_experts=2, random_state=0).fit(X, labels, groups=groups)
    log_gate = model.gate_.predict_log_proba(means_of(X, groups))
    of_rows = np.log(model.expert_predict(X)[np.arange(len(labels)), :, labels])
    joint = log_gate + [of_rows[groups == label].sum(axis=0) for label in np.unique(groups)]
    assert_allclose(model.score_samples(X, labels, groups), logsumexp(joint, axis=1), rtol=1e-9)


def test_criteria_count_groups(table):
    X, y, _, groups = table
    model = Regressor(n_experts=2, random_state=0).fit(X, y, groups=groups)
    log_likelihood = model.score_samples(X, y, groups).sum()
    n_parameters = 3 + 2 * 3 + 2
    assert_allclose(model.aic(X, y, groups), -2 * log_likelihood + 2 * n_parameters)
    bic = -2 * log_likelihood + np.log(G) * n_parameters
    assert_allclose(model.bic(X, y, groups), bic)
    resp = model.responsibilities(X, y, groups)[np.unique(groups, return_index=True)[1]]
    entropy = -np.sum(resp * np.log(np.maximum(resp, 1e-300)))
    assert_allclose(model.icl(X, y, groups), bic + 2 * entropy)


def test_groups_separate_experts_that_rows_cannot(rng):
    groups = np.repeat(np.arange(60), 8)
    X = rng.standard_normal((480, 1))
    expert = rng.integers(2, size=60)
    y = np.where(expert[groups] == 1, 1.0, 0.4) * X[:, 0] + 0.5 * rng.standard_normal(480)
    params = {"n_experts": 2, "gate": "constant", "random_state": 0}
    hits = []
    for given in (None, groups):
        found = Regressor(**params).fit(X, y, groups=given).responsibilities(X, y, given)
        hits.append(np.mean(found.argmax(axis=1) == expert[groups]))
        hits[-1] = max(hits[-1], 1 - hits[-1])
    assert hits[1] > hits[0] + 0.1


def test_the_objective_never_falls(table, rng):
    X, y, labels, groups = table
    for model, target in [(Regressor(n_experts=3), y), (Classifier(n_experts=3), labels)]:
        for gate in (None, "constant", "gaussian"):
            model.set_params(gate=gate, init=start(groups, 3, rng)[1], tol=1e-8)
            bounds = model.fit(X, target, groups=groups).lower_bounds_
            assert (np.diff(bounds) / (1 + np.abs(bounds[1:]))).min(initial=0.0) >= -1e-9


# Other tables ------------------------------------------------------------------------------


def test_a_sparse_table_is_the_dense_one(table):
    X, y, _, groups = table
    X = np.where(X > 0, X, 0.0)
    model = Regressor(n_experts=2, random_state=0, accelerate=False, tol=1e-8)
    dense = answers(model.fit(X, y, groups=groups), X, y, groups)
    S = sparse.csr_array(X)
    check_same(answers(model.fit(S, y, groups=groups), S, y, groups), dense, atol=1e-4)


@pytest.fixture
def frame(table):
    X, y, _, groups = table
    X = pd.DataFrame(X, columns=["a", "b"], index=np.arange(len(y)) + 7)
    X.insert(1, "colour", np.where(groups % 2, "red", "green"))
    X["count"] = np.arange(len(y)) % 3
    return X, y, groups


def test_a_gate_of_words_sees_those_of_the_group(frame):
    X, y, groups = frame
    gate = make_pipeline(OneHotEncoder(drop="first", sparse_output=False), SoftmaxGate())
    model = Regressor(
        n_experts=2, gate=gate, gate_features=["colour"], expert_features=["a", "b", "count"]
    )
    model.set_params(random_state=0).fit(X, y, groups=groups)
    red = (X["colour"] == "red").to_numpy(float)[:, None]
    numeric = np.column_stack([X[["a", "b", "count"]].to_numpy(float), red])
    same = Regressor(n_experts=2, gate_features=[3], expert_features=[0, 1, 2], random_state=0)
    same.fit(numeric, y, groups=groups)
    assert_allclose(model.lower_bound_, same.lower_bound_, atol=1e-4)
    check_bayes(model, X, y, groups)


def check_bayes(model, X, y, groups):
    """The density of a group, by its gate at a table of means that is made by pandas."""
    numbers = X.select_dtypes("number").groupby(groups).mean()
    words = X.select_dtypes(exclude="number").groupby(groups).first()
    means = pd.concat([numbers, words], axis=1)[X.columns]
    log_gate = np.log(model.gate_proba(means))
    of_rows = norm.logpdf(y[:, None], model.expert_predict(X), model.dispersion_)
    sums = pd.DataFrame(of_rows).groupby(groups).sum().to_numpy()
    expected = logsumexp(log_gate + sums, axis=1)
    assert_allclose(model.score_samples(X, y, groups), expected, rtol=1e-9)


def test_numbers_of_a_mixed_frame_are_averaged(frame):
    X, y, groups = frame
    numbers = ["a", "b", "count"]
    model = Regressor(
        n_experts=2, gate=make_pipeline(StandardScaler(), SoftmaxGate()), gate_features=numbers
    )
    model.set_params(expert_features=numbers, random_state=0).fit(X, y, groups=groups)
    check_bayes(model, X, y, groups)


def test_labels_of_any_type(table):
    X, y, _, groups = table
    bounds = set()
    for labels in [
        groups,
        groups.tolist(),
        groups.astype(str),
        pd.Series(groups, dtype="category"),
    ]:
        model = Regressor(n_experts=2, gate="constant", init=np.eye(2)[(X[:, 0] > 0) * 1])
        bounds.add(round(model.fit(X, y, groups=labels).lower_bound_, 9))
    assert len(bounds) == 1


# Errors ------------------------------------------------------------------------------------


def test_labels_that_do_not_fit_are_refused_by_name(table):
    X, y, _, groups = table
    model = Regressor(n_experts=2, random_state=0)
    nan = groups.astype(float)
    nan[3] = np.nan
    missing = groups.astype(object)
    missing[5] = None
    for wrong, match in [
        (groups[:-1], "groups must have one label a row"),
        (groups[:, None], "groups must have one label a row"),
        (nan, "groups must be known for all rows"),
        (missing, "groups must be known for all rows"),
    ]:
        with pytest.raises(ValueError, match=match):
            model.fit(X, y, groups=wrong)
    model.fit(X, y, groups=groups)
    for method in (model.score_samples, model.responsibilities, model.aic):
        with pytest.raises(ValueError, match="groups must have one label a row"):
            method(X, y, groups=groups[:-1])


def test_weights_that_vary_within_a_group_are_refused(table, rng):
    X, y, _, groups = table
    with pytest.raises(ValueError, match="sample_weight must be the same in all rows of a group"):
        Regressor(n_experts=2).fit(X, y, rng.uniform(1, 2, len(y)), groups)


def test_words_that_vary_within_a_group_are_refused_with_the_remedy(frame):
    X, y, groups = frame
    X = X.assign(colour=np.where(np.arange(len(y)) % 2, "red", "green"))
    model = Regressor(n_experts=2, random_state=0, expert_features=["a", "b"])
    model.set_params(gate=make_pipeline(OneHotEncoder(), SoftmaxGate()))
    with pytest.raises(ValueError, match=r"gate_features.*column 'colour' varies within groups"):
        model.fit(X, y, groups=groups)
    model.set_params(gate=None, gate_features=["a", "count"]).fit(X, y, groups=groups)


# Routing -----------------------------------------------------------------------------------


def test_cross_validation_hands_the_groups_on(table):
    X, y, _, groups = table
    model = Regressor(n_experts=2, random_state=0)
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            model.set_fit_request(groups=True),
            X,
            y,
            cv=GroupKFold(3),
            params={"groups": groups},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    for fitted, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        model.fit(X[train], y[train], groups=groups[train])
        assert_array_equal(fitted.lower_bounds_, model.lower_bounds_)
        assert fitted.lower_bound_ != model.fit(X[train], y[train]).lower_bound_


def test_a_pipeline_hands_the_groups_on(table):
    X, _, labels, groups = table
    model = Classifier(LogisticRegression(C=np.inf), n_experts=2, random_state=0)
    piped = make_pipeline(StandardScaler(), model).fit(
        X, labels, mixtureofexpertsclassifier__groups=groups
    )
    alone = model.fit(StandardScaler().fit_transform(X), labels, groups=groups)
    assert piped[-1].lower_bound_ == alone.lower_bound_
