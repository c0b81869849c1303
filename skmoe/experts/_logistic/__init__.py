"""Multinomial logistic experts, solved in one batch."""
