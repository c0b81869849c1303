"""The Gaussian gate: experts are told apart by where their rows lie."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._data.design import View
from ..._data.numerics import blocks, log_softmax
from ..._data.sparse import row_blocks
from ..._sklearn import FLOATS, Interval, StrOptions
from ...em._protocols import GateTrainer
from .._targets import GateMixin, check_targets
from ._covariance import (
    COVARIANCES,
    DenseRows,
    SingularCovarianceError,
    SparseRows,
    as_rows,
    means_of,
)
from ._sums import GaussianPart

#: An expert with less than this share of all rows keeps its last mean and covariance.
_MASS_FLOOR = 1e-8

#: Rows farther away than this many standard deviations count as that far: their squares
#: then do not overflow.
_FARTHEST = 1e100


class GaussianGate(GateMixin, BaseEstimator):
    r"""Gaussian densities of x, one an expert: the gate of Xu, Jordan and Hinton (1995).

    .. math:: g_k(x) = a_k N(x \mid m_k, S_k) / \sum_l a_l N(x \mid m_l, S_l)

    ``fit`` maximises :math:`\sum_i w_i \sum_k t_{ik} \log a_k N(x_i \mid m_k, S_k)
    - P` in closed form. The penalty, with :math:`\gamma` the prior, is

    .. math:: P = \gamma \sum_k \{ -\log a_k + \tfrac12 \log |S_k S_0^{-1}|
        + \tfrac12 \mathrm{tr}\, S_k^{-1} (S_0 + (m_k - m_0)(m_k - m_0)^\top) \}

    where :math:`m_0` are the weighted means of all rows and :math:`S_0` is the
    diagonal matrix of their weighted variances: but for a constant, the
    log-likelihood of :math:`\gamma` further rows of every expert that spread like
    all rows. Neither scale nor shift of X matters, and columns that do not vary
    are left out.

    In a mixture, EM maximises the joint likelihood of x and y, as Xu, Jordan and
    Hinton do: responsibilities stay what they are, and every M-step has a closed
    form. For this gate ``lower_bound_`` is therefore the penalised joint
    log-likelihood, :math:`\sum_i w_i \log \sum_k a_k N(x_i \mid m_k, S_k)
    p_k(y_i \mid x_i)` less the penalties, per unit of weight, where x has the units
    of X and columns left out do not count. It does not compare with that of other
    gates; ``score_samples``, the log-likelihood of y given x, does.

    Parameters
    ----------
    covariance : {"full", "tied", "diag"}, default="full"
        A covariance of its own for each expert; one for all, with which the gate
        is a softmax of linear functions of x; or independent columns within each
        expert, for many columns.
    prior : float, default=1.0
        Further rows of each expert, as above. Zero is plain maximum likelihood,
        which is not bounded: an expert with too few rows is an error then.

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
        What the prior takes from the objective.
    n_parameters_ : int
        Number of free parameters.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are strings.

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

    _parameter_constraints = {
        "covariance": [StrOptions(set(COVARIANCES))],
        "prior": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, covariance="full", *, prior=1.0):
        self.covariance = covariance
        self.prior = prior

    def __sklearn_tags__(self):
        """Sparse X is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X, targets, sample_weight=None):
        """Fit the densities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
            Sparse X stays sparse with ``covariance="diag"``; otherwise it is made
            dense a block of rows at a time.
        targets : array-like of shape (n, n_experts)
            Rows sum to one. An expert without any gets the mean and the variances
            of all rows.
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
    def n_parameters_(self):
        """Number of free parameters; columns that do not vary have none."""
        check_is_fitted(self)
        n_experts, d = self._means.shape
        return n_experts - 1 + n_experts * d + COVARIANCES[self._kind]().count(n_experts, d)

    def predict_log_proba(self, X):
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

    def has_sums(self):
        """Tell whether EM needs only sums over rows of this gate.

        Returns
        -------
        bool
        """
        return type(self) is GaussianGate

    def em_trainer(self, view, weights, n_experts):
        """Return what EM trains step by step in place of calling ``fit``.

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


@dataclass(frozen=True)
class Densities:
    """Parameters of all experts, in standardised units.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
    covariance, whiteners : ndarray
        As `_covariance` has them.
    """

    weights: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    whiteners: np.ndarray


class GaussianTrainer(GateTrainer):
    """Closed-form M-steps of the joint model of expert and x; states are immutable."""

    cheap = True

    def __init__(self, gate, view):
        self.gate, self.view = gate, view
        self.covariance = COVARIANCES[gate.covariance]()
        design = view.design
        self.columns, self.center, self.scale = design.varying, design.location, design.scale
        kept = np.flatnonzero(self.columns)
        if design.matrix is None:
            offset = (self.center / self.scale)[kept]
            self.rows = SparseRows(design.X, offset, design.factor[kept], kept)
        else:
            self.rows = DenseRows(_take_columns(design.matrix, kept))

    def update(self, masses, state, weights=None):
        """Return the next state, the best for (n, K) responsibilities × weights.

        `weights` are the sums of the rows of `masses`, and not needed.
        """
        mass = masses.sum(axis=0)
        shares, seen, means = self.located(means_of(self.rows, masses, mass), mass, state)
        prior = float(self.gate.prior)
        estimate = self.covariance.estimate(self.rows, masses, means, prior, seen)
        return self._densities(shares, means, estimate, state)

    def located(self, sums, mass, state):
        """Return shares (K,), masses with those of the prior (K,), and means (K, d).

        Parameters
        ----------
        sums : ndarray of shape (K, d)
            Weighted sums of the standardised rows.
        mass : ndarray of shape (K,)
        state : Densities or None
            What experts without rows keep.
        """
        seen = mass + float(self.gate.prior)
        # An expert without any mass keeps a probability that has a logarithm.
        shares = np.maximum(seen / seen.sum(), np.finfo(float).tiny)
        alive = shares > _MASS_FLOOR
        seen = np.where(alive, seen, _MASS_FLOOR * seen.sum())
        means = sums / seen[:, None]
        means[~alive] = 0.0 if state is None else state.means[~alive]
        return shares, seen, means

    def spread(self, shares, seen, means, scatter, state):
        """Return the state of what `located` found, and of sums of squares about these means."""
        estimate = self.covariance.of_scatter(scatter, means, float(self.gate.prior), seen)
        return self._densities(shares, means, estimate, state)

    def _densities(self, shares, means, estimate, state):
        alive = shares > _MASS_FLOOR
        estimate = self.covariance.keep(estimate, alive, state and state.covariance)
        return Densities(shares, means, estimate, self._whiten(estimate))

    def _whiten(self, estimate):
        try:
            return self.covariance.whiten(estimate)
        except SingularCovarianceError:
            raise ValueError(
                "gate GaussianGate: the covariance of an expert is singular with "
                f"prior={self.gate.prior:g}, because it has too few distinct rows or its columns "
                "determine each other; set prior to one or more rows, choose another covariance "
                "('diag' needs the fewest rows), or use fewer experts or columns"
            ) from None

    def log_proba(self, state):
        """Joint log-densities (n, K) of expert and x on the training rows, in the units of X.

        They are not normalised over the experts: what EM climbs is the likelihood
        of x and y.
        """
        out = self.covariance.distances(self.rows, state.means, state.whiteners)
        out *= -0.5
        out += self.heights(state)
        return out

    def heights(self, state):
        """Joint log-densities (K,) of each expert and its mean, in the units of X."""
        heights = np.log(state.weights) - 0.5 * self.covariance.log_determinants(state.whiteners)
        constant = 0.5 * np.log(2.0 * np.pi) + np.log(self.scale[self.columns])
        return heights - constant.sum()

    def even(self, n_experts):
        """The state of experts that are all as all rows."""
        means = np.zeros((n_experts, self.columns.sum()))
        covariance = self.covariance.of_all(*means.shape)
        shares = np.full(n_experts, 1.0 / n_experts)
        return Densities(shares, means, covariance, self._whiten(covariance))

    def reading(self, gate):
        """The state of a fitted gate, which may have left out more columns."""
        state, columns = self.even(len(gate.weights_)), np.flatnonzero(self.columns)
        kept = np.searchsorted(columns, gate._columns)
        scale = self.scale[gate._columns]
        state.means[:, kept] = gate._means * (gate._scale / scale)
        state.means[:, kept] += (gate._center - self.center[gate._columns]) / scale
        axes = [np.arange(len(state.covariance))] + [kept] * (state.covariance.ndim - 1)
        covariance = self.covariance.of_whiteners(gate._whiteners)
        state.covariance[np.ix_(*axes)] = self.covariance.rescaled(covariance, gate._scale / scale)
        whiteners = self._whiten(state.covariance)
        return Densities(gate.weights_, state.means, state.covariance, whiteners)

    def penalty(self, state):
        """What the prior takes from the objective."""
        origin = as_rows(np.zeros((1, state.means.shape[1])), 0.0)
        terms = self.covariance.distances(origin, state.means, state.whiteners)[0]
        terms += self.covariance.traces(state.whiteners)
        terms += self.covariance.log_determinants(state.whiteners)
        return float(self.gate.prior * (0.5 * terms - np.log(state.weights)).sum())

    def sums_part(self, n_experts):
        """Return the gate as a part of sums over rows."""
        return GaussianPart(self, n_experts)

    def finish(self, state):
        """The fitted gate of a state."""
        gate = type(self.gate)(**self.gate.get_params())
        validate_data(gate, self.view.X, skip_check_array=True)
        return self.write(gate, state)

    def write(self, gate, state):
        """Give `gate` the fitted attributes of a state."""
        gate.weights_ = state.weights
        gate.penalty_ = self.penalty(state)
        gate.means_ = np.tile(self.center, (len(state.weights), 1))
        gate.means_[:, self.columns] += state.means * self.scale[self.columns]
        gate.covariances_ = self._covariances(state)
        gate._kind, gate._columns = self.gate.covariance, np.flatnonzero(self.columns)
        gate._center, gate._scale = self.center[self.columns], self.scale[self.columns]
        gate._means, gate._whiteners = state.means, state.whiteners
        return gate

    def _covariances(self, state):
        """The covariances in the units of X, with zeros where columns do not vary."""
        # Squares of very large or small units are out of range; predictions do not use them.
        with np.errstate(over="ignore"):
            raw = self.covariance.rescaled(state.covariance, self.scale[self.columns])
        out = np.zeros(raw.shape[:1] + (len(self.columns),) * (raw.ndim - 1))
        out[np.ix_(np.arange(len(raw)), *[self.columns] * (raw.ndim - 1))] = raw
        return self.covariance.public(out)


def _take_columns(matrix, kept):
    """Columns of a design, without a copy where they are all but its last."""
    if len(kept) == matrix.shape[1] - 1:
        return matrix[:, :-1]
    return np.asfortranarray(matrix[:, kept])


def _standardised(X, columns, center, scale):
    """Return rows of X, in its own units, as standardised rows."""
    with np.errstate(over="ignore"):
        if sparse.issparse(X):
            scaled = sparse.csr_matrix(X[:, columns] @ sparse.diags(1.0 / scale))
            np.clip(scaled.data, -_FARTHEST, _FARTHEST, out=scaled.data)
            return as_rows(scaled, center / scale)
        return as_rows(np.clip((X[:, columns] - center) / scale, -_FARTHEST, _FARTHEST), 0.0)
