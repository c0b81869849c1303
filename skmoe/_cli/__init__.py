"""The command line: a mixture of experts against its rivals, on embedded data or a CSV table."""

from ._app import main

__all__ = ["main"]
