"""The command line: it compares a mixture of experts with other models on a table."""

from ._app import main

__all__ = ["main"]
