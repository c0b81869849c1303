"""The Gaussian gate: a Gaussian density of x for each expert."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._data.design import View
from ..._data.numerics import blocks, log_softmax
from ..._data.sparse import row_blocks
from ..._sklearn import FLOATS, Interval, StrOptions
from ...em._protocols import Floats, GateSums, GateTrainer, Ints, State
from .._targets import GateMixin, check_targets
from ._covariance import COVARIANCES, Covariance, Rows, SingularCovarianceError
from ._rows import DenseRows, SparseRows, as_rows, weighted_sums_of
from ._sums import Densities, GaussianPart

#: An expert with less than this share of the total weight keeps its last mean and covariance.
_MASS_FLOOR = 1e-8

#: Rows are cut off at this many standard deviations, so that their squares do not overflow.
_FARTHEST = 1e100


class GaussianGate(GateMixin, BaseEstimator):
    r"""Gaussian densities of x, one per expert: the gate of Xu, Jordan and Hinton (1995).

    .. math:: g_k(x) = a_k N(x \mid m_k, S_k) / \sum_l a_l N(x \mid m_l, S_l)

    ``fit`` maximises :math:`\sum_i w_i \sum_k t_{ik} \log a_k N(x_i \mid m_k, S_k)
    - P` in closed form. The penalty, with :math:`\gamma` the prior, is

    .. math:: P = \gamma \sum_k \{ -\log a_k + \tfrac12 \log |S_k S_0^{-1}|
        + \tfrac12 \mathrm{tr}\, S_k^{-1} (S_0 + (m_k - m_0)(m_k - m_0)^\top) \}

    where :math:`m_0` are the weighted means of all rows and :math:`S_0` is the
    diagonal matrix of their weighted variances. Up to a constant, -P is the
    log-likelihood of :math:`\gamma` further rows of every expert with the means and
    variances of all rows. Neither scale nor shift of X matters. Columns that do not
    vary are left out.

    In a mixture, EM maximises the joint likelihood of x and y, as Xu, Jordan and
    Hinton do. Responsibilities have the same formula as for other gates, and every
    M-step has a closed form. For this gate ``lower_bound_`` is therefore the penalised
    joint log-likelihood, :math:`\sum_i w_i \log \sum_k a_k N(x_i \mid m_k, S_k)
    p_k(y_i \mid x_i)` less the penalties, per unit of weight, where x has the units
    of X and columns left out do not count. It cannot be compared with the
    ``lower_bound_`` of other gates. ``score_samples``, the log-likelihood of y given
    x, can.

    Parameters
    ----------
    covariance : {"full", "tied", "diag"}, default="full"
        "full" is one covariance matrix for each expert. "tied" is one matrix for
        all experts; the gate is then a softmax of linear functions of x. With
        "diag" the columns are independent within each expert, for many columns.
    prior : float, default=1.0
        Number :math:`\gamma` of further rows of each expert. Zero is plain maximum
        likelihood, which is not bounded: an expert with too few rows is then an error.

    Attributes
    ----------
    weights_ : ndarray of shape (n_experts,)
        The shares :math:`a_k`; their sum is one.
    means_ : ndarray of shape (n_experts, n_features)
        In the units of X.
    covariances_ : ndarray
        In the units of X: of shape (n_experts, n_features, n_features) for "full",
        (n_features, n_features) for "tied", and the variances, of shape
        (n_experts, n_features), for "diag". Zero for columns that do not vary.
    penalty_ : float
        The penalty P, which is subtracted from the objective.
    n_parameters_ : int
        Number of free parameters.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only if X has names that are strings.

    References
    ----------
    Xu, L., Jordan, M. I. and Hinton, G. E. (1995). An alternative model for
    mixtures of experts. Advances in Neural Information Processing Systems 7.

    Examples
    --------
    >>> from skmoe.gates import GaussianGate
    >>> X = [[-3.0], [-2.0], [-1.0], [1.0], [2.0], [3.0]]
    >>> targets = [[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3
    >>> gate = GaussianGate(covariance="tied", prior=0).fit(X, targets)
    >>> gate.means_.ravel()
    array([-2., 2.])
    >>> gate.predict_proba([[0.0], [0.5]]).round(3)
    array([[0.5  , 0.5  ],
           [0.047, 0.953]])
    """

    _parameter_constraints: dict[str, Any] = {
        "covariance": [StrOptions(set(COVARIANCES))],
        "prior": [Interval(Real, 0, None, closed="left")],
    }

    covariance: str
    prior: float
    weights_: Floats
    means_: Floats
    covariances_: Floats
    penalty_: float
    _kind: str
    _columns: Ints
    _center: Floats
    _scale: Floats
    _means: Floats
    _whiteners: Floats

    def __init__(self, covariance: str = "full", *, prior: float = 1.0) -> None:
        self.covariance = covariance
        self.prior = prior

    def __sklearn_tags__(self) -> Any:
        """X may be sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the densities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
            Sparse X stays sparse with ``covariance="diag"``; otherwise blocks of
            rows are made dense, one at a time.
        targets : array-like of shape (n, n_experts)
            Rows sum to one. An expert whose targets are all zero gets the mean and
            the variances of all rows.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        GaussianGate
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is not finite and numeric, the rows
            of `targets` do not sum to one, or a covariance is singular because
            `prior` is too small.
        """
        self._validate_params()
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS)
        targets, weights = check_targets(X, targets, sample_weight)
        trainer = GaussianTrainer(self, View(X, weights))
        return trainer.write(self, trainer.update(targets * weights[:, None], None))

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters; columns that do not vary have none."""
        check_is_fitted(self)
        n_experts, d = self._means.shape
        return n_experts - 1 + n_experts * d + COVARIANCES[self._kind]().count(n_experts, d)

    def predict_log_proba(self, X: Any) -> Floats:
        """Log-probabilities of the experts.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_experts)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        covariance = COVARIANCES[self._kind]()
        out = np.empty((len(self.weights_), X.shape[0])).T
        for block in row_blocks(X) if sparse.issparse(X) else blocks(len(X)):
            rows = _standardised(X[block], self._columns, self._center, self._scale)
            out[block] = covariance.distances(rows, self._means, self._whiteners)
        out *= -0.5
        out += np.log(self.weights_) - 0.5 * covariance.log_determinants(self._whiteners)
        return log_softmax(out)

    def has_sums(self) -> bool:
        """Tell whether EM can train the gate from sums over rows.

        Returns
        -------
        bool
        """
        return type(self) is GaussianGate

    def em_trainer(self, view: View, weights: Floats, n_experts: int) -> GateTrainer:
        """Return the trainer of the gate, which EM updates instead of calling ``fit``.

        Parameters
        ----------
        view : View of n rows
        weights : ndarray of shape (n,)
        n_experts : int

        Returns
        -------
        GaussianTrainer
        """
        self._validate_params()
        return GaussianTrainer(self, view)


class GaussianTrainer(GateTrainer):
    """Trainer of the joint model of expert and x, in closed form; a state is `Densities`.

    Parameters
    ----------
    gate : GaussianGate
    view : View of n rows
    """

    cheap: bool = True

    def __init__(self, gate: GaussianGate, view: View) -> None:
        self.gate, self.view = gate, view
        self.covariance: Covariance = COVARIANCES[gate.covariance]()
        design = view.design
        self.columns, self.center, self.scale = design.varying, design.location, design.scale
        kept = np.flatnonzero(self.columns)
        if design.matrix is None:
            offset = (self.center / self.scale)[kept]
            self.rows = SparseRows(design.X, offset, design.factor[kept], kept)
        else:
            self.rows = DenseRows(_take_columns(design.matrix, kept))

    def update(
        self, masses: Floats, state: State | None, weights: Floats | None = None
    ) -> Densities:
        """Return the state that maximises the term of (n, K) responsibilities × weights.

        `weights` are the row sums of `masses`, and are not needed.
        """
        mass = masses.sum(axis=0)
        shares, seen, means = self.weights_and_means(
            weighted_sums_of(self.rows, masses, mass), mass, state
        )
        prior = float(self.gate.prior)
        estimate = self.covariance.estimate(self.rows, masses, means, prior, seen)
        return self._densities(shares, means, estimate, state)

    def weights_and_means(
        self, sums: Floats, mass: Floats, state: Densities | None
    ) -> tuple[Floats, Floats, Floats]:
        """Return shares (K,), masses including the prior's (K,), and means (K, d).

        Parameters
        ----------
        sums : ndarray of shape (K, d)
            Weighted sums of the standardised rows.
        mass : ndarray of shape (K,)
        state : Densities or None
            Experts without rows keep its means.
        """
        seen = mass + float(self.gate.prior)
        # The probability of an expert without mass stays positive: its logarithm is finite.
        shares = np.maximum(seen / seen.sum(), np.finfo(float).tiny)
        alive = shares > _MASS_FLOOR
        seen = np.where(alive, seen, _MASS_FLOOR * seen.sum())
        means = sums / seen[:, None]
        means[~alive] = 0.0 if state is None else state.means[~alive]
        return shares, seen, means

    def with_scatter(
        self, shares: Floats, seen: Floats, means: Floats, scatter: Floats, state: Densities | None
    ) -> Densities:
        """Return the state of `weights_and_means`, given sums of squares about these means."""
        estimate = self.covariance.of_scatter(scatter, means, float(self.gate.prior), seen)
        return self._densities(shares, means, estimate, state)

    def _densities(
        self, shares: Floats, means: Floats, estimate: Floats, state: Densities | None
    ) -> Densities:
        alive = shares > _MASS_FLOOR
        estimate = self.covariance.keep(estimate, alive, state and state.covariance)
        return Densities(shares, means, estimate, self._whiten(estimate))

    def _whiten(self, estimate: Floats) -> Floats:
        try:
            return self.covariance.whiten(estimate)
        except SingularCovarianceError:
            raise ValueError(
                "gate GaussianGate: the covariance of an expert is singular with "
                f"prior={self.gate.prior:g}, because it has too few distinct rows or its columns "
                "determine each other; set prior to one or more rows, choose another covariance "
                "('diag' needs the fewest rows), or use fewer experts or columns"
            ) from None

    def log_proba(self, state: State) -> Floats:
        """Return joint log-densities (n, K) of expert and x in the training rows.

        They are in the units of X, and not normalised over the experts: EM maximises the
        joint likelihood of x and y.
        """
        out = self.covariance.distances(self.rows, state.means, state.whiteners)
        out *= -0.5
        out += self.log_heights(state)
        return out

    def log_heights(self, state: Densities) -> Floats:
        """Return joint log-densities (K,) of each expert at its mean, in the units of X."""
        heights = np.log(state.weights) - 0.5 * self.covariance.log_determinants(state.whiteners)
        constant = 0.5 * np.log(2.0 * np.pi) + np.log(self.scale[self.columns])
        return heights - constant.sum()

    def common_state(self, n_experts: int) -> Densities:
        """Return the state in which every expert has the mean and covariance of all rows."""
        means = np.zeros((n_experts, self.columns.sum()))
        covariance = self.covariance.of_all(*means.shape)
        shares = np.full(n_experts, 1.0 / n_experts)
        return Densities(shares, means, covariance, self._whiten(covariance))

    def reading(self, gate: GaussianGate) -> Densities:
        """Return the state of a fitted gate, which may have left out more columns."""
        state, columns = self.common_state(len(gate.weights_)), np.flatnonzero(self.columns)
        kept = np.searchsorted(columns, gate._columns)
        scale = self.scale[gate._columns]
        state.means[:, kept] = gate._means * (gate._scale / scale)
        state.means[:, kept] += (gate._center - self.center[gate._columns]) / scale
        axes = [np.arange(len(state.covariance))] + [kept] * (state.covariance.ndim - 1)
        covariance = self.covariance.of_whiteners(gate._whiteners)
        state.covariance[np.ix_(*axes)] = self.covariance.rescaled(covariance, gate._scale / scale)
        whiteners = self._whiten(state.covariance)
        return Densities(gate.weights_, state.means, state.covariance, whiteners)

    def penalty(self, state: State) -> float:
        """Return the penalty P of the prior."""
        origin = as_rows(np.zeros((1, state.means.shape[1])), 0.0)
        terms = self.covariance.distances(origin, state.means, state.whiteners)[0]
        terms += self.covariance.traces(state.whiteners)
        terms += self.covariance.log_determinants(state.whiteners)
        return float(self.gate.prior * (0.5 * terms - np.log(state.weights)).sum())

    def sums_part(self, n_experts: int) -> GateSums | None:
        """Return the gate as a part of sums over rows."""
        return GaussianPart(self, n_experts)

    def finish(self, state: State) -> Any:
        """Return the fitted gate of a state."""
        gate = type(self.gate)(**self.gate.get_params())
        validate_data(gate, self.view.X, skip_check_array=True)
        return self.write(gate, state)

    def write(self, gate: GaussianGate, state: Densities) -> GaussianGate:
        """Set the fitted attributes of `gate` to those of a state."""
        gate.weights_ = state.weights
        gate.penalty_ = self.penalty(state)
        gate.means_ = np.tile(self.center, (len(state.weights), 1))
        gate.means_[:, self.columns] += state.means * self.scale[self.columns]
        gate.covariances_ = self._covariances(state)
        gate._kind, gate._columns = self.gate.covariance, np.flatnonzero(self.columns)
        gate._center, gate._scale = self.center[self.columns], self.scale[self.columns]
        gate._means, gate._whiteners = state.means, state.whiteners
        return gate

    def _covariances(self, state: Densities) -> Floats:
        """Return the covariances in the units of X, with zeros for columns that do not vary."""
        # Squares of very large or small scales overflow; predictions do not use them.
        with np.errstate(over="ignore"):
            raw = self.covariance.rescaled(state.covariance, self.scale[self.columns])
        out = np.zeros(raw.shape[:1] + (len(self.columns),) * (raw.ndim - 1))
        out[np.ix_(np.arange(len(raw)), *[self.columns] * (raw.ndim - 1))] = raw
        return self.covariance.public(out)


def _take_columns(matrix: Floats, kept: Ints) -> Floats:
    """Return columns of a design; without a copy where they are all but the last."""
    if len(kept) == matrix.shape[1] - 1:
        return matrix[:, :-1]
    return np.asfortranarray(matrix[:, kept])


def _standardised(X: Any, columns: Ints, center: Floats, scale: Floats) -> Rows:
    """Return rows of X, which has its own units, as standardised rows."""
    with np.errstate(over="ignore"):
        if sparse.issparse(X):
            scaled = sparse.csr_matrix(X[:, columns] @ sparse.diags(1.0 / scale))
            np.clip(scaled.data, -_FARTHEST, _FARTHEST, out=scaled.data)
            return as_rows(scaled, center / scale)
        return as_rows(np.clip((X[:, columns] - center) / scale, -_FARTHEST, _FARTHEST), 0.0)
