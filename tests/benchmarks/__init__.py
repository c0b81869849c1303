"""Benchmarks: scripts that print ratios measured in one run, on one thread."""
