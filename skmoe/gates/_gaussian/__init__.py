"""The Gaussian gate."""
