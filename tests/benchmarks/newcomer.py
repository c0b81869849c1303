"""A newcomer's path with a stopwatch: from a fresh clone to predictions for a table of one's own.

Run ``python -m tests.benchmarks.newcomer``; needs git, and an index to install from. Each step is
a command of the README, in a new virtual environment; the table has text and holes in it.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

import numpy as np

from tests.benchmarks._timing import run_and_print, seconds, verdict

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120.0

PREDICT = """
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skmoe import MixtureOfExpertsRegressor
table = pd.read_csv("table.csv")
X, y = table.drop(columns="price"), table["price"]
prepare = make_column_transformer(
    (SimpleImputer(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
)
model = make_pipeline(prepare, MixtureOfExpertsRegressor(n_experts=2, random_state=0)).fit(X, y)
assert model.predict(X[:3]).shape == (3,)
"""


def write_table(path, n=500):
    """Write a table of houses: numbers, text, and holes in both."""
    rng = np.random.default_rng(0)
    size, town = rng.uniform(20, 200, n), rng.choice(["north", "south", "west"], n)
    price = np.where(town == "north", 9 * size, 300 + 4 * size) + rng.normal(scale=20, size=n)
    lines = ["size,town,price"]
    size, town = size.round(1).astype(str), town.astype(object)
    size[3::20], town[4::25] = "", ""
    lines += [",".join(row) for row in zip(size, town, price.round(1).astype(str), strict=True)]
    path.write_text("\n".join(lines) + "\n", "utf8")


def steps(folder):
    """Command lines by what they are for, in their order."""
    python = str(folder / "env" / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q"]
    return {
        "git clone": ["git", "clone", "-q", str(ROOT), "skmoe"],
        "new environment": [sys.executable, "-m", "venv", "env"],
        "pip install .": [*install, "./skmoe"],
        "python -m skmoe table.csv": [python, "-m", "skmoe", "table.csv", "--target", "price"],
        "pip install pandas": [*install, "pandas"],
        "predictions in Python": [python, "-c", PREDICT],
        "python -m skmoe": [python, "-m", "skmoe"],
    }


def path(quick=False):
    """Rows: seconds of each step, and since the first."""
    rows, total = [], 0.0
    # What is installed is what counts, not a checkout that happens to be on the path.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "table.csv")
        for what, command in steps(folder).items():
            run = partial(subprocess.run, command, cwd=folder, env=environment, check=True)
            lasted = seconds(partial(run, stdout=subprocess.DEVNULL))
            total += lasted
            rows.append({"step": what, "seconds": lasted, "since": total})
            if what == "predictions in Python":
                rows[-1]["is"] = verdict(total, LIMIT)
    return rows


TABLES = {"From a fresh clone to predictions": path}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
