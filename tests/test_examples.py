"""The gallery of the documentation runs the examples; here is what it needs of them."""

import ast
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))


@pytest.mark.parametrize("folder", [EXAMPLES, *FOLDERS], ids=lambda path: path.name)
def test_folder_has_a_title(folder):
    title, underline = (folder / "README.rst").read_text("utf8").splitlines()[:2]
    assert title
    assert set(underline) <= set("=-")
    assert len(underline) == len(title)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_folders_are_numbered_from_one(folder):
    assert folder.name.startswith(f"{FOLDERS.index(folder) + 1}_")
    assert any(script.parent == folder for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_the_gallery_will_run_a_script(script):
    assert script.name.startswith("plot_")
    text = script.read_text("utf8")
    title, underline = ast.get_docstring(ast.parse(text)).splitlines()[:2]
    assert set(underline) == {"="}
    assert len(underline) == len(title)
    assert "\n# %%\n" in text
    assert "print(" in text
