"""Data drawn from a known mixture of experts."""

from numbers import Real

import numpy as np
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import Bunch, check_random_state

from ._checks import check_integer, check_real

# Rows of the cloud, per expert, whose k-means centres become the centres of the gate. A few
# hundred give every expert a share within some hundredths of 1 / n_experts.
_CLOUD_ROWS_PER_EXPERT = 200


def make_moe_regression(
    n_samples=1000,
    n_features=5,
    *,
    n_experts=3,
    n_informative=None,
    n_targets=1,
    noise=0.3,
    separation=8.0,
    return_params=False,
    random_state=None,
):
    r"""Draw a regression table from a true mixture of linear-Gaussian experts.

    The features are independent standard normal variables. A softmax gate picks one expert for
    every row, and that expert answers with its own linear function and its own noise:

    .. math::

        P(z = k \mid x) &= \frac{\exp(a_k^\top x + b_k)}{\sum_j \exp(a_j^\top x + b_j)}, \qquad
        a_k = \tfrac{2 s}{\delta^2} m_k, \quad
        b_k = -\tfrac{s}{\delta^2} \lVert m_k \rVert^2, \\
        y \mid x, z = k &\sim \mathcal{N}(C_k x + c_k,\; \sigma_k^2 I).

    The centres :math:`m_k` are spread over the cloud of rows so that all experts get shares of
    similar size; :math:`\delta^2` is the mean squared distance from a centre to the nearest
    other one, and :math:`s` is `separation`. Expert coefficients and intercepts are standard
    normal draws. This is the model of [1]_ with known parameters.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.

    n_features : int, default=5
        Number of columns of `X`.

    n_experts : int, default=3
        Number of experts.

    n_informative : int, default=None
        How many columns gate and experts depend on; the remaining ones, whose positions are
        drawn at random, have true coefficients of zero. `None` uses all columns.

    n_targets : int, default=1
        Number of outputs. With 1, `y` is one-dimensional.

    noise : float or array-like of shape (n_experts,), default=0.3
        Standard deviation of `y` around the expert that made it, in units of `y`; one value for
        all experts or one for each.

    separation : float, default=8.0
        Steepness of the gate: the log-odds of an expert against its nearest neighbour at its
        own centre, on average over experts. 0 makes the gate constant with equal shares (a
        mixture of regressions whose shares do not depend on `x`); large values approach a hard
        partition of the space into the cells nearest to each centre.

    return_params : bool, default=False
        Whether to return the true parameters too.

    random_state : int, RandomState instance or None, default=None
        Seed of all draws, parameters included.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The features.

    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        The target.

    params : :class:`~sklearn.utils.Bunch`
        Only if `return_params` is true, with these attributes:

        gate_coef : ndarray of shape (n_experts, n_features)
            :math:`a_k`.
        gate_intercept : ndarray of shape (n_experts,)
            :math:`b_k`.
        expert_coef : ndarray of shape (n_experts[, n_targets], n_features)
            :math:`C_k`.
        expert_intercept : ndarray of shape (n_experts,) or (n_experts, n_targets)
            :math:`c_k`.
        sigma : ndarray of shape (n_experts,)
            :math:`\sigma_k`.
        expert : ndarray of shape (n_samples,)
            Index of the expert that made each row.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter is out of range, or `noise` has the wrong length.

    See Also
    --------
    make_moe_classification : The same for class labels.

    References
    ----------
    .. [1] R. A. Jacobs, M. I. Jordan, S. J. Nowlan, G. E. Hinton, "Adaptive mixtures of local
           experts", Neural Computation 3(1), 1991, pages 79-87.

    Examples
    --------
    >>> from skmoe.datasets import make_moe_regression
    >>> X, y, params = make_moe_regression(
    ...     n_samples=200, n_features=4, return_params=True, random_state=0
    ... )
    >>> X.shape, y.shape
    ((200, 4), (200,))
    >>> params.gate_coef.shape, params.expert_coef.shape, params.sigma
    ((3, 4), (3, 4), array([0.3, 0.3, 0.3]))

    The residual around the expert that made a row is the noise alone:

    >>> prediction = X @ params.expert_coef.T + params.expert_intercept
    >>> residual = y - prediction[range(200), params.expert]
    >>> print(f"{residual.std():.2f}")
    0.29
    """
    _check_shape(n_samples, n_features, n_experts, n_informative)
    check_integer("n_targets", n_targets, minimum=1)
    sigma = _check_noise(noise, n_experts)
    check_real("separation", separation, minimum=0.0)
    rng = check_random_state(random_state)

    centres, informative = _draw_centres(n_experts, n_features, n_informative, rng)
    X, gate = _draw_gated_rows(n_samples, centres, separation, rng)
    expert_coef = _draw_coefficients(n_experts, n_targets, informative, rng)
    expert_intercept = rng.standard_normal((n_experts, n_targets))
    y = _linear_of_own_expert(X, gate.expert, expert_coef, expert_intercept)
    y += sigma[gate.expert, np.newaxis] * rng.standard_normal(y.shape)
    if n_targets == 1:
        y, expert_coef, expert_intercept = y[:, 0], expert_coef[:, 0], expert_intercept[:, 0]
    if not return_params:
        return X, y
    params = Bunch(expert_coef=expert_coef, expert_intercept=expert_intercept, sigma=sigma, **gate)
    return X, y, params


