"""Write refit.json anew: ``python -m tests.golden.make_refit``; needs R with flexmix."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.golden.problems import log_density, log_gate, simulated

FILE = Path(__file__).with_name("refit.json")
SCRIPT = Path(__file__).with_name("refit.R")

#: Tables that `simulated` draws, and how many of their columns the gate sees.
CASES = {
    "two": {"table": {"n": 500, "d": 1, "n_experts": 2, "seed": 3}, "n_gate": 1},
    "three": {"table": {"n": 800, "d": 2, "n_experts": 3, "seed": 5}, "n_gate": 2},
    "constant": {"table": {"n": 500, "d": 2, "n_experts": 2, "seed": 4}, "n_gate": 0},
}

#: Seeds of tables of `counts`, and how many of their columns the gate sees.
COUNTS = {"poisson": (6, 2), "poisson_constant": (7, 0)}


def case(name):
    """Table of a case: X (n, d), y (n,), true responsibilities (n, K) and the gate's columns."""
    settings = CASES[name]
    X, y, truth = simulated(**settings["table"])
    joint = log_gate(X, truth) + log_density(X, y, truth)
    resp = np.exp(joint - joint.max(axis=1, keepdims=True))
    return X, y, resp / resp.sum(axis=1, keepdims=True), settings["n_gate"]


def counts(name):
    """The same for two Poisson regressions that overlap."""
    seed, n_gate = COUNTS[name]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((600, 2))
    slopes = np.array([0.8, -0.6]) * (np.arange(2) < n_gate)
    proba = np.column_stack([np.ones(600), np.exp(0.3 + X @ slopes)])
    proba /= proba.sum(axis=1, keepdims=True)
    mean = np.exp(X @ np.array([[0.6, -0.3], [-0.2, 0.5]]) + [1.6, 0.4])
    expert = (rng.random(600) > proba[:, 0]).astype(int)
    y = rng.poisson(mean[np.arange(600), expert]).astype(float)
    joint = proba * mean ** y[:, None] * np.exp(-mean)
    return X, y, joint / joint.sum(axis=1, keepdims=True), n_gate


def run(name):
    """What flexmix finds: estimates and standard errors, expert by expert, then the gate."""
    family = "poisson" if name in COUNTS else "gaussian"
    X, y, resp, n_gate = counts(name) if name in COUNTS else case(name)
    d, n_experts = X.shape[1], resp.shape[1]
    names = [f"x{j}" for j in range(d)]
    terms = [" + ".join(names), " + ".join(names[:n_gate]) or "1"]
    with tempfile.TemporaryDirectory() as folder:
        rows, output = Path(folder) / "rows.csv", Path(folder) / "values.txt"
        table = np.column_stack([X, y, 1 + resp.argmax(axis=1)])
        header = ",".join([*names, "y", "cluster"])
        np.savetxt(rows, table, "%.17g", ",", header=header, comments="")
        command = ["Rscript", str(SCRIPT), str(rows), *terms, str(n_experts), family]
        subprocess.run([*command, str(output)], check=True, capture_output=True)
        lines = dict(line.split("\t") for line in output.read_text("utf8").splitlines())
    return {key: [float(v) for v in lines[key].split()] for key in ("estimate", "std_err")}


def text(found):
    """JSON with a line a list."""
    cases = []
    for name, values in found.items():
        lines = [f'  "{key}": [{", ".join(f"{v:.9g}" for v in vs)}]' for key, vs in values.items()]
        cases.append(f' "{name}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(cases) + "\n}\n"


def golden():
    """The stored values."""
    return json.loads(FILE.read_text("utf8"))


if __name__ == "__main__":
    FILE.write_text(text({name: run(name) for name in [*CASES, *COUNTS]}), "utf8")
