"""The exception that the command line shows to its user."""


class UsageError(Exception):
    """An error that the user can correct; only its message is shown, as one line."""
