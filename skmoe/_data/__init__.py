"""Rows and columns: what training data are made of."""
