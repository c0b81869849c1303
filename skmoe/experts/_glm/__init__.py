"""Poisson and gamma regressions, solved in one batch."""
