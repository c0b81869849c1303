"""What EM trains: a gate, experts and a law, on one training set."""

from dataclasses import dataclass, replace

import numpy as np

#: An expert with less than this share of the total weight keeps its last fit.
MASS_FLOOR = 1e-8


@dataclass(frozen=True)
class Parameters:
    """One iterate of all parts.

    Attributes
    ----------
    gate, experts : object
        States of the gate's trainer and of the bank.
    dispersion : ndarray of shape (K, m) or None
        In units of the standard deviation of y.
    starved : tuple of int
        Experts that had no rows to learn from.
    """

    gate: object
    experts: object
    dispersion: np.ndarray | None
    starved: tuple = ()


class Training:
    """M-step and joint terms of one mixture on one training set.

    Parameters
    ----------
    gate : gate trainer
    bank : bank of experts
    law : response
    target : Target or Labels
    weights : ndarray of shape (n,)
        Sample weights, all positive.
    n_experts : int
    """

    def __init__(self, gate, bank, law, target, weights, n_experts):
        self.gate, self.bank, self.law = gate, bank, law
        self.target, self.weights, self.n_experts = target, weights, n_experts
        self.y = getattr(target, "values", None)
        self._unit_weights = bool((weights == 1.0).all())

    @property
    def cheap(self):
        """Whether an iteration costs little: all parts are solved in batches."""
        return self.bank.cheap and self.gate.cheap

    def m_step(self, resp, old):
        """Improve all parts given responsibilities; the engine's callable.

        Parameters
        ----------
        resp : ndarray of shape (n, K)
        old : Parameters or None

        Returns
        -------
        parameters : Parameters
        log_gate, log_density : ndarray of shape (n, K)
            Of the new parameters; the density in the units of y.
        penalty : float
        """
        masses = resp if self._unit_weights else resp * self.weights[:, None]
        gate = self.gate.update(masses, old and old.gate)
        alive = masses.sum(axis=0) > MASS_FLOOR * self.weights.sum()
        if old is None and not alive.all():
            # Without a last fit to keep, an expert without rows learns a little from all.
            idle = MASS_FLOOR * self.weights[:, None]
            masses = np.where(alive, masses, idle)
        experts = self.bank.update(masses, old and old.experts, alive)
        answers = self.bank.predictions(experts)
        quadratic = self.bank.penalties(experts)
        dispersion = self.law.fit_dispersion(self.y, answers, masses, quadratic)
        if old is not None and dispersion is not None and not alive.all():
            dispersion = np.where(alive[:, None], dispersion, old.dispersion)
        parameters = Parameters(gate, experts, dispersion, tuple(np.flatnonzero(~alive).tolist()))
        return parameters, *self._terms(parameters, answers, quadratic)

    def _terms(self, parameters, answers, quadratic):
        log_gate = self.gate.log_proba(parameters.gate)
        log_density = self.law.log_density(self.y, answers, parameters.dispersion)
        if self.target.log_scale:
            log_density -= self.target.log_scale
        penalty = self.law.penalty(parameters.dispersion, quadratic)
        return log_gate, log_density, penalty + self.gate.penalty(parameters.gate)

    def terms(self, parameters):
        """Return what `m_step` returns for parameters that are already there."""
        answers = self.bank.predictions(parameters.experts)
        quadratic = self.bank.penalties(parameters.experts)
        return parameters, *self._terms(parameters, answers, quadratic)

    def strip(self, parameters):
        """Parameters without (n, K) arrays, to be kept while others are tried."""
        return replace(
            parameters,
            gate=self.gate.strip(parameters.gate),
            experts=self.bank.strip(parameters.experts),
        )

    def restore(self, parameters):
        """The parameters that `strip` made small."""
        return replace(
            parameters,
            gate=self.gate.restore(parameters.gate),
            experts=self.bank.restore(parameters.experts),
        )
