"""Starting responsibilities, drawn in the space of parameters.

No random number belongs to a row, and the order of columns is decided by the
data. A start therefore depends neither on the order of rows or columns, nor on
whether a weight of two is written as two rows, nor on scale and shift.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._data.design import DenseDesign, Design
from .._data.numerics import Floats, Ints, solve_normal_equations, weighted_location_scale
from ._directions import main_scores

#: Share of a start's responsibilities that is uniform over all experts. So each expert is fitted
#: mainly to its own rows, and a little to those of the others.
SMOOTHING = 0.1

_KMEANS_ITERATIONS = 30

#: Number of runs of k-means on principal directions, which are few and cheap. Where X has very many
#: columns there is a single start, which should be the best that k-means can find.
_KMEANS_TRIES = 8

#: Number of columns, and of random directions, along which a "split" start may halve a cell. The
#: columns are those that are most correlated with y.
_COLUMNS_TRIED = 4
_DIRECTIONS_TRIED = 4

#: Lower log-likelihoods of rows, in nats, count as equal to this one.
_LEAST_EXPLAINED = -1e6

#: Projections closer than this, relative to their spread, are ties.
_TIE = 1e-9


@dataclass(frozen=True)
class Plan:
    """Kinds of the starts of ``init="auto"``, and their number where EM on the mixture is cheap.

    There are more starts on small tables, where runs are fast and optima many.

    Attributes
    ----------
    kinds : tuple of str
        Drawn in turn.
    least, most : int
        Bounds of the number.
    of_two : int
        Largest number for two experts, which have few optima; K experts have K - 1 times as many.
    work : int
        Number of multiplications that one iteration of all starts together may take.
    finalists : int
        Least number of starts that are run for longer before one is chosen.
    """

    kinds: tuple[str, ...]
    least: int
    most: int
    of_two: int
    work: int
    finalists: int

    def n_starts(self, work: int, n_experts: int) -> int:
        """Return the number of starts where an iteration takes `work` multiplications."""
        most = min(self.most, self.of_two * (n_experts - 1))
        return int(np.clip(self.work // work, self.least, most))


#: The plan of least squares, and those of losses under which fewer starts end at the best optimum:
#: a label tells less about the expert of its row than a number does, and so does a count or a
#: positive number with a relative error.
PLAN = Plan(
    ("kmeans", "random", "experts", "random", "experts", "random"),
    least=6,
    most=24,
    of_two=12,
    work=2**20,
    finalists=3,
)
_WITH_SPLITS = ("kmeans", "random", "experts", "split", "random", "experts")
PLANS = {
    "labels": Plan(_WITH_SPLITS, least=18, most=36, of_two=24, work=2**22, finalists=6),
    "poisson": Plan(_WITH_SPLITS, least=6, most=96, of_two=48, work=2**22, finalists=3),
    "gamma": Plan(_WITH_SPLITS, least=6, most=96, of_two=48, work=2**22, finalists=3),
}


class Starts:
    """Random starting responsibilities for one training set.

    Parameters
    ----------
    design : Design of n rows
    scores : ndarray of shape (n, m)
        Columns by which rows are separated besides X: y, or indicators of the classes.
        The first column also decides the order of the columns of X.
    weights : ndarray of shape (n,)
    n_experts : int
    arrange : callable, optional
        Maps the centres (K, d) of the cells of k-means to the number of the cell of each
        expert, for gates in which neighbouring experts should have neighbouring cells.
    """

    def __init__(
        self,
        design: Design,
        scores: Floats,
        weights: Floats,
        n_experts: int,
        arrange: Callable[[Floats], Ints] | None = None,
    ):
        self.arrange = arrange
        mean, scale, _ = weighted_location_scale(scores, weights)
        self.scores = scores = (scores - mean) / scale
        self.design, self.weights, self.n_experts = design, weights, n_experts
        share = weights[:, None] / weights.sum()
        main = scores[:, :1]
        self._align(share, main)
        #: The weight of the scores in k-means, as a number of columns of x (as many as there are),
        #: and how often k-means is run.
        self.expected, self.tries = len(self.order), 1
        if not design.has_grams:
            self.design = DenseDesign(self._main_scores(), weights)
            self._align(share, main)
            # Experts of so many columns fit any division of the rows by y, so that cells are to be
            # found in x alone.
            self.expected, self.tries = 0, _KMEANS_TRIES
        self.residual = self._residual(main, share)

    def _align(self, share: Floats, main: Floats) -> None:
        """Sort the columns, and choose their signs, by their correlation with the first score."""
        alignment = self.design.cross(share * main)
        alignment -= self.design.cross(share) * (share * main).sum()
        alignment = np.round(alignment[0, :-1], 9)
        self.order = np.argsort(-np.abs(alignment), kind="stable")
        self.signs = np.where(alignment[self.order] < 0, -1.0, 1.0)

    def _main_scores(self) -> Floats:
        """Return scores (n, q) of the rows on the principal directions of very many columns.

        Along a random direction in so many columns rows hardly differ.
        """
        sought = 2 * self.n_experts
        coef = self._random_coef(np.random.RandomState(0), sought)
        return main_scores(self.design, self.weights, coef, max(2, self.n_experts - 1))

    def _residual(self, main: Floats, share: Floats) -> Floats:
        """Return residuals (n,) of one linear fit to the first score, of unit variance."""
        if not self.design.has_grams:
            return main[:, 0]
        gram = self.design.grams(share)
        coef = solve_normal_equations(gram, self.design.cross(share * main)[:, :, None])
        residual = (main - self.design.linear(coef[:, :, 0]))[:, 0]
        spread = np.sqrt(share[:, 0] @ residual**2)
        return residual / spread if spread > _TIE else main[:, 0]

    def draw(self, kind: str, rng: np.random.RandomState) -> Floats:
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
        return _assign(resp, np.arange(len(labels)), labels)

    def _arranged(self, labels: Ints) -> Ints:
        """Return the labels of the same cells, numbered as `arrange` says where there is one."""
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

    def _direction(self, rng: np.random.RandomState, size: int) -> Floats:
        """Return the values (n, size) of `size` random linear functions of x."""
        return self.design.linear(self._random_coef(rng, size))

    def _random_coef(self, rng: np.random.RandomState, size: int) -> Floats:
        coef = np.zeros((size, self.design.shape[1]))
        coef[:, self.order] = rng.standard_normal((size, len(self.order))) * self.signs
        return coef

    def _cuts(self, rng: np.random.RandomState) -> Ints:
        """Return labels (n,): a random direction in (x, y) is cut at weighted quantiles."""
        along_x = self._direction(rng, 1)[:, 0]
        spread = np.sqrt(np.average(along_x**2, weights=self.weights))
        along_x = along_x / spread if spread > 0 else along_x
        along_y = self.scores @ rng.standard_normal(self.scores.shape[1])
        angle = rng.uniform(0.0, 0.5 * np.pi)
        return self._quantile_labels(np.cos(angle) * along_x + np.sin(angle) * along_y)

    def _quantile_labels(self, values: Floats) -> Ints:
        """Cut `values` (n,) into K parts of equal weight, halfway between distinct values."""
        middle = _weight_below(values, self.weights)
        return np.minimum((middle * self.n_experts).astype(int), self.n_experts - 1)

    def _kmeans(self, rng: np.random.RandomState) -> Ints:
        """Return labels of weighted k-means on (x, y), begun at random cuts: the best of a few."""
        best, least = self._refined(self._cuts(rng))
        for _ in range(1, self.tries):
            labels, inertia = self._refined(self._cuts(rng))
            if inertia < least * (1.0 - _TIE):
                best, least = labels, inertia
        return best if least == np.inf else self._arranged(best)

    def _refined(self, labels: Ints) -> tuple[Ints, float]:
        """Return the labels after k-means that begins at given ones, and its inertia."""
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
            init=centers[present] / mass[present, None],  # pyright: ignore[reportArgumentType]
            n_init=1,  # pyright: ignore[reportArgumentType]
            max_iter=_KMEANS_ITERATIONS,
            tol=0.0,
            random_state=0,
            copy_x=False,
        )
        with warnings.catch_warnings():
            # With fewer distinct rows than experts, some experts begin without rows of their own.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = kmeans.fit_predict(data, sample_weight=self.weights)
        return labels, float(kmeans.inertia_)  # pyright: ignore[reportArgumentType]

    def _beside(self, columns: Floats) -> Floats:
        """Return x and further columns as one array, which k-means need not copy."""
        features = self.design.linear(np.eye(self.design.shape[1])[:-1])
        return np.hstack([features, columns])

    def _experts(self, rng: np.random.RandomState) -> Ints:
        """Return the number of the nearest of K random linear experts around one linear fit."""
        slopes = self._direction(rng, self.n_experts)
        spread = np.sqrt(np.average(slopes**2, axis=0, weights=self.weights))
        slopes = slopes / np.where(spread > 0, spread, 1.0)
        offsets = rng.standard_normal(self.n_experts)
        return np.abs(self.residual[:, None] - 0.7 * (slopes + offsets)).argmin(axis=1)

    def _splits(self, rng: np.random.RandomState) -> Ints:
        """Return labels of cells: the cell of the largest residual squares is halved repeatedly."""
        labels = np.zeros(len(self.weights), dtype=int)
        unexplained = self._unexplained(self.weights[:, None]).tolist()
        for new in range(1, self.n_experts):
            cell = int(np.argmax(np.round(unexplained, 9)))
            if unexplained[cell] <= _TIE:
                break  # no squares are left, and further experts have no rows to begin with
            inside = labels == cell
            upper, parts = self._best_halving(np.where(inside, self.weights, 0.0), rng)
            labels[inside & upper] = new
            unexplained[cell], rest = parts
            unexplained.append(rest)
        return labels

    def halves(self, membership: Floats, rng: np.random.RandomState) -> dict[str, Floats]:
        """Split the rows of an expert in two, in several ways.

        Parameters
        ----------
        membership : ndarray of shape (n,)
            The responsibilities of the expert.
        rng : numpy.random.RandomState

        Returns
        -------
        dict of str to ndarray of shape (n,)
            The side of each row, zero or one, by the kind of split. ``"split"`` is in x, where
            residual squares of two linear experts are least; ``"crossed"`` is in y, above and
            below the linear fit of the expert.
        """
        weights = membership * self.weights
        split, _ = self._best_halving(weights, rng)
        share = weights[:, None] / max(weights.sum(), np.finfo(float).tiny)
        above = self._residual(self.scores[:, :1], share) > 0
        return {"split": split.astype(float), "crossed": above.astype(float)}

    def _best_halving(
        self, weights: Floats, rng: np.random.RandomState
    ) -> tuple[NDArray, tuple[float, float]]:
        """Halve a cell where the residual squares of two linear experts are least.

        Returns
        -------
        upper : ndarray of shape (n,), bool
            Whether a row is on the upper side.
        squares : tuple of two floats
            Residual squares of the lower and of the upper side.
        """
        best, least = (weights > 0, (np.inf, np.inf)), np.inf
        for values in self._halving_functions(rng):
            upper = _weight_below(values, weights) >= 0.5
            sides = np.stack([weights * ~upper, weights * upper]).T
            squares = self._unexplained(sides)
            if squares.sum() < least * (1.0 - _TIE):
                best, least = (upper, (squares[0], squares[1])), squares.sum()
        return best

    def _halving_functions(self, rng: np.random.RandomState) -> Iterator[Floats]:
        """Yield functions of x, each (n,), along which a cell may be halved."""
        for column, sign in zip(self.order[:_COLUMNS_TRIED], self.signs, strict=False):
            unit = np.zeros((1, self.design.shape[1]))
            unit[0, column] = sign
            yield self.design.linear(unit)[:, 0]
        yield from self._direction(rng, _DIRECTIONS_TRIED).T

    def _unexplained(self, weights: Floats) -> Floats:
        """Return residual squares (m,) of linear fits to the scores with weights (n, m)."""
        shares = weights / self.weights.sum()
        squares = shares.T @ (self.scores**2).sum(axis=1)
        if not self.design.has_grams:
            mass = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
            return np.maximum(squares - ((shares.T @ self.scores) ** 2).sum(axis=1) / mass, 0.0)
        grams, right = self.design.normal_equations(shares, self.scores)
        coef = solve_normal_equations(grams, right)
        return np.maximum(squares - (coef * right).sum(axis=(1, 2)), 0.0)


def reseeded(resp: Floats, log_likelihood: Floats, weights: Floats, starved: Ints) -> Floats:
    """Return responsibilities that give rows of lowest log-likelihood to starved experts.

    Parameters
    ----------
    resp : ndarray of shape (n, K)
        Of a mixture in which some experts have no rows. Overwritten.
    log_likelihood : ndarray of shape (n,)
        Of each row under that mixture.
    weights : ndarray of shape (n,)
    starved : ndarray of int
        Numbers of the experts without rows. Each gets half the weight of an average expert.

    Returns
    -------
    ndarray of shape (n, K)
    """
    share = 0.5 / resp.shape[1]
    log_likelihood = np.maximum(log_likelihood, _LEAST_EXPLAINED)
    number = (_weight_below(log_likelihood, weights) / share).astype(int)
    rows = np.flatnonzero(number < len(starved))
    return _assign(resp, rows, starved[number[rows]])


def _assign(resp: Floats, rows: Ints, experts: Ints) -> Floats:
    """Make `experts` responsible for `rows`, but for the share that is uniform over all."""
    resp[rows] = SMOOTHING / resp.shape[1]
    resp[rows, experts] += 1.0 - SMOOTHING
    return resp


def _weight_below(values: Floats, weights: Floats) -> Floats:
    """Return the share of the weight below each value, half its own weight included, (n,)."""
    spread = np.abs(values).max()
    values = np.round(values / spread, 9) if spread > 0 else values
    _, place = np.unique(values, return_inverse=True)
    cumulative = np.cumsum(np.bincount(place, weights))
    before = np.concatenate([[0.0], cumulative[:-1]])
    # A share of one half lies exactly on a cut. All shares are increased by the same small amount,
    # so that it is on the same side whatever the rounding.
    return (0.5 * (before + cumulative) / cumulative[-1] + _TIE)[place]
