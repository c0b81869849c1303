"""The same results every time: seeds, workers, precision, storage, and the labels' own type."""

import copy
import pickle
import subprocess
import sys
from io import BytesIO
from numbers import Number

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import Bunch

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate

pytestmark = [
    pytest.mark.filterwarnings("ignore:no rows were left for the experts:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
# No other array of a fitted model may have this length.
N = 101

MODELS = {
    "regressor": MixtureOfExpertsRegressor(),
    "hard": MixtureOfExpertsRegressor(Ridge(), top_k=1, gate=ConstantGate(prior=1.0)),
    "median": MixtureOfExpertsRegressor(combine="median", gate_features=[0, 1]),
    "forests": MixtureOfExpertsRegressor(RandomForestRegressor(3, max_depth=2), top_k=1),
    "list": MixtureOfExpertsRegressor(
        [("ridge", make_pipeline(StandardScaler(), Ridge())), ("tree", DecisionTreeRegressor())],
        gate=make_pipeline(StandardScaler(), LogisticRegression()),
    ),
    "classifier": MixtureOfExpertsClassifier(),
    "vote": MixtureOfExpertsClassifier(
        RandomForestClassifier(3, max_depth=2), combine="vote", class_weight="balanced"
    ),
    "classifier-list": MixtureOfExpertsClassifier(
        [("logistic", LogisticRegression()), ("forest", RandomForestClassifier(3, max_depth=2))],
        gate=RandomForestClassifier(3, max_depth=2),
    ),
}
ALL = pytest.mark.parametrize("name", MODELS)


@pytest.fixture
def table(rng):
    X = rng.normal(size=(N, 3))
    numbers = np.where(X[:, 0] > 0, 2 * X[:, 1] + 3, -X[:, 1]) + 0.3 * rng.normal(size=N)
    labels = np.digitize(numbers + 0.5 * rng.normal(size=N), [0, 2])
    return X, numbers, labels


def fitted(name, table, **params):
    """A model fitted to few iterations, which is all that a comparison needs."""
    X, numbers, labels = table
    model = clone(MODELS[name]).set_params(n_experts=2, n_init=1, random_state=0, max_iter=5)
    y = labels if "class" in name or name == "vote" else numbers
    return model.set_params(**params).fit(X, y), X, y


def outputs(model, X, y):
    """All numbers that a fitted model gives."""
    found = {
        "predict": model.predict(X),
        "gate_proba": model.gate_proba(X),
        "expert_predict": model.expert_predict(X),
        "responsibilities": model.responsibilities(X, y),
        "score_samples": model.score_samples(X, y),
    }
    if hasattr(model, "predict_proba"):
        found["predict_proba"] = model.predict_proba(X)
        found["predict_log_proba"] = model.predict_log_proba(X)
    else:
        found["std"] = model.predict(X, return_std=True)[1]
    return found


def assert_identical(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert_array_equal(other[key], value, err_msg=key)
        assert other[key].dtype == value.dtype


# Seeds and workers -------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("seed", [0, None], ids=["seed", "none"])
def test_the_same_seed_gives_the_same_model(name, seed, table):
    before = np.random.get_state()  # noqa: NPY002 - the state that must stay as it is
    model, X, y = fitted(name, table, random_state=seed, n_init="auto")
    expected = outputs(model, X, y)
    for a, b in zip(before, np.random.get_state(), strict=True):  # noqa: NPY002
        assert_array_equal(a, b)
    assert model.random_state is seed
    if seed is not None:
        assert_identical(expected, outputs(model.fit(X, y), X, y))


def test_seeds_are_handed_to_parts_that_have_none(table):
    model, _, _ = fitted("forests", table)
    seeds = [expert.random_state for expert in model.experts_]
    assert all(isinstance(seed, int) for seed in seeds)
    assert len(set(seeds)) == len(seeds)
    kept = RandomForestRegressor(3, max_depth=2, random_state=7)
    model, _, _ = fitted("forests", table, experts=kept)
    assert [expert.random_state for expert in model.experts_] == [7, 7]
    assert fitted("forests", table, random_state=1)[0].experts_[0].random_state not in seeds


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("forests", "list")),
        "classifier-list",
    ],
)
def test_workers_and_backends_do_not_matter(name, table):
    model, X, y = fitted(name, table, n_jobs=1)
    expected = outputs(model, X, y)
    for backend in ("loky", "threading"):
        with parallel_config(backend=backend):
            model.set_params(n_jobs=2).fit(X, y)
        assert_identical(expected, outputs(model, X, y))


# Precision ---------------------------------------------------------------------------------


@ALL
def test_single_precision_in_single_precision_out(name, table):
    X, numbers, labels = table
    single = X.astype(np.float32)
    model, _, y = fitted(name, (single, numbers.astype(np.float32), labels))
    for key, value in outputs(model, single, y).items():
        if not (key == "predict" and hasattr(model, "classes_")):
            assert value.dtype == np.float32, key
        assert np.isfinite(value).all(), key
    for key, value in outputs(model, X, y).items():
        assert value.dtype == np.float64 or key == "predict", key


# Storage -----------------------------------------------------------------------------------


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model):
    file = BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def through_cloudpickle(model):
    return pickle.loads(cloudpickle.dumps(model))


