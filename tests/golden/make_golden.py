"""Write flexmix.json anew: ``python -m tests.golden.make_golden``; needs R with flexmix.

The classic tables are not part of the repository; entries whose table is missing are kept as they
stand in the file.
"""

import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from tests.golden.polish import maximum_likelihood
from tests.golden.problems import GOLDEN_FILE, PROBLEMS, TABLES, columns, problem, read_table
from tests.golden.rscript import run_flexmix

STARTS = {"small": 5, "large": 3}
TABLE_STARTS = 50
TOLERANCE = 1e-8
HIT = 1e-3

# file, response, what the experts see, what the gate sees, number of experts, and the best value
# that an independent maximum-likelihood EM found in 100 starts (sigma at least 0.01 sd(y), every
# component at least 3 % of the rows), where one is known.
CLASSICS = (
    ("NPreg.csv", "yn", ["x", "x^2"], [], 2, -642.5320),
    ("NPreg.csv", "yn", ["x", "x^2"], ["x"], 2, -642.0639),
    ("NPreg.csv", "yn", ["x", "x^2"], ["x"], 3, -632.6836),
    ("NPreg.csv", "yn", ["x"], ["x"], 2, -701.1040),
    ("NPreg.csv", "yn", ["x"], ["x"], 3, -661.1558),
    ("NregFix.csv", "y", ["x2", "x1"], ["w"], 3, None),
    ("tonedata.csv", "tuned", ["stretchratio"], [], 2, 141.1984),
    ("tonedata.csv", "tuned", ["stretchratio"], ["stretchratio"], 2, 142.8480),
    ("tonedata.csv", "tuned", ["stretchratio"], [], 3, 238.7957),
    ("tonedata.csv", "tuned", ["stretchratio"], ["stretchratio"], 3, 239.5508),
    ("CO2data.csv", "CO2", ["GNP"], [], 2, -66.9398),
    ("CO2data.csv", "CO2", ["GNP"], ["GNP"], 2, -66.2966),
)


def _reference(X, y, n_experts, starts, Z=None):
    """Values of flexmix, how often its starts reach them, and the exact maximum next to them."""
    found = run_flexmix(X, y, n_experts, Z=Z, starts=starts, tolerance=TOLERANCE)
    reached = [start["log_likelihood"] for start in found["starts"]]
    hits = sum(v is not None and v > found["log_likelihood"] - HIT for v in reached)
    maximum, parameters, slope = maximum_likelihood(X, y, found["parameters"], Z)
    found["hits"] = hits
    found["maximum"] = {
        "log_likelihood": maximum,
        "parameters": {name: value.tolist() for name, value in parameters.items()},
        "gradient_per_row": slope,
    }
    return found


def simulated_entry(name):
    """Golden values of one simulated problem; the sums show whether the generator has drifted."""
    X, y, _ = problem(name)
    entry = {"settings": PROBLEMS[name], "sum_X": X.sum(), "sum_y": y.sum()}
    return entry | _reference(X, y, PROBLEMS[name]["n_experts"], STARTS[name])


def classic_entry(file, response, experts, gate, n_experts, best_known):
    """Golden values of one classic table."""
    table = read_table(file)
    entry = {
        "file": file, "response": response, "experts": experts, "gate": gate,
        "n_experts": n_experts, "best_known": best_known,
    }  # fmt: skip
    X, Z = columns(table, experts), columns(table, gate)
    found = _reference(X, table[response], n_experts, TABLE_STARTS, Z)
    found["starts"] = len(found["starts"])
    return entry | found


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float | np.floating) else value


def collect(stored):
    """All entries; what cannot be computed is taken from ``stored``."""
    simulated = {name: simulated_entry(name) for name in PROBLEMS}
    versions = simulated["small"]["versions"]
    classics = stored.get("classics", [])
    if TABLES.exists():
        classics = [classic_entry(*classic) for classic in CLASSICS]
    for entry in [*simulated.values(), *classics]:
        entry.pop("versions", None)
    control = {"iter.max": 500, "tolerance": TOLERANCE, "minprior": 0.01, "hit": HIT}
    return {
        "versions": versions, "control": control, "simulated": simulated, "classics": classics
    }  # fmt: skip


def _text(values):
    """JSON with every list of numbers on one line."""
    text = json.dumps(_rounded(values), indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", _one_line, text) + "\n"


def _one_line(found):
    return "[" + " ".join(found[0][1:-1].split()) + "]"


def main(argv=None):
    """Compute every value and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(argv)
    stored = json.loads(GOLDEN_FILE.read_text(encoding="utf-8")) if GOLDEN_FILE.exists() else {}
    GOLDEN_FILE.write_text(_text(collect(stored)), encoding="utf-8")


if __name__ == "__main__":
    main()
