"""Every public name is documented: numpydoc's checks, parameters, fitted attributes, API page."""

import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import ERROR_MSGS, validate
from sklearn.linear_model import LogisticRegression

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor

# The names that users rely on. One that is not built yet is passed over.
PUBLIC = {
    "skmoe": "MixtureOfExpertsRegressor MixtureOfExpertsClassifier",
    "skmoe.gates": "SoftmaxGate GaussianGate HierarchicalGate ClassifierGate ConstantGate",
    "skmoe.responses": "Gaussian MultivariateGaussian StudentT Laplace Poisson Gamma",
    "skmoe.inspection": "ConvergenceDisplay GateDisplay ExpertUsageDisplay"
    " PredictiveDensityDisplay GateTreeDisplay PathDisplay export_gate_text"
    " Summary bootstrap likelihood_ratio_test summary",
    "skmoe.metrics": "log_score crps interval_coverage pit log_score_scorer crps_scorer",
    "skmoe.distributions": "MixtureDistribution",
    "skmoe.export": "to_onnx",
    "skmoe.datasets": "make_moe_regression make_moe_classification make_robot_arm make_vowels",
}
API_PAGE = Path(__file__).parents[1] / "docs" / "api.rst"

# All of numpydoc's checks but these.
NOT_ENFORCED = {
    "ES01": "a summary line that says it all needs no second paragraph",
    "SS05": "it takes plural nouns ('Probabilities of the experts.') for verbs in the third person",
    "SA01": "a See Also is for names that have relatives",
    "RT02": "scikit-learn's docstrings name what is returned (`self : object`), so do ours",
}
# Asked of classes and functions, not of every method.
NOT_ENFORCED_FOR_METHODS = {
    "EX01": "the example of the class shows its methods at work",
    "PR07": "`X : array-like of shape (n, n_features)` says what there is to say",
    "RT03": "a summary line that says what is returned needs only its type and shape below",
}

ESTIMATORS = [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier]


def public_objects():
    """Yield (dotted name, object) of every public name that is built."""
    for module, names in PUBLIC.items():
        if importlib.util.find_spec(module):
            for name in names.split():
                if hasattr(importlib.import_module(module), name):
                    yield f"{module}.{name}", getattr(importlib.import_module(module), name)


def public_methods(cls):
    """Yield the public methods and properties of a class that are our own code."""
    for name in dir(cls):
        if name.startswith("_"):
            continue
        is_property = isinstance(inspect.getattr_static(cls, name), property)
        member = getattr(cls, name)
        if not is_property and not (callable(member) and member.__module__.startswith("skmoe")):
            continue
        # An override without words of its own has those of the class it derives from.
        if is_property or member.__doc__ or not inspect.getdoc(member):
            yield name


OBJECTS = dict(public_objects())
METHODS = [
    f"{path}.{name}"
    for path, found in OBJECTS.items()
    if inspect.isclass(found)
    for name in public_methods(found)
]


def complaints(path, not_enforced):
    return [error for error in validate(path)["errors"] if error[0] not in not_enforced]


@pytest.mark.parametrize("path", OBJECTS)
def test_docstring_of_object(path):
    assert complaints(path, NOT_ENFORCED) == []


@pytest.mark.parametrize("path", METHODS)
def test_docstring_of_method(path):
    assert complaints(path, NOT_ENFORCED | NOT_ENFORCED_FOR_METHODS) == []


def test_the_names_of_numpydoc_checks_are_current():
    assert set(ERROR_MSGS) >= set(NOT_ENFORCED | NOT_ENFORCED_FOR_METHODS)


@pytest.mark.parametrize(
    ("docstring", "code"),
    [
        ("Double a number.\n\n    Returns\n    -------\n    float\n        Twice it.\n", "PR01"),
        ("Double", "SS03"),
        ("", "GL08"),
    ],
)
def test_a_poor_docstring_is_found(docstring, code, monkeypatch, tmp_path):
    (tmp_path / "poor.py").write_text(f"def double(x):\n    {docstring!r}\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "poor", raising=False)
    assert code in dict(complaints("poor.double", NOT_ENFORCED))


@pytest.mark.parametrize("path", OBJECTS)
def test_object_is_offered_and_on_the_api_page(path):
    module, _, name = path.rpartition(".")
    assert name in importlib.import_module(module).__all__
    page = API_PAGE.read_text("utf8")
    heading = r"\.\. (?:current)?module:: (\S+)\n(.*?)(?=\.\. (?:current)?module|\Z)"
    sections = dict(re.findall(heading, page, re.S))
    assert re.search(rf"^ +{name}$", sections.get(module, ""), re.M)


# Parameters and fitted attributes ----------------------------------------------------------


def documented(cls, section):
    """Return the names in a section of a class docstring; one entry may hold several."""
    entries = [entry.name for entry in ClassDoc(cls)[section]]
    return [name.strip() for entry in entries for name in entry.split(",")]


def fitted(cls):
    """Fit on a small data frame, so that the names of its columns are kept too."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = (X["a"] > 0).astype(int) if cls is MixtureOfExpertsClassifier else X["a"].abs()
    return cls(n_experts=2, random_state=0).fit(X, y)


def attributes(estimator):
    """Return the names of everything that `fit` has set or made readable."""
    computed = [n for n, v in inspect.getmembers_static(type(estimator)) if isinstance(v, property)]
    return {
        name
        for name in [*vars(estimator), *computed]
        if name.endswith("_") and not name.startswith("_") and hasattr(estimator, name)
    }


@pytest.mark.parametrize("cls", [c for c in OBJECTS.values() if inspect.isclass(c)])
def test_parameters_are_documented_in_their_order(cls):
    signature = inspect.signature(cls.__init__).parameters
    assert documented(cls, "Parameters") == [name for name in signature if name != "self"]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_are_documented_and_there(cls):
    assert set(documented(cls, "Attributes")) == attributes(fitted(cls))


@pytest.mark.parametrize(
    "cls", [found for path, found in OBJECTS.items() if path.startswith("skmoe.gates.")]
)
def test_fitted_attributes_of_gates_are_documented(cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    targets = rng.dirichlet(np.ones(4), size=60)
    required = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    gate = cls(*[LogisticRegression() for _ in required]).fit(X, targets)
    assert attributes(gate) <= set(documented(cls, "Attributes"))
