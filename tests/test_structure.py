"""Sizes, capabilities and the way of a default fit, measured on the source and on a fit."""

import ast
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import skmoe
from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

PACKAGE = Path(skmoe.__file__).parent
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

#: Rooms that hold parts of ours: the others examine fitted estimators, as users do.
INNER = ("_data/", "_estimator/", "_fit/", "em/", "experts/", "gates/", "responses/")
INNER_FILES = ("_classifier.py", "_regressor.py", "_errors.py", "_version.py", "routing.py")

MOST_LINES = 400
MOST_FUNCTION_LINES = 50
MOST_MODULES_OF_A_FIT = 40
MOST_CLASSES = 3
MOST_PROBES = 10

#: Attributes that `hasattr` and `getattr` look for on objects of users and of other packages.
FOREIGN = {
    # arrays, data frames, Dask collections and sequences
    "__array__ __dask_graph__ __getitem__ __iter__ __len__ chunks columns dtype iloc isetitem kind "
    "npartitions shape with_columns toarray",
    # estimators
    "__sklearn_tags__ alpha classes_ coef_ coefs_ estimator classifier regressor fit get_params "
    "l1_ratio partial_fit penalty predict predict_proba predict_log_proba score set_fit_request "
    "set_score_request n_parameters_",
    # gates and laws that a user may write without deriving from ours
    "arrange balance cheap em_trainer multi_output penalty_ response shared support loss",
    # joblib's backend, scikit-learn's callbacks
    "client _skl_callbacks",
}
FOREIGN = {name for group in FOREIGN for name in group.split()}

#: Attributes that scikit-learn looks for to tell whether an estimator is fitted.
FITTED = {"gate_", "learned_"}


def inner_sources():
    return {
        name: path
        for name, path in SOURCES.items()
        if name.startswith(INNER) or name in INNER_FILES
    }


def functions(path):
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of_code(node):
    docstring = ast.get_docstring(node, clean=False)
    documented = 0 if docstring is None else docstring.count("\n") + 1
    return node.end_lineno - node.lineno + 1 - documented


def probes(tree):
    """Yield the line and the name of every `hasattr` and `getattr`; None for a variable name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"hasattr", "getattr"}:
            name = node.args[1]
            yield node.lineno, name.value if isinstance(name, ast.Constant) else None


def probes_of_ours():
    return [
        f"{name}:{line}: {probed or 'any name'}"
        for name, path in inner_sources().items()
        for line, probed in probes(ast.parse(path.read_text("utf8")))
        if probed not in FOREIGN and probed not in FITTED
    ]


def test_modules_are_small():
    long = {name: path.read_text("utf8").count("\n") for name, path in SOURCES.items()}
    assert {name: n for name, n in long.items() if n > MOST_LINES} == {}


def test_functions_are_small():
    long = [
        f"{name}:{node.lineno} {node.name}: {lines_of_code(node)}"
        for name, path in SOURCES.items()
        for node in functions(path)
        if lines_of_code(node) > MOST_FUNCTION_LINES
    ]
    assert long == []


def test_parts_of_ours_are_hardly_probed():
    found = probes_of_ours()
    assert len(found) <= MOST_PROBES, "\n".join(found)


def test_no_class_is_found_by_a_private_attribute():
    """But for scikit-learn's `_skl_callbacks`, which has no public name."""
    private = [probe for probe in probes_of_ours() if ": _" in probe and ": __" not in probe]
    assert private == []


@pytest.mark.parametrize("source", ["hasattr(part, 'pack')", "getattr(law, 'units', None)"])
def test_a_probe_is_found(source):
    assert [name for _, name in probes(ast.parse(source))] in (["pack"], ["units"])


@pytest.mark.parametrize("estimator", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
def test_an_estimator_inherits_few_classes_of_ours(estimator):
    ours = [cls for cls in estimator.__mro__ if cls.__module__.startswith("skmoe")]
    assert len(ours) <= MOST_CLASSES, ours


def modules_of(function):
    """Names of the files of the package in which a call runs a function."""
    seen = set()

    def note(frame, event, argument):
        if event == "call":
            seen.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return sorted(name for name, path in SOURCES.items() if str(path) in seen)


@pytest.mark.parametrize(
    ("estimator", "load"),
    [
        (MixtureOfExpertsRegressor(random_state=0), load_diabetes),
        (MixtureOfExpertsClassifier(random_state=0), load_breast_cancer),
    ],
    ids=["regressor", "classifier"],
)
def test_a_default_fit_touches_few_modules(estimator, load):
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    touched = modules_of(lambda: estimator.fit(X, y))
    assert len(touched) <= MOST_MODULES_OF_A_FIT, touched
