"""Runs flexmix.R and reads what it wrote: for ``make_golden.py`` and for the benchmarks."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_name("flexmix.R")


def available():
    """Whether Rscript is installed and finds the package flexmix."""
    if shutil.which("Rscript") is None:
        return False
    command = ["Rscript", "-e", "library(flexmix)"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_flexmix(X, y, n_experts, *, Z=None, starts=1, seed=1, tolerance=1e-8):
    """Fit a mixture of Gaussian regressions by flexmix, from random starts.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        What the experts see.
    y : ndarray of shape (n,)
    n_experts : int
    Z : ndarray of shape (n, q), default=None
        What the gate sees; ``None`` is ``X``, and no columns a constant gate.
    starts, seed : int
    tolerance : float
        flexmix's own: relative change of the log-likelihood at which it stops.

    Returns
    -------
    dict
        ``log_likelihood``, ``df``, ``n_iter`` and ``parameters`` of the best start (as the
        ``truth`` of `simulated`), ``starts`` (one dictionary each) and ``versions``.
    """
    Z = X if Z is None else Z
    with tempfile.TemporaryDirectory() as folder:
        rows, output = Path(folder) / "rows.csv", Path(folder) / "values.txt"
        _write_table(rows, X, y, Z)
        formulas = [_terms("x", X.shape[1]), _terms("z", Z.shape[1])]
        settings = [str(value) for value in (n_experts, starts, seed, tolerance)]
        command = ["Rscript", str(SCRIPT), str(rows), *formulas, *settings, str(output)]
        subprocess.run(command, check=True, capture_output=True)
        return _collect(_read(output), X.shape[1], Z.shape[1])


def _terms(letter, count):
    return " + ".join(f"{letter}{j + 1}" for j in range(count)) or "1"


def _write_table(path, X, y, Z):
    names = [f"x{j + 1}" for j in range(X.shape[1])] + [f"z{j + 1}" for j in range(Z.shape[1])]
    header = ",".join(["y", *names])
    np.savetxt(path, np.column_stack([y, X, Z]), "%.17g", ",", header=header, comments="")


def _read(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)


def _numbers(text):
    return [float(word) if word != "NA" else None for word in text.split()]


def _starts(values):
    names = ("log_likelihood", "seconds", "n_iter", "n_experts")
    columns = [_numbers(values["starts_" + name]) for name in names]
    columns[2:] = [[None if v is None else int(v) for v in column] for column in columns[2:]]
    return [dict(zip(names, start, strict=True)) for start in zip(*columns, strict=True)]


def _collect(values, d, q):
    return {
        "log_likelihood": float(values["log_likelihood"]),
        "df": int(values["df"]),
        "n_iter": int(values["n_iter"]),
        "parameters": _parameters(values, d, q),
        "starts": _starts(values),
        "versions": {"R": values["R"], "flexmix": values["flexmix"]},
    }


def _parameters(values, d, q):
    beta = np.reshape(_numbers(values["beta"]), (-1, d + 1))
    gate = np.reshape(_numbers(values["gate"]), (-1, q + 1))
    return {
        "coef": beta[:, 1:].tolist(),
        "intercept": beta[:, 0].tolist(),
        "sigma": _numbers(values["sigma"]),
        "gate_coef": gate[:, 1:].tolist(),
        "gate_intercept": gate[:, 0].tolist(),
    }
