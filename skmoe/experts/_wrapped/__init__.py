"""Experts of any kind: one fit per expert and iteration."""
