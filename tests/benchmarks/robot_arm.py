"""The robot arm of Jordan and Jacobs (1994): a hierarchical mixture beside other models.

Run ``python -m tests.benchmarks.robot_arm``: ten seeds of 15,000 training and 5,000 test rows; with
``--quick`` two. A relative error is the mean squared error on test rows in parts of the variance,
on average over the four accelerations. The paper's were 0.31 for a linear model, 0.17 for a
regression tree, 0.16 for splines with interactions, 0.10 for a hierarchical mixture after 35 passes
and 0.09 for a network of 60 units. The splines here are additive, the network has scikit-learn's
settings, and each acceleration has a tree of its own. "five" is the average of the five best runs
of the same mixture: a single one is held against the network without a verdict.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _threads  # noqa: F401

# isort: split

from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsRegressor
from skmoe.datasets import make_robot_arm
from skmoe.gates import HierarchicalGate
from tests.benchmarks._timing import run_and_print, verdict

TRAIN, TEST, SEEDS = 15_000, 5_000, 10

#: Largest error of the mixture over that of the linear model and of the network, and iterations.
OVER_LINEAR, OVER_NETWORK, MOST_ITERATIONS = 0.45, 1.15, 50

#: EM is stopped early: with the default it takes a hundred iterations more and gains little.
TOL, TOL_OF_FIVE = 3e-3, 1e-3


def models(seed):
    """Models by name."""
    network = MLPRegressor(hidden_layer_sizes=(60,), random_state=seed)
    tree = DecisionTreeRegressor(min_samples_leaf=20, random_state=seed)
    mixture = MixtureOfExpertsRegressor(
        n_experts=16, gate=HierarchicalGate((2, 2, 2, 2)), tol=TOL, random_state=seed
    )
    five = clone(mixture).set_params(average=5, tol=TOL_OF_FIVE)
    return {
        "linear": LinearRegression(),
        "tree": MultiOutputRegressor(tree),
        "splines": make_pipeline(SplineTransformer(), Ridge()),
        "network": TransformedTargetRegressor(
            make_pipeline(StandardScaler(), network), transformer=StandardScaler()
        ),
        "mixture": mixture,
        "five": five,
    }


def compare(seed, noise):
    """One row: relative errors, and whether the mixture's is as small as it has to be."""
    X, y = make_robot_arm(TRAIN + TEST, noise=noise, random_state=seed)
    fitted = {name: model.fit(X[:TRAIN], y[:TRAIN]) for name, model in models(seed).items()}
    errors = {name: 1 - model.score(X[TRAIN:], y[TRAIN:]) for name, model in fitted.items()}
    mine = errors["mixture"]
    iterations = max(fitted[name].n_iter_ for name in ("mixture", "five"))
    return {"seed": seed} | errors | {
        "over linear": verdict(mine / errors["linear"], OVER_LINEAR),
        "over tree": verdict(mine / errors["tree"], 1),
        "over splines": verdict(mine / errors["splines"], 1),
        "over network": mine / errors["network"],
        "five over network": verdict(errors["five"] / errors["network"], OVER_NETWORK),
        "iterations": iterations, "are": verdict(iterations, MOST_ITERATIONS),
    }  # fmt: skip


def measured(quick=False):
    """Accelerations as they are measured: the default of the data."""
    return [compare(seed, 0.3) for seed in range(2 if quick else SEEDS)]


def exact(quick=False):
    """Accelerations as they are."""
    return [compare(seed, 0.0) for seed in range(2 if quick else SEEDS)]


TABLES = {"Accelerations with errors of measurement": measured, "Exact accelerations": exact}

if __name__ == "__main__":
    run_and_print(__doc__, TABLES)
