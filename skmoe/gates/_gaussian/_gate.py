"""The Gaussian gate: a Gaussian density of x for each expert."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._data.design import View
from ..._data.numerics import blocks, log_softmax
from ..._data.sparse import row_blocks
from ..._sklearn import FLOATS, BaseEstimator, Interval, StrOptions
from ...em._protocols import Floats, GateTrainer, Ints
from .._targets import GateMixin, check_targets
from ._covariance import COVARIANCES, Rows
from ._rows import as_rows
from ._trainer import GaussianTrainer

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
        Number of free parameters of the probabilities. Their log-odds are quadratic
        functions of x with as many coefficients as a mean and a covariance have, linear
        ones with "tied", one function for every expert but one. Columns that are
        constant, or combinations of others, add none.
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

    #: Rank of the columns and a constant; None in gates that an earlier version has stored.
    _rank: int | None = None

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
        """Number of free parameters of the probabilities.

        The densities of the experts have more. Those of one expert, the density of all rows,
        cancel in the probabilities.
        """
        check_is_fitted(self)
        n_experts, d = self._means.shape
        d = d if self._rank is None else self._rank - 1
        return (n_experts - 1) * (1 + d + COVARIANCES[self._kind]().count(d))

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


def _standardised(X: Any, columns: Ints, center: Floats, scale: Floats) -> Rows:
    """Return rows of X, which has its own units, as standardised rows."""
    with np.errstate(over="ignore"):
        if sparse.issparse(X):
            scaled = sparse.csr_matrix(X[:, columns] @ sparse.diags(1.0 / scale))
            np.clip(scaled.data, -_FARTHEST, _FARTHEST, out=scaled.data)
            return as_rows(scaled, center / scale)
        return as_rows(np.clip((X[:, columns] - center) / scale, -_FARTHEST, _FARTHEST), 0.0)
