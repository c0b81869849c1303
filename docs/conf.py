"""Sphinx configuration. The build needs no network and no package that is not an extra."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the pages describe this checkout, installed or not
sys.path.insert(0, str(ROOT / "docs"))  # gallery.py

with (ROOT / "pyproject.toml").open("rb") as file:
    release = version = tomllib.load(file)["project"]["version"]

project = "skmoe"
author = "the skmoe developers"
copyright = f"2026, {author}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
]
# Links that lead nowhere are warnings too; other packages' pages would have to be fetched.
# Types stand in the docstrings, with shapes and units.
autodoc_typehints = "none"
nitpicky = True
nitpick_ignore = [("py:class", "sklearn.utils.Bunch")]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
source_suffix = {".rst": "restructuredtext"}

autosummary_generate = True
# The class template lists the members; numpydoc would list them a second time.
numpydoc_show_class_members = False

# The scripts in examples/ run during the build, one after the other, in the order of their names.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": True,
    "abort_on_example_error": True,
    "parallel": False,
    "reset_modules": ("matplotlib", "gallery.hold_to_promise"),
    "reset_modules_order": "both",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

# Figures are drawn during the build, by the scripts in plots/.
plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False

smartquotes = False  # types such as ``{"auto"}`` stay as they are typed

html_theme = "alabaster"
html_theme_options = {"description": "Mixtures of experts for scikit-learn", "page_width": "1100px"}
html_show_sourcelink = False


def skip_inherited_from_sklearn(app, what, name, member, skip, options):
    """Leave out what scikit-learn documents itself, in words that link to its own pages."""
    module = getattr(member, "__module__", None) or ""
    return True if module.startswith("sklearn") else None


def escape_shapes(app, what, name, obj, options, lines):
    """Keep reST from taking the shape ``(n_features_in_,)`` for a link to ``n_features_in``."""
    for number, line in enumerate(lines):
        before, shape, after = line.partition("of shape ")
        lines[number] = before + shape + re.sub(r"_(?=[,)])", r"\\_", after)


def setup(app):
    # Before numpydoc, which rewrites the docstring at the default priority of 500.
    app.connect("autodoc-process-docstring", escape_shapes, priority=400)
    app.connect("autodoc-skip-member", skip_inherited_from_sklearn)
