"""What a fitted model is made of, as those who store it see it."""

import copy
import io
import pickle
import re
from importlib import import_module
from inspect import signature
from types import FunctionType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

import skmoe.gates
import skmoe.responses
from skmoe.persistence import _FORMER_GATES, TRUSTED_TYPES
from tests._models import fitted_models, table


@pytest.fixture(scope="module")
def models():
    return fitted_models()


# Lambdas and local classes -----------------------------------------------------------------


class Names(pickle.Pickler):
    """Notes the name of every class and function that a pickle of an object refers to."""

    def __init__(self):
        super().__init__(io.BytesIO())
        self.found = set()

    def reducer_override(self, value):
        """Note a name; a plain pickle would only say that it cannot be pickled."""
        if isinstance(value, (type, FunctionType)):
            self.found.add(f"{value.__module__}.{value.__qualname__}")
        if "<" in getattr(value, "__qualname__", ""):
            return list, ()  # something that any pickle takes
        return NotImplemented


def names_in(value):
    names = Names()
    names.dump(value)
    return names.found


def nameless(value):
    """What cannot be imported by its name."""
    return {name for name in names_in(value) if "<" in name}


def test_no_lambda_and_no_local_class_is_stored(models):
    for name, (model, _) in models.items():
        assert nameless(model) == set(), name
        assert any(each.startswith("skmoe.") for each in names_in(model)), name


def test_a_lambda_and_a_local_class_are_found():
    class Local:
        pass

    model = Ridge()
    model.rule_, model.part_ = [lambda: 1], {"a": Local()}
    found = nameless(model)
    assert {name.rpartition(".")[2] for name in found} == {"<lambda>", "Local"}


# Types to trust ----------------------------------------------------------------------------


def untrusted(model):
    """Names of the types that skops asks about."""
    stored = pytest.importorskip("skops.io")
    return set(stored.get_untrusted_types(data=stored.dumps(model)))


def test_every_trusted_type_exists():
    assert len(set(TRUSTED_TYPES)) == len(TRUSTED_TYPES)
    for path in TRUSTED_TYPES:
        module, _, name = path.rpartition(".")
        found = getattr(import_module(module), name)
        present = f"{found.__module__}.{found.__qualname__}"
        # A former name resolves to a class that is trusted under its present name.
        assert present in set(TRUSTED_TYPES) - set(_FORMER_GATES)
        assert (path == present) != (path in _FORMER_GATES)


def test_all_gates_and_laws_are_trusted():
    public = [(skmoe, name) for name in skmoe.__all__]
    public += [(module, n) for module in (skmoe.gates, skmoe.responses) for n in module.__all__]
    found = [getattr(*entry) for entry in public]
    paths = {f"{cls.__module__}.{cls.__qualname__}" for cls in found if isinstance(cls, type)}
    # One that is to be derived from is never stored itself.
    assert paths - set(TRUSTED_TYPES) == {"skmoe.responses._response.Response"}


def test_fitted_models_hold_trusted_types_only(models):
    stored = {name: untrusted(model) for name, (model, _) in models.items()}
    for name, found in stored.items():
        assert found <= set(TRUSTED_TYPES), name
    # What is trusted occurs: the list holds nothing of ours that no model needs.
    ours = {path for path in TRUSTED_TYPES if path.startswith("skmoe.")} - set(_FORMER_GATES)
    assert ours <= set().union(*stored.values())


def test_the_list_is_all_that_loading_needs(models):
    stored = pytest.importorskip("skops.io")
    X, targets = table()
    for name, (model, kind) in models.items():
        back = stored.loads(stored.dumps(model), trusted=TRUSTED_TYPES)
        assert_array_equal(back.predict(X), model.predict(X), err_msg=name)
        densities = [each.score_samples(X, targets[kind]) for each in (model, back)]
        assert_array_equal(*densities, err_msg=name)


def of_scikit_learn():
    """Yield names and instances of regressors and classifiers, around linear ones if need be."""
    for kind, line in {"regressor": Ridge(), "classifier": LogisticRegression()}.items():
        others = {"estimator": line, "estimators": [("one", line), ("two", clone(line))]}
        for name, cls in all_estimators(type_filter=kind):
            parameters = signature(cls).parameters.values()
            needed = [each.name for each in parameters if each.default is each.empty]
            if name == "SelfTrainingClassifier":  # a default that `fit` refuses
                needed = ["estimator"]
            yield name, cls(**{each: others[each] for each in needed}), kind


