"""Time to flexmix's log-likelihood on (20,000, 10, 4), against flexmix itself.

Run ``python -m tests.benchmarks.versus_flexmix`` or ``python tests/benchmarks/versus_flexmix.py``.
flexmix runs once, from one random start, at its own default tolerance; the start of R is not
counted. Without R, or without flexmix, the time is left out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

from skmoe import MixtureOfExpertsRegressor
from tests.benchmarks._timing import fastest, run_and_print, verdict
from tests.golden.problems import PROBLEMS, golden, problem
from tests.golden.rscript import available, run_flexmix

LIMIT = 1 / 20
FLEXMIX_TOLERANCE = 1e-6
SHORTFALL = 1e-5
"""How many nats a row a fit may lack to have reached flexmix: the default ``tol``."""


def versus_flexmix(quick=False):
    """One row for flexmix and one for each setting of ours."""
    name = "small" if quick else "large"
    rival = _flexmix_row(name)
    settings = {"skmoe, as it comes": {}, "skmoe, tol=1e-8": {"tol": 1e-8}}
    return [
        rival,
        *(_our_row(label, name, rival, **setting) for label, setting in settings.items()),
    ]


def _flexmix_row(name):
    X, y, _ = problem(name)
    stored = golden()["simulated"][name]["log_likelihood"]
    if not available():
        return {"fit": "flexmix (stored; no R here)", "log-likelihood": f"{stored:.4f}"}
    found = run_flexmix(X, y, PROBLEMS[name]["n_experts"], tolerance=FLEXMIX_TOLERANCE)
    return {
        "fit": "flexmix, tolerance=1e-6",
        "seconds": found["starts"][0]["seconds"],
        "iterations": found["n_iter"],
        "log-likelihood": f"{found['log_likelihood']:.4f}",
    }


def _our_row(label, name, rival, **setting):
    X, y, _ = problem(name)
    model = MixtureOfExpertsRegressor(
        n_experts=PROBLEMS[name]["n_experts"], random_state=0, **setting
    )
    took = fastest(lambda: model.fit(X, y), repeats=3)
    reached = float(model.score_samples(X, y).sum())
    lead = reached - float(rival["log-likelihood"])
    row = {
        "fit": label,
        "seconds": took,
        "iterations": int(model.n_iter_),
        "log-likelihood": f"{reached:.4f}",
        "lead in nats": lead,
        "reached": "yes" if lead > -SHORTFALL * len(y) else "NO",
    }
    if "seconds" in rival:
        ratio = took / rival["seconds"]
        row |= {"ratio": ratio, "limit": LIMIT, "": verdict(ratio, LIMIT)}
    return row


TABLES = {"Time to flexmix's log-likelihood": versus_flexmix}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
