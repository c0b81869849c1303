"""Coefficients of a mixture of linear experts, with standard errors, as a table."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from ._covariance import Coordinates, Inverse, coordinates
from ._information import ExpertPart, SoftmaxPart, observed
from ._likelihood import build_likelihood
from ._linear import check_model, is_shared, last_step, read_parameters
from ._penalties import Penalty, Prior, expert_penalty, gate_penalty
from ._types import Bools, Floats, Mixture

if TYPE_CHECKING:
    from pandas import DataFrame

#: Distance of the maximum, in standard errors, from which on there is a warning.
_FAR = 0.3

_COLUMNS = ("coef", "std_err", "z", "p", "low", "high")

_ERRORS = {"observed": "the observed information", "sandwich": "the sandwich"}


class Summary:
    """Table of parameters with standard errors, as `summary` and `bootstrap` return it.

    Parameters
    ----------
    labels : list of (str, str, str)
        Part ("expert", "gate" or "dispersion"), expert and name of each parameter.
    coef : array-like of shape (P,)
        Values in the units of X and y.
    covariance : array-like of shape (P, P)
        NaN where it is not determined.
    shares : dict of str to float
        Share of the weight of each expert.
    errors : str
        The source of the standard errors, in words.
    coverage : float, default=0.95
        Coverage of the intervals.
    samples : ndarray of shape (B, P), default=None
        Values in resamples, whose percentiles are the intervals. None for normal intervals;
        intervals of dispersions are then normal on the scale of the logarithm.

    Attributes
    ----------
    std_err : ndarray of shape (P,)
        Standard errors.
    z : ndarray of shape (P,)
        Values over standard errors; NaN for dispersions, which are never zero.
    p : ndarray of shape (P,)
        Two-sided p values of the hypothesis that the parameter is zero, by the normal law.
    low, high : ndarray of shape (P,)
        Ends of the intervals.

    See Also
    --------
    summary : Standard errors from the likelihood.
    bootstrap : Standard errors from resamples.

    Examples
    --------
    >>> from skmoe.inspection import Summary
    >>> labels = [("expert", "expert_0", "intercept"), ("expert", "expert_0", "x0")]
    >>> table = Summary(labels, [1.0, 2.0], [[0.01, 0], [0, 0.04]], {"expert_0": 1.0}, "theory")
    >>> table.std_err
    array([0.1, 0.2])
    """

    def __init__(
        self,
        labels: Iterable[tuple[str, str, str]],
        coef: ArrayLike,
        covariance: ArrayLike,
        shares: Mapping[str, float],
        errors: str,
        *,
        coverage: float = 0.95,
        samples: Floats | None = None,
    ) -> None:
        self.labels: list[tuple[str, str, str]] = list(labels)
        self.shares: dict[str, float] = dict(shares)
        self.errors: str = errors
        self.coef: Floats = np.asarray(coef, dtype=np.float64)
        self.covariance: Floats = np.asarray(covariance, dtype=np.float64)
        self.coverage: float = coverage
        self.samples: Floats | None = samples
        self.std_err: Floats = np.sqrt(np.diag(self.covariance))
        positive = np.array([part == "dispersion" for part, _, _ in self.labels])
        with np.errstate(divide="ignore", invalid="ignore"):
            self.z: Floats = np.where(positive, np.nan, self.coef / self.std_err)
        self.p: Floats = 2.0 * ndtr(-np.abs(self.z))
        low, high = self._normal(positive) if samples is None else self._percentiles(samples)
        self.low: Floats = low
        self.high: Floats = high

    def _normal(self, positive: Bools) -> tuple[Floats, Floats]:
        width = ndtri(0.5 + 0.5 * self.coverage) * self.std_err
        factor = np.exp(np.divide(width, self.coef, where=positive, out=np.zeros_like(width)))
        low = np.where(positive, self.coef / factor, self.coef - width)
        return low, np.where(positive, self.coef * factor, self.coef + width)

    def _percentiles(self, samples: Floats) -> tuple[Floats, Floats]:
        ends = 0.5 + 0.5 * self.coverage * np.array([-1.0, 1.0])
        low, high = np.quantile(samples, ends, axis=0)
        return low, high

    def to_frame(self) -> DataFrame:
        """Return the table as a data frame.

        Returns
        -------
        DataFrame
            One row per parameter; columns part, expert, name, coef, std_err, z, p, low, high.
        """
        import pandas as pd

        frame = pd.DataFrame(self.labels, columns=["part", "expert", "name"])
        return frame.assign(**{name: getattr(self, name) for name in _COLUMNS})

    def __repr__(self) -> str:
        """Return the table as text: a section for each expert, then the gate."""
        lines = [f"standard errors from {self.errors}, intervals of {100 * self.coverage:g} %"]
        for title, rows in self._sections():
            cells = [("", *_COLUMNS), *((name, *self._cells(j)) for name, j in rows)]
            lines += ["", title, *(_aligned(cells) if rows else [])]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        head = "".join(f"<th>{name}</th>" for name in ("", *_COLUMNS))
        body = []
        for title, rows in self._sections():
            body.append(f'<tr><th colspan="7" style="text-align:left">{escape(title)}</th></tr>')
            for name, j in rows:
                cells = "".join(f"<td>{cell}</td>" for cell in self._cells(j))
                body.append(f'<tr><td style="text-align:left">{escape(name)}</td>{cells}</tr>')
        caption = self.__repr__().partition("\n")[0]
        return (
            f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def _cells(self, j: int) -> list[str]:
        return [_number(name, getattr(self, name)[j]) for name in _COLUMNS]

    def _sections(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return pairs of a title and the rows below it, each a name and its number."""
        names, sections = list(self.shares), []
        for expert, share in self.shares.items():
            sections.append((f"{expert}, share {share:.3f}", self._rows(expert, "dispersion")))
            sections[-1][1].extend(self._rows(expert, "expert"))
        sections += [("dispersion of all experts", self._rows("all", "dispersion"))]
        for expert in names[1:]:
            sections.append((f"gate, {expert} against {names[0]}", self._rows(expert, "gate")))
        return [(title, rows) for title, rows in sections if rows]

    def _rows(self, expert: str, part: str) -> list[tuple[str, int]]:
        found = [
            (name, j) for j, (p, e, name) in enumerate(self.labels) if (p, e) == (part, expert)
        ]
        return [("dispersion", j) for _, j in found] if part == "dispersion" else found


