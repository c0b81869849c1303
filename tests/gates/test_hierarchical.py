"""The hierarchical gate: the textbook's recursion, its tree, its nodes, EM with it."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import norm, ortho_group
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe._data.design import View
from skmoe._data.groups import Rows
from skmoe._data.target import Labels, Target
from skmoe.datasets import make_moe_classification, make_moe_regression
from skmoe.em._multinomial import Iterate
from skmoe.em._row_trainer import Parameters, RowTrainer
from skmoe.experts import LinearBank, LinearState, LogisticBank
from skmoe.gates import (
    ClassifierGate,
    ConstantGate,
    GaussianGate,
    HierarchicalGate,
    SoftmaxGate,
    is_gate,
    make_trainer,
    resolve_gate,
)
from skmoe.responses import Categorical, Gaussian
from tests.oracles import hme
from tests.oracles.likelihood import gradient, log_softmax

pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore:the experts .* had lost their rows:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

UNEQUAL = (1, 2, (2, (3, 2)))  # eleven leaves


@pytest.fixture
def table(rng):
    X = rng.standard_normal((300, 3)) * [1.0, 100.0, 0.01] + [0.0, 5e3, 0.0]
    return X, rng.dirichlet([1.0, 2.0, 3.0, 1.5], 300), rng.integers(0, 4, 300)


# The textbook's recursion ------------------------------------------------------------------

ALPHA, C, N_CLASSES = 0.5, 2.0, 3
SHAPES = [(2, 2), (3, 2), (2, 2, 2)]


class Step:
    """A random state of a mixture on 40 rows, the package's and the textbook's."""

    def __init__(self, branching, labels, rng):
        self.X = X = rng.standard_normal((40, 2)) * [2.0, 0.3] + [1.0, -1.0]
        self.weights = weights = rng.uniform(0.5, 2.0, len(X))
        self.labels, self.n_experts = labels, int(np.prod(branching))
        self.view = View(X, weights)
        gate = HierarchicalGate(branching, SoftmaxGate(ALPHA, n_steps=30))
        self.gate = make_trainer(gate, self.view, None, weights, self.n_experts)
        start = tuple(0.7 * rng.standard_normal((1, len(e) - 1, 3)) for e in self.gate.edges)
        experts = self._classifiers(rng) if labels else self._regressors(rng)
        rest = weights, Rows(weights), self.n_experts
        self.training = RowTrainer(self.gate, self.bank, self.law, self.target, *rest)
        parameters = Parameters(self.gate.restore(start), *experts)
        self.state = self.training.expect(parameters, None)
        self.next = self.training.advance(self.state, None).parameters
        self.expected = self._textbook(branching)

    def _regressors(self, rng):
        self.y = self.X[:, 0] + rng.standard_normal(40)
        self.target = Target.of(self.y, self.weights)
        self.bank = LinearBank(LinearRegression(), self.view, self.target, self.n_experts)
        self.law = Gaussian(prior=0, floor=1e-9)
        coef = 0.7 * rng.standard_normal((self.n_experts, 1, 3))
        return LinearState(coef), rng.uniform(0.5, 1.5, (self.n_experts, 1))

    def _classifiers(self, rng):
        self.y = np.arange(40) % N_CLASSES
        self.target = Labels(self.y, self.y, np.arange(N_CLASSES))
        template = LogisticRegression(C=C)
        self.law = Categorical()
        self.bank = LogisticBank(template, self.view, self.target, self.n_experts)
        coef = 0.7 * rng.standard_normal((self.n_experts, N_CLASSES, 3))
        return self.bank.restore(coef), None

    def densities(self):
        """Densities (n, K) of y, read off the fitted estimators."""
        experts = self.bank.finish(self.state.parameters.experts)
        if self.labels:
            return np.stack([e.predict_proba(self.X)[np.arange(40), self.y] for e in experts], 1)
        sigma = self.state.parameters.dispersion[:, 0] * self.target.scale
        means = np.stack([expert.predict(self.X) for expert in experts], axis=1)
        return norm.pdf(self.y[:, None], means, sigma)

    def _textbook(self, branching):
        nodes = self.gate.finish(self.state.parameters.gate).nodes_
        tree = hme.grow(branching, [(node.coef_, node.intercept_) for node in nodes])
        return hme.expectation(tree, self.X, self.densities())

    def check_expectation(self):
        gate = self.gate.finish(self.state.parameters.gate)
        assert_allclose(gate.predict_proba(self.X), self.expected["gate"], atol=1e-9)
        assert_allclose(self.state.expected, self.expected["resp"], atol=1e-9)
        value = self.weights @ self.expected["log_likelihood"] - gate.penalty_
        if self.labels:
            squares = [np.square(e.coef_).sum() for e in self.training.finish(self.state)[1]]
            value -= 0.5 / C * sum(squares)
        assert_allclose(self.state.objective * self.weights.sum(), value, rtol=1e-9)

    def check_gates(self):
        gate = self.gate.finish(self.next.gate)
        spread = np.sqrt(np.cov(self.X.T, aweights=self.weights, ddof=0).diagonal())
        for number, node in enumerate(gate.nodes_):
            coef, intercept = hme.fit_softmax(
                self.X,
                self.expected["targets"][number],
                self.weights * self.expected["mass"][:, number],
                spread,
                ALPHA,
            )
            assert_allclose(node.coef_, coef, atol=1e-6)
            assert_allclose(node.intercept_, intercept, atol=1e-6)

    def check_experts(self):
        masses = self.weights[:, None] * self.expected["resp"]
        if self.labels:
            state = self.next.experts
            for _ in range(30):
                state = self.bank.update(masses, state, np.full(self.n_experts, True))
            for expert, mass in zip(self.bank.finish(state), masses.T, strict=True):
                coef, intercept = hme.fit_logistic(self.X, self.y, mass, N_CLASSES, C)
                assert_allclose(expert.coef_, coef, atol=1e-6)
                assert_allclose(expert.intercept_, intercept, atol=1e-6)
            return
        sigmas = self.next.dispersion[:, 0] * self.target.scale
        experts = self.bank.finish(self.next.experts)
        for expert, sigma, mass in zip(experts, sigmas, masses.T, strict=True):
            found = *expert.coef_, expert.intercept_, sigma
            coef, intercept, deviation = hme.fit_linear(self.X, self.y, mass)
            assert_allclose(found, [*coef, intercept, deviation], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_states", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("labels", [False, True], ids=["regressor", "classifier"])
@pytest.mark.parametrize("branching", SHAPES, ids=str)
def test_an_iteration_is_the_textbook_recursion(branching, labels, n_states, rng):
    for _ in range(n_states):
        step = Step(branching, labels, rng)
        step.check_expectation()
        step.check_gates()
        step.check_experts()


# The shape of the tree ---------------------------------------------------------------------


def leaves_of(subtree):
    """The leaves of a branching as nested lists, by hand."""
    if isinstance(subtree, int):
        return "leaf" if subtree == 1 else ["leaf"] * subtree
    if any(isinstance(entry, tuple) for entry in subtree):
        return [leaves_of(entry) for entry in subtree]
    return [leaves_of(subtree[1:]) if len(subtree) > 1 else "leaf" for _ in range(subtree[0])]


def paths_of(tree, nodes, path=()):
    """Yield, for every leaf, the (number of the node in preorder, child) on the way to it."""
    if tree == "leaf":
        yield path
        return
    number = next(nodes)
    for child, below in enumerate(tree):
        yield from paths_of(below, nodes, (*path, (number, child)))


@pytest.mark.parametrize(
    ("branching", "expected"),
    [
        ((3,), ["leaf"] * 3),
        ((2, 2), [["leaf"] * 2] * 2),
        ((2, 3), [["leaf"] * 3] * 2),
        ((2, (3, 2)), [["leaf"] * 2, [["leaf"] * 2] * 3]),
        ((1, (2,)), ["leaf", ["leaf"] * 2]),
        (UNEQUAL, ["leaf", ["leaf"] * 2, [["leaf"] * 2, [["leaf"] * 2] * 3]]),
    ],
)
def test_branching_is_read_as_it_is_written(branching, expected):
    assert leaves_of(branching) == expected


@pytest.mark.parametrize("branching", [(4,), (2, 3), (2, 2, 2), (2, (3, 2)), UNEQUAL], ids=str)
def test_probabilities_of_leaves_are_products_along_their_paths(branching, rng):
    X = rng.standard_normal((50, 2))
    paths = list(paths_of(leaves_of(branching), iter(range(99))))
    targets = rng.dirichlet(np.ones(len(paths)), 50)
    gate = HierarchicalGate(branching, SoftmaxGate(alpha=0.01)).fit(X, targets)
    nodes = [node.predict_proba(X) for node in gate.nodes_]
    assert len(nodes) == len({number for path in paths for number, _ in path})
    for leaf, path in enumerate(paths):
        product = np.prod([nodes[number][:, child] for number, child in path], axis=0)
        assert_allclose(gate.predict_proba(X)[:, leaf], product, rtol=1e-10)
    assert gate.n_experts_ == len(paths)


@pytest.mark.parametrize("branching", [(2, 3), UNEQUAL], ids=str)
def test_nodes_are_fitted_to_the_shares_of_their_children(branching, rng):
    X = rng.standard_normal((60, 2))
    paths = list(paths_of(leaves_of(branching), iter(range(99))))
    targets = rng.dirichlet(np.ones(len(paths)), 60)
    weights = rng.uniform(0.5, 2.0, 60)
    gate = HierarchicalGate(branching).fit(X, targets, weights)
    for number, node in enumerate(gate.nodes_):
        masses = np.zeros((60, len(node.coef_)))
        for leaf, path in enumerate(paths):
            if number in dict(path):
                masses[:, dict(path)[number]] += weights * targets[:, leaf]
        total = masses.sum(axis=1)
        alone = SoftmaxGate().fit(X, masses / total[:, None], total)
        assert_allclose(node.coef_, alone.coef_, atol=1e-8)
        assert_allclose(node.intercept_, alone.intercept_, atol=1e-8)


@pytest.mark.parametrize(
    ("branching", "error"),
    [
        ((), ValueError),
        ((1, 2), ValueError),
        ((2, 0), ValueError),
        ((2, -3), ValueError),
        (((2, 2),), ValueError),
        ((2, (1, 1)), ValueError),
        ((2, ()), ValueError),
        ((0, (2, 2)), ValueError),
        (4, TypeError),
        (None, TypeError),
        ("22", TypeError),
        ((2, 2.0), TypeError),
        ((2, True), TypeError),
        ((2, (2, "2")), TypeError),
    ],
    ids=repr,
)
def test_bad_branching_is_refused_by_name(branching, error, table):
    X, targets, _ = table
    with pytest.raises(error, match="branching") as refused:
        HierarchicalGate(branching).fit(X, targets)
    assert repr(branching) in str(refused.value)
    with pytest.raises(ValueError if error is ValueError else (TypeError, ValueError)):
        MixtureOfExpertsRegressor(gate=HierarchicalGate(branching)).fit(X, X[:, 0])


@pytest.mark.parametrize("n_experts", [1, 3, 5])
def test_another_number_of_experts_names_both_numbers(n_experts, table):
    X, _, _ = table
    model = MixtureOfExpertsRegressor(n_experts=n_experts, gate=HierarchicalGate((2, 2)))
    with pytest.raises(
        ValueError, match=rf"branching .*\(2, 2\) has 4, but n_experts is {n_experts}"
    ):
        model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="has 4, but the number of columns of targets is 3"):
        HierarchicalGate().fit(X, np.full((len(X), 3), 1 / 3))
    with pytest.raises(ValueError, match="has 8, but the number of cells is 2"):
        HierarchicalGate((2, 2, 2)).arrange(np.eye(2))


def test_a_tree_too_large_to_build_is_refused_at_once(table):
    X, targets, _ = table
    with pytest.raises(ValueError, match=f"has {2**60}, but"):
        HierarchicalGate((2,) * 60).fit(X, targets)


def test_numbers_of_numpy_and_lists_do_too(table):
    X, targets, _ = table
    plain = HierarchicalGate((2, 2)).fit(X, targets).predict_proba(X)
    for branching in (tuple(np.array([2, 2])), [2, 2], (2, (2,)), ((2,), (2,))):
        assert_array_equal(HierarchicalGate(branching).fit(X, targets).predict_proba(X), plain)


# The gate as an estimator ------------------------------------------------------------------

PIPELINE = make_pipeline(StandardScaler(), SoftmaxGate())
NODES = [
    None,
    "constant",
    ConstantGate(prior=2.0),
    SoftmaxGate(alpha=2.0),
    PIPELINE,
    LogisticRegression(solver="newton-cholesky"),
    ClassifierGate(DecisionTreeClassifier(max_depth=2, random_state=0)),
    GaussianGate(),
    HierarchicalGate((2,)),
]


@pytest.mark.parametrize("node", NODES, ids=repr)
def test_probabilities_normalise(node, table):
    X, targets, weights = table
    gate = HierarchicalGate((2, 2), node).fit(X, targets, weights)
    log_proba = gate.predict_log_proba(X)
    assert_allclose(np.exp(log_proba).sum(axis=1), 1.0, rtol=1e-12)
    assert log_proba.shape == targets.shape
    assert_array_equal(gate.predict_proba(X), np.exp(log_proba))


@pytest.mark.parametrize("node", [node for node in NODES if node is not PIPELINE], ids=repr)
def test_weights_are_repetition(node, table):
    X, targets, weights = table
    weighted = HierarchicalGate(gate=node).fit(X, targets, weights)
    repeated = HierarchicalGate(gate=node).fit(
        np.repeat(X, weights, axis=0), np.repeat(targets, weights, axis=0)
    )
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("node", [None, SoftmaxGate(1.0), GaussianGate("tied")], ids=repr)
def test_scale_and_shift_make_no_difference(node, table):
    X, targets, weights = table
    plain = HierarchicalGate(gate=node).fit(X, targets, weights).predict_proba(X)
    moved = 1e6 * X - 1e5
    found = HierarchicalGate(gate=node).fit(moved, targets, weights).predict_proba(moved)
    assert_allclose(found, plain, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0])
def test_fit_ends_at_the_optimum_of_every_node(alpha, table):
    X, targets, weights = table
    gate = HierarchicalGate((2, 2), SoftmaxGate(alpha)).fit(X, targets, weights + 0.5)
    shares = [targets @ np.repeat(np.eye(2), 2, axis=0), targets[:, :2], targets[:, 2:]]
    for node, masses in zip(gate.nodes_, shares, strict=True):
        masses = masses * (weights[:, None] + 0.5)
        total = masses.sum(axis=1)
        mean = np.average(X, axis=0, weights=total)
        spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=total))
        Z = np.column_stack([(X - mean) / spread, np.ones(len(X))])

        def value(vector, Z=Z, masses=masses):
            B = vector.reshape(2, 4)
            return (masses * log_softmax(Z @ B.T)).sum() - 0.5 * alpha * (B[:, :3] ** 2).sum()

        B = np.column_stack([node.coef_ * spread, node.intercept_ + node.coef_ @ mean])
        assert np.abs(gradient(value, B.ravel())).max() / total.sum() < 1e-6


@pytest.mark.parametrize("node", [node for node in NODES if node is not PIPELINE], ids=repr)
def test_a_tree_of_one_node_is_the_flat_gate(node, table):
    X, targets, weights = table
    node = HierarchicalGate((4,)) if isinstance(node, HierarchicalGate) else node
    tree = HierarchicalGate((4,), node).fit(X, targets, weights + 1.0)
    flat = resolve_gate(node).fit(X, targets, weights + 1.0)
    assert_allclose(tree.predict_proba(X), flat.predict_proba(X), atol=1e-9)


def test_penalties_and_parameters_are_those_of_the_nodes(table):
    X, targets, _ = table
    gate = HierarchicalGate(gate=SoftmaxGate(3.0)).fit(X, targets)
    assert gate.penalty_ == pytest.approx(sum(node.penalty_ for node in gate.nodes_))
    assert gate.penalty_ > 0
    assert gate.n_parameters_ == 3 * 4
    piped = HierarchicalGate(gate=make_pipeline(StandardScaler(), SoftmaxGate(3.0)))
    piped = piped.fit(X, targets)
    assert piped.penalty_ == pytest.approx(gate.penalty_)
    assert piped.n_parameters_ == gate.n_parameters_
    stump = DecisionTreeClassifier(max_depth=1, random_state=0)
    unknown = HierarchicalGate(gate=stump).fit(X, targets)
    assert not hasattr(unknown, "n_parameters_")
    assert unknown.penalty_ == 0.0
    assert not hasattr(unknown, "scale_")


def test_scale_is_the_spread_of_the_columns_that_nodes_see(table):
    X, targets, weights = table
    gate = HierarchicalGate().fit(X, targets, weights)
    mean = np.average(X, axis=0, weights=weights)
    assert_allclose(gate.scale_, np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights)))
    model = MixtureOfExpertsRegressor(
        gate=HierarchicalGate(gate=make_pipeline(StandardScaler(), SoftmaxGate())), n_init=1
    )
    assert_allclose(model.fit(X, X[:, 0]).gate_.scale_, 1.0)


@pytest.mark.parametrize("masses", [[0.0, 0.0], [1e-12, 1e-12]])
def test_a_node_without_mass_is_constant(masses, table):
    X, _, _ = table
    targets = np.tile([0.25, 0.75 - sum(masses), *masses], (len(X), 1))
    gate = HierarchicalGate().fit(X, targets)
    assert isinstance(gate.nodes_[2], ConstantGate)
    assert_allclose(gate.nodes_[2].predict_proba(X), 0.5)
    assert np.isfinite(gate.predict_log_proba(X)).all()


def test_rows_without_mass_in_a_node_do_not_change_it(rng):
    X = rng.standard_normal((200, 2))
    targets = np.zeros((200, 4))
    targets[:100, :2] = rng.dirichlet([1, 1], 100)
    targets[100:, 2:] = rng.dirichlet([1, 1], 100)
    gate = HierarchicalGate().fit(X, targets)
    alone = SoftmaxGate().fit(X[100:], targets[100:, 2:])
    assert_allclose(gate.nodes_[2].predict_proba(X), alone.predict_proba(X), atol=1e-9)


def test_sparse_rows(table):
    X, targets, weights = table
    X = np.where(X > 0.5, X, 0.0)
    dense = HierarchicalGate().fit(X, targets, weights).predict_proba(X)
    S = sparse.csr_array(X)
    assert_allclose(HierarchicalGate().fit(S, targets, weights).predict_proba(S), dense, atol=1e-6)


def test_tags_are_those_of_the_nodes():
    for node in (None, "constant", SoftmaxGate(), LogisticRegression(), DecisionTreeClassifier()):
        alone = SoftmaxGate() if node is None else ConstantGate() if node == "constant" else node
        assert get_tags(HierarchicalGate(gate=node)).input_tags == get_tags(alone).input_tags
    get_tags(HierarchicalGate(gate="nothing"))


@pytest.mark.parametrize(
    ("node", "error"), [("nothing", ValueError), (LinearRegression(), TypeError), (3, TypeError)]
)
def test_a_bad_node_is_refused_by_name(node, error, table):
    X, targets, _ = table
    with pytest.raises(error, match="gate"):
        HierarchicalGate(gate=node).fit(X, targets)


def test_parameters_are_read_set_and_cloned():
    model = MixtureOfExpertsRegressor(gate=HierarchicalGate((2, 2), SoftmaxGate(1.0)))
    model.set_params(gate__gate__alpha=3.0, gate__branching=(2, (3, 2)))
    assert model.get_params()["gate__gate__alpha"] == model.gate.gate.alpha == 3.0
    copy = clone(model)
    assert copy.gate is not model.gate
    assert copy.gate.gate is not model.gate.gate
    assert copy.gate.get_params()["branching"] == (2, (3, 2))
    assert copy.gate.gate.alpha == 3.0
    assert is_gate(copy.gate)


def test_fit_leaves_what_was_given_unfitted(table):
    X, targets, _ = table
    node = SoftmaxGate()
    gate = HierarchicalGate(gate=node)
    MixtureOfExpertsRegressor(gate=gate, n_init=1, max_iter=3).fit(X, X[:, 0])
    gate.fit(X, targets)
    assert vars(node) == vars(SoftmaxGate())
    assert gate.gate is node


@pytest.mark.parametrize("node", NODES, ids=repr)
def test_a_fitted_gate_can_be_stored(node, table):
    X, targets, _ = table
    gate = HierarchicalGate(gate=node).fit(X, targets)
    copy = pickle.loads(pickle.dumps(gate))
    assert_array_equal(copy.predict_log_proba(X), gate.predict_log_proba(X))


# Text reaches the nodes --------------------------------------------------------------------


class Counting(TransformerMixin, BaseEstimator):
    """Counts its fits in a list that clones share, and insists on data frames."""

    def __init__(self, fits=None):
        self.fits = fits

    def __sklearn_clone__(self):
        return type(self)(self.fits)

    def fit(self, X, y=None):
        assert isinstance(X, pd.DataFrame)
        self.fits.append(len(X))
        return self

    def transform(self, X):
        assert isinstance(X, pd.DataFrame)
        return X


@pytest.fixture
def frame(rng):
    """Columns a, b and text, and y: two regimes by text, two by a."""
    table = pd.DataFrame(rng.uniform(-1, 1, (400, 2)), columns=["a", "b"])
    table["text"] = rng.choice(["u", "v"], 400)
    sign = np.where(table["text"] == "u", 1.0, -1.0) * np.where(table["a"] > 0, 1.0, 3.0)
    return table, (sign * table["b"]).to_numpy() + 0.01 * rng.standard_normal(400)


@pytest.mark.parametrize("last", [SoftmaxGate(), LogisticRegression()], ids=repr)
def test_text_reaches_the_pipelines_of_the_nodes(last, frame):
    X, y = frame
    fits = []
    encoder = make_column_transformer((OneHotEncoder(), ["text"]), remainder="passthrough")
    model = MixtureOfExpertsRegressor(
        gate=HierarchicalGate(gate=make_pipeline(Counting(fits), encoder, last)),
        expert_features=["a", "b"],
        random_state=0,
    ).fit(X, y)
    assert model.score(X, y) > 0.9
    assert_allclose(model.gate_proba(X).sum(axis=1), 1.0, rtol=1e-12)
    assert_array_equal(model.gate_.feature_names_in_, X.columns)
    if isinstance(last, SoftmaxGate):
        assert fits == [400]  # once, and not once a node or an iteration
        names = ["countingtransformer", "columntransformer", "softmaxgate"]
        assert [name for name, _ in model.gate_.nodes_[1].steps][1:] == names[1:]


def test_a_node_that_sees_only_part_of_the_columns(frame):
    X, y = frame
    gate = HierarchicalGate((2,), SoftmaxGate())
    model = MixtureOfExpertsRegressor(
        n_experts=2, gate=gate, gate_features=["a"], expert_features=["b"], random_state=0
    ).fit(X, y)
    assert list(model.gate_.feature_names_in_) == ["a"]
    assert model.gate_.nodes_[0].coef_.shape == (2, 1)


# Training in EM ----------------------------------------------------------------------------


def trainer_of(gate, X, weights, n_experts):
    view = View(X, weights)
    return make_trainer(gate, view, None, weights, n_experts)


def test_every_update_improves_the_term_of_the_gate(rng):
    worst = np.inf
    for _ in range(50):
        X, weights = rng.standard_normal((60, 3)), rng.uniform(0.1, 2.0, 60)
        trainer = trainer_of(HierarchicalGate((2, (2, 2)), SoftmaxGate(0.5)), X, weights, 6)
        masses = rng.dirichlet(np.full(6, 0.3), 60) * weights[:, None]
        start = [rng.standard_normal((1, len(e) - 1, 4)) * 3 for e in trainer.edges]
        state = trainer.restore(tuple(start))
        before = (masses * trainer.log_proba(state)).sum() - trainer.penalty(state)
        state = trainer.update(masses, state)
        after = (masses * trainer.log_proba(state)).sum() - trainer.penalty(state)
        worst = min(worst, after - before)
    assert worst > 0


def test_one_node_trains_as_the_flat_gate(rng):
    X, weights = rng.standard_normal((80, 3)), rng.uniform(0.1, 2.0, 80)
    flat = trainer_of(SoftmaxGate(), X, weights, 4)
    tree = trainer_of(HierarchicalGate((4,)), X, weights, 4)
    one = many = None
    for _ in range(5):
        masses = np.asfortranarray(rng.dirichlet(np.ones(4), 80) * weights[:, None])
        one, many = flat.update(masses, one), tree.update(masses, many)
        assert_allclose(tree.log_proba(many), flat.log_proba(one), atol=1e-11)
        assert tree.penalty(many) == pytest.approx(flat.penalty(one), abs=1e-11)


def test_a_state_is_not_changed_by_what_comes_after(rng):
    X, weights = rng.standard_normal((80, 3)), np.ones(80)
    trainer = trainer_of(HierarchicalGate(gate=GaussianGate()), X, weights, 4)
    masses = [np.asfortranarray(rng.dirichlet(np.ones(4), 80)) for _ in range(2)]
    state = trainer.update(masses[0], None)
    before = trainer.log_proba(state).copy(), trainer.penalty(state)
    trainer.update(masses[1], state)
    trainer.log_proba(state)
    assert_array_equal(trainer.log_proba(state), before[0])
    assert trainer.penalty(state) == before[1]


@pytest.mark.parametrize("node", NODES[:6], ids=repr)
def test_strip_restore_and_finish_keep_the_gate(node, rng):
    X, weights = rng.standard_normal((80, 3)), rng.uniform(0.5, 1.0, 80)
    trainer = trainer_of(HierarchicalGate((2, 2), node), X, weights, 4)
    masses = np.asfortranarray(rng.dirichlet(np.ones(4), 80) * weights[:, None])
    state = trainer.update(masses, None)
    log_proba = trainer.log_proba(state)
    restored = trainer.restore(trainer.strip(state))
    assert_allclose(trainer.log_proba(restored), log_proba, atol=1e-10)
    gate = trainer.finish(state)
    assert_allclose(gate.predict_log_proba(X), log_proba, atol=1e-9)
    assert gate.penalty_ == pytest.approx(trainer.penalty(state))


def test_a_node_without_mass_keeps_its_parameters(rng):
    X, weights = rng.standard_normal((80, 3)), np.ones(80)
    trainer = trainer_of(HierarchicalGate(), X, weights, 4)
    full = np.asfortranarray(rng.dirichlet(np.ones(4), 80))
    empty = full.copy(order="F")
    empty[:, 2:] = 0.0
    empty[:, 2] = 1e-12
    empty /= empty.sum(axis=1, keepdims=True)
    first = trainer.update(full, None)
    second = trainer.update(empty, first)
    assert second[2] is first[2]
    assert np.abs(second[1].coef - first[1].coef).max() > 1e-3
    alone = trainer.update(empty, None)
    assert_allclose(np.exp(alone[2].log_proba), 0.5)
    assert np.isfinite(trainer.log_proba(alone)).all()


def test_row_weights_may_change(rng):
    X, weights = rng.standard_normal((80, 3)), np.ones(80)
    others = rng.uniform(0.0, 3.0, 80)
    resp = rng.dirichlet(np.ones(4), 80)
    trainer = trainer_of(HierarchicalGate(gate=SoftmaxGate(n_steps=30)), X, weights, 4)
    state = None
    for _ in range(2):
        state = trainer.update(np.asfortranarray(resp * others[:, None]), state, weights=others)
    spread = X.std(axis=0)
    for node, columns in zip(trainer.finish(state).nodes_[1:], [[0, 1], [2, 3]], strict=True):
        masses = resp[:, columns] * others[:, None]
        total = masses.sum(axis=1)
        coef, intercept = hme.fit_softmax(X, masses / total[:, None], total, spread, 0.1)
        assert_allclose(node.coef_, coef, atol=1e-6)
        assert_allclose(node.intercept_, intercept, atol=1e-6)


def test_joint_densities_are_normalised_within_the_tree(rng):
    X, weights = rng.standard_normal((80, 3)), np.ones(80)
    trainer = trainer_of(HierarchicalGate(gate=GaussianGate()), X, weights, 4)
    state = trainer.update(np.asfortranarray(rng.dirichlet(np.ones(4), 80)), None)
    log_proba = trainer.log_proba(state)
    assert_allclose(np.exp(log_proba).sum(axis=1), 1.0, rtol=1e-12)
    assert_allclose(trainer.finish(state).predict_log_proba(X), log_proba, atol=1e-9)


class JointGate(SoftmaxGate):
    """Trains by an array of its own, which nobody may write into, and which is not normalised."""

    def em_trainer(self, view, weights, n_experts):
        trainer = super().em_trainer(view, weights, n_experts)
        trainer.log_proba = lambda state: state.log_proba
        trainer.update = lambda masses, state, weights=None: Iterate(None, np.log(masses))
        return trainer


def test_the_arrays_of_a_node_are_not_written_into(rng):
    X, masses = rng.standard_normal((80, 3)), np.asfortranarray(rng.dirichlet(np.ones(4), 80))
    trainer = trainer_of(HierarchicalGate(gate=JointGate()), X, np.ones(80), 4)
    state = trainer.update(masses, None)
    before = [node.log_proba.copy() for node in state]
    assert_allclose(trainer.log_proba(state), np.log(masses), rtol=1e-12)
    for node, log_proba in zip(state, before, strict=True):
        assert_array_equal(node.log_proba, log_proba)


def problem(number, labels):
    rng = np.random.default_rng(number)
    n, d = rng.integers(30, 300), rng.integers(1, 6)
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-3, 3, d) + rng.standard_normal(d)
    branching = [(2, 2), (3, 2), (2, (2, 1)), (4,), (2, 2, 2)][number % 5]
    branching = (1, (2, 2)) if branching == (2, (2, 1)) else branching
    n_experts = len(list(paths_of(leaves_of(branching), iter(range(99)))))
    init = rng.dirichlet(np.ones(n_experts), n)
    weights = rng.uniform(0.1, 3.0, n) if number % 3 == 0 else None
    make = MixtureOfExpertsClassifier if labels else MixtureOfExpertsRegressor
    gate = HierarchicalGate(branching, SoftmaxGate([0.1, 2.0, 0.0][number % 3]))
    model = make(n_experts=n_experts, gate=gate, init=init, tol=1e-7, max_iter=150)
    if not labels:
        return model, X, rng.standard_normal(n) + X[:, 0], weights
    y = rng.integers(0, rng.integers(2, 5), n)
    y[:2] = 0, 1
    return model, X, y, weights


@pytest.mark.parametrize(
    ("top_k", "numbers"), [(None, range(5)), (2, range(5, 10)), (1, range(10, 15))]
)
@pytest.mark.parametrize("labels", [False, True], ids=["regressor", "classifier"])
def test_the_objective_never_falls(labels, top_k, numbers):
    worst = np.inf
    for number in numbers:
        model, X, y, weights = problem(number, labels)
        model.set_params(top_k=top_k).fit(X, y, sample_weight=weights)
        changes = np.diff(model.lower_bounds_)
        scale = 1.0 + np.abs(model.lower_bounds_[1:])
        worst = min(worst, (changes / scale).min(initial=np.inf))
        assert model.lower_bound_ == model.lower_bounds_.max()
    assert worst >= -1e-9


def test_the_objective_is_stated_with_the_penalties_of_all_nodes():
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=0)
    model = MixtureOfExpertsRegressor(
        gate=HierarchicalGate(gate=SoftmaxGate(5.0)), response=Gaussian(prior=0), random_state=0
    ).fit(X, y)
    spread = X.std(axis=0)
    penalty = sum(2.5 * np.square(node.coef_ * spread).sum() for node in model.gate_.nodes_)
    expected = model.score_samples(X, y).sum() - penalty
    assert_allclose(model.lower_bound_ * len(y), expected, rtol=1e-9)


@pytest.mark.parametrize("top_k", [None, 1])
def test_a_mixture_with_one_node_is_the_flat_mixture(top_k, monkeypatch):
    monkeypatch.setattr("skmoe._fit.fitting.can_sum", lambda *parts: False)
    X, y = make_moe_regression(500, 3, n_experts=3, random_state=1)
    flat = MixtureOfExpertsRegressor(n_experts=3, top_k=top_k, random_state=0)
    tree = clone(flat).set_params(gate=HierarchicalGate((3,))).fit(X, y)
    flat.fit(X, y)
    assert_allclose(tree.predict(X), flat.predict(X), atol=1e-6)
    assert tree.n_iter_ == flat.n_iter_
    assert tree.bic(X, y) == pytest.approx(flat.bic(X, y), rel=1e-9)


def test_nested_tuples_are_the_same_tree_as_levels():
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=1)
    models = [
        MixtureOfExpertsRegressor(gate=HierarchicalGate(branching), n_init=1, random_state=0).fit(
            X, y
        )
        for branching in [(2, 2), ((2,), (2,)), (2, (2,))]
    ]
    for model in models[1:]:
        assert_array_equal(model.predict(X), models[0].predict(X))


@pytest.mark.parametrize("labels", [False, True], ids=["regressor", "classifier"])
def test_weights_are_repetition_in_a_mixture(labels, rng):
    make = make_moe_classification if labels else make_moe_regression
    X, y = make(150, 3, n_experts=4, random_state=3)
    weights = rng.integers(0, 4, 150)
    kind = MixtureOfExpertsClassifier if labels else MixtureOfExpertsRegressor
    model = kind(n_experts=4, gate=HierarchicalGate(), n_init=2, random_state=0)
    method = "predict_proba" if labels else "predict"
    for accelerate, atol in [(True, 1e-5), (False, 1e-9)]:
        model.set_params(accelerate=accelerate)
        weighted = clone(model).fit(X, y, sample_weight=weights)
        repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
        assert_allclose(getattr(weighted, method)(X), getattr(repeated, method)(X), atol=atol)


def test_scale_and_shift_make_no_difference_to_a_mixture():
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=1)
    model = MixtureOfExpertsRegressor(gate=HierarchicalGate(), n_init=2, random_state=0)
    plain = clone(model).fit(X, y).predict(X)
    moved = X * [1e3, 1e-4, 1.0] + [5.0, 0.0, -100.0]
    assert_allclose(clone(model).fit(moved, y).predict(moved), plain, atol=1e-5)


@pytest.mark.parametrize("node", NODES, ids=repr)
def test_any_node_makes_a_mixture(node):
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=1)
    model = MixtureOfExpertsRegressor(
        gate=HierarchicalGate((2, 2), node), n_init=1, max_iter=10, random_state=0
    ).fit(X, y)
    assert_allclose(model.gate_proba(X).sum(axis=1), 1.0, rtol=1e-12)
    assert len(model.gate_.nodes_) == 3
    assert model.predict(X).shape == (300,)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))


def test_a_tree_behind_transformers_is_a_gate():
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=1)
    gate = make_pipeline(StandardScaler(), HierarchicalGate())
    model, bare = (
        MixtureOfExpertsRegressor(gate=each, n_init=2, random_state=0).fit(X, y)
        for each in (gate, gate[-1])
    )
    assert_allclose(model.predict(X), bare.predict(X), atol=1e-3)
    assert model.bic(X, y) == pytest.approx(bare.bic(X, y), rel=1e-6)


def test_the_criterion_is_unknown_with_unknown_nodes():
    X, y = make_moe_regression(300, 3, n_experts=4, random_state=1)
    gate = HierarchicalGate(gate=DecisionTreeClassifier(max_depth=2))
    model = MixtureOfExpertsRegressor(gate=gate, max_iter=5, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="'gate'"):
        assert np.isnan(model.bic(X, y))


# Starts ------------------------------------------------------------------------------------


def clusters(rng):
    """Eight cells in row-major order: two groups of two pairs each, turned at random."""
    signs = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
    return signs * [9.0, 3.0, 0.5] @ ortho_group.rvs(3, random_state=int(rng.integers(99)))


def test_cells_that_are_near_each_other_become_siblings(rng):
    gate = HierarchicalGate((2, 2, 2))
    for _ in range(50):
        order = rng.permutation(8)
        found = order[gate.arrange(clusters(rng)[order])]
        pairs = [{*found[j : j + 2].tolist()} for j in range(0, 8, 2)]
        assert sorted(map(sorted, pairs)) == [[0, 1], [2, 3], [4, 5], [6, 7]]
        halves = [{*found[:4].tolist()}, {*found[4:].tolist()}]
        assert {0, 1, 2, 3} in halves


@pytest.mark.parametrize("branching", [(2, 2), (3, 2), UNEQUAL], ids=str)
def test_the_numbers_of_the_cells_make_no_difference(branching, rng):
    gate = HierarchicalGate(branching)
    n_cells = len(list(paths_of(leaves_of(branching), iter(range(99)))))
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    tables = [rng.standard_normal((n_cells, d)) for d in (1, 2, 5)]
    tables += [np.zeros((n_cells, 2)), np.resize(corners, (n_cells, 2))]
    for centers in tables:
        first = gate.arrange(centers)
        assert sorted(first.tolist()) == list(range(n_cells))
        for _ in range(20):
            order = rng.permutation(n_cells)
            again = gate.arrange(centers[order])
            assert_array_equal(centers[order][again], centers[first])


def test_rotations_and_reflections_of_x_make_no_difference(rng):
    gate = HierarchicalGate((3, (2, 2)))
    for seed in range(20):
        centers = rng.standard_normal((7, 3))
        turned = centers @ ortho_group.rvs(3, random_state=seed)
        first, again = gate.arrange(centers), gate.arrange(turned)
        # Leaves of one node may swap.
        for leaves in (slice(0, 3), slice(3, 5), slice(5, 7)):
            assert {*first[leaves].tolist()} == {*again[leaves].tolist()}


# scikit-learn's checks ---------------------------------------------------------------------


@pytest.fixture
def any_random_state():
    """Put the global state back: some of scikit-learn's checks draw from it."""
    before = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002


@pytest.mark.slow
@pytest.mark.usefixtures("any_random_state")
@parametrize_with_checks(
    [
        MixtureOfExpertsRegressor(n_experts=4, gate=HierarchicalGate(), n_init=1),
        MixtureOfExpertsClassifier(n_experts=4, gate=HierarchicalGate(), n_init=1),
    ]
)
def test_checks(estimator, check):
    check(estimator)
