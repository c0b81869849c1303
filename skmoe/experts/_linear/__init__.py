"""Linear experts with Gaussian errors, solved in one batch."""
