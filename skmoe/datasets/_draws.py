"""Random draws that a mixture of experts consists of: centres, rows, coefficients, experts."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from .._sklearn import Bunch

Floats = NDArray[np.float64]

# Number of random rows, per expert, whose k-means centres become the centres of the gate. A few
# hundred give every expert a share within some hundredths of 1 / n_experts.
_CLOUD_ROWS_PER_EXPERT = 200


def draw_centres(
    n_experts: int, n_features: int, n_informative: int | None, rng: np.random.RandomState
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the centres, zero in uninformative columns, and the mask of informative ones."""
    if n_informative is None:
        n_informative = n_features
    informative = rng.permutation(n_features) < n_informative
    centres = np.zeros((n_experts, n_features))
    centres[:, informative] = _spread_centres(n_experts, n_informative, rng)
    return centres, informative


def _spread_centres(n_experts: int, n_dimensions: int, rng: np.random.RandomState) -> Floats:
    """Return centres whose nearest-centre cells hold similar shares of a standard normal."""
    cloud = rng.standard_normal((_CLOUD_ROWS_PER_EXPERT * n_experts, n_dimensions))
    # KMeans gets a seed of its own: the number of its draws must not change later draws.
    seed = rng.randint(np.iinfo(np.int32).max)
    return KMeans(n_experts, n_init=1, random_state=seed).fit(cloud).cluster_centers_


def _nearest_squared_distance(centres: Floats) -> float:
    """Return the squared distance to the nearest other centre, averaged over centres."""
    if centres.shape[0] == 1:
        return 1.0  # a single expert has no neighbour; its gate is 1 at any scale
    nearest = NearestNeighbors(n_neighbors=1).fit(centres).kneighbors()[0]
    return float(np.mean(nearest**2))


def draw_gated_rows(
    n_samples: int, centres: Floats, separation: float, rng: np.random.RandomState
) -> tuple[Floats, Bunch]:
    """Return the rows and a Bunch of the gate's coefficients and the expert of each row."""
    steepness = separation / _nearest_squared_distance(centres)
    coef = 2 * steepness * centres
    intercept = -steepness * np.sum(centres**2, axis=1)
    X = rng.standard_normal((n_samples, centres.shape[1]))
    expert = draw_categories(softmax(X @ coef.T + intercept, axis=1), rng)
    return X, Bunch(gate_coef=coef, gate_intercept=intercept, expert=expert)


def draw_coefficients(
    n_experts: int, n_outputs: int, informative: NDArray[np.bool_], rng: np.random.RandomState
) -> Floats:
    """Return standard normal coefficients, zero for columns that are not informative."""
    coef = rng.standard_normal((n_experts, n_outputs, informative.size))
    return np.where(informative, coef, 0.0)


def linear_of_own_expert(
    X: Floats, expert: NDArray[np.integer], coef: Floats, intercept: Floats
) -> Floats:
    """Return, for every row, the linear outputs of its true expert."""
    out = np.empty((X.shape[0], intercept.shape[1]))
    for k in range(coef.shape[0]):
        rows = expert == k
        out[rows] = X[rows] @ coef[k].T + intercept[k]
    return out


def draw_categories(probabilities: Floats, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Draw one index per row from the probabilities in that row."""
    cumulative = np.cumsum(probabilities, axis=1)
    # The last entry may differ from one by rounding; scaling by it keeps indices in range.
    threshold = rng.uniform(size=(probabilities.shape[0], 1)) * cumulative[:, -1:]
    return np.sum(threshold >= cumulative[:, :-1], axis=1)
