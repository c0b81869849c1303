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

from .._data.design import DenseDesign
from .._data.numerics import solve_normal_equations, weighted_location_scale
from ._directions import main_scores

#: Share of a start's responsibilities that is spread over all experts, so that each
#: one is fitted to rows of its own and still knows of the others.
SMOOTHING = 0.1

_KMEANS_ITERATIONS = 30

#: Runs of k-means on main directions, which are few and cheap; where there are so many columns
#: that one start has to do, it should be the best that k-means can find.
_KMEANS_TRIES = 8

#: Ways to halve a cell that a "split" start chooses from: columns that go with y most, and
#: random directions.
_COLUMNS_TRIED = 4
_DIRECTIONS_TRIED = 4

#: Rows of a lower log-likelihood, in nats, are all explained equally badly.
_LEAST_EXPLAINED = -1e6

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
    arrange : callable, optional
        Maps the centres (K, d) of the cells of k-means to the cell that each expert
        gets, for gates in which experts have neighbours.
    """

    def __init__(self, design, scores, weights, n_experts, arrange=None):
        self.arrange = arrange
        mean, scale, _ = weighted_location_scale(scores, weights)
        self.scores = scores = (scores - mean) / scale
        self.design, self.weights, self.n_experts = design, weights, n_experts
        share = weights[:, None] / weights.sum()
        main = scores[:, :1]
        self._align(share, main)
        #: How many columns of x the scores count for in k-means (as many as there are), and
        #: how often it is tried.
        self.expected, self.tries = len(self.order), 1
        if not design.has_grams:
            self.design = DenseDesign(self._main_scores(), weights)
            self._align(share, main)
            # Experts of so many columns fit any division by y: one that x makes is to be found.
            self.expected, self.tries = 0, _KMEANS_TRIES
        self.residual = self._residual(main, share)

    def _align(self, share, main):
        """Find an order of the columns, and their signs, that the data decide."""
        alignment = self.design.cross(share * main)
        alignment -= self.design.cross(share) * (share * main).sum()
        alignment = np.round(alignment[0, :-1], 9)
        self.order = np.argsort(-np.abs(alignment), kind="stable")
        self.signs = np.where(alignment[self.order] < 0, -1.0, 1.0)

    def _main_scores(self):
        """Scores (n, q) of the rows on the main directions of very many columns.

        A random direction in so many says next to nothing of a row.
        """
        sought = 2 * self.n_experts
        coef = self._random_coef(np.random.RandomState(0), sought)
        return main_scores(self.design, self.weights, coef, max(2, self.n_experts - 1))

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
        kind : {"random", "kmeans", "experts", "split"}
        rng : numpy.random.RandomState

        Returns
        -------
        ndarray of shape (n, K)
        """
        cells = {
            "random": self._cuts,
            "kmeans": self._kmeans,
            "experts": self._experts,
            "split": self._splits,
        }
        labels = cells[kind](rng)
        resp = np.empty((self.n_experts, len(labels))).T
        return _give(resp, np.arange(len(labels)), labels)

    def _arranged(self, labels):
        """Labels of the same cells in the order that `arrange` gives them, where there is one."""
        if self.arrange is None:
            return labels
        weights = self.weights / self.weights.sum()
        member = np.zeros((self.n_experts, len(labels))).T
        member[np.arange(len(labels)), labels] = weights
        sums = self.design.cross(member)
        mass = np.maximum(sums[:, -1:], np.finfo(float).tiny)
        place = np.empty(self.n_experts, dtype=int)
        place[self.arrange(sums[:, :-1] / mass)] = np.arange(self.n_experts)
        return place[labels]

    def _direction(self, rng, size):
        """Return `size` random functions (n, size), linear in x."""
        return self.design.linear(self._random_coef(rng, size))

    def _random_coef(self, rng, size):
        coef = np.zeros((size, self.design.shape[1]))
        coef[:, self.order] = rng.standard_normal((size, len(self.order))) * self.signs
        return coef

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
        middle = _weight_below(values, self.weights)
        return np.minimum((middle * self.n_experts).astype(int), self.n_experts - 1)

    def _kmeans(self, rng):
        """Weighted k-means on (x, y): the closest of a few refinements of random cuts."""
        best, least = None, np.inf
        for _ in range(self.tries):
            labels, left = self._refined(self._cuts(rng))
            if best is None or left < least * (1.0 - _TIE):
                best, least = labels, left
        return best if least == np.inf else self._arranged(best)

    def _refined(self, labels):
        """Labels after k-means from given ones, and the sum of squares that is left."""
        balance = np.sqrt(self.expected / self.scores.shape[1])
        data = self._beside(balance * self.scores)
        member = sparse.csr_array(
            (self.weights, (labels, np.arange(len(labels)))), (self.n_experts, len(labels))
        )
        mass = np.asarray(member.sum(axis=1)).ravel()
        centers = np.asarray(member @ data)
        present = mass > 0
        if present.sum() < 2:
            return labels, np.inf
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
            labels = kmeans.fit_predict(data, sample_weight=self.weights)
        return labels, kmeans.inertia_

    def _beside(self, columns):
        """Return x and further columns as one array that k-means need not copy."""
        features = self.design.linear(np.eye(*self.design.shape[1:] * 2)[:-1])
        return np.hstack([features, columns])

    def _experts(self, rng):
        """Random linear experts around one linear fit: a row goes to the nearest."""
        slopes = self._direction(rng, self.n_experts)
        spread = np.sqrt(np.average(slopes**2, axis=0, weights=self.weights))
        slopes = slopes / np.where(spread > 0, spread, 1.0)
        offsets = rng.standard_normal(self.n_experts)
        return np.abs(self.residual[:, None] - 0.7 * (slopes + offsets)).argmin(axis=1)

    def _splits(self, rng):
        """Halve, again and again, the cell whose own linear expert leaves most unexplained."""
        labels = np.zeros(len(self.weights), dtype=int)
        unexplained = self._unexplained(self.weights[:, None]).tolist()
        for new in range(1, self.n_experts):
            cell = int(np.argmax(np.round(unexplained, 9)))
            if unexplained[cell] <= _TIE:
                break  # all is explained, and the rest of the experts have nothing to begin with
            inside = labels == cell
            upper, parts = self._best_halving(np.where(inside, self.weights, 0.0), rng)
            labels[inside & upper] = new
            unexplained[cell], rest = parts
            unexplained.append(rest)
        return labels

    def halves(self, membership, rng):
        """Ways to cut an expert in two: a side (n,), zero or one, by the kind of cut.

        Parameters
        ----------
        membership : ndarray of shape (n,)
            Its responsibilities.
        rng : numpy.random.RandomState

        Returns
        -------
        dict of str to ndarray of shape (n,)
            ``"split"`` in x, where two linear experts would leave least; ``"crossed"`` in y, above
            and below its own linear fit.
        """
        weights = membership * self.weights
        split, _ = self._best_halving(weights, rng)
        share = weights[:, None] / max(weights.sum(), np.finfo(float).tiny)
        above = self._residual(self.scores[:, :1], share) > 0
        return {"split": split.astype(float), "crossed": above.astype(float)}

    def _best_halving(self, weights, rng):
        """Halve a cell where two linear experts leave least; return a side and what they leave."""
        best, least = (weights > 0, (np.inf, np.inf)), np.inf
        for values in self._ways_to_halve(rng):
            upper = _weight_below(values, weights) >= 0.5
            sides = np.stack([weights * ~upper, weights * upper]).T
            left = self._unexplained(sides)
            if left.sum() < least * (1.0 - _TIE):
                best, least = (upper, tuple(left)), left.sum()
        return best

    def _ways_to_halve(self, rng):
        """Yield functions of x, each (n,), along which a cell may be cut."""
        for column, sign in zip(self.order[:_COLUMNS_TRIED], self.signs, strict=False):
            unit = np.zeros((1, self.design.shape[1]))
            unit[0, column] = sign
            yield self.design.linear(unit)[:, 0]
        yield from self._direction(rng, _DIRECTIONS_TRIED).T

    def _unexplained(self, weights):
        """Sums of squares that weighted linear fits leave of the scores, (m,) for (n, m)."""
        shares = weights / self.weights.sum()
        squares = shares.T @ (self.scores**2).sum(axis=1)
        if not self.design.has_grams:
            mass = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
            return np.maximum(squares - ((shares.T @ self.scores) ** 2).sum(axis=1) / mass, 0.0)
        grams, right = self.design.normal_equations(shares, self.scores)
        coef = solve_normal_equations(grams, right)
        return np.maximum(squares - (coef * right).sum(axis=(1, 2)), 0.0)


