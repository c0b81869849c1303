"""Starting responsibilities, drawn in the space of parameters.

No draw belongs to a row, and columns are put in an order that the data decide.
A start therefore depends neither on the order of rows or columns, nor on
whether a weight of two is written as two rows, nor on scale and shift.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._numerics import solve_normal_equations, weighted_location_scale

#: Share of a start's responsibilities that is spread over all experts, so that each
#: one is fitted to rows of its own and still knows of the others.
SMOOTHING = 0.1

_KMEANS_ITERATIONS = 30

#: Projections closer than this, relative to their spread, are ties.
_TIE = 1e-9


class Starts:
    """Draws starting responsibilities for one training set.

    Parameters
    ----------
    design : Design of n rows
    scores : ndarray of shape (n, m)
        What to tell rows apart by besides X: y, or indicators of the classes.
        The first column also decides the order of the columns.
    weights : ndarray of shape (n,)
    n_experts : int
    """

    def __init__(self, design, scores, weights, n_experts):
        mean, scale, _ = weighted_location_scale(scores, weights)
        self.scores = scores = (scores - mean) / scale
        self.design, self.weights, self.n_experts = design, weights, n_experts
        share = weights[:, None] / weights.sum()
        main = scores[:, :1]
        alignment = design.cross(share * main) - design.cross(share) * (share * main).sum()
        alignment = np.round(alignment[0, :-1], 9)
        self.order = np.argsort(-np.abs(alignment), kind="stable")
        self.signs = np.where(alignment[self.order] < 0, -1.0, 1.0)
        self.residual = self._residual(main, share)

    def _residual(self, main, share):
        """What one linear fit leaves of the first score, in units of its spread."""
        if not self.design.has_grams:
            return main[:, 0]
        gram = self.design.grams(share)
        coef = solve_normal_equations(gram, self.design.cross(share * main)[:, :, None])
        left = (main - self.design.linear(coef[:, :, 0]))[:, 0]
        spread = np.sqrt(share[:, 0] @ left**2)
        return left / spread if spread > _TIE else main[:, 0]

    def draw(self, kind, rng):
        """Return responsibilities (n, K) of a start of one kind.

        Parameters
        ----------
        kind : {"random", "kmeans", "experts"}
        rng : numpy.random.RandomState

        Returns
        -------
        ndarray of shape (n, K)
        """
        labels = {"random": self._cuts, "kmeans": self._kmeans, "experts": self._experts}[kind](rng)
        resp = np.full((self.n_experts, len(labels)), SMOOTHING / self.n_experts).T
        resp[np.arange(len(labels)), labels] += 1.0 - SMOOTHING
        return resp

    def _direction(self, rng, size):
        """Return `size` random functions (n, size), linear in x."""
        coef = np.zeros((size, self.design.shape[1]))
        coef[:, self.order] = rng.standard_normal((size, len(self.order))) * self.signs
        return self.design.linear(coef)

    def _cuts(self, rng):
        """Cut a random direction in (x, y) at weighted quantiles."""
        along_x = self._direction(rng, 1)[:, 0]
        spread = np.sqrt(np.average(along_x**2, weights=self.weights))
        along_x = along_x / spread if spread > 0 else along_x
        along_y = self.scores @ rng.standard_normal(self.scores.shape[1])
        angle = rng.uniform(0.0, 0.5 * np.pi)
        return self._quantile_labels(np.cos(angle) * along_x + np.sin(angle) * along_y)

    def _quantile_labels(self, values):
        """Cut `values` into K parts of equal weight, halfway between distinct values."""
        spread = np.abs(values).max()
        values = np.round(values / spread, 9) if spread > 0 else values
        _, place = np.unique(values, return_inverse=True)
        cumulative = np.cumsum(np.bincount(place, self.weights))
        before = np.concatenate([[0.0], cumulative[:-1]])
        middle = 0.5 * (before + cumulative) / cumulative[-1]
        # Halves fall on a cut exactly; nudged alike, they fall to the same side everywhere.
        return np.minimum((middle * self.n_experts + _TIE).astype(int), self.n_experts - 1)[place]

    def _kmeans(self, rng):
        """Weighted k-means on (x, y), refined from the parts of a random cut."""
        labels = self._cuts(rng)
        balance = np.sqrt(len(self.order) / self.scores.shape[1])
        data = self._beside(balance * self.scores)
        member = sparse.csr_array(
            (self.weights, (labels, np.arange(len(labels)))), (self.n_experts, len(labels))
        )
        mass = np.asarray(member.sum(axis=1)).ravel()
        centers = member @ data
        centers = centers.toarray() if sparse.issparse(centers) else np.asarray(centers)
        present = mass > 0
        if present.sum() < 2:
            return labels
        kmeans = KMeans(
            int(present.sum()),
            init=centers[present] / mass[present, None],
            n_init=1,
            max_iter=_KMEANS_ITERATIONS,
            tol=0.0,
            random_state=0,
            copy_x=False,
        )
        with warnings.catch_warnings():
            # Fewer distinct rows than experts: some start without rows of their own.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return kmeans.fit_predict(data, sample_weight=self.weights)

    def _beside(self, columns):
        """Return x and further columns as one array that k-means need not copy."""
        features = self.design.matrix[:, :-1]
        if sparse.issparse(features):
            return sparse.csr_matrix(sparse.hstack([features, columns]))
        data = np.empty((len(columns), features.shape[1] + columns.shape[1]))
        data[:, : features.shape[1]] = features
        data[:, features.shape[1] :] = columns
        return data

    def _experts(self, rng):
        """Random linear experts around one linear fit: a row goes to the nearest."""
        slopes = self._direction(rng, self.n_experts)
        spread = np.sqrt(np.average(slopes**2, axis=0, weights=self.weights))
        slopes = slopes / np.where(spread > 0, spread, 1.0)
        offsets = rng.standard_normal(self.n_experts)
        return np.abs(self.residual[:, None] - 0.7 * (slopes + offsets)).argmin(axis=1)
