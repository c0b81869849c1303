"""The trainer of the Gaussian gate: closed-form M-steps of the joint model of expert and x."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ..._data.design import View
from ...em._protocols import Floats, GateSums, GateTrainer, Ints, State
from ._covariance import COVARIANCES, Covariance, SingularCovarianceError
from ._rows import DenseRows, SparseRows, as_rows, weighted_sums_of
from ._sums import Densities, GaussianPart

#: An expert with less than this share of the total weight keeps its last mean and covariance.
_MASS_FLOOR = 1e-8


class GaussianTrainer(GateTrainer):
    """Trainer of the joint model of expert and x, in closed form; a state is `Densities`.

    Parameters
    ----------
    gate : GaussianGate
    view : View of n rows
    """

    cheap: bool = True

    def __init__(self, gate: Any, view: View) -> None:
        self.gate, self.view = gate, view
        self.covariance: Covariance = COVARIANCES[gate.covariance]()
        design: Any = view.design
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
        shares, total_mass, means = self.weights_and_means(
            weighted_sums_of(self.rows, masses, mass), mass, state
        )
        prior = float(self.gate.prior)
        estimate = self.covariance.estimate(self.rows, masses, means, prior, total_mass)
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
        total_mass = mass + float(self.gate.prior)
        # The probability of an expert without mass stays positive: its logarithm is finite.
        shares = np.maximum(total_mass / total_mass.sum(), np.finfo(float).tiny)
        alive = shares > _MASS_FLOOR
        total_mass = np.where(alive, total_mass, _MASS_FLOOR * total_mass.sum())
        means = sums / total_mass[:, None]
        means[~alive] = 0.0 if state is None else state.means[~alive]
        return shares, total_mass, means

    def with_scatter(
        self,
        shares: Floats,
        total_mass: Floats,
        means: Floats,
        scatter: Floats,
        state: Densities | None,
    ) -> Densities:
        """Return the state of `weights_and_means`, given sums of squares about these means."""
        estimate = self.covariance.of_scatter(scatter, means, float(self.gate.prior), total_mass)
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

    def reading(self, gate: Any) -> Densities:
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

    def write(self, gate: Any, state: Densities) -> Any:
        """Set the fitted attributes of `gate` to those of a state."""
        gate.weights_ = state.weights
        gate.penalty_, gate._rank = self.penalty(state), self.view.rank
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
