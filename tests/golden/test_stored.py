"""A model that an earlier version has stored predicts the same in this one."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe import __version__
from skmoe._version import READABLE
from skmoe.persistence import TRUSTED_TYPES
from tests.golden.make_stored import FOLDER, answers

FILES = sorted(FOLDER.rglob("*.skops"))


def known(version):
    """What models of a version said when they were stored."""
    return json.loads((FOLDER / version / "answers.json").read_text("utf8"))


def test_models_of_every_readable_version_are_stored():
    assert {path.name for path in FOLDER.iterdir()} == set(READABLE)
    assert __version__ in READABLE
    for version in READABLE:
        assert {path.stem for path in FILES if path.parent.name == version} == set(
            known(version)["models"]
        )


# What scikit-learn says of its own linear models, which are the same in all versions we support.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_stored_model_predicts_the_same(path):
    stored = pytest.importorskip("skops.io")
    before = known(path.parent.name)
    expected = before["models"][path.stem]
    X, y = np.array(before["X"]), np.array(before["targets"][expected.pop("target")])
    found = answers(stored.load(path, trusted=TRUSTED_TYPES), X, y)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if found[name].dtype.kind == "f":
            assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)
        else:
            assert_array_equal(found[name], values)