def with_settings():
    """Name to instance of what brings other types with other settings."""
    kernel = kernels.Matern() + kernels.RationalQuadratic() + kernels.WhiteKernel()
    chosen = make_column_transformer((StandardScaler(), make_column_selector(dtype_include=float)))
    return {
        "absolute": GradientBoostingRegressor(loss="absolute_error", n_estimators=3),
        "huber": GradientBoostingRegressor(loss="huber", n_estimators=3),
        "quantile": GradientBoostingRegressor(loss="quantile", n_estimators=3),
        "largest": KNeighborsRegressor(metric="chebyshev", algorithm="kd_tree"),
        "total": KNeighborsRegressor(metric="l1", algorithm="ball_tree"),
        "cubes": KNeighborsRegressor(metric="minkowski", p=3),
        "sum": GaussianProcessRegressor(kernel, optimizer=None),
        "power": GaussianProcessRegressor(kernels.DotProduct() ** 2, optimizer=None),
        "descent": MLPRegressor(hidden_layer_sizes=[3], solver="sgd", max_iter=3),
        "search": GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=KFold(3)),
        "steps": make_pipeline(SimpleImputer(), SelectKBest(f_regression, k=2), Ridge()),
        "columns": make_pipeline(chosen, Ridge()),
    }


@pytest.mark.slow
# They are fitted as they are: warnings of theirs are no concern of ours.
@pytest.mark.filterwarnings("ignore")
def test_what_scikit_learn_brings_is_trusted():
    X, targets = table()
    X = np.abs(X)  # for naive Bayes, which counts
    # A regression on one column, and regressors of several targets only.
    alone = {"IsotonicRegression": X[:, :1]}
    several = ("MultiTask", "MultiOutput", "RegressorChain", "ClassifierChain", "CCA", "PLSC")
    models = [
        *of_scikit_learn(),
        *((name, one, "regressor") for name, one in with_settings().items()),
    ]
    assert len(models) > 90
    before = np.random.get_state()  # noqa: NPY002 - what has no random_state draws from it
    for name, model, kind in models:
        y = targets["amounts"] if kind == "regressor" else (X[:, 0] > 0.7).astype(int)
        y = np.column_stack([y, y]) if name.startswith(several) else y
        rows = pd.DataFrame(X, columns=list("abc")) if name == "columns" else alone.get(name, X)
        model = clone(model).fit(rows, y)
        assert untrusted(model) <= set(TRUSTED_TYPES), name
    np.random.set_state(before)  # noqa: NPY002


# Versions ----------------------------------------------------------------------------------


def test_what_this_version_has_stored_is_read_in_silence(models):
    for model, _ in models.values():
        for part in (model, model.gate_, clone(model)):
            back = pickle.loads(pickle.dumps(part))
            assert vars(back).keys() == vars(part).keys()


@pytest.mark.parametrize("version", ["9.7.5", None])
def test_another_version_is_named(models, version):
    model, _ = models["linear"]
    for part in (model, model.gate_, model.response_):
        state = part.__getstate__()
        del state["_skmoe_version"]
        name, back = type(part).__name__, copy.copy(part)
        expected = f"{name} was stored by skmoe {version or 'unknown'}; skmoe {skmoe.__version__} "
        with pytest.warns(UserWarning, match=re.escape(expected)):
            back.__setstate__(state | ({"_skmoe_version": version} if version else {}))
        assert vars(back).keys() == vars(part).keys()


def test_a_parameter_that_was_stored_before_it_existed_has_its_default(models):
    model, _ = models["hard"]
    X, _ = table()
    state = model.__getstate__()
    del state["combine"], state["top_k"]
    back = object.__new__(type(model))
    back.__setstate__(state)
    assert (back.combine, back.top_k) == ("mean", None)
    soft = copy.copy(model).set_params(top_k=None)
    assert_array_equal(back.predict(X), soft.predict(X))
    assert back.get_params().keys() == soft.get_params().keys()
