"""Data drawn from a known mixture of experts."""

from numbers import Real
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.utils import check_random_state

from .._sklearn import Bunch
from ._checks import check_integer, check_real
from ._draws import (
    draw_categories,
    draw_centres,
    draw_coefficients,
    draw_gated_rows,
    linear_of_own_expert,
)

#: What a generator can be seeded with.
Seed = int | np.random.RandomState | None


@overload
def make_moe_regression(
    n_samples: int = ...,
    n_features: int = ...,
    *,
    n_experts: int = ...,
    n_informative: int | None = ...,
    n_targets: int = ...,
    noise: float | ArrayLike = ...,
    separation: float = ...,
    return_params: Literal[False] = ...,
    random_state: Seed = ...,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def make_moe_regression(
    n_samples: int = ...,
    n_features: int = ...,
    *,
    n_experts: int = ...,
    n_informative: int | None = ...,
    n_targets: int = ...,
    noise: float | ArrayLike = ...,
    separation: float = ...,
    return_params: Literal[True],
    random_state: Seed = ...,
) -> tuple[NDArray[np.float64], NDArray[np.float64], Bunch]: ...
def make_moe_regression(
    n_samples: int = 1000,
    n_features: int = 5,
    *,
    n_experts: int = 3,
    n_informative: int | None = None,
    n_targets: int = 1,
    noise: float | ArrayLike = 0.3,
    separation: float = 8.0,
    return_params: bool = False,
    random_state: Seed = None,
) -> tuple[Any, ...]:
    r"""Draw a regression table from a true mixture of linear-Gaussian experts.

    The features are independent standard normal variables. A softmax gate picks one expert for
    every row, and y is the linear function of that expert plus noise with its own spread:

    .. math::

        P(z = k \mid x) &= \frac{\exp(a_k^\top x + b_k)}{\sum_j \exp(a_j^\top x + b_j)}, \qquad
        a_k = \tfrac{2 s}{\delta^2} m_k, \quad
        b_k = -\tfrac{s}{\delta^2} \lVert m_k \rVert^2, \\
        y \mid x, z = k &\sim \mathcal{N}(C_k x + c_k,\; \sigma_k^2 I).

    The centres :math:`m_k` are spread over the rows so that all experts get shares of
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
        Number of columns that gate and experts depend on; the remaining ones, whose positions
        are drawn at random, have true coefficients of zero. `None` uses all columns.

    n_targets : int, default=1
        Number of outputs. With 1, `y` is one-dimensional.

    noise : float or array-like of shape (n_experts,), default=0.3
        Standard deviation of `y` around the linear function of its expert, in units of `y`;
        one value for all experts or one for each.

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
            Index of the true expert of each row.

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

    The residual around the true expert of a row is the noise alone:

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

    centres, informative = draw_centres(n_experts, n_features, n_informative, rng)
    X, gate = draw_gated_rows(n_samples, centres, separation, rng)
    expert_coef = draw_coefficients(n_experts, n_targets, informative, rng)
    expert_intercept = rng.standard_normal((n_experts, n_targets))
    y = linear_of_own_expert(X, gate.expert, expert_coef, expert_intercept)
    y += sigma[gate.expert, np.newaxis] * rng.standard_normal(y.shape)
    if n_targets == 1:
        y, expert_coef, expert_intercept = y[:, 0], expert_coef[:, 0], expert_intercept[:, 0]
    if not return_params:
        return X, y
    params = Bunch(expert_coef=expert_coef, expert_intercept=expert_intercept, sigma=sigma, **gate)
    return X, y, params


@overload
def make_moe_classification(
    n_samples: int = ...,
    n_features: int = ...,
    *,
    n_experts: int = ...,
    n_informative: int | None = ...,
    n_classes: int = ...,
    sharpness: float = ...,
    separation: float = ...,
    return_params: Literal[False] = ...,
    random_state: Seed = ...,
) -> tuple[NDArray[np.float64], NDArray[np.integer]]: ...
@overload
def make_moe_classification(
    n_samples: int = ...,
    n_features: int = ...,
    *,
    n_experts: int = ...,
    n_informative: int | None = ...,
    n_classes: int = ...,
    sharpness: float = ...,
    separation: float = ...,
    return_params: Literal[True],
    random_state: Seed = ...,
) -> tuple[NDArray[np.float64], NDArray[np.integer], Bunch]: ...
def make_moe_classification(
    n_samples: int = 1000,
    n_features: int = 5,
    *,
    n_experts: int = 3,
    n_informative: int | None = None,
    n_classes: int = 2,
    sharpness: float = 3.0,
    separation: float = 8.0,
    return_params: bool = False,
    random_state: Seed = None,
) -> tuple[Any, ...]:
    r"""Draw a classification table from a true mixture of multinomial logistic experts.

    The features are independent standard normal variables. A softmax gate picks one expert for
    every row, and that expert draws the label from its own multinomial logistic model:

    .. math::

        P(z = k \mid x) &= \frac{\exp(a_k^\top x + b_k)}{\sum_j \exp(a_j^\top x + b_j)}, \qquad
        a_k = \tfrac{2 s}{\delta^2} m_k, \quad
        b_k = -\tfrac{s}{\delta^2} \lVert m_k \rVert^2, \\
        P(y = c \mid x, z = k) &=
        \frac{\exp(C_{kc}^\top x + c_{kc})}{\sum_l \exp(C_{kl}^\top x + c_{kl})}.

    The centres :math:`m_k` are spread over the rows so that all experts get shares of
    similar size; :math:`\delta^2` is the mean squared distance from a centre to the nearest
    other one, and :math:`s` is `separation`. Expert coefficients are normal draws with standard
    deviation `sharpness`; with the intercepts :math:`c_{kc} = -C_{kc}^\top m_k` all classes are
    equally probable at the centre of each expert, so that no expert has a cell of one class. This
    is the model of [1]_ with known parameters.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.

    n_features : int, default=5
        Number of columns of `X`.

    n_experts : int, default=3
        Number of experts.

    n_informative : int, default=None
        Number of columns that gate and experts depend on; the remaining ones, whose positions
        are drawn at random, have true coefficients of zero. `None` uses all columns.

    n_classes : int, default=2
        Number of classes, at least 2. Labels are the integers from 0 to ``n_classes - 1``; a small
        sample need not contain all of them, as labels are drawn at random.

    sharpness : float, default=3.0
        Scale of the experts' logistic coefficients: 0 makes all labels equally probable, large
        values make the label nearly certain.

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
            Index of the true expert of each row.

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

    centres, informative = draw_centres(n_experts, n_features, n_informative, rng)
    X, gate = draw_gated_rows(n_samples, centres, separation, rng)
    expert_coef = sharpness * draw_coefficients(n_experts, n_classes, informative, rng)
    expert_intercept = -np.squeeze(expert_coef @ centres[:, :, np.newaxis], axis=2)
    logits = linear_of_own_expert(X, gate.expert, expert_coef, expert_intercept)
    y = draw_categories(softmax(logits, axis=1), rng)
    if not return_params:
        return X, y
    return X, y, Bunch(expert_coef=expert_coef, expert_intercept=expert_intercept, **gate)


def _check_shape(n_samples, n_features, n_experts, n_informative):
    """Check the sizes that both generators share."""
    check_integer("n_samples", n_samples, minimum=1)
    check_integer("n_features", n_features, minimum=1)
    check_integer("n_experts", n_experts, minimum=1)
    if n_informative is not None:
        check_integer("n_informative", n_informative, minimum=1, maximum=n_features)


def _check_noise(noise: Any, n_experts: int) -> NDArray[np.float64]:
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
