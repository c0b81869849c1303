"""Write glm.json anew: ``python -m tests.golden.make_glm``; needs R with flexmix.

Mixtures of Poisson and of gamma regressions with a constant gate. Gamma regressions of flexmix
have the inverse link, which is any link where x is zero or one; and the mean deviance is their
inverse shape, which is close to that of the largest likelihood where shapes are large.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

GOLDEN_FILE = Path(__file__).with_name("glm.json")
SCRIPT = Path(__file__).with_name("glm.R")
FAMILIES = {"poisson": "poisson", "gamma": "Gamma"}
STARTS = 5


def simulated(law, exposed=False):
    """Draw a mixture of two regressions under a constant gate.

    Parameters
    ----------
    law : {"poisson", "gamma"}
    exposed : bool
        Whether counts have exposures of 1 to 5 units.

    Returns
    -------
    X : ndarray of shape (500, d)
    y : ndarray of shape (500,)
    exposure : ndarray of shape (500,)
    """
    rng = np.random.default_rng(3)
    expert = (rng.random(500) < 0.4).astype(int)
    exposure = rng.integers(1, 6, 500).astype(float) if exposed else np.ones(500)
    if law == "gamma":
        X = rng.integers(0, 2, (500, 1)).astype(float)
        mean = np.array([[2.0, 3.0], [2.5, 2.6]])[expert, X[:, 0].astype(int)]
        shape = np.array([150.0, 80.0])[expert]
        return X, rng.gamma(shape, mean / shape), exposure
    X = rng.standard_normal((500, 2))
    beta = np.array([[1.5, 0.6, -0.2], [0.2, -0.4, 0.5]])
    mean = np.exp(beta[expert, 0] + (X * beta[expert, 1:]).sum(axis=1))
    return X, rng.poisson(exposure * mean).astype(float), exposure


def run_flexmix(law, X, y, exposure):
    """Best log-likelihood of two experts, and its parameters."""
    names, columns = ["y", *(f"x{j + 1}" for j in range(X.shape[1]))], [y, X]
    if np.ptp(exposure) > 0:
        names, columns = [*names, "exposure"], [*columns, exposure]
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "table.csv", Path(folder) / "values.txt"
        header = ",".join(names)
        np.savetxt(table, np.column_stack(columns), "%.17g", ",", header=header, comments="")
        settings = [FAMILIES[law], "2", str(STARTS), "1"]
        command = ["Rscript", str(SCRIPT), str(table), *settings, str(output)]
        subprocess.run(command, check=True, capture_output=True)
        lines = dict(line.split("\t", 1) for line in output.read_text("utf8").splitlines())
    found = {"R": lines.pop("R"), "flexmix": lines.pop("flexmix")}
    found |= {name: [float(word) for word in text.split()] for name, text in lines.items()}
    return found | {"log_likelihood": found["log_likelihood"][0]}


def entry(law, exposed):
    """Golden values of one simulated table; the sums show whether the generator has drifted."""
    X, y, exposure = simulated(law, exposed)
    sums = {"sum_X": float(X.sum()), "sum_y": float(y.sum())}
    return {"law": law, "exposed": exposed} | sums | run_flexmix(law, X, y, exposure)


def main():
    """Compute every value and write the file."""
    cases = [("poisson", False), ("poisson", True), ("gamma", False)]
    GOLDEN_FILE.write_text(json.dumps([entry(*case) for case in cases], indent=1) + "\n", "utf8")


if __name__ == "__main__":
    sys.exit(main())
