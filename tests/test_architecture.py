"""The layers of docs/design.md, read from the import statements of every module."""

import ast
import sys
import tomllib
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import skmoe

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skmoe"


# The house ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A module, or a package with all that is in it, and the layer it stands in."""

    name: str
    layer: int

    def holds(self, module):
        return module == self.name or module.startswith(self.name + ".")


# One line a layer, from the ground up. A module belongs to the longest name that holds it; one
# that no name holds is an error, so a new room has to be given its place here and in
# docs/design.md.
LAYERS = [
    "_data _errors _sklearn _version routing",
    "em",
    "gates experts responses distributions",
    "_fit",
    "_estimator _regressor _classifier",
    "inspection metrics datasets export persistence _cli __main__",
]
ROOMS = [
    Room(f"skmoe.{name}", layer) for layer, names in enumerate(LAYERS) for name in names.split()
]
# The front door re-exports layer 4, and layer 5 enters by it. It holds no module but itself.
FRONT_DOOR = Room("skmoe", 4)

# Rooms of this layer are alternatives to each other, never parts of each other.
SEPARATE_ROOMS = 2
# What layer 5 does, a user can do: it sees the house through public names.
OUTSIDE = 5

#: Entries of the package's folder, at most.
MOST_ENTRIES = 25

PRIVATE_DOOR = "skmoe._sklearn"
# From which layer up. threadpoolctl comes with every scikit-learn.
THIRD_PARTY = {"numpy": 0, "scipy": 0, "sklearn": 0, "joblib": 2, "threadpoolctl": 5}
# Extras: a package that may be missing is imported by the function that needs it.
OPTIONAL = {"dask", "matplotlib", "onnx", "pandas", "skl2onnx"}


def room_of(module):
    held = [room for room in ROOMS if room.holds(module)]
    if held:
        return max(held, key=lambda room: len(room.name))
    return FRONT_DOOR if module == FRONT_DOOR.name else None


# Reading a module --------------------------------------------------------------------------


def is_private(part):
    return part.startswith("_") and not (part.startswith("__") and part.endswith("__"))


def modules():
    """Yield the dotted name and the path of every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def absolute(node, module, is_package):
    """Return the module that a ``from`` statement names, relative ones resolved."""
    if not node.level:
        return node.module
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join(base + ([node.module] if node.module else []))


def is_dynamic_import(node):
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
    )


@dataclass(frozen=True)
class Import:
    """One imported name: ``from module import name``, or ``import module`` without a name."""

    module: str
    name: str | None = None
    binds: tuple[str, str] | None = None  # the local name, and what it stands for
    at_top: bool = True

    @property
    def parts(self):
        return self.module.split(".") + ([self.name] if self.name else [])


def statement_imports(node, module, is_package, at_top):
    """Yield the imports of one syntax node."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            package = alias.name.partition(".")[0]
            binds = (alias.asname, alias.name) if alias.asname else (package, package)
            yield Import(alias.name, None, binds, at_top)
    elif isinstance(node, ast.ImportFrom):
        source = absolute(node, module, is_package)
        for alias in node.names:
            binds = (alias.asname or alias.name, f"{source}.{alias.name}")
            yield Import(source, alias.name, binds, at_top)
    elif is_dynamic_import(node):
        yield Import(str(node.args[0].value), at_top=at_top)


def imports(tree, module, is_package=False):
    """Yield every import of a module, those inside functions included."""

    def visit(node, at_top):
        yield from statement_imports(node, module, is_package, at_top)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_top and not inside and not typing_only)

    yield from visit(tree, True)


def target(found):
    """Return the module of ours that an import reaches: ``from skmoe import _base`` is one."""
    longer = ".".join(found.parts)
    return longer if longer in MODULES or any(longer == r.name for r in ROOMS) else found.module


def private_attributes(tree, found):
    """Yield uses like ``sklearn.base._fit_context``, where no import statement shows them."""
    stands_for = dict(each.binds for each in found if each.binds and each.parts[0] == "sklearn")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            root, *rest = ast.unparse(node).split(".")
            if root in stands_for:
                yield ".".join([stands_for[root], *rest])


# The rules ---------------------------------------------------------------------------------


def own_violations(module, room, found):
    """Yield what breaks the order of the layers."""
    reached = target(found)
    other = room_of(reached)
    if other is None:
        yield f"{module} imports {reached}, which has no layer"
    elif other.layer > room.layer:
        yield f"{module} (layer {room.layer}) imports {reached} (layer {other.layer})"
    elif other.layer == room.layer == SEPARATE_ROOMS and other.name != room.name:
        yield f"{module} imports {reached}: rooms of layer {SEPARATE_ROOMS} stay apart"
    elif 0 < other.layer < room.layer == OUTSIDE and any(map(is_private, found.parts)):
        yield f"{module} (layer {OUTSIDE}) imports {reached}, which is not public"


def foreign_violations(module, room, found):
    """Yield what breaks the rules on other packages."""
    package, name = found.parts[0], ".".join(found.parts)
    if package in sys.stdlib_module_names:
        return
    if package in OPTIONAL:
        if found.at_top:
            yield f"{module} imports {name} at its top: it is an extra"
        return
    if package not in THIRD_PARTY:
        yield f"{module} imports {name}: not a dependency"
    elif module != PRIVATE_DOOR and room.layer < THIRD_PARTY[package]:
        yield f"{module} (layer {room.layer}) imports {name}"
    if module != PRIVATE_DOOR and any(is_private(part) for part in found.parts):
        yield f"{module} imports {name}, which is private"