def make_moe_classification(
    n_samples=1000,
    n_features=5,
    *,
    n_experts=3,
    n_informative=None,
    n_classes=2,
    sharpness=3.0,
    separation=8.0,
    return_params=False,
    random_state=None,
):
    r"""Draw a classification table from a true mixture of multinomial logistic experts.

    The features are independent standard normal variables. A softmax gate picks one expert for
    every row, and that expert draws the label from its own multinomial logistic model:

    .. math::

        P(z = k \mid x) &= \frac{\exp(a_k^\top x + b_k)}{\sum_j \exp(a_j^\top x + b_j)}, \qquad
        a_k = \tfrac{2 s}{\delta^2} m_k, \quad
        b_k = -\tfrac{s}{\delta^2} \lVert m_k \rVert^2, \\
        P(y = c \mid x, z = k) &=
        \frac{\exp(C_{kc}^\top x + c_{kc})}{\sum_l \exp(C_{kl}^\top x + c_{kl})}.

    The centres :math:`m_k` are spread over the cloud of rows so that all experts get shares of
    similar size; :math:`\delta^2` is the mean squared distance from a centre to the nearest
    other one, and :math:`s` is `separation`. Expert coefficients are normal draws with standard
    deviation `sharpness`; the intercepts :math:`c_{kc} = -C_{kc}^\top m_k` let the classes meet at
    the centre of each expert, so that none has an easy cell of one class. This is the model of
    [1]_ with known parameters.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.

    n_features : int, default=5
        Number of columns of `X`.

    n_experts : int, default=3
        Number of experts.

    n_informative : int, default=None
        How many columns gate and experts depend on; the remaining ones, whose positions are
        drawn at random, have true coefficients of zero. `None` uses all columns.

    n_classes : int, default=2
        Number of classes, at least 2. Labels are the integers from 0 to ``n_classes - 1``; being
        draws, a small sample need not contain all of them.

    sharpness : float, default=3.0
        Scale of the experts' logistic coefficients: 0 makes every label a fair draw, large
        values let an expert decide with certainty.

    separation : float, default=8.0
        Steepness of the gate: the log-odds of an expert against its nearest neighbour at its
        own centre, on average over experts. 0 makes the gate constant with equal shares; large
        values approach a hard partition of the space into the cells nearest to each centre.

    return_params : bool, default=False
        Whether to return the true parameters too.

    random_state : int, RandomState instance or None, default=None
        Seed of all draws, parameters included.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The features.

    y : ndarray of shape (n_samples,)
        The labels, integers.

    params : :class:`~sklearn.utils.Bunch`
        Only if `return_params` is true, with these attributes:

        gate_coef : ndarray of shape (n_experts, n_features)
            :math:`a_k`.
        gate_intercept : ndarray of shape (n_experts,)
            :math:`b_k`.
        expert_coef : ndarray of shape (n_experts, n_classes, n_features)
            :math:`C_{kc}`.
        expert_intercept : ndarray of shape (n_experts, n_classes)
            :math:`c_{kc}`.
        expert : ndarray of shape (n_samples,)
            Index of the expert that made each row.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter is out of range.

    See Also
    --------
    make_moe_regression : The same for a continuous target.

    References
    ----------
    .. [1] M. I. Jordan, R. A. Jacobs, "Hierarchical mixtures of experts and the EM algorithm",
           Neural Computation 6(2), 1994, pages 181-214.

    Examples
    --------
    >>> from skmoe.datasets import make_moe_classification
    >>> X, y, params = make_moe_classification(
    ...     n_samples=200, n_features=4, n_classes=3, return_params=True, random_state=0
    ... )
    >>> X.shape, y.shape, params.expert_coef.shape
    ((200, 4), (200,), (3, 3, 4))
    """
    _check_shape(n_samples, n_features, n_experts, n_informative)
    check_integer("n_classes", n_classes, minimum=2)
    check_real("sharpness", sharpness, minimum=0.0)
    check_real("separation", separation, minimum=0.0)
    rng = check_random_state(random_state)

    centres, informative = _draw_centres(n_experts, n_features, n_informative, rng)
    X, gate = _draw_gated_rows(n_samples, centres, separation, rng)
    expert_coef = sharpness * _draw_coefficients(n_experts, n_classes, informative, rng)
    expert_intercept = -np.squeeze(expert_coef @ centres[:, :, np.newaxis], axis=2)
    logits = _linear_of_own_expert(X, gate.expert, expert_coef, expert_intercept)
    y = _draw_categories(softmax(logits, axis=1), rng)
    if not return_params:
        return X, y
    return X, y, Bunch(expert_coef=expert_coef, expert_intercept=expert_intercept, **gate)