def through_skops(model):
    io = pytest.importorskip("skops.io")
    stored = io.dumps(model)
    return io.loads(stored, trusted=io.get_untrusted_types(data=stored))


@ALL
@pytest.mark.parametrize(
    "through",
    [through_pickle, through_joblib, through_cloudpickle, copy.deepcopy, through_skops],
)
def test_storage_changes_no_bit(name, through, table):
    model, X, y = fitted(name, table)
    back = through(model)
    assert_identical(outputs(model, X, y), outputs(back, X, y))
    assert back.lower_bound_ == model.lower_bound_
    if through in (through_pickle, through_skops):
        # What is stored is whole: it can be fitted again.
        assert_identical(outputs(model, X, y), outputs(back.fit(X, y), X, y))


def test_a_fresh_process_gives_the_same_bits(table, tmp_path):
    found = {name: fitted(name, table) for name in MODELS}
    expected = {name: outputs(*triple) for name, triple in found.items()}
    (tmp_path / "models.pickle").write_bytes(pickle.dumps(found))
    script = (
        "import pickle, sys\n"
        "from tests.test_repeatability import outputs\n"
        "found = pickle.load(open(sys.argv[1], 'rb'))\n"
        "pickle.dump({k: outputs(*v) for k, v in found.items()}, open(sys.argv[2], 'wb'))\n"
    )
    paths = [str(tmp_path / "models.pickle"), str(tmp_path / "outputs.pickle")]
    subprocess.run([sys.executable, "-c", script, *paths], check=True, timeout=300)
    for name, values in pickle.loads((tmp_path / "outputs.pickle").read_bytes()).items():
        assert_identical(expected[name], values)


PLAIN = (Number, str, bool, np.generic, type(None))


def walk(value, path):
    """Yield what is stored, part by part, with the way to it."""
    yield path, value
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from walk(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{path}[{key!r}]")
    elif isinstance(value, BaseEstimator) and not type(value).__module__.startswith("sklearn"):
        for key, item in vars(value).items():
            yield from walk(item, f"{path}.{key}")


@ALL
def test_fitted_attributes_are_plain_and_none_has_a_training_row(name, table):
    model, _, _ = fitted(name, table)
    for key, value in vars(model).items():
        for path, part in walk(value, key):
            allowed = (*PLAIN, np.ndarray, list, tuple, dict, Bunch, BaseEstimator)
            assert isinstance(part, allowed), f"{path}: {type(part)}"
            if isinstance(part, np.ndarray):
                assert part.dtype != object or path == "feature_names_in_", path
                assert N not in part.shape, f"{path}: {part.shape}"
            if isinstance(part, (list, dict)):
                assert len(part) < N, path


def test_few_own_types_are_stored(table):
    io = pytest.importorskip("skops.io")
    stored = [io.dumps(fitted(name, table)[0]) for name in MODELS]
    types = {kind for one in stored for kind in io.get_untrusted_types(data=one)}
    own = {kind for kind in types if kind.startswith("skmoe.")}
    assert {kind.rpartition(".")[2] for kind in own} <= {
        "MixtureOfExpertsRegressor",
        "MixtureOfExpertsClassifier",
        "SoftmaxGate",
        "ConstantGate",
        "ClassifierGate",
        "Gaussian",
    }


# Labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda codes: np.array(["no", "yes", "perhaps"])[codes],
        lambda codes: np.array(["no", "yes", "perhaps"], dtype=object)[codes],
        lambda codes: codes > 0,
        lambda codes: codes.astype(np.int32) * 5 - 3,
        lambda codes: codes.astype(np.float64),
        lambda codes: pd.Series(np.array(["no", "yes", "perhaps"])[codes], dtype="category"),
        lambda codes: pd.Series(codes, dtype="category"),
        lambda codes: np.array(["no", "yes", "perhaps"])[codes].tolist(),
    ],
    ids=["text", "object", "bool", "int", "float", "categories", "int-categories", "list"],
)
@pytest.mark.parametrize("name", ["classifier", "vote", "classifier-list"])
def test_labels_come_back_in_their_type(name, make, table):
    X, _, codes = table
    y = make(codes)
    model = clone(MODELS[name]).set_params(n_experts=2, n_init=1, max_iter=5, random_state=0)
    model.fit(X, y)
    values = np.asarray(y)
    prediction = model.predict(X)
    assert_array_equal(model.classes_, np.unique(values))
    assert model.classes_.dtype == prediction.dtype == values.dtype
    assert set(prediction.tolist()) <= set(values.tolist())
    assert type(prediction.tolist()[0]) is type(values.tolist()[0])
    assert (prediction == values).mean() > 0.6
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert np.isfinite(model.score_samples(X, y)).all()


def test_a_random_state_that_is_no_parameter_is_seeded(table):
    X, y, _ = table
    before = np.random.get_state()[2]  # noqa: NPY002 - the legacy state is what libsvm draws from
    model = MixtureOfExpertsRegressor(make_pipeline(StandardScaler(), SVR()), n_experts=2, n_init=1)
    model.set_params(random_state=0).fit(X, y)
    assert np.random.get_state()[2] == before  # noqa: NPY002
    assert_array_equal(model.predict(X), clone(model).fit(X, y).predict(X))