def violations(module, source, is_package=False):
    """Return, as sentences, every rule that a module with this source breaks."""
    room = room_of(module)
    if room is None:
        return [f"{module} has no layer"]
    tree = ast.parse(source)
    found = list(imports(tree, module, is_package))
    broken = []
    for each in found:
        rules = own_violations if each.parts[0] == FRONT_DOOR.name else foreign_violations
        broken += rules(module, room, each)
    if module != PRIVATE_DOOR:
        broken += [f"{module} uses {name}, private" for name in private_attributes(tree, found)]
    return broken


# The tests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_to_its_layer(module):
    path = MODULES[module]
    assert violations(module, path.read_text("utf8"), path.name == "__init__.py") == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_room_stands_and_design_names_it(room):
    assert any(room.holds(module) for module in MODULES)
    design = (ROOT / "docs" / "design.md").read_text("utf8")
    path = room.name.removeprefix("skmoe.").replace(".", "/")
    assert f"`{path}" in design


def test_imports_make_no_cycle():
    graph = {}
    for module, path in MODULES.items():
        found = imports(ast.parse(path.read_text("utf8")), module, path.name == "__init__.py")
        reached = {target(each) for each in found if each.parts[0] == "skmoe"}
        graph[module] = {name for name in reached if name in MODULES and name != module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("skmoe.em._loop", "from skmoe._fit.mixture import Mixture", "(layer 3)"),
        ("skmoe.em._loop", "from .._fit.mixture import Mixture", "(layer 3)"),
        ("skmoe.em._loop", "def f():\n    from .._estimator.base import x", "(layer 4)"),
        ("skmoe.em._loop", "from ..gates import SoftmaxGate", "(layer 2)"),
        ("skmoe._fit.mixture", "from .. import _estimator", "(layer 4)"),
        ("skmoe._fit.mixture", "import skmoe", "(layer 4)"),
        (
            "skmoe._estimator.base",
            "import importlib\nimportlib.import_module('skmoe.datasets')",
            "(layer 5)",
        ),
        ("skmoe.gates._softmax", "from ..experts import LinearBank", "stay apart"),
        ("skmoe.experts._linear", "from skmoe.responses import Gaussian", "stay apart"),
        ("skmoe._data.design", "from skmoe.em._loop import e_step", "(layer 1)"),
        ("skmoe._cli", "from skmoe.em._starts import draw", "not public"),
        ("skmoe._new", "", "has no layer"),
        ("skmoe._estimator.base", "from skmoe._new import x", "has no layer"),
        ("skmoe._data.design", "import joblib", "(layer 0)"),
        ("skmoe._data.numerics", "from numpy.core import _methods", "private"),
        ("skmoe._regressor", "from sklearn.utils._param_validation import Interval", "private"),
        ("skmoe._regressor", "from sklearn.utils import _safe_indexing", "private"),
        ("skmoe._regressor", "import sklearn.utils._tags", "private"),
        ("skmoe._regressor", "import sklearn\nsklearn.base._fit_context", "private"),
        ("skmoe._regressor", "from sklearn import base as b\nb._fit_context", "private"),
        ("skmoe._regressor", "import sklearn.base as b\nb._fit_context", "private"),
        ("skmoe._cli", "import matplotlib.pyplot as plt", "it is an extra"),
        ("skmoe._cli", "try:\n    import pandas\nexcept ImportError: ...", "extra"),
        ("skmoe._cli", "class A:\n    from pandas import DataFrame", "extra"),
        ("skmoe._fit.mixture", "import torch", "not a dependency"),
    ],
)
def test_violation_is_found(module, source, complaint):
    found = violations(module, source)
    assert found, "the rules let it pass"
    assert any(complaint in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("skmoe._sklearn", "from sklearn.utils._param_validation import Interval"),
        ("skmoe.em._loop", "import math\nimport numpy as np\nfrom .._data.numerics import x"),
        (
            "skmoe.gates._softmax",
            "from sklearn.base import BaseEstimator\nfrom ._tools import x",
        ),
        ("skmoe.gates._softmax", "from .._data.weighted_fit import fit_weighted"),
        ("skmoe.experts._linear", "import sklearn\nsklearn.__version__\nself._x"),
        ("skmoe._cli", "def plot():\n    import matplotlib.pyplot as plt"),
        ("skmoe._cli", "import typing\nif typing.TYPE_CHECKING:\n    import pandas"),
        ("skmoe._cli", "from skmoe import MixtureOfExpertsRegressor\nimport skmoe.gates"),
    ],
)
def test_sound_module_passes(module, source):
    assert violations(module, source) == []


def test_relative_imports_resolve_from_a_package_too():
    source = "from ..gates import SoftmaxGate"
    assert "(layer 2)" in violations("skmoe.em", source, is_package=True)[0]


def test_the_package_has_few_entries():
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_version_is_stated_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert skmoe.__version__ == project["version"]


def test_oldest_versions_are_stated_in_a_way_that_ci_can_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    for requirement in project["dependencies"]:
        name, oldest = requirement.split(">=")
        assert name.isidentifier() or "-" in name
        assert oldest.replace(".", "").isdigit()