def _draw_centres(n_experts, n_features, n_informative, rng):
    """Return the centres, zero in idle columns, and the mask of informative columns."""
    if n_informative is None:
        n_informative = n_features
    informative = rng.permutation(n_features) < n_informative
    centres = np.zeros((n_experts, n_features))
    centres[:, informative] = _spread_centres(n_experts, n_informative, rng)
    return centres, informative


def _spread_centres(n_experts, n_dimensions, rng):
    """Return centres whose nearest-centre cells hold similar shares of a standard normal."""
    cloud = rng.standard_normal((_CLOUD_ROWS_PER_EXPERT * n_experts, n_dimensions))
    # A seed of its own: how much KMeans draws is not ours to know, and must not move later draws.
    seed = rng.randint(np.iinfo(np.int32).max)
    return KMeans(n_experts, n_init=1, random_state=seed).fit(cloud).cluster_centers_


def _nearest_squared_distance(centres):
    """Return the squared distance to the nearest other centre, averaged over centres."""
    if centres.shape[0] == 1:
        return 1.0  # a lone expert has no neighbour, and its gate is 1 whatever the scale
    nearest = NearestNeighbors(n_neighbors=1).fit(centres).kneighbors()[0]
    return np.mean(nearest**2)


def _draw_gated_rows(n_samples, centres, separation, rng):
    """Return the rows and a Bunch of the gate's coefficients and the expert of each row."""
    steepness = separation / _nearest_squared_distance(centres)
    coef = 2 * steepness * centres
    intercept = -steepness * np.sum(centres**2, axis=1)
    X = rng.standard_normal((n_samples, centres.shape[1]))
    expert = _draw_categories(softmax(X @ coef.T + intercept, axis=1), rng)
    return X, Bunch(gate_coef=coef, gate_intercept=intercept, expert=expert)


def _draw_coefficients(n_experts, n_outputs, informative, rng):
    """Return standard normal coefficients, zero for columns that are not informative."""
    coef = rng.standard_normal((n_experts, n_outputs, informative.size))
    return np.where(informative, coef, 0.0)


def _linear_of_own_expert(X, expert, coef, intercept):
    """Return, for every row, the linear outputs of the expert that makes it."""
    out = np.empty((X.shape[0], intercept.shape[1]))
    for k in range(coef.shape[0]):
        rows = expert == k
        out[rows] = X[rows] @ coef[k].T + intercept[k]
    return out


def _draw_categories(probabilities, rng):
    """Draw one index per row from the probabilities in that row."""
    cumulative = np.cumsum(probabilities, axis=1)
    # Scaling by the last entry, not by one, keeps a rounded sum from yielding an index too many.
    threshold = rng.uniform(size=(probabilities.shape[0], 1)) * cumulative[:, -1:]
    return np.sum(threshold >= cumulative[:, :-1], axis=1)


def _check_shape(n_samples, n_features, n_experts, n_informative):
    """Check the sizes that both generators share."""
    check_integer("n_samples", n_samples, minimum=1)
    check_integer("n_features", n_features, minimum=1)
    check_integer("n_experts", n_experts, minimum=1)
    if n_informative is not None:
        check_integer("n_informative", n_informative, minimum=1, maximum=n_features)


def _check_noise(noise, n_experts):
    """Return one standard deviation per expert."""
    if isinstance(noise, Real):
        check_real("noise", noise, minimum=0.0)
        return np.full(n_experts, float(noise))
    try:
        sigma = np.array(noise, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"noise must be a number or an array of numbers, got {noise!r}.") from error
    if sigma.shape != (n_experts,):
        raise ValueError(
            f"noise must be a number or have shape (n_experts,) = ({n_experts},), "
            f"got shape {sigma.shape}."
        )
    if not np.all((sigma >= 0) & np.isfinite(sigma)):
        raise ValueError(f"noise must hold finite numbers >= 0, got {noise!r}.")
    return sigma