def _number(column: str, value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.2f}" if column == "z" else f"{value:.3f}" if column == "p" else f"{value:.4g}"


def _aligned(cells: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[1:] = [max(width, 9) for width in widths[1:]]
    for name, *numbers in cells:
        pairs = zip(numbers, widths[1:], strict=True)
        yield "  ".join([name.ljust(widths[0]), *(n.rjust(w) for n, w in pairs)]).rstrip()


def summary(
    est: Mixture,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    covariance: str = "observed",
    coverage: float = 0.95,
    groups: ArrayLike | None = None,
) -> Summary:
    r"""Coefficients of a mixture of linear or generalised linear experts with standard errors.

    The information is minus the Hessian of what ``fit`` maximised, the log-likelihood of the
    observed data less its penalties, at the fitted parameters of experts, gate and dispersions
    together. The errors include the uncertainty about the expert of each row. The information has
    a closed form in the responsibilities (Louis 1982). The penalties are the gate's `alpha` or
    `prior`, the `alpha` of ``Ridge``, the ``1 / C`` of ``LogisticRegression`` and the dispersion
    prior; those of other estimators are not included.

    Gate weights are determined up to a common vector. The table lists their differences from those
    of the first expert, the log-odds against it. Coefficients of a classifier with more than two
    classes are differences from those of the first class. Dispersions are maximum-likelihood
    estimates, without a correction for degrees of freedom: sigma of the ``Gaussian`` law, the
    squared coefficient of variation phi of ``Gamma``. ``Poisson`` has none.

    Parameters
    ----------
    est : MixtureOfExpertsRegressor or MixtureOfExpertsClassifier
        Fitted, with linear or logistic experts (estimators that have ``coef_`` and ``intercept_``
        and predict by them), a ``SoftmaxGate`` or ``ConstantGate``, and the ``Gaussian``
        response; or with the ``Poisson`` or ``Gamma`` response and regressions with a log link,
        such as ``PoissonRegressor(alpha=0)`` and ``GammaRegressor(alpha=0)``. Experts and gate
        may be the last step of a pipeline of transformers, which are taken as fixed.
    X : array-like, sparse matrix or data frame of shape (n, n_features)
        The table that `est` was fitted to.
    y : array-like of shape (n,)
        Its target.
    sample_weight : array-like of shape (n,), optional
        Its weights; a weight of two is the same as the row written twice.
    covariance : {"observed", "sandwich"}, default="observed"
        Inverse H of the information; or ``H J H``, where J is the sum of products of each
        row's score with itself, which is valid for misspecified models too (White 1982).
    coverage : float, default=0.95
        Coverage of the intervals. They are normal, for dispersions on the scale of the
        logarithm.
    groups : array-like of shape (n,), optional
        The groups that `est` was fitted with; a group then counts as one observation.

    Returns
    -------
    Summary
        Prints as a table; has ``to_frame()`` and ``covariance``.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If standard errors are not available for a parameter of `est`, or the input does not
        match it.
    TypeError
        If a part of `est` is of another kind; the message names it.

    Warns
    -----
    UserWarning
        If the data do not determine some parameters, whose standard errors are NaN. If the model
        is not at a maximum for this table.

    See Also
    --------
    bootstrap : Standard errors by refits, which need no asymptotic theory.

    References
    ----------
    Louis (1982). Finding the observed information matrix when using the EM algorithm. Journal of
    the Royal Statistical Society B 44, 226-233.

    White (1982). Maximum likelihood estimation of misspecified models. Econometrica 50, 1-25.

    Examples
    --------
    >>> from skmoe import MixtureOfExpertsRegressor
    >>> from skmoe.datasets import make_moe_regression
    >>> from skmoe.inspection import summary
    >>> X, y = make_moe_regression(n_experts=2, random_state=0)
    >>> model = MixtureOfExpertsRegressor(n_experts=2, random_state=0).fit(X, y)
    >>> table = summary(model, X, y)
    >>> len(table.coef), table.covariance.shape
    (20, (20, 20))
    """
    if covariance not in _ERRORS:
        raise ValueError(f"covariance must be one of {sorted(_ERRORS)}; got {covariance!r}")
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage must be between 0 and 1; got {coverage!r}")
    check_model(est)
    inverse, meat, frame, gradient = _expand(est, X, y, sample_weight, groups)
    labels, coef = read_parameters(est)
    _warn(labels, inverse.undetermined(frame.to_raw), inverse.distance(gradient))
    matrix = inverse.covariance(frame.to_raw, None if covariance == "observed" else meat)
    return Summary(labels, coef, matrix, shares(est), _ERRORS[covariance], coverage=coverage)


def shares(est: Mixture) -> dict[str, float]:
    """Return the share of the weight of each expert, by its name."""
    return dict(zip(est.named_experts_, est.expert_usage_.tolist(), strict=True))


def _expand(
    est: Mixture, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, groups: ArrayLike | None
) -> tuple[Inverse, Floats, Coordinates, Floats]:
    """Return the inverse Hessian at the fit, products of scores, coordinates and gradient."""
    experts, gate, units, y_scale = build_likelihood(est, X, y, sample_weight, groups)
    totals = observed(experts, gate, units)
    for at, (slope, hessian) in _penalties(est, experts, gate, y_scale):
        totals.score[at] -= slope
        totals.information[at, at] += hessian
    frame = coordinates(experts, gate, is_shared(est))
    full = frame.to_full
    inverse = Inverse(full.T @ totals.information @ full, units.weights.sum())
    return inverse, full.T @ totals.meat @ full, frame, full.T @ totals.score


def _penalties(
    est: Any, experts: list[ExpertPart], gate: SoftmaxPart, y_scale: float
) -> Iterator[tuple[slice, Penalty]]:
    """Yield the coordinates of each penalty, and its gradient and Hessian."""
    end, prior = 0, None
    if experts[0].dispersion is not None:
        prior = Prior.of(est.response_, y_scale, len(experts))
    for expert, part in zip(est.experts_, experts, strict=True):
        at, end = slice(end, end + part.size), end + part.size
        yield at, expert_penalty(last_step(expert), part, prior)
    yield slice(end, None), gate_penalty(last_step(est.gate_), gate)


def _warn(labels: list[tuple[str, str, str]], undetermined: Bools, distance: float) -> None:
    if undetermined.any():
        names = [" ".join(label) for label, flat in zip(labels, undetermined, strict=True) if flat]
        warnings.warn(
            f"the data do not determine {names}: their standard errors are NaN. Columns may be "
            "collinear or constant, the gate may separate experts completely, or the fit may not "
            "be at a maximum",
            UserWarning,
            stacklevel=3,
        )
    if distance > _FAR:
        warnings.warn(
            f"the maximum is about {distance:.1g} standard errors away from the fit: X, y, weights "
            "and groups must be those of fit, and a smaller tol may be needed",
            UserWarning,
            stacklevel=3,
        )
