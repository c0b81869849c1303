"""Sphinx configuration. The build needs no network and no package that is not an extra."""

import tomllib
from pathlib import Path

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
    release = version = tomllib.load(file)["project"]["version"]

project = "skmoe"
author = "the skmoe developers"
copyright = f"2026, {author}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
source_suffix = {".rst": "restructuredtext"}

autosummary_generate = True
# The class template lists the members; numpydoc would list them a second time.
numpydoc_show_class_members = False

html_theme = "alabaster"
html_theme_options = {"description": "Mixtures of experts for scikit-learn", "page_width": "1100px"}
html_show_sourcelink = False


def skip_inherited_from_sklearn(app, what, name, member, skip, options):
    """Leave out what scikit-learn documents itself, in words that link to its own pages."""
    module = getattr(member, "__module__", None) or ""
    return True if module.startswith("sklearn") else None


def setup(app):
    app.connect("autodoc-skip-member", skip_inherited_from_sklearn)