def reseeded(resp, log_likelihood, weights, dead):
    """Responsibilities that hand the rows explained worst to experts that have none.

    Parameters
    ----------
    resp : ndarray of shape (n, K)
        Of a mixture in which some experts have no rows. Overwritten.
    log_likelihood : ndarray of shape (n,)
        Of each row under that mixture.
    weights : ndarray of shape (n,)
    dead : ndarray of int
        Numbers of the experts without rows. Each gets half the weight of an average expert.

    Returns
    -------
    ndarray of shape (n, K)
    """
    share = 0.5 / resp.shape[1]
    log_likelihood = np.maximum(log_likelihood, _LEAST_EXPLAINED)
    number = (_weight_below(log_likelihood, weights) / share).astype(int)
    rows = np.flatnonzero(number < len(dead))
    return _give(resp, rows, dead[number[rows]])


def _give(resp, rows, experts):
    """Give `rows` to `experts`, but for the share that is spread over all."""
    resp[rows] = SMOOTHING / resp.shape[1]
    resp[rows, experts] += 1.0 - SMOOTHING
    return resp


def _weight_below(values, weights):
    """Share of the weight below each value, half its own weight included, (n,)."""
    spread = np.abs(values).max()
    values = np.round(values / spread, 9) if spread > 0 else values
    _, place = np.unique(values, return_inverse=True)
    cumulative = np.cumsum(np.bincount(place, weights))
    before = np.concatenate([[0.0], cumulative[:-1]])
    # Halves fall on a cut exactly; nudged alike, they fall to the same side everywhere.
    return (0.5 * (before + cumulative) / cumulative[-1] + _TIE)[place]
